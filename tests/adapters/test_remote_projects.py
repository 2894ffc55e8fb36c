"""Projects from elsewhere: real repositories, by file:// and by path."""

import hashlib
import os
import subprocess
from pathlib import Path

import pytest

from runproj.adapters.source.plumbing import GitFailed
from runproj.adapters.source.remote import (
    RemoteProjects,
    _fetch_submodules,
    _Repository,
    is_remote,
)
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


@pytest.fixture
def configured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give git a user of its own, and return the file of its configuration."""
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "gitconfig"))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    (tmp_path / "gitconfig").touch()
    return tmp_path / "gitconfig"


def made(folder: Path) -> Path:
    """Make a repository of one file."""
    folder.mkdir(parents=True)
    git(folder, "init", "-q", "-b", "main")
    (folder / "f.txt").write_text(folder.name)
    return committed(folder)


def committed(folder: Path) -> Path:
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "work")
    return folder


def with_submodule(folder: Path, url: str, name: str = "lib") -> Path:
    """Put a submodule into a repository."""
    git(folder, "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", url, name)
    return committed(folder)


def content(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


class TestAPathInARepository:
    @pytest.mark.parametrize("inner", ["", "sub", "sub/b.txt"])
    def test_leads_to_the_same_place_of_the_checkout(
        self, repository: Path, projects: RemoteProjects, inner: str
    ) -> None:
        place = projects.fetch(str(repository / inner), "v1")
        top = place.parents[len(Path(inner).parts) - 1] if inner else place
        assert place == top / inner
        assert (top / "a.txt").read_text() == "1"

    def test_may_be_relative_and_through_a_link(
        self, repository: Path, projects: RemoteProjects, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (repository.parent / "link").symlink_to(repository / "sub")
        monkeypatch.chdir(repository.parent / "link")
        assert (projects.fetch(".", "v1") / "b.txt").read_text() == "1"
        monkeypatch.chdir(repository.parent)
        assert (projects.fetch("link", "v1") / "b.txt").read_text() == "1"

    def test_need_not_be_there_today(self, repository: Path, projects: RemoteProjects) -> None:
        git(repository, "rm", "-qr", "sub")
        assert (projects.fetch(str(repository / "sub"), "v1") / "b.txt").read_text() == "1"

    def test_may_be_in_a_worktree_whose_head_is_meant(
        self, repository: Path, projects: RemoteProjects
    ) -> None:
        tree = repository.parent / "tree"
        git(repository, "worktree", "add", "-q", "--detach", str(tree), "v1")
        assert (projects.fetch(str(tree / "sub"), "HEAD") / "b.txt").read_text() == "1"
        assert (projects.fetch(str(repository / "sub"), "HEAD") / "b.txt").read_text() == "2"

    def test_has_the_head_of_now(self, repository: Path, projects: RemoteProjects) -> None:
        projects.fetch(str(repository), "HEAD")
        git(repository, "checkout", "-q", "--detach", "v1")
        (repository / "a.txt").write_text("on no branch")
        committed(repository)
        assert (projects.fetch(str(repository), "HEAD") / "a.txt").read_text() == "on no branch"

    def test_may_be_a_bare_repository(
        self, repository: Path, projects: RemoteProjects, configured: Path
    ) -> None:
        configured.write_text("[safe]\n\tbareRepository = explicit\n")
        git(repository.parent, "clone", "-q", "--bare", str(repository), "bare.git")
        place = projects.fetch(f"{repository.parent / 'bare.git'}#sub", "v1")
        assert (place / "b.txt").read_text() == "1"

    def test_outside_of_any_repository_is_said_to_be_so(
        self, tmp_path: Path, projects: RemoteProjects
    ) -> None:
        (tmp_path / "plain").mkdir()
        with pytest.raises(UsageError, match=r"plain is in no git repository$") as raised:
            projects.fetch(str(tmp_path / "plain"), "HEAD")
        assert "-v" in (raised.value.problems[0].hint or "")

    def test_does_not_lead_out_of_the_checkout(
        self, repository: Path, projects: RemoteProjects
    ) -> None:
        with pytest.raises(UsageError, match="no folder"):
            projects.fetch(f"file://{repository}#..", "v1")


class TestSubmodules:
    @pytest.fixture(autouse=True)
    def _own_configuration(self, configured: Path) -> None:
        """Keep the real user's configuration away."""

    @pytest.mark.parametrize("address", ["{}", "file://{}"])
    def test_are_checked_out_with_theirs(
        self, tmp_path: Path, projects: RemoteProjects, address: str
    ) -> None:
        inner = with_submodule(made(tmp_path / "inner"), str(made(tmp_path / "innermost")), "deep")
        outer = with_submodule(made(tmp_path / "outer"), str(inner))
        place = projects.fetch(address.format(outer), "HEAD")
        assert (place / "lib" / "f.txt").read_text() == "inner"
        assert (place / "lib" / "deep" / "f.txt").read_text() == "innermost"

    def test_are_found_by_relative_addresses(
        self, tmp_path: Path, projects: RemoteProjects
    ) -> None:
        made(tmp_path / "server" / "inner")
        outer = with_submodule(made(tmp_path / "server" / "outer"), "../inner")
        git(tmp_path, "clone", "-q", str(outer), "mine")
        for where in (f"file://{outer}", str(outer), str(tmp_path / "mine")):
            assert (projects.fetch(where, "HEAD") / "lib" / "f.txt").read_text() == "inner"

    def test_that_cannot_be_fetched_are_an_error_each_time(
        self, tmp_path: Path, projects: RemoteProjects
    ) -> None:
        inner = made(tmp_path / "inner")
        outer = with_submodule(made(tmp_path / "outer"), str(inner))
        inner.rename(tmp_path / "away")
        for _ in range(2):
            with pytest.raises(UsageError, match=r"submodules cannot be fetched: .*does not exist"):
                projects.fetch(str(outer), "HEAD")
        (tmp_path / "away").rename(inner)
        assert (projects.fetch(str(outer), "HEAD") / "lib" / "f.txt").read_text() == "inner"

    def test_are_fetched_with_the_password_that_is_not_written_down(self, tmp_path: Path) -> None:
        outer = made(tmp_path / "checkout")
        git(outer, "remote", "add", "origin", "https://host/team/x.git")
        (outer / ".gitmodules").write_text('[submodule "lib"]\n\tpath = lib\n\turl = ../lib.git\n')
        head = git(outer, "rev-parse", "HEAD").strip()
        git(outer, "update-index", "--add", "--cacheinfo", f"160000,{head},lib")
        notes = tmp_path / "asked"
        transport = tmp_path / "bin" / "git-remote-https"
        transport.parent.mkdir()
        transport.write_text(f'#!/bin/sh\necho "$2" > {notes}\nexit 1\n')
        transport.chmod(0o755)
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("GIT_EXEC_PATH", str(exec_path_with(transport, tmp_path / "core")))
            url = "https://me:secret@host/team/x.git"
            with pytest.raises(GitFailed):
                _fetch_submodules(outer, _Repository(url, "", url))
        assert notes.read_text() == "https://me:secret@host/team/lib.git\n"
        assert b"secret" not in b"".join(content(outer).values())


def exec_path_with(program: Path, folder: Path) -> Path:
    """Return a folder of git's own programs in which one is replaced."""
    folder.mkdir()
    for path in Path(git(program.parent, "--exec-path").strip()).iterdir():
        (folder / path.name).symlink_to(path)
    (folder / program.name).unlink(missing_ok=True)
    (folder / program.name).symlink_to(program)
    return folder


class TestTheUsersConfiguration:
    def test_that_makes_git_fail_is_told_in_gits_words(
        self, repository: Path, projects: RemoteProjects, configured: Path, tmp_path: Path
    ) -> None:
        configured.write_text(f"[core]\n\texcludesFile = {tmp_path}\n")
        with pytest.raises(UsageError, match=r"cannot be checked out: .*exclude file"):
            projects.fetch(str(repository), "v1")
        configured.write_text("")
        assert (projects.fetch(str(repository), "v1") / "a.txt").read_text() == "1"

    def test_starts_no_hook_and_no_file_system_monitor(
        self, repository: Path, projects: RemoteProjects, configured: Path, tmp_path: Path
    ) -> None:
        with_submodule(repository, str(made(tmp_path / "inner")))
        trap = tmp_path / "hooks" / "reference-transaction"
        trap.parent.mkdir()
        trap.write_text(f"#!/bin/sh\ntouch {tmp_path}/sprung\n")
        trap.chmod(0o755)
        for hook in ("post-checkout", "post-index-change"):
            (trap.parent / hook).symlink_to(trap)
        configured.write_text(f"[core]\n\thooksPath = {trap.parent}\n\tfsmonitor = {trap}\n")
        for revision in ("v1", "main"):
            projects.fetch(str(repository), revision)
        assert not (tmp_path / "sprung").exists()

    def test_may_trust_no_bare_repository_and_call_the_remote_otherwise(
        self, repository: Path, projects: RemoteProjects, configured: Path
    ) -> None:
        configured.write_text(
            "[safe]\n\tbareRepository = explicit\n[clone]\n\tdefaultRemoteName = there\n"
        )
        for _ in range(2):
            assert (projects.fetch(str(repository), "v1") / "a.txt").read_text() == "1"

    @pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder to another user")
    @pytest.mark.parametrize("address", ["{}", "file://{}"])
    def test_need_not_trust_a_repository_of_another_user(
        self, repository: Path, projects: RemoteProjects, configured: Path, address: str
    ) -> None:
        assert configured.exists()
        for path in (repository, *repository.rglob("*")):
            os.chown(path, 12345, 12345)
        for revision in ("v1", "v2"):
            place = projects.fetch(address.format(repository), revision)
            assert (place / "a.txt").read_text() == revision[1:]

    def test_says_where_a_repository_is(
        self, repository: Path, projects: RemoteProjects, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
        monkeypatch.setenv("GIT_CONFIG_KEY_0", f"url.file://{repository.parent}/.insteadOf")
        monkeypatch.setenv("GIT_CONFIG_VALUE_0", "https://host.invalid/")
        place = projects.fetch(f"https://host.invalid/{repository.name}", "v1")
        assert (place / "a.txt").read_text() == "1"

    def test_does_not_come_from_the_variables_of_a_hook(
        self, repository: Path, projects: RemoteProjects, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        other = made(repository.parent / "other")
        before = content(other)
        monkeypatch.setenv("GIT_DIR", str(other / ".git"))
        monkeypatch.setenv("GIT_WORK_TREE", str(other))
        monkeypatch.setenv("GIT_INDEX_FILE", str(other / ".git" / "index"))
        for revision in ("v1", "v2"):
            place = projects.fetch(str(repository), revision)
            assert (place / "a.txt").read_text() == revision[1:]
        assert content(other) == before


def test_a_fetch_that_was_cut_off_is_made_again(repository: Path, projects: RemoteProjects) -> None:
    place = projects.fetch(f"file://{repository}", "v1")
    mirror = next(path for path in projects.folder.glob("*.git"))
    mirror.rename(mirror.with_suffix(".new"))
    (mirror.with_suffix(".new") / "HEAD").unlink()
    assert projects.fetch(f"file://{repository}", "v1") == place
