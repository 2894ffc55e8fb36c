import pytest
from hypothesis import given
from hypothesis import strategies as st

from runproj.spec.paths import (
    Makers,
    above,
    below,
    glob_matches,
    is_glob,
    is_within,
    matches_any,
    takes,
)

NAMES = st.sampled_from(["a", "b", "a-b", "ab", "a.b"])
PATHS = st.lists(NAMES, min_size=1, max_size=3).map("/".join)
WANTED = st.lists(NAMES | st.sampled_from(["*", "a*", "**", "?"]), min_size=1, max_size=3).map(
    "/".join
)


@pytest.mark.parametrize(
    ("pattern", "path"),
    [
        ("*.py", "a.py"), ("src/*.py", "src/a.py"), ("**/*.py", "a.py"), ("**/*.py", "x/y/a.py"),
        ("src/**", "src"), ("src/**", "src/a/b"), ("src/**/a", "src/a"), ("**", "a/b/c"),
        ("a?c", "abc"), ("a[bc]d", "acd"), ("a[!b]d", "acd"), ("*", ".hidden"),
        ("**/a/**/a/**", "a/b/a"), ("a/b", "a/b"), ("**/**/x", "x"),
    ],
)  # fmt: skip
def test_a_glob_matches(pattern: str, path: str) -> None:
    assert glob_matches(pattern, path)


@pytest.mark.parametrize(
    ("pattern", "path"),
    [
        ("*.py", "src/a.py"), ("src/*", "src/a/b"), ("*", "a/b"), ("a?c", "a/c"), ("A", "a"),
        ("src/**", "lib/a"), ("**/a", "a/b"), ("a/*/b", "a/b"), ("*.PY", "a.py"), ("a", "a/b"),
        ("a/b", "a"), ("**/x/*", "x"),
    ],
)  # fmt: skip
def test_a_glob_does_not_match(pattern: str, path: str) -> None:
    assert not glob_matches(pattern, path)


def test_many_double_stars_cost_no_time_to_speak_of() -> None:
    assert not glob_matches("/".join(["**", "a"] * 40), "/".join(["a"] * 39 + ["b"] * 39))


@pytest.mark.parametrize("text", ["*", "a?b", "a[bc]", "a/**"])
def test_special_characters_make_a_glob(text: str) -> None:
    assert is_glob(text)


@pytest.mark.parametrize("text", ["a", "a/b.c", "{a}", "a]"])
def test_plain_paths_are_no_globs(text: str) -> None:
    assert not is_glob(text)


@pytest.mark.parametrize(
    ("path", "patterns"),
    [("a", ["a"]), ("a/b", ["a"]), ("a/b", ["a/"]), ("a/b/c", ["a/**"]), ("a", ["x", "*"]),
     ("a/b", ["."])],
)  # fmt: skip
def test_a_path_is_one_of_these_or_below_or_matched(path: str, patterns: list[str]) -> None:
    assert matches_any(path, patterns)


@pytest.mark.parametrize(
    ("path", "patterns"), [("a", []), ("ab", ["a"]), ("a", ["a/b"]), ("a/b", ["*"])]
)
def test_other_paths_are_none_of_these(path: str, patterns: list[str]) -> None:
    assert not matches_any(path, patterns)


@pytest.mark.parametrize(
    ("wanted", "made"),
    [
        ("a/b", "a/b"), ("a", "a/b"), (".", "a/b"), ("a/b/c", "a/b"), ("a/*", "a/b"),
        ("a/*.c", "a"), ("*/c", "b"), ("**/c", "a/b/c"),
    ],
)  # fmt: skip
def test_an_input_takes_what_an_output_names(wanted: str, made: str) -> None:
    assert takes(wanted, made)


@pytest.mark.parametrize(
    ("wanted", "made"),
    [("a", "ab"), ("a/b", "a/c"), ("ab", "a"), ("a/*.c", "a/b.d"), ("*", "a/b"), ("b/*.c", "a")],
)
def test_an_input_does_not_take_what_stands_elsewhere(wanted: str, made: str) -> None:
    assert not takes(wanted, made)


def test_what_is_within_a_folder_is_not_the_folder() -> None:
    assert is_within("a/b", "a")
    assert is_within("*/b", "a")
    assert not is_within("a", "a")
    assert not is_within("*", "a")
    assert not is_within("ab/c", "a")


@given(WANTED, st.lists(PATHS, max_size=8))
def test_makers_finds_all_that_an_input_takes(wanted: str, paths: list[str]) -> None:
    makers = Makers({"s": paths})
    assert set(makers.of(wanted)) == {("s", path) for path in paths if takes(wanted, path)}


def test_makers_finds_all_for_the_whole_project() -> None:
    assert set(Makers({"s": ["a"], "t": ["b/c"]}).of(".")) == {("s", "a"), ("t", "b/c")}


def test_the_first_maker_of_a_path_counts() -> None:
    assert list(Makers({"one": ["a"], "two": ["a"]}).of("a")) == [("one", "a")]


def test_makers_knows_what_is_made() -> None:
    makers = Makers({"s": ["a/b"]})
    assert "a/b" in makers
    assert "a" not in makers
    assert makers.makes("a/b")
    assert makers.makes("a/b/c")
    assert not makers.makes("a")
    assert not makers.makes("a/bc")


def test_a_path_has_itself_and_its_folders_above() -> None:
    assert list(above("a/b/c")) == ["a/b/c", "a/b", "a"]
    assert list(above("")) == []


@given(st.lists(PATHS, unique=True), PATHS)
def test_below_a_folder_is_what_starts_with_it(paths: list[str], folder: str) -> None:
    found = list(below(folder, sorted(paths)))
    assert found == [path for path in sorted(paths) if path.startswith(folder + "/")]


def test_below_the_project_is_everything() -> None:
    assert list(below("", ["a", "b/c"])) == ["a", "b/c"]
