"""What a step was seen to look at, compared with what stands there now."""

import pytest

from runproj.record.observation import Observation, SeenSource

MANIFEST = {
    "a.py": "100644 1",
    "lib/b.py": "100644 2",
    "lib/deep/c.py": "100644 3",
    "link": "120000 4",
    "../shared/d.py": "100644 5",
    "../../far/e.py": "100644 6",
}


@pytest.mark.parametrize(
    ("path", "stands"),
    [
        ("a.py", "100644 1"), ("lib", "folder"), ("lib/deep", "folder"), (".", "folder"),
        ("nothing", ""), ("lib/nothing", ""), ("link/inside", "behind 120000 4"),
        ("../shared", "folder"), ("../shared/d.py", "100644 5"), ("../../far", "folder"),
    ],
)  # fmt: skip
def test_what_stands_at_a_path(path: str, stands: str) -> None:
    assert SeenSource(MANIFEST).at(path) == stands


def digest(manifest: dict[str, str]) -> str:
    return SeenSource(manifest).digest(["a.py", "config.ini", "lib", "link/x"], ["lib"])


@pytest.mark.parametrize(
    "change",
    [
        {"a.py": "100644 9"}, {"a.py": "100755 1"}, {"config.ini": "100644 1"},
        {"lib/new.py": "100644 1"}, {"link": "120000 9"}, {"lib/new/x.py": "100644 1"},
    ],
)  # fmt: skip
def test_a_change_of_what_was_seen_is_seen(change: dict[str, str]) -> None:
    assert digest({**MANIFEST, **change}) != digest(MANIFEST)


@pytest.mark.parametrize(
    "change",
    [{"README": "100644 1"}, {"lib/b.py": "100644 9"}, {"lib/deep/new.py": "100644 1"}],
)
def test_a_change_of_anything_else_is_not(change: dict[str, str]) -> None:
    assert digest({**MANIFEST, **change}) == digest(MANIFEST)


def test_a_file_that_goes_is_seen_by_its_path_and_by_its_folder() -> None:
    without = {path: entry for path, entry in MANIFEST.items() if path != "lib/b.py"}
    assert digest(without) != digest(MANIFEST)
    assert SeenSource(without).digest([], ["."]) == SeenSource(MANIFEST).digest([], ["."])


@pytest.mark.parametrize(("mode", "seen"), [("100755", False), ("120000", True)])
def test_of_a_listed_name_the_kind_is_seen(mode: str, *, seen: bool) -> None:
    changed = {**MANIFEST, "lib/b.py": f"{mode} 2"}
    before, after = (SeenSource(one).digest([], ["lib"]) for one in (MANIFEST, changed))
    assert (before != after) is seen


def test_the_names_in_a_folder_that_is_not_there_are_none() -> None:
    assert SeenSource({}).digest([], ["lib"]) == SeenSource({"a": "1"}).digest([], ["lib"])


@pytest.mark.parametrize(
    ("path", "came_or_went", "covered"),
    [
        ("a.py", False, True), ("b.py", False, False), ("data/x", False, False),
        ("data/x", True, True), ("data/deep/x", True, True), ("other/x", True, False),
    ],
)  # fmt: skip
def test_whether_a_change_could_have_been_noticed(
    path: str, *, came_or_went: bool, covered: bool
) -> None:
    seen = Observation(paths=("a.py",), listings=("data",))
    assert seen.covers(path, came_or_went=came_or_went) is covered


def test_what_was_there_outside_is_undeclared() -> None:
    seen = Observation(outside={"/data/x": "1", "/data/none": None, "/data": "folder"})
    assert seen.undeclared == ("/data/x",)
