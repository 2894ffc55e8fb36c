"""What GitSource promises, each with real repositories."""

import hashlib
import os
import shutil
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeAlias

import pytest

from runproj.adapters.source.git import GitSource
from runproj.errors import ProjectError, Refused, StoreError
from runproj.record.source import SourceSnapshot

Commands: TypeAlias = Callable[..., str]
IS_ROOT = os.geteuid() == 0
TOKEN = "ghp_" + "aB3dE5gH7jK9mN1pQ3sT5vW7yZ9bC1dF3hJ5"
PRIVATE_KEY = "-----BEGIN OPENSSH " + "PRIVATE KEY-----\n" + "b3BlbnNzaC1rZXktdjEAAAAABG5v" * 4


@pytest.fixture(autouse=True)
def _own_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Give git a user of its own, whose configuration the tests may change."""
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "gitconfig"))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    (tmp_path / "gitconfig").write_text(
        "[user]\n\tname = Ann\n\temail = ann@example.org\n"
        '[init]\n\tdefaultBranch = main\n[protocol "file"]\n\tallow = always\n'
    )


@pytest.fixture
def source(tmp_path: Path) -> GitSource:
    return GitSource(str(tmp_path / "store.git"))


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """Return a clean repository of two files."""
    return made_repository(tmp_path / "repository")


def git(folder: Path, *argv: str, check: bool = True) -> str:
    done = subprocess.run(
        ["git", *argv],
        cwd=folder,
        check=check,
        capture_output=True,
    )
    return done.stdout.decode("utf-8", "surrogateescape")


def made_repository(folder: Path, *init: str) -> Path:
    folder.mkdir(parents=True)
    git(folder, "init", "-q", *init)
    (folder / "a.py").write_text("a = 1\n")
    (folder / "code").mkdir()
    (folder / "code" / "b.py").write_text("b = 2\n")
    return committed(folder)


def committed(folder: Path) -> Path:
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "work")
    return folder


def snapshot(source: GitSource, folder: Path) -> SourceSnapshot:
    return source.snapshot(str(folder), str(folder))


def content(source: GitSource, folder: Path) -> dict[str, bytes | None]:
    tree = snapshot(source, folder).tree
    return {path: source.read(tree, path) for path in source.manifest(tree)}


def paths(source: GitSource, folder: Path) -> set[str]:
    return set(source.manifest(snapshot(source, folder).tree))


def state(folder: Path) -> Mapping[str, tuple[object, ...]]:
    """Return content, mode and time of change of everything below a folder."""
    found: dict[str, tuple[object, ...]] = {}
    for path in folder.rglob("*"):
        status = path.lstat()
        held: object = None
        if stat.S_ISREG(status.st_mode):
            held = hashlib.sha256(path.read_bytes()).hexdigest()
        elif stat.S_ISLNK(status.st_mode):
            held = str(path.readlink())
        found[str(path)] = (held, status.st_mode, status.st_mtime_ns)
    return found


def blobs(store: Path) -> int:
    """Return how many files' contents are in a store."""
    every = git(store, "cat-file", "--batch-all-objects", "--batch-check=%(objecttype)")
    return every.split().count("blob")


class TestTheUsersRepository:
    def test_is_byte_identical_afterwards(self, source: GitSource, repository: Path) -> None:
        (repository / "a.py").write_text("a = 2\n")
        (repository / "staged.py").write_text("staged\n")
        git(repository, "add", "staged.py")
        (repository / "new.py").write_text("new\n")
        git(repository, "checkout", "-q", "--detach")
        os.utime(repository / "code" / "b.py")  # the index is out of date about this one
        before = state(repository)
        for _ in range(2):
            snapshot(source, repository)
            assert state(repository) == before

    def test_has_the_same_status_and_references(self, source: GitSource, repository: Path) -> None:
        (repository / "a.py").write_text("a = 2\n")
        (repository / "new.py").write_text("new\n")
        before = git(repository, "status", "--porcelain=v2", "--branch")
        references = git(repository, "for-each-ref")
        snapshot(source, repository)
        assert git(repository, "status", "--porcelain=v2", "--branch") == before
        assert git(repository, "for-each-ref") == references

    def test_starts_no_program_of_its_configuration(
        self, source: GitSource, repository: Path, tmp_path: Path
    ) -> None:
        trap = tmp_path / "trap"
        trap.write_text(f"#!/bin/sh\ntouch {tmp_path}/sprung\ncat\n")
        trap.chmod(0o755)
        (repository / ".gitattributes").write_text("*.py filter=trap\n")
        committed(repository)
        for hook in ("post-index-change", "post-checkout", "fsmonitor-watchman"):
            shutil.copy(trap, repository / ".git" / "hooks" / hook)
        git(repository, "config", "core.fsmonitor", str(trap))
        for which in ("clean", "smudge", "process"):
            git(repository, "config", f"filter.trap.{which}", str(trap))
        git(repository, "config", "filter.trap.required", "true")
        (repository / "a.py").write_text("a = 3\n")
        tree = snapshot(source, repository).tree
        source.checkout(tree, str(tmp_path / "out"))
        assert not (tmp_path / "sprung").exists()
        assert (tmp_path / "out" / "a.py").read_text() == "a = 3\n"

    def test_may_be_gone_when_the_tree_is_checked_out(
        self, source: GitSource, repository: Path, tmp_path: Path
    ) -> None:
        tree = snapshot(source, repository).tree
        shutil.rmtree(repository)
        again = GitSource(str(tmp_path / "store.git"))
        again.checkout(tree, str(tmp_path / "out"))
        assert (tmp_path / "out" / "code" / "b.py").read_text() == "b = 2\n"
        assert not (tmp_path / "store.git" / "objects" / "info" / "alternates").exists()
        git(tmp_path / "store.git", "fsck", "--strict")

    @pytest.mark.skipif(not IS_ROOT, reason="only root can give a folder to another user")
    def test_may_belong_to_another_user(
        self, source: GitSource, repository: Path, tmp_path: Path
    ) -> None:
        configured = (tmp_path / "gitconfig").read_text()
        commit = git(repository, "rev-parse", "HEAD").strip()
        for path in (repository, *repository.rglob("*")):
            os.chown(path, 12345, 12345)
        assert git(repository, "status", check=False) == ""
        found = snapshot(source, repository)
        assert (found.commit, found.dirty) == (commit, False)
        assert (tmp_path / "gitconfig").read_text() == configured

    def test_that_is_damaged_is_named_as_the_cause(
        self, source: GitSource, repository: Path
    ) -> None:
        (repository / ".git" / "index").write_text("nonsense")
        with pytest.raises(ProjectError, match="index") as error:
            snapshot(source, repository)
        assert error.value.problems[0].where == str(repository)

    def test_behind_a_git_file_that_leads_nowhere_is_missed_with_a_warning(
        self, source: GitSource, repository: Path
    ) -> None:
        shutil.rmtree(repository / ".git")
        (repository / ".git").write_text("gitdir: /nowhere/at/all\n")
        found = snapshot(source, repository)
        assert found.commit is None
        assert len(found.warnings) == 1
        assert set(source.manifest(found.tree)) == {"a.py", "code/b.py"}


class TestTheTree:
    def test_holds_what_stands_in_the_folder_whether_staged_or_not(
        self, source: GitSource, repository: Path
    ) -> None:
        (repository / "a.py").write_text("staged\n")
        git(repository, "add", "a.py")
        (repository / "a.py").write_text("later\n")
        (repository / "staged.py").write_text("staged\n")
        git(repository, "add", "staged.py")
        (repository / "untracked.py").write_text("untracked\n")
        git(repository, "rm", "-q", "--cached", "code/b.py")
        assert content(source, repository) == {
            "a.py": b"later\n",
            "code/b.py": b"b = 2\n",
            "staged.py": b"staged\n",
            "untracked.py": b"untracked\n",
        }

    def test_does_not_hold_deleted_files(self, source: GitSource, repository: Path) -> None:
        snapshot(source, repository)
        (repository / "a.py").unlink()
        git(repository, "rm", "-q", "code/b.py")
        assert paths(source, repository) == set()

    def test_is_the_commits_tree_when_nothing_changed(
        self, source: GitSource, repository: Path
    ) -> None:
        (repository / "run.sh").write_text("#!/bin/sh\n")
        (repository / "run.sh").chmod(0o755)
        (repository / "link").symlink_to("a.py")
        committed(repository)
        assert (
            snapshot(source, repository).tree == git(repository, "rev-parse", "HEAD^{tree}").strip()
        )

    def test_keeps_executable_bits_even_if_git_was_told_not_to_look(
        self, source: GitSource, repository: Path
    ) -> None:
        git(repository, "config", "core.fileMode", "false")
        (repository / "a.py").chmod(0o755)
        tree = snapshot(source, repository).tree
        assert source.manifest(tree)["a.py"].startswith("100755")

    def test_keeps_symbolic_links_dangling_or_to_a_folder(
        self, source: GitSource, repository: Path, tmp_path: Path
    ) -> None:
        (repository / "folder").symlink_to("code")
        (repository / "dangling").symlink_to("/nowhere/at/all")
        found = content(source, repository)
        assert found["folder"] == b"code"
        assert found["dangling"] == b"/nowhere/at/all"
        source.checkout(snapshot(source, repository).tree, str(tmp_path / "out"))
        assert str((tmp_path / "out" / "dangling").readlink()) == "/nowhere/at/all"

    def test_follows_a_file_that_became_a_folder_and_back(
        self, source: GitSource, repository: Path
    ) -> None:
        snapshot(source, repository)
        (repository / "a.py").unlink()
        (repository / "a.py").mkdir()
        assert paths(source, repository) == {"code/b.py"}
        (repository / "a.py" / "inner").touch()
        assert paths(source, repository) == {"a.py/inner", "code/b.py"}
        shutil.rmtree(repository / "a.py")
        (repository / "a.py").touch()
        assert paths(source, repository) == {"a.py", "code/b.py"}

    def test_follows_a_folder_that_became_a_link(self, source: GitSource, repository: Path) -> None:
        snapshot(source, repository)
        (repository / "code").rename(repository / "moved")
        (repository / "code").symlink_to("moved")
        assert paths(source, repository) == {"a.py", "code", "moved/b.py"}
        (repository / ".git" / "info" / "exclude").write_text("/code\n")
        assert paths(source, repository) == {"a.py", "moved/b.py"}

    def test_leaves_out_what_is_no_file(self, source: GitSource, repository: Path) -> None:
        os.mkfifo(repository / "pipe")
        (repository / "a.py").unlink()
        os.mkfifo(repository / "a.py")
        assert paths(source, repository) == {"code/b.py"}

    def test_has_exact_bytes_whatever_the_attributes_say(
        self, source: GitSource, repository: Path, tmp_path: Path
    ) -> None:
        rules = (
            "*.crlf text eol=crlf",
            "*.lf text eol=lf",
            "*.auto text=auto",
            "*.id ident",
            "*.u16 text working-tree-encoding=UTF-16LE",
            "*.bin filter=lfs diff=lfs merge=lfs -text",
            "*.old crlf",
            "*.hidden export-ignore",
            "*.subst export-subst",
        )
        (repository / ".gitattributes").write_text("\n".join(rules) + "\n")
        git(repository, "config", "core.autocrlf", "true")
        written = {
            "x.crlf": b"one\r\ntwo\n",
            "x.lf": b"one\r\ntwo\n",
            "x.auto": b"one\r\ntwo\r\n",
            "x.id": b"$Id: 0123456789 $\n",
            "x.u16": "hä\n".encode("utf-16-le"),
            "x.bin": bytes(range(256)),
            "x.old": b"one\r\n",
            "x.hidden": b"hidden\n",
            "x.subst": b"$Format:%H$\n",
        }
        for name, held in written.items():
            (repository / name).write_bytes(held)
        snapshots = [snapshot(source, repository)]
        committed(repository)
        snapshots.append(snapshot(source, repository))
        for number, found in enumerate(snapshots):
            source.checkout(found.tree, str(tmp_path / f"out{number}"))
            source.checkout(found.tree, str(tmp_path / f"some{number}"), written)
            for name, held in written.items():
                assert (tmp_path / f"out{number}" / name).read_bytes() == held
                assert (tmp_path / f"some{number}" / name).read_bytes() == held
        assert snapshots[0].tree == snapshots[1].tree

    def test_keeps_the_file_and_not_the_pointer_of_a_filter(
        self, source: GitSource, repository: Path
    ) -> None:
        git(repository, "config", "filter.pointer.clean", "echo pointer")
        git(repository, "config", "filter.pointer.smudge", "cat")
        git(repository, "config", "status.branch", "true")
        (repository / ".gitattributes").write_text("*.bin filter=pointer\n")
        (repository / "model.bin").write_bytes(b"weights")
        os.utime(repository / "model.bin", (1_000_000_000, 1_000_000_000))
        committed(repository)
        assert git(repository, "show", "HEAD:model.bin") == "pointer\n"
        found = snapshot(source, repository)
        assert source.read(found.tree, "model.bin") == b"weights"
        assert found.dirty is False

    def test_sees_edits_of_the_same_size_in_the_same_moment(
        self, source: GitSource, repository: Path
    ) -> None:
        file = repository / "a.py"
        for number in range(20):
            file.write_text(f"a = {number:03}\n")
            assert content(source, repository)["a.py"] == f"a = {number:03}\n".encode()

    def test_sees_a_file_replaced_by_one_of_the_same_size_and_time(
        self, source: GitSource, repository: Path
    ) -> None:
        long_ago = (1_000_000_000, 1_000_000_000)
        os.utime(repository / "a.py", long_ago)
        first = snapshot(source, repository).tree
        (repository / "new").write_text("a = 9\n")
        os.utime(repository / "new", long_ago)
        (repository / "new").rename(repository / "a.py")
        assert snapshot(source, repository).tree != first

    def test_sees_edits_that_git_was_told_not_to_look_for(
        self, source: GitSource, repository: Path
    ) -> None:
        git(repository, "update-index", "--assume-unchanged", "a.py")
        git(repository, "update-index", "--skip-worktree", "code/b.py")
        assert snapshot(source, repository).dirty is False
        (repository / "a.py").write_text("a = 2\n")
        assert snapshot(source, repository).dirty is True
        (repository / "code" / "b.py").write_text("b = 3\n")
        assert content(source, repository) == {"a.py": b"a = 2\n", "code/b.py": b"b = 3\n"}

    def test_has_only_the_files_of_a_sparse_checkout(
        self, source: GitSource, repository: Path
    ) -> None:
        (repository / "other").mkdir()
        (repository / "other" / "c.py").touch()
        committed(repository)
        git(repository, "sparse-checkout", "set", "--cone", "--sparse-index", "code")
        found = snapshot(source, repository)
        assert set(source.manifest(found.tree)) == {"a.py", "code/b.py"}
        assert found.dirty is False

    def test_holds_a_file_in_conflict_as_it_stands(
        self, source: GitSource, repository: Path
    ) -> None:
        git(repository, "checkout", "-q", "-b", "side")
        (repository / "a.py").write_text("side\n")
        committed(repository)
        git(repository, "checkout", "-q", "main")
        (repository / "a.py").write_text("main\n")
        committed(repository)
        git(repository, "merge", "side", check=False)
        assert git(repository, "ls-files", "-u")
        found = snapshot(source, repository)
        assert found.dirty is True
        assert (source.read(found.tree, "a.py") or b"").startswith(b"<<<<<<<")

    @pytest.mark.parametrize(
        "name",
        ["with space", "new\nline", 'quo"te', "tab\there", "-dash", ":(top)", "ünï", "*.x", "a\\b"],
    )
    def test_takes_strange_names(
        self, source: GitSource, repository: Path, tmp_path: Path, name: str
    ) -> None:
        (repository / name).mkdir()
        (repository / name / name).write_text(name)
        (repository / ".runprojignore").write_text("nothing\n")
        assert content(source, repository)[f"{name}/{name}"] == name.encode()
        git(repository, "add", "-A")
        tree = snapshot(source, repository).tree
        source.checkout(tree, str(tmp_path / "out"), [f"{name}/{name}"])
        assert (tmp_path / "out" / name / name).read_text() == name

    @pytest.mark.skipif(sys.platform == "darwin", reason="its file systems take UTF-8 only")
    def test_takes_names_that_are_no_utf8(
        self, source: GitSource, repository: Path, tmp_path: Path
    ) -> None:
        name = os.fsdecode(b"caf\xe9.py")
        (repository / name).write_text(TOKEN)
        with pytest.raises(Refused) as refused:
            snapshot(source, repository)
        assert refused.value.problems[0].where == "caf\\xe9.py"
        committed(repository)
        found = snapshot(source, repository)
        assert name in source.manifest(found.tree)
        assert found.warnings[0].startswith("caf\\xe9.py looks like")
        assert snapshot(source, repository) == found
        source.checkout(found.tree, str(tmp_path / "out"))
        assert (tmp_path / "out" / name).exists()

    @pytest.mark.skipif(IS_ROOT, reason="root can read everything")
    def test_needs_files_that_can_be_read(self, source: GitSource, repository: Path) -> None:
        (repository / "a.py").chmod(0)
        with pytest.raises(ProjectError, match="cannot be read"):
            snapshot(source, repository)
        (repository / "a.py").chmod(0o644)
        (repository / "code").chmod(0)
        with pytest.raises(ProjectError, match="folder of the project cannot be read"):
            snapshot(source, repository)
        (repository / "code").chmod(0o755)

    def test_of_many_files_is_complete(self, source: GitSource, tmp_path: Path) -> None:
        project = tmp_path / "many"
        for number in range(300):
            (project / f"d{number % 7}").mkdir(parents=True, exist_ok=True)
            (project / f"d{number % 7}" / f"{number}.txt").write_text(f"text {number}" * number)
        tree = snapshot(source, project).tree
        source.checkout(tree, str(tmp_path / "out"))
        for path in project.rglob("*.txt"):
            assert (tmp_path / "out" / path.relative_to(project)).read_bytes() == path.read_bytes()


class TestARepositoryWithin:
    @pytest.fixture
    def outer(self, repository: Path, tmp_path: Path) -> Path:
        """Return a clean repository with a submodule at ``sub``."""
        inner = made_repository(tmp_path / "inner")
        git(repository, "submodule", "--quiet", "add", str(inner), "sub")
        return committed(repository)

    def test_as_submodule_is_a_folder_of_the_code(self, source: GitSource, outer: Path) -> None:
        found = snapshot(source, outer)
        assert set(source.manifest(found.tree)) == {
            ".gitmodules",
            "a.py",
            "code/b.py",
            "sub/a.py",
            "sub/code/b.py",
        }
        assert found.dirty is False

    @pytest.mark.parametrize("file", ["a.py", "new.py"])
    def test_as_submodule_makes_the_code_dirty_when_it_is(
        self, source: GitSource, outer: Path, file: str
    ) -> None:
        snapshot(source, outer)
        (outer / "sub" / file).write_text("changed\n")
        found = snapshot(source, outer)
        assert found.dirty is True
        assert source.read(found.tree, f"sub/{file}") == b"changed\n"

    def test_as_submodule_at_another_commit_makes_the_code_dirty(
        self, source: GitSource, outer: Path
    ) -> None:
        (outer / "sub" / "a.py").write_text("changed\n")
        committed(outer / "sub")
        assert snapshot(source, outer).dirty is True

    def test_as_submodule_that_was_not_fetched_is_empty(
        self, source: GitSource, outer: Path, tmp_path: Path
    ) -> None:
        git(tmp_path, "clone", "-q", str(outer), "clone")
        found = snapshot(source, tmp_path / "clone")
        assert "sub/a.py" not in source.manifest(found.tree)
        assert found.dirty is False

    def test_as_submodule_that_was_not_fetched_is_told_of_each_time_until_it_is(
        self, source: GitSource, outer: Path, tmp_path: Path
    ) -> None:
        git(tmp_path, "clone", "-q", str(outer), "clone")
        clone = tmp_path / "clone"
        for _ in range(3):
            assert snapshot(source, clone).warnings == (
                "the submodule sub is not checked out: its folder is empty",
            )
            (clone / "a.py").write_text("changed\n")
        git(clone, "submodule", "--quiet", "update", "--init")
        assert snapshot(source, clone).warnings == ()

    def test_as_one_of_many_submodules_that_were_not_fetched_is_counted(
        self, source: GitSource, repository: Path
    ) -> None:
        commit = git(repository, "rev-parse", "HEAD").strip()
        said: list[str] = []
        for name in ("a b", "c\nd", "e/f", "g", "h"):
            (repository / name).mkdir(parents=True)
            git(repository, "update-index", "--add", "--cacheinfo", f"160000,{commit},{name}")
            said.extend(snapshot(source, repository).warnings)
        assert said[1:] == [
            f"the submodules {names} are not checked out: their folders are empty"
            for names in (
                r"a b and c\nd",
                r"a b, c\nd and e/f",
                r"a b, c\nd, e/f and 1 more",
                r"a b, c\nd, e/f and 2 more",
            )
        ]

    def test_as_submodule_that_our_own_ignore_file_names_need_not_be_fetched(
        self, source: GitSource, outer: Path, tmp_path: Path
    ) -> None:
        (outer / ".runprojignore").write_text("sub/\n")
        committed(outer)
        git(tmp_path, "clone", "-q", str(outer), "clone")
        assert snapshot(source, tmp_path / "clone").warnings == ()

    def test_is_byte_identical_afterwards(self, source: GitSource, outer: Path) -> None:
        made_repository(outer / "nested")
        (outer / "sub" / "a.py").write_text("changed\n")
        before = state(outer)
        snapshot(source, outer)
        assert state(outer) == before

    def test_may_be_unknown_to_the_outer_one(self, source: GitSource, repository: Path) -> None:
        made_repository(repository / "x" / "nested")
        (repository / "x" / "nested" / "a.py").write_text("changed\n")
        found = snapshot(source, repository)
        assert source.read(found.tree, "x/nested/a.py") == b"changed\n"
        assert found.dirty is True
        committed(repository / "x" / "nested")
        assert snapshot(source, repository).dirty is True

    def test_may_have_no_commits(self, source: GitSource, repository: Path) -> None:
        (repository / "nested").mkdir()
        git(repository / "nested", "init", "-q")
        (repository / "nested" / "f.py").write_text("f\n")
        assert content(source, repository)["nested/f.py"] == b"f\n"
        (repository / "empty").mkdir()
        git(repository / "empty", "init", "-q")
        assert "empty" not in paths(source, repository)

    def test_may_stand_in_another_one_or_in_no_repository(
        self, source: GitSource, repository: Path, tmp_path: Path
    ) -> None:
        made_repository(repository / "one" / "two" / "three")
        made_repository(repository / "one" / "two" / "three" / "four")
        assert "one/two/three/four/code/b.py" in paths(source, repository)
        found = paths(source, tmp_path)
        assert "repository/one/two/three/four/code/b.py" in found
        assert "repository/a.py" in found

    def test_follows_its_own_ignore_files_and_not_the_outer_ones(
        self, source: GitSource, repository: Path
    ) -> None:
        (repository / ".gitignore").write_text("*.txt\n")
        nested = made_repository(repository / "nested")
        (nested / "kept.txt").touch()
        (nested / ".git" / "info" / "exclude").write_text("*.log\n")
        (nested / "out.log").touch()
        found = paths(source, repository)
        assert "nested/kept.txt" in found
        assert "nested/out.log" not in found

    def test_is_left_out_when_it_is_ignored(self, source: GitSource, repository: Path) -> None:
        made_repository(repository / "nested")
        (repository / ".gitignore").write_text("nested/\n")
        assert paths(source, repository) == {".gitignore", "a.py", "code/b.py"}

    def test_with_a_broken_git_folder_is_a_folder(
        self, source: GitSource, outer: Path, repository: Path
    ) -> None:
        assert outer == repository
        (outer / "sub" / ".git").unlink()
        (outer / "sub" / ".git").mkdir()
        assert "sub/a.py" in paths(source, outer)


class TestTheProject:
    def test_may_be_a_folder_of_a_repository(self, source: GitSource, repository: Path) -> None:
        found = snapshot(source, repository / "code")
        assert set(source.manifest(found.tree)) == {"b.py"}
        assert found.tree == git(repository, "rev-parse", "HEAD:code").strip()
        assert found.commit == git(repository, "rev-parse", "HEAD").strip()
        assert (found.branch, found.dirty) == ("main", False)

    def test_in_a_folder_is_dirty_by_its_own_changes_only(
        self, source: GitSource, repository: Path
    ) -> None:
        (repository / ".gitattributes").write_text("*.py text eol=crlf\n")
        committed(repository)  # now the tree in the folder is never that of the commit
        for file in ("a.py", "code/b.py"):
            (repository / file).write_bytes((repository / file).read_bytes() + b"\r\n")
        committed(repository)
        assert snapshot(source, repository / "code").dirty is False
        (repository / "a.py").write_text("changed\n")
        (repository / "new.py").touch()
        assert snapshot(source, repository / "code").dirty is False
        (repository / "code" / "b.py").write_text("changed\n")
        assert snapshot(source, repository / "code").dirty is True

    def test_may_be_a_folder_that_its_repository_ignores(
        self, source: GitSource, repository: Path
    ) -> None:
        (repository / ".gitignore").write_text("*\n")
        (repository / "experiment").mkdir()
        (repository / "experiment" / "x.py").touch()
        found = snapshot(source, repository / "experiment")
        assert set(source.manifest(found.tree)) == {"x.py"}
        assert (found.commit, found.dirty) == (None, None)

    def test_may_be_an_untracked_folder(self, source: GitSource, repository: Path) -> None:
        (repository / "fresh").mkdir()
        (repository / "fresh" / "x.py").touch()
        found = snapshot(source, repository / "fresh")
        assert set(source.manifest(found.tree)) == {"x.py"}
        assert found.commit == git(repository, "rev-parse", "HEAD").strip()
        assert (found.branch, found.dirty) == ("main", True)

    def test_may_be_reached_by_a_link(
        self, source: GitSource, repository: Path, tmp_path: Path
    ) -> None:
        (tmp_path / "link").symlink_to(repository)
        found = source.snapshot(str(tmp_path / "link" / "code"), str(tmp_path / "link"))
        assert found.project_path == "code"
        assert found.tree == snapshot(source, repository).tree

    def test_may_be_a_linked_worktree(
        self, source: GitSource, repository: Path, tmp_path: Path
    ) -> None:
        git(repository, "worktree", "add", "-q", "-b", "side", str(tmp_path / "side"))
        (tmp_path / "side" / "a.py").write_text("side\n")
        found = snapshot(source, tmp_path / "side")
        assert found.branch == "side"
        assert source.read(found.tree, "a.py") == b"side\n"
        assert source.read(found.tree, ".git") is None

    @pytest.mark.parametrize("how", ["--shared", "--depth=1", "--filter=blob:none"])
    def test_may_be_a_clone_that_has_not_all_objects(
        self, source: GitSource, repository: Path, tmp_path: Path, how: str
    ) -> None:
        (repository / "a.py").write_text("second\n")
        committed(repository)
        git(repository, "config", "uploadpack.allowFilter", "true")
        url = str(repository) if how == "--shared" else f"file://{repository}"
        git(tmp_path, "clone", "-q", how, url, "clone")
        shutil.move(repository, tmp_path / "elsewhere")
        if how == "--shared":
            shutil.move(tmp_path / "elsewhere", repository)
        found = snapshot(source, tmp_path / "clone")
        assert found.dirty is False
        assert source.read(found.tree, "a.py") == b"second\n"

    def test_may_have_no_commits(self, source: GitSource, tmp_path: Path) -> None:
        (tmp_path / "new").mkdir()
        git(tmp_path / "new", "init", "-q")
        (tmp_path / "new" / "a.py").touch()
        for _ in range(2):
            found = snapshot(source, tmp_path / "new")
            assert (found.commit, found.branch, found.dirty) == (None, "main", True)
            assert set(source.manifest(found.tree)) == {"a.py"}
            git(tmp_path / "new", "add", "-A")

    def test_may_have_a_detached_head(self, source: GitSource, repository: Path) -> None:
        git(repository, "checkout", "-q", "--detach")
        found = snapshot(source, repository)
        assert found.commit == git(repository, "rev-parse", "HEAD").strip()
        assert (found.branch, found.dirty) == (None, False)

    def test_may_be_a_repository_of_sha256(self, source: GitSource, tmp_path: Path) -> None:
        repository = made_repository(tmp_path / "long", "--object-format=sha256")
        found = snapshot(source, repository)
        assert len(found.commit or "") == 64
        assert len(found.tree) == 40
        assert found.dirty is False
        (repository / "a.py").write_text("changed\n")
        assert snapshot(source, repository).dirty is True

    def test_is_clean_when_only_the_times_of_files_changed(
        self, source: GitSource, repository: Path
    ) -> None:
        os.utime(repository / "a.py")
        assert snapshot(source, repository).dirty is False

    def test_is_dirty_by_new_changed_staged_and_deleted_files(
        self, source: GitSource, repository: Path
    ) -> None:
        (repository / "new.py").touch()
        assert snapshot(source, repository).dirty is True
        git(repository, "add", "new.py")
        assert snapshot(source, repository).dirty is True
        committed(repository)
        assert snapshot(source, repository).dirty is False
        (repository / "new.py").unlink()
        assert snapshot(source, repository).dirty is True

    def test_is_judged_anew_when_the_commit_or_the_index_changed(
        self, source: GitSource, repository: Path
    ) -> None:
        git(repository, "config", "core.autocrlf", "true")
        (repository / "a.py").write_bytes(b"a = 2\r\n")
        for _ in range(2):
            assert snapshot(source, repository).dirty is True
        git(repository, "add", "a.py")
        assert snapshot(source, repository).dirty is True
        git(repository, "commit", "-q", "-m", "more")
        for _ in range(2):
            assert snapshot(source, repository).dirty is False
        git(repository, "reset", "-q", "HEAD^")
        for _ in range(2):
            assert snapshot(source, repository).dirty is True

    def test_is_not_dirty_by_files_that_are_no_code(
        self, source: GitSource, repository: Path
    ) -> None:
        (repository / ".runprojignore").write_text("notes.md\ncode/\n")
        committed(repository)
        (repository / "notes.md").touch()
        (repository / ".runproj").mkdir()
        (repository / ".runproj" / "x").touch()
        (repository / "code" / "b.py").write_text("changed\n")
        assert snapshot(source, repository).dirty is False

    @pytest.mark.parametrize(
        ("configured", "recorded"),
        [
            ("https://me:secret@example.org/a.git", "https://example.org/a.git"),
            (f"https://{TOKEN}@example.org/a.git", "https://example.org/a.git"),
            ("https://example.org:8443/a.git?private_token=x#y", "https://example.org:8443/a.git"),
            ("https://me:p@ss@example.org/a", "https://example.org/a"),
            ("ssh://git:secret@example.org/a.git", "ssh://git@example.org/a.git"),
            ("git@example.org:a/b.git", "git@example.org:a/b.git"),
            ("../a folder", "../a folder"),
        ],
    )
    def test_tells_its_remote_without_credentials(
        self, source: GitSource, repository: Path, configured: str, recorded: str
    ) -> None:
        git(repository, "remote", "add", "origin", configured)
        git(repository, "remote", "add", "other", "https://example.org/other")
        assert snapshot(source, repository).remote == recorded

    def test_tells_a_remote_of_another_name_if_it_is_the_only_one(
        self, source: GitSource, repository: Path
    ) -> None:
        assert snapshot(source, repository).remote is None
        git(repository, "remote", "add", "up.stream", "https://example.org/a")
        assert snapshot(source, repository).remote == "https://example.org/a"
        git(repository, "remote", "add", "other", "https://example.org/other")
        assert snapshot(source, repository).remote is None


class TestIgnoring:
    def test_follows_every_ignore_file_of_git(
        self, source: GitSource, repository: Path, tmp_path: Path
    ) -> None:
        (tmp_path / "everywhere").write_text("*.global\n")
        git(repository, "config", "--global", "core.excludesFile", str(tmp_path / "everywhere"))
        (repository / ".git" / "info" / "exclude").write_text("*.info\n")
        (repository / ".gitignore").write_text("*.top\n!kept.top\n")
        (repository / "code" / ".gitignore").write_text("/*.deep\n")
        for name in ("x.global", "x.info", "x.top", "kept.top", "code/x.deep", "x.deep"):
            (repository / name).touch()
        assert paths(source, repository) == {
            ".gitignore",
            "a.py",
            "code/.gitignore",
            "code/b.py",
            "kept.top",
            "x.deep",
        }

    def test_follows_them_outside_of_a_repository_too(
        self, source: GitSource, repository: Path, tmp_path: Path
    ) -> None:
        (tmp_path / "everywhere").write_text("*.global\n")
        git(repository, "config", "--global", "core.excludesFile", str(tmp_path / "everywhere"))
        shutil.rmtree(repository / ".git")
        (repository / ".gitignore").write_text("*.top\n")
        (repository / "code" / ".gitignore").write_text("*.deep\n")
        for name in ("x.global", "x.top", "code/x.deep"):
            (repository / name).touch()
        assert paths(source, repository) == {".gitignore", "a.py", "code/.gitignore", "code/b.py"}

    def test_keeps_tracked_files_that_git_would_ignore(
        self, source: GitSource, repository: Path
    ) -> None:
        (repository / "node_modules").mkdir()
        (repository / "node_modules" / "x.js").touch()
        committed(repository)
        (repository / ".gitignore").write_text("*.py\n")
        assert paths(source, repository) >= {"a.py", "code/b.py", "node_modules/x.js"}

    def test_follows_our_own_ignore_file_for_tracked_files_too(
        self, source: GitSource, repository: Path
    ) -> None:
        (repository / ".runprojignore").write_text("*.py\n!b.py\n/only-here\n.runprojignore\n")
        (repository / "code" / ".runprojignore").write_text("deep/\n")
        (repository / "code" / "deep").mkdir()
        for name in ("only-here", "code/only-here", "code/deep/x", "c.py"):
            (repository / name).touch()
        assert paths(source, repository) == {
            ".runprojignore",
            "code/.runprojignore",
            "code/b.py",
            "code/only-here",
        }

    def test_follows_our_own_ignore_file_within_nested_repositories_and_outside_of_any(
        self, source: GitSource, repository: Path
    ) -> None:
        made_repository(repository / "nested")
        (repository / ".runprojignore").write_text("nested/code\na.py\n")
        assert paths(source, repository) == {".runprojignore", "code/b.py"}
        shutil.rmtree(repository / ".git")
        assert paths(source, repository) == {".runprojignore", "code/b.py"}

    def test_notices_that_our_own_ignore_file_changed(
        self, source: GitSource, repository: Path
    ) -> None:
        (repository / ".gitignore").write_text(".*ignore\n")
        (repository / ".runprojignore").write_text("code\n")
        assert paths(source, repository) == {".runprojignore", "a.py"}
        (repository / ".runprojignore").write_text("a.py\n")
        assert paths(source, repository) == {".runprojignore", "code/b.py"}
        (repository / ".runprojignore").unlink()
        assert paths(source, repository) == {"a.py", "code/b.py"}

    @pytest.mark.parametrize("kind", ["repository", "folder"])
    def test_leaves_out_environments_and_what_tools_leave_behind(
        self, source: GitSource, repository: Path, kind: str
    ) -> None:
        if kind == "folder":
            shutil.rmtree(repository / ".git")
        for name in (
            ".runproj/runs/1",
            "code/.runproj/x",
            "code/__pycache__/b.pyc",
            "code/b.pyc",
            ".venv/bin/python",
            "my-env/pyvenv.cfg",
            "my-env/lib/x.py",
            "code/deep/env/pyvenv.cfg",
            "code/deep/env/bin/x",
            "conda/conda-meta/history",
            "conda/bin/x",
            ".tox/x",
            ".nox/x",
            ".mypy_cache/x",
            ".pytest_cache/x",
            ".ruff_cache/x",
            ".ipynb_checkpoints/x",
            ".hypothesis/x",
            "node_modules/x",
            ".DS_Store",
        ):
            (repository / name).parent.mkdir(parents=True, exist_ok=True)
            (repository / name).touch()
        assert paths(source, repository) == {"a.py", "code/b.py"}

    def test_never_takes_our_own_folder_even_if_it_is_tracked(
        self, source: GitSource, repository: Path
    ) -> None:
        (repository / ".runproj").mkdir()
        (repository / ".runproj" / "x").touch()
        committed(repository)
        assert paths(source, repository) == {"a.py", "code/b.py"}

    def test_a_store_within_the_project_is_no_code(self, repository: Path) -> None:
        source = GitSource(str(repository / ".runproj" / "source.git"))
        first = snapshot(source, repository)
        assert snapshot(source, repository) == first
        assert set(source.manifest(first.tree)) == {"a.py", "code/b.py"}


class TestRefusing:
    def test_names_every_untracked_file_with_a_hint_and_keeps_none(
        self, repository: Path, tmp_path: Path
    ) -> None:
        source = GitSource(str(tmp_path / "store.git"), size_limit=1000)
        (repository / "data.csv").write_bytes(b"0" * 1001)
        (repository / "code" / "id_ed25519").touch()
        with pytest.raises(Refused) as refused:
            snapshot(source, repository)
        problems = refused.value.problems
        assert [problem.where for problem in problems] == ["code/id_ed25519", "data.csv"]
        assert all(".runprojignore" in (problem.hint or "") for problem in problems)
        assert all("input" in (problem.hint or "") for problem in problems)
        assert blobs(tmp_path / "store.git") == 0

    def test_does_not_name_more_than_anybody_would_read(
        self, repository: Path, tmp_path: Path
    ) -> None:
        source = GitSource(str(tmp_path / "store.git"), size_limit=10)
        for number in range(30):
            (repository / f"{number:02}.bin").write_bytes(b"0" * 11)
        with pytest.raises(Refused) as refused:
            snapshot(source, repository)
        assert len(refused.value.problems) == 21
        assert "10 more" in refused.value.problems[-1].message

    def test_warns_of_tracked_files_each_time(self, repository: Path, tmp_path: Path) -> None:
        source = GitSource(str(tmp_path / "store.git"), size_limit=1000)
        (repository / "data.csv").write_bytes(b"0" * 1001)
        (repository / "key.pem").write_text(PRIVATE_KEY)
        committed(repository)
        first = snapshot(source, repository)
        assert [warning.split(" ")[0] for warning in first.warnings] == ["data.csv", "key.pem"]
        assert snapshot(source, repository) == first
        (repository / "a.py").write_text("changed\n")
        assert snapshot(source, repository).warnings == first.warnings

    def test_looks_again_when_a_file_is_tracked_no_more(
        self, source: GitSource, repository: Path
    ) -> None:
        (repository / "key.pem").write_text(PRIVATE_KEY)
        committed(repository)
        assert snapshot(source, repository).warnings
        git(repository, "rm", "-q", "--cached", "key.pem")
        with pytest.raises(Refused):
            snapshot(source, repository)

    def test_looks_again_when_a_file_changed(self, source: GitSource, repository: Path) -> None:
        (repository / "notes.txt").write_text("harmless")
        snapshot(source, repository)
        (repository / "notes.txt").write_text(TOKEN)
        for _ in range(2):
            with pytest.raises(Refused):
                snapshot(source, repository)
        (repository / "notes.txt").write_text("harmless again")
        assert content(source, repository)["notes.txt"] == b"harmless again"

    def test_is_avoided_by_ignoring_the_file(self, source: GitSource, repository: Path) -> None:
        (repository / "token").write_text(TOKEN)
        (repository / ".runprojignore").write_text("token\n")
        assert "token" not in paths(source, repository)

    def test_holds_outside_of_a_repository_too(self, tmp_path: Path) -> None:
        source = GitSource(str(tmp_path / "store.git"))
        (tmp_path / "project").mkdir()
        (tmp_path / "project" / "token").write_text(TOKEN)
        with pytest.raises(Refused) as refused:
            snapshot(source, tmp_path / "project")
        assert "git add" not in (refused.value.problems[0].hint or "")

    @pytest.mark.parametrize(
        ("name", "held"),
        [
            ("id_rsa", ""),
            ("server.pem", PRIVATE_KEY),
            ("server.key", PRIVATE_KEY.replace("OPENSSH ", "")),
            ("service.json", '{"private_key": "' + PRIVATE_KEY.replace("\n", "\\n") + '"}'),
            ("credentials.json", '{"client_secret": "x"}'),
            (".netrc", "machine example.org login me password x"),
            (".pypirc", "[pypi]\nusername = me\npassword = x\n"),
            (".npmrc", "//registry.npmjs.org/:_authToken=x"),
            (".git-credentials", "https://me:x@example.org"),
            (".env", "DEBUG=1\nexport DB_PASSWORD='correct-horse'\n"),
            (".env.production", "API_KEY=abcdefgh12345\n"),
            ("a.py", "key = 'AKIA" + "QYLPMN5HHHFPZAM2'"),
            ("a.py", f"token = '{TOKEN}'"),
            ("a.py", "token = 'github_pat_" + "11ABCDEFG0abcdefghijkl_mnopq'"),
            ("a.py", "token = 'xoxb-" + "123456789012-abcdefGHIJ'"),
            ("a.py", "token = 'hf_" + "abcdefghijklmnopqrstuvwxyzABCDEFGH'"),
        ],
    )
    def test_knows_secrets_by_name_and_content(
        self, source: GitSource, tmp_path: Path, name: str, held: str
    ) -> None:
        (tmp_path / "project").mkdir()
        (tmp_path / "project" / name).write_text(held)
        with pytest.raises(Refused) as refused:
            snapshot(source, tmp_path / "project")
        problem = refused.value.problems[0]
        assert problem.where == name
        assert not held or held not in problem.message

    @pytest.mark.parametrize(
        ("name", "held"),
        [
            ("id_rsa.pub", "ssh-rsa AAAA"),
            ("ca.pem", "-----BEGIN CERTIFICATE-----\n" + "MIID" * 20),
            ("scan.py", "if b'-----BEGIN " + "PRIVATE KEY-----' in data:\n    refuse()\n"),
            (".env", "DEBUG=1\nTOKEN=\nPASSWORD=$PASSWORD\nSECRET_KEY=changeme123\n"),
            (".env.example", "DB_PASSWORD=correct-horse\n"),
            ("readme.md", "use AKIAIOSFODNN7EXAMPLE or ghp_" + "x" * 36),
            ("word.txt", "a task-force of AKIAN people, and elephp_ants"),
            ("large.bin", "0" * 2_000_000 + TOKEN),
        ],
    )
    def test_does_not_take_harmless_files_for_secrets(
        self, source: GitSource, tmp_path: Path, name: str, held: str
    ) -> None:
        (tmp_path / "project").mkdir()
        (tmp_path / "project" / name).write_text(held)
        assert paths(source, tmp_path / "project") == {name}


class TestTheStore:
    def test_is_used_by_many_at_once(self, repository: Path, tmp_path: Path) -> None:
        other = made_repository(tmp_path / "other")
        (other / "c.py").touch()
        code = (
            "import sys; from runproj.adapters.source.git import GitSource\n"
            "source = GitSource(sys.argv[1])\n"
            "for _ in range(5): print(source.snapshot(sys.argv[2], sys.argv[2]).tree)\n"
        )
        argv = [sys.executable, "-c", code, str(tmp_path / "store.git")]
        folders = [repository, other] * 4
        running = [
            subprocess.Popen([*argv, str(folder)], stdout=subprocess.PIPE, text=True)
            for folder in folders
        ]
        answers = [process.communicate()[0].split() for process in running]
        source = GitSource(str(tmp_path / "store.git"))
        for folder, trees in zip(folders, answers, strict=True):
            assert trees == [snapshot(source, folder).tree] * 5
        left = [path.name for path in tmp_path.iterdir() if path.name.startswith(".source-")]
        assert not left

    def test_is_used_by_many_threads_while_the_code_changes(
        self, source: GitSource, repository: Path
    ) -> None:
        problems: list[BaseException] = []

        def work() -> None:
            try:
                for _ in range(5):
                    source.manifest(snapshot(source, repository).tree)
            except BaseException as problem:  # noqa: BLE001 -- a thread's failure must be seen
                problems.append(problem)

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        number = 0
        while any(thread.is_alive() for thread in threads):
            number += 1
            (repository / f"new{number % 10}.py").write_text(str(number))
            (repository / f"new{(number + 5) % 10}.py").unlink(missing_ok=True)
            time.sleep(0.001)
        assert not problems
        git(Path(source._store.path), "fsck", "--strict")

    def test_keeps_a_reference_to_every_tree(
        self, source: GitSource, repository: Path, tmp_path: Path
    ) -> None:
        trees = [snapshot(source, repository).tree]
        (repository / "a.py").write_text("changed\n")
        trees.append(snapshot(source, repository).tree)
        git(tmp_path / "store.git", "gc", "-q", "--prune=now")
        for number, tree in enumerate(trees):
            source.checkout(tree, str(tmp_path / f"out{number}"))
        assert snapshot(source, repository).tree == trees[1]

    def test_that_was_pruned_gets_everything_anew(
        self, source: GitSource, repository: Path, tmp_path: Path
    ) -> None:
        tree = snapshot(source, repository).tree
        store = tmp_path / "store.git"
        git(store, "update-ref", "-d", f"refs/snapshots/{tree}")
        git(store, "gc", "-q", "--prune=now")
        assert blobs(store) == 0
        (repository / "new.py").touch()
        assert snapshot(source, repository).tree != tree
        (repository / "new.py").unlink()
        assert snapshot(source, repository).tree == tree
        source.checkout(tree, str(tmp_path / "out"))
        git(store, "fsck", "--strict")

    def test_that_lost_an_object_says_so(
        self, source: GitSource, repository: Path, tmp_path: Path
    ) -> None:
        tree = snapshot(source, repository).tree
        blob = source.manifest(tree)["a.py"].split(" ")[1]
        lost = tmp_path / "store.git" / "objects" / blob[:2] / blob[2:]
        lost.chmod(0o644)
        lost.write_bytes(b"")  # as after a loss of power
        with pytest.raises(StoreError, match=tree):
            source.checkout(tree, str(tmp_path / "a"))
        lost.unlink()
        with pytest.raises(StoreError, match=tree) as error:
            source.checkout(tree, str(tmp_path / "b"))
        assert error.value.problems[0].where == str(tmp_path / "store.git")
        with pytest.raises(StoreError):
            source.checkout(tree, str(tmp_path / "c"), ["a.py"])
        with pytest.raises(StoreError):
            source.read(tree, "a.py")

    def test_mends_what_a_killed_process_or_a_loss_of_power_left(
        self, source: GitSource, repository: Path, tmp_path: Path
    ) -> None:
        tree = snapshot(source, repository).tree
        store = tmp_path / "store.git"
        index = next(path for path in store.glob("index-*") if not path.suffix)
        index.with_name(f"{index.name}.lock").touch()
        index.write_bytes(b"")
        (repository / "new.py").touch()
        assert "new.py" in source.manifest(snapshot(source, repository).tree)
        index.write_bytes(b"nonsense")
        index.with_name(f"{index.name}.json").write_bytes(b"")
        (repository / "new.py").unlink()
        assert snapshot(source, repository).tree == tree
        index.unlink()
        assert snapshot(source, repository).tree == tree

    def test_cannot_be_made_where_a_file_is_in_the_way(
        self, repository: Path, tmp_path: Path
    ) -> None:
        (tmp_path / "file").touch()
        with pytest.raises(StoreError):
            snapshot(GitSource(str(tmp_path / "file" / "store.git")), repository)
        with pytest.raises(StoreError):
            snapshot(GitSource(str(tmp_path / "file")), repository)

    def test_that_was_never_made_has_no_trees(self, source: GitSource, tmp_path: Path) -> None:
        with pytest.raises(StoreError):
            source.manifest("0" * 40)
        assert not (tmp_path / "store.git").exists()

    def test_does_not_depend_on_what_the_user_configures(
        self, source: GitSource, repository: Path, tmp_path: Path
    ) -> None:
        tree = snapshot(source, repository).tree
        for setting in ("core.autocrlf=true", "core.eol=crlf", "core.symlinks=false"):
            git(repository, "config", "--global", *setting.split("="))
        (repository / "link").symlink_to("a.py")
        (repository / "a.py").write_bytes(b"one\r\ntwo\n")
        changed = snapshot(source, repository).tree
        assert source.read(changed, "a.py") == b"one\r\ntwo\n"
        assert source.manifest(changed)["link"].startswith("120000")
        source.checkout(tree, str(tmp_path / "out"))
        assert (tmp_path / "out" / "a.py").read_bytes() == b"a = 1\n"


class TestGit:
    @pytest.fixture
    def counted(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        """Put a git in PATH that notes each call, and return the file of notes."""
        real, notes = shutil.which("git"), tmp_path / "calls"
        (tmp_path / "bin").mkdir()
        (tmp_path / "bin" / "git").write_text(
            f'#!/bin/sh\necho "$@" >> {notes}\nexec {real} "$@"\n'
        )
        (tmp_path / "bin" / "git").chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
        return notes

    def test_is_called_four_times_when_nothing_changed(
        self, source: GitSource, repository: Path, counted: Path
    ) -> None:
        first = snapshot(source, repository)
        counted.unlink()
        assert snapshot(source, repository) == first
        assert len(counted.read_text().splitlines()) == 4
        (repository / "a.py").write_text("changed\n")
        assert snapshot(source, repository).dirty is True
        counted.unlink()
        assert snapshot(source, repository).dirty is True
        assert len(counted.read_text().splitlines()) == 4

    def test_is_called_twice_for_an_unchanged_folder_outside_of_a_repository(
        self, source: GitSource, repository: Path, counted: Path
    ) -> None:
        shutil.rmtree(repository / ".git")
        first = snapshot(source, repository)
        counted.unlink()
        assert snapshot(source, repository) == first
        assert len(counted.read_text().splitlines()) == 2

    def test_is_called_once_for_a_checkout(
        self, source: GitSource, repository: Path, counted: Path, tmp_path: Path
    ) -> None:
        tree = snapshot(source, repository).tree
        source.manifest(tree)  # as it is asked for before every checkout
        counted.unlink()
        source.checkout(tree, str(tmp_path / "out"))
        assert len(counted.read_text().splitlines()) == 1

    def test_is_not_led_astray_by_the_variables_of_a_hook(
        self, source: GitSource, repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        first = snapshot(source, repository)
        other = made_repository(tmp_path / "other")
        monkeypatch.setenv("GIT_DIR", str(other / ".git"))
        monkeypatch.setenv("GIT_INDEX_FILE", str(other / ".git" / "index"))
        monkeypatch.setenv("GIT_WORK_TREE", str(other))
        monkeypatch.setenv("GIT_OBJECT_DIRECTORY", str(tmp_path / "nowhere"))
        assert snapshot(source, repository) == first
        (repository / "a.py").write_text("changed\n")
        assert content(source, repository)["a.py"] == b"changed\n"

    def test_that_is_missing_is_an_error_with_a_hint(
        self, source: GitSource, repository: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("PATH", "/nowhere")
        with pytest.raises(StoreError, match="git is not installed") as error:
            snapshot(source, repository)
        assert "PATH" in (error.value.problems[0].hint or "")

    def test_is_not_gitpython_on_this_path(self, repository: Path, tmp_path: Path) -> None:
        code = (
            "import sys; from runproj.adapters.source.git import GitSource\n"
            "GitSource(sys.argv[1]).snapshot(sys.argv[2], sys.argv[2])\n"
            "sys.exit('git' in sys.modules)\n"
        )
        argv = [sys.executable, "-c", code, str(tmp_path / "store.git"), str(repository)]
        assert subprocess.run(argv, check=False).returncode == 0


@pytest.mark.skipif(not Path("/dev/shm").is_dir(), reason="needs a second file system")  # noqa: S108 -- the second file system of Linux
def test_a_checkout_may_be_on_another_file_system(
    source: GitSource, repository: Path, tmp_path: Path
) -> None:
    out = Path("/dev/shm") / f"runproj-test-{os.getpid()}-{tmp_path.name}"  # noqa: S108 -- the same
    try:
        source.checkout(snapshot(source, repository).tree, str(out))
        assert (out / "code" / "b.py").read_text() == "b = 2\n"
    finally:
        shutil.rmtree(out, ignore_errors=True)


# ── a store that cannot be read ──────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("there", "why"),
    [(None, "cannot be read: it is gone"), ("", "cannot be read: it is no folder")],
)
def test_a_store_that_is_gone_is_said_to_be_unreadable(
    source: GitSource, repository: Path, tmp_path: Path, there: str | None, why: str
) -> None:
    tree = source.snapshot(str(repository), str(repository)).tree
    shutil.rmtree(tmp_path / "store.git")
    if there is not None:
        (tmp_path / "store.git").write_text(there)
    for read in (
        lambda: source.size(tree),
        lambda: GitSource(str(tmp_path / "store.git")).manifest(tree),
        lambda: source.checkout(tree, str(tmp_path / "out")),
    ):
        with pytest.raises(StoreError, match=why) as raised:
            read()
        assert "from a copy" in str(raised.value.problems[0].hint)


def test_a_folder_that_cannot_take_the_code_is_no_trouble_of_the_store(
    source: GitSource, repository: Path, tmp_path: Path
) -> None:
    tree = source.snapshot(str(repository), str(repository)).tree
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="the code cannot be written out: Not a directory"):
        source.checkout(tree, str(tmp_path / "file/folder"))
