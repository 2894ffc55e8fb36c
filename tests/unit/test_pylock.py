"""Reading and marking lockfiles of virtual environments."""

import tomllib

import pytest

from runproj.errors import EnvironmentFailed
from runproj.lock import pylock

DIGEST = "a" * 64
LOCK = """\
lock-version = "1.0"
created-by = "uv"

[[packages]]
name = "NumPy"
version = "2.0.1"
wheels = [{ url = "https://files/x.whl", hashes = { sha256 = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" } }]

[[packages]]
name = "tool"
vcs = { type = "git", url = "https://host/tool", commit-id = "c0ffee" }

[[packages]]
name = "win"
version = "1.0"
index = "https://known/simple"
marker = "sys_platform == 'win32'"
sdist = { url = "https://files/w.tar.gz", hashes = { sha256 = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb" } }
"""


def test_packages_are_listed_by_normalized_name_with_version_or_commit() -> None:
    assert pylock.packages(LOCK) == {"numpy": "2.0.1", "tool": "c0ffee", "win": "1.0"}


def test_a_package_that_is_locked_twice_has_both_versions() -> None:
    twice = LOCK.replace('name = "win"', 'name = "numpy"')

    assert pylock.packages(twice)["numpy"] == "1.0 | 2.0.1"


def test_only_what_every_interpreter_gets_is_unconditional() -> None:
    assert pylock.unconditional(LOCK) == {"numpy": "2.0.1"}


@pytest.mark.parametrize("text", ["<<<<<<< HEAD", "[[packages]]\nversion = '1'\n"])
def test_what_is_no_lockfile_is_an_error_that_tells_the_way_out(text: str) -> None:
    with pytest.raises(EnvironmentFailed) as raised:
        pylock.packages(text)

    assert "runproj lock" in (raised.value.problems[0].hint or "")


def test_a_declaration_comes_back_as_it_was_noted() -> None:
    noted = pylock.with_declaration(LOCK, DIGEST)

    assert pylock.declaration_of(noted) == DIGEST
    assert tomllib.loads(noted)["tool"]["runproj"] == {"declaration": DIGEST}
    assert pylock.body_of(noted) == LOCK


def test_noting_a_declaration_twice_leaves_the_last_and_equal_bytes() -> None:
    once = pylock.with_declaration(LOCK, "b" * 64)

    assert pylock.with_declaration(once, DIGEST) == pylock.with_declaration(LOCK, DIGEST)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (LOCK, None),
        (f"[tool]\nrunproj = {{ declaration = '{DIGEST}' }}\n[x]\n", DIGEST),
        ("runproj = <<<", None),
        ("[tool.runproj]\ndeclaration = 7\n", None),
    ],
)
def test_the_note_is_found_wherever_it_stands(text: str, expected: str | None) -> None:
    assert pylock.declaration_of(text) == expected


def test_an_index_is_noted_where_none_is() -> None:
    marked = pylock.with_index(LOCK, {"numpy": "https://me:pw@host/simple", "win": "https://other"})

    packages = tomllib.loads(marked)["packages"]
    assert [one.get("index") for one in packages] == [
        "https://host/simple", None, "https://known/simple"
    ]  # fmt: skip
    assert pylock.with_index(marked, {"numpy": "https://x"}) == marked


def test_credentials_are_taken_out_of_addresses_only() -> None:
    text = 'url = "https://token@host/x@1.whl", mail = "me@host"'

    assert pylock.without_credentials(text) == 'url = "https://host/x@1.whl", mail = "me@host"'


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ssh://git@host/x.git", "ssh://git@host/x.git"),
        ("git+ssh://git:secret@host/x.git", "git+ssh://git@host/x.git"),
        ("git+https://token@host/x.git", "git+https://host/x.git"),
        ("https://me:p@ss@host/x", "https://host/x"),
        ("ssh://host:22/x@1", "ssh://host:22/x@1"),
    ],
)
def test_who_an_ssh_address_belongs_to_is_no_credential(text: str, expected: str) -> None:
    assert pylock.without_credentials(text) == expected


def test_the_identity_does_not_know_where_files_come_from() -> None:
    moved = LOCK.replace("https://files/", "https://mirror/").replace("https://known", "https://n")
    noted = pylock.with_declaration(moved, DIGEST)

    assert pylock.identity(noted) == pylock.identity(LOCK)


@pytest.mark.parametrize(
    ("old", "new"),
    [("2.0.1", "2.0.2"), ("a" * 64, "a" * 63 + "b"), ("c0ffee", "beef"), ("win32", "linux")],
)
def test_the_identity_changes_with_what_would_be_installed(old: str, new: str) -> None:
    assert pylock.identity(LOCK.replace(old, new)) != pylock.identity(LOCK)


def test_the_difference_tells_old_and_new_versions() -> None:
    new = LOCK.replace("2.0.1", "2.1").replace('"win"', '"mac"')

    assert pylock.difference(LOCK, new) == [
        ("mac", None, "1.0"), ("numpy", "2.0.1", "2.1"), ("win", "1.0", None)
    ]  # fmt: skip
    assert pylock.difference(LOCK, LOCK) == []


def test_freed_packages_are_no_longer_pinned() -> None:
    assert pylock.packages(pylock.without(LOCK, ["numpy", "Win"])) == {"tool": "c0ffee"}


def test_packages_at_local_paths_are_named() -> None:
    local = '[[packages]]\nname = "lib"\ndirectory = { path = "lib" }\n'

    assert pylock.local(LOCK + local) == ["lib"]


def test_what_no_marker_lets_in_is_left_out() -> None:
    text = (
        'lock-version = "1.0"\n\n[[packages]]\nname = "a"\nversion = "1"\n'
        '\n[[packages]]\nname = "a"\nversion = "2"\nmarker = "new"\nwheels = []\n'
        '\n[[packages]]\nname = "b"\nversion = "3"\nmarker = "old"\n'
    )
    found = pylock.narrowed(text, lambda marker: marker == "new")
    assert pylock.packages(found) == {"a": "1 | 2"}
    assert "marker" not in found
    assert found.endswith('version = "2"\nwheels = []\n\n')
    assert (
        pylock.narrowed(text, lambda _: False)
        == text.partition('[[packages]]\nname = "a"\nversion = "2"')[0]
    )


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "no lock-version"),
        ('lock-version = "2.0"\n', "no lock-version 1.x"),
        ("lock-version = 1\n", "no lock-version"),
        ('lock-version = "1.0"\npackages = "x"\n', "no tables"),
        ('lock-version = "1.0"\npackages = ["x"]\n', "no tables"),
        ('lock-version = "1.0"\n[[packages]]\nversion = "1"\n', "a package has no name"),
        ('lock-version = "1.0"\n[[packages]]\nname = "six"\n'
         'wheels = [{hashes = {sha256 = "00ff"}}]\n', "a sha256 of six is not one"),
        ('lock-version = "1.0"\n[[packages]]\nname = "six"\nsdist = {hashes = {sha256 = 1}}\n',
         "a sha256 of six is not one"),
    ],
)  # fmt: skip
def test_a_damaged_lockfile_is_said_to_be_damaged(text: str, why: str) -> None:
    with pytest.raises(EnvironmentFailed, match=f"the lockfile is damaged: .*{why}"):
        pylock.packages(text)


def test_demanded_hashes_that_no_file_has_are_named() -> None:
    known, other = f"sha256:{'a' * 64}", f"sha256:{'c' * 64}"
    assert pylock.missing_hashes(LOCK, {"numpy": {known, other}, "nothing": {other}}) == []
    assert pylock.missing_hashes(LOCK, {"numpy": {other}}) == ["NumPy 2.0.1"]


def test_the_digests_of_all_files_are_told_for_each_package() -> None:
    commit = pylock.Repository("https://host/tool", "c0ffee").digest

    assert pylock.archives(LOCK) == [
        frozenset({"a" * 64}), frozenset({commit}), frozenset({"b" * 64})
    ]  # fmt: skip


def test_a_commit_is_the_same_for_whoever_has_a_password() -> None:
    plain = pylock.Repository("https://host/tool", "c0ffee")

    assert plain._replace(url="https://me:hush@host/tool").digest == plain.digest
    assert plain._replace(commit="c0ffe0").digest != plain.digest
    assert plain._replace(below="sub").digest != plain.digest


def test_commits_of_one_version_are_different_environments() -> None:
    one = LOCK.replace('name = "tool"\n', 'name = "tool"\nversion = "1.0"\n')
    other = one.replace("c0ffee", "facade0123456789")

    assert pylock.identity(one) != pylock.identity(other)
    assert pylock.packages(other)["tool"] == "1.0 (facade012345)"
    assert pylock.difference(one, other) == [("tool", "1.0 (c0ffee)", "1.0 (facade012345)")]


def test_archives_of_the_project_are_told_by_their_paths() -> None:
    made = '[[packages]]\nname = "lib"\nversion = "1"\narchive = { path = "libs/a.whl" }\n'
    lock = pylock.below_locks(LOCK + made)

    assert 'path = "../libs/a.whl"' in lock
    assert pylock.archive_of(pylock.tables(lock)[-1]) == "libs/a.whl"
    assert pylock.archive_of({"archive": {"path": "/a.whl"}}) is None
    assert pylock.local(lock, ["libs/a.whl"]) == []
    assert pylock.local(lock) == ["lib"]


def test_folders_of_the_project_are_told_by_their_paths() -> None:
    made = '[[packages]]\nname = "lib"\ndirectory = { path = "libs/a", editable = true }\n'
    lock = pylock.below_locks(LOCK + made)

    assert 'path = "../libs/a"' in lock
    assert pylock.below_locks(lock) == lock.replace("../libs/a", "../../libs/a")
    assert pylock.packages(lock)["lib"] == "./libs/a"
    assert pylock.local(lock, ["libs/a"]) == []
    assert pylock.local(lock, ["libs/b"]) == ["lib"]
    assert pylock.identity(lock) != pylock.identity(lock.replace(", editable = true", ""))
