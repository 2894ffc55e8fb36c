"""Projects from elsewhere: real repositories, by file:// and by path."""

import hashlib
import subprocess
from pathlib import Path

import pytest

from runproj.adapters.source.remote import RemoteProjects, is_remote
from runproj.errors import UsageError


def git(folder: Path, *arguments: str) -> str:
    command = ["git", "-c", "user.name=a", "-c", "user.email=a@b", *arguments]
    return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = tmp_path / "code"
    (folder / "sub").mkdir(parents=True)
    git(folder, "init", "-q", "-b", "main")
    for number in ("1", "2"):
        (folder / "a.txt").write_text(number)
        (folder / "sub" / "b.txt").write_text(number)
        git(folder, "add", "-A")
        git(folder, "commit", "-qm", number)
        git(folder, "tag", f"v{number}")
    return folder


@pytest.fixture
def projects(tmp_path: Path) -> RemoteProjects:
    return RemoteProjects(tmp_path / "cache")


def test_the_branch_of_the_repository_is_fetched(
    repository: Path, projects: RemoteProjects
) -> None:
    place = projects.fetch(f"file://{repository}", None)
    assert (place / "a.txt").read_text() == "2"


@pytest.mark.parametrize("name", ["v1", "main~1", "commit", "short"])
def test_a_revision_may_be_a_tag_a_branch_or_a_commit(
    name: str, repository: Path, projects: RemoteProjects
) -> None:
    first = git(repository, "rev-parse", "v1").strip()
    revision = {"commit": first, "short": first[:10]}.get(name, name)
    assert (projects.fetch(f"file://{repository}", revision) / "a.txt").read_text() == "1"


def test_a_folder_of_the_repository_can_be_named(
    repository: Path, projects: RemoteProjects
) -> None:
    place = projects.fetch(f"file://{repository}#sub", "v1")
    assert (place / "b.txt").read_text() == "1"


def test_a_repository_may_be_a_path_and_is_not_touched(
    repository: Path, projects: RemoteProjects
) -> None:
    (repository / "a.txt").write_text("changed")
    before = {
        path: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in repository.rglob("*")
        if path.is_file()
    }
    assert (projects.fetch(str(repository), "v1") / "a.txt").read_text() == "1"
    after = {
        path: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in repository.rglob("*")
        if path.is_file()
    }
    assert after == before


def test_what_is_new_in_the_repository_is_fetched_the_next_time(
    repository: Path, projects: RemoteProjects
) -> None:
    projects.fetch(f"file://{repository}", None)
    (repository / "a.txt").write_text("3")
    git(repository, "commit", "-qam", "3")
    assert (projects.fetch(f"file://{repository}", None) / "a.txt").read_text() == "3"


def test_the_checkout_knows_where_it_comes_from_without_a_password(
    repository: Path, projects: RemoteProjects
) -> None:
    place = projects.fetch(f"file://{repository}", "v1")
    assert git(place, "remote", "get-url", "origin").strip() == f"file://{repository}"


def test_a_revision_that_is_not_there_is_named_with_those_that_are(
    repository: Path, projects: RemoteProjects
) -> None:
    with pytest.raises(UsageError, match="no revision 'v9'") as raised:
        projects.fetch(f"file://{repository}", "v9")
    assert "v1" in (raised.value.problems[0].hint or "")


def test_a_folder_that_is_not_there_is_named(repository: Path, projects: RemoteProjects) -> None:
    with pytest.raises(UsageError, match="no folder 'nope'"):
        projects.fetch(f"file://{repository}#nope", None)


def test_a_repository_that_cannot_be_fetched_is_said_in_gits_words(
    tmp_path: Path, projects: RemoteProjects
) -> None:
    with pytest.raises(UsageError, match=r"cannot be fetched: .*does not"):
        projects.fetch(f"file://{tmp_path}/nowhere", None)


def test_a_checkout_that_was_cut_off_is_made_again(
    repository: Path, projects: RemoteProjects
) -> None:
    place = projects.fetch(f"file://{repository}", "v1")
    (place / ".git" / "runproj").unlink()
    (place / "a.txt").unlink()
    assert (projects.fetch(f"file://{repository}", "v1") / "a.txt").read_text() == "1"


@pytest.mark.parametrize(
    ("text", "remote"),
    [
        ("https://host/x.git", True),
        ("git+ssh://git@host/x#sub", True),
        ("git@host:team/x.git", True),
        (".", False),
        ("a/b", False),
        ("/abs", False),
        ("a@b", False),
    ],
)
def test_a_uri_is_told_from_a_folder(text: str, remote: bool) -> None:  # noqa: FBT001 -- a case
    assert is_remote(text) is remote
