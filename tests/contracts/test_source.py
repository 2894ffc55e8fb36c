"""What every SourceControl promises."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import pytest
from tests.fakes.source import FakeSource

from runproj.adapters.source.git import GitSource
from runproj.errors import ProjectError, Refused, StoreError, UsageError
from runproj.ports import SourceControl

NOWHERE = "0123456789" * 4
Make: TypeAlias = Callable[..., SourceControl]


@pytest.fixture(params=["fake", "git"])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Make:
    if request.param == "fake":
        return FakeSource
    return lambda **limits: GitSource(str(tmp_path / "store.git"), **limits)


@pytest.fixture
def source(make: Make) -> SourceControl:
    return make()


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    (folder / "code").mkdir(parents=True)
    (folder / "runproj.yaml").write_text("runproj: 1\n")
    (folder / "code" / "train.py").write_bytes(b"print(1)\r\n\0")
    (folder / "code" / "run.sh").write_text("#!/bin/sh\n")
    (folder / "code" / "run.sh").chmod(0o755)
    (folder / "latest").symlink_to("nowhere/at all")
    return folder


def tree_of(source: SourceControl, folder: Path) -> str:
    return source.snapshot(str(folder), str(folder)).tree


def test_the_fake_gives_the_ids_that_git_gives(project: Path, tmp_path: Path) -> None:
    (project / "code.py").write_text("sorts between the folder's name and what is in it")
    (project / "code" / "deep" / "er").mkdir(parents=True)
    (project / "code" / "deep" / "er" / "ü").touch()
    real = GitSource(str(tmp_path / "store.git"))
    assert tree_of(FakeSource(), project) == tree_of(real, project)


def test_a_fake_can_be_made_of_a_dict(project: Path) -> None:
    fake = FakeSource({"runproj.yaml": b"runproj: 1\n"})
    first = tree_of(fake, project)
    assert fake.read(first, "runproj.yaml") == b"runproj: 1\n"
    assert fake.files is not None
    fake.files["new.py"] = b""
    assert set(fake.manifest(tree_of(fake, project))) == {"runproj.yaml", "new.py"}


def test_the_same_code_in_another_folder_is_the_same_tree(
    source: SourceControl, project: Path, tmp_path: Path
) -> None:
    shutil.copytree(project, tmp_path / "other", symlinks=True)
    assert tree_of(source, project) == tree_of(source, tmp_path / "other")


def test_any_change_of_a_file_is_another_tree(source: SourceControl, project: Path) -> None:
    file = project / "code" / "train.py"
    seen = [tree_of(source, project)]
    file.write_bytes(b"print(2)\r\n\0")
    seen.append(tree_of(source, project))
    file.chmod(0o755)
    seen.append(tree_of(source, project))
    file.rename(project / "train.py")
    seen.append(tree_of(source, project))
    (project / "train.py").unlink()
    seen.append(tree_of(source, project))
    assert len(set(seen)) == 5


def test_a_change_that_is_taken_back_is_the_old_tree(source: SourceControl, project: Path) -> None:
    first = tree_of(source, project)
    (project / "more.py").touch()
    assert tree_of(source, project) != first
    (project / "more.py").unlink()
    assert tree_of(source, project) == first


def test_a_manifest_has_mode_and_object_id_of_every_file(
    source: SourceControl, project: Path
) -> None:
    manifest = source.manifest(tree_of(source, project))
    assert {path: entry.split(" ")[0] for path, entry in manifest.items()} == {
        "runproj.yaml": "100644",
        "code/train.py": "100644",
        "code/run.sh": "100755",
        "latest": "120000",
    }
    assert all(len(entry.split(" ")[1]) == 40 for entry in manifest.values())


def test_a_file_of_a_tree_can_be_read(source: SourceControl, project: Path) -> None:
    tree = tree_of(source, project)
    assert source.read(tree, "code/train.py") == b"print(1)\r\n\0"
    assert source.read(tree, "latest") == b"nowhere/at all"
    assert source.read(tree, "code/test.py") is None
    assert source.read(tree, "code") is None


def test_a_checkout_is_what_was_there(source: SourceControl, project: Path, tmp_path: Path) -> None:
    source.checkout(tree_of(source, project), str(tmp_path / "out"))
    out = tmp_path / "out"
    assert (out / "code" / "train.py").read_bytes() == b"print(1)\r\n\0"
    assert (out / "code" / "run.sh").stat().st_mode & 0o111 == 0o111
    assert not (out / "runproj.yaml").stat().st_mode & 0o111
    assert str((out / "latest").readlink()) == "nowhere/at all"
    assert sorted(path.name for path in out.iterdir()) == ["code", "latest", "runproj.yaml"]


def test_a_checkout_can_be_of_some_files(
    source: SourceControl, project: Path, tmp_path: Path
) -> None:
    tree = tree_of(source, project)
    source.checkout(tree, str(tmp_path / "some"), ["code/run.sh"])
    source.checkout(tree, str(tmp_path / "none"), [])
    files = [path for path in (tmp_path / "some").rglob("*") if path.is_file()]
    assert files == [tmp_path / "some" / "code" / "run.sh"]
    assert not list((tmp_path / "none").iterdir())


def test_a_checkout_needs_an_empty_folder(source: SourceControl, project: Path) -> None:
    tree = tree_of(source, project)
    with pytest.raises(StoreError, match="empty"):
        source.checkout(tree, str(project))


def test_a_tree_or_path_that_is_not_kept_is_an_error_of_the_store(
    source: SourceControl, project: Path, tmp_path: Path
) -> None:
    tree = tree_of(source, project)
    with pytest.raises(StoreError):
        source.checkout(tree, str(tmp_path / "a"), ["code/test.py"])
    with pytest.raises(StoreError):
        source.checkout(NOWHERE, str(tmp_path / "b"))
    with pytest.raises(StoreError):
        source.manifest(NOWHERE)
    with pytest.raises(StoreError):
        source.read(NOWHERE, "runproj.yaml")


def test_a_snapshot_outlives_the_folder(
    source: SourceControl, project: Path, tmp_path: Path
) -> None:
    tree = tree_of(source, project)
    shutil.rmtree(project)
    source.checkout(tree, str(tmp_path / "out"))
    assert (tmp_path / "out" / "runproj.yaml").read_text() == "runproj: 1\n"


def test_what_tools_leave_behind_is_no_code(source: SourceControl, project: Path) -> None:
    before = tree_of(source, project)
    for name in (".runproj", "__pycache__", "code/__pycache__", ".venv", "node_modules"):
        (project / name).mkdir()
        (project / name / "file.txt").write_text("x")
    assert tree_of(source, project) == before


def test_an_empty_folder_is_not_kept(source: SourceControl, project: Path) -> None:
    before = tree_of(source, project)
    (project / "empty" / "er").mkdir(parents=True)
    assert tree_of(source, project) == before


def test_a_project_without_files_has_the_empty_tree(source: SourceControl, tmp_path: Path) -> None:
    (tmp_path / "nothing").mkdir()
    tree = tree_of(source, tmp_path / "nothing")
    assert not source.manifest(tree)
    source.checkout(tree, str(tmp_path / "out"))
    assert not list((tmp_path / "out").iterdir())


def test_outside_of_a_repository_there_is_no_commit(source: SourceControl, project: Path) -> None:
    snapshot = source.snapshot(str(project), str(project))
    assert snapshot.project_path == ""
    assert (snapshot.commit, snapshot.branch, snapshot.remote) == (None, None, None)
    assert snapshot.dirty is None
    assert snapshot.warnings == ()


def test_the_root_may_be_above_the_project(source: SourceControl, project: Path) -> None:
    snapshot = source.snapshot(str(project / "code"), str(project))
    assert snapshot.project_path == "code"
    assert snapshot.tree == tree_of(source, project)


def test_the_root_may_not_be_beside_the_project_or_missing(
    source: SourceControl, project: Path
) -> None:
    with pytest.raises(UsageError):
        source.snapshot(str(project), str(project / "code"))
    with pytest.raises(ProjectError):
        source.snapshot(str(project / "gone"), str(project / "gone"))


def test_a_large_file_is_refused(make: Make, project: Path) -> None:
    (project / "data.bin").write_bytes(b"0" * 101)
    with pytest.raises(Refused) as refused:
        tree_of(make(size_limit=100), project)
    assert refused.value.problems[0].where == "data.bin"


def test_a_private_key_is_refused(source: SourceControl, project: Path) -> None:
    (project / "id_rsa").write_text("secret")
    with pytest.raises(Refused):
        tree_of(source, project)
