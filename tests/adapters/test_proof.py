"""Proving that code is what its tree's name says."""

from pathlib import Path

import pytest

from runproj.adapters.source.git import GitSource
from runproj.adapters.source.proof import first_wrong, tree_id
from runproj.adapters.source.store import Store

ODD = ['"quoted"', "two\nlines", "a.b", "a/b", "a-b/c", "ü"]


@pytest.mark.parametrize("more", [0, 150])
def test_code_with_odd_names_is_proved_and_a_wrong_file_is_named(tmp_path: Path, more: int) -> None:
    project = tmp_path / "project"
    for name in [*ODD, *(f"many/{number}" for number in range(more))]:
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).write_text(name)
    (project / "link").symlink_to("a.b")
    (project / "a.b").chmod(0o755)
    store = tmp_path / "source.git"
    source = GitSource(str(store))
    tree = source.snapshot(str(project), str(project)).tree
    manifest = source.manifest(tree)
    assert tree_id(manifest) == tree
    out = tmp_path / "out"
    source.checkout(tree, str(out))

    def wrong() -> str | None:
        return first_wrong(Store(str(store)), tree, manifest, str(out), list(manifest))

    assert wrong() is None
    for name in ODD:
        (out / name).write_text("other")
        assert wrong() == f"{name} is damaged"
        (out / name).write_text(name)
    (out / "link").unlink()
    (out / "link").symlink_to("a/b")
    assert wrong() == "link is damaged"
