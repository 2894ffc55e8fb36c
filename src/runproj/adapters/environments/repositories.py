"""Packages from git repositories: a commit is fetched once, and kept as an archive.

The archive holds the files of the commit with what git knows of its history: builds ask git for
their version. Nothing of the history is left out: a repository that lacks something fetches it when
nobody expects it, and some servers let that never end.
"""

import os
import shutil
import subprocess
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from runproj.errors import EnvironmentFailed
from runproj.lock.pylock import Repository, without_credentials

# What git sets for its hooks and aliases, which would lead to another repository.
_DROPPED = frozenset({
    "GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_COMMON_DIR", "GIT_CONFIG", "GIT_CONFIG_PARAMETERS",
    "GIT_DIR", "GIT_INDEX_FILE", "GIT_NAMESPACE", "GIT_OBJECT_DIRECTORY", "GIT_PREFIX",
    "GIT_WORK_TREE",
})  # fmt: skip
_PLAIN = {
    "advice.detachedHead": "false",
    "core.fsmonitor": "false",
    "core.hooksPath": os.devnull,
    "gc.auto": "0",
    "submodule.recurse": "false",
}
_BRANCHES = ("+refs/heads/*:refs/remotes/origin/*", "+refs/tags/*:refs/tags/*")
_TRUE = frozenset({"1", "true", "yes", "on", "y", "t"})
_DENIED = ("Authentication failed", "could not read Username", "Permission denied", "403", "401")


class Fetched(NamedTuple):
    """What fetches commits: the caller's variables, and more settings of git, such as headers."""

    caller: Mapping[str, str]
    settings: Mapping[str, str]

    def archive(self, repository: Repository, package: str, folder: Path) -> Path:
        """Fetch a commit into a folder; return the archive of it.

        Raises:
            EnvironmentFailed: it is to be had nowhere.
        """
        remote = not repository.url.startswith(("file:", "/"))
        if remote and self.caller.get("UV_OFFLINE", "").lower() in _TRUE:
            raise _failed(repository, package, "nothing asks the network (--offline, UV_OFFLINE)")
        place = folder / "repository"
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir(parents=True)
        try:
            self._fetch(repository, place)
            # where it came from is written in the lock; here it may only lead to a password
            self._git(place, "remote", "remove", "origin")
            return _packed(place, folder / f"{repository.commit[:12]}.tar.gz")
        except _GitFailed as error:
            raise _failed(repository, package, error.said) from error
        finally:
            shutil.rmtree(place, ignore_errors=True)

    def _fetch(self, repository: Repository, place: Path) -> None:
        self._git(place, "init", "--quiet", "--template=")
        self._git(place, "remote", "add", "origin", repository.url)
        try:
            self._git(place, "fetch", "--quiet", "--tags", "origin", repository.commit)
        except _GitFailed:  # not every server gives a commit that is asked for by its id
            self._git(place, "fetch", "--quiet", "origin", *_BRANCHES)
        self._git(place, "checkout", "--quiet", "--detach", repository.commit)
        if (place / ".gitmodules").exists():
            self._git(place, "submodule", "--quiet", "update", "--init", "--recursive")

    def _git(self, folder: Path, *argv: str) -> None:
        program = shutil.which("git", path=self.caller.get("PATH"))
        if program is None:
            raise EnvironmentFailed(
                "git is missing: it fetches packages from repositories",
                hint="install it, and see that its folder is in PATH",
            )
        done = subprocess.run(
            [program, *argv], cwd=folder, env=self._variables(), stdin=subprocess.DEVNULL,
            capture_output=True, check=False,
        )  # fmt: skip
        if done.returncode:
            raise _GitFailed(done.stderr.decode("utf-8", "backslashreplace"))

    def _variables(self) -> dict[str, str]:
        variables = {name: text for name, text in self.caller.items() if name not in _DROPPED}
        given = variables.get("GIT_CONFIG_COUNT", "")
        first = int(given) if given.isdecimal() else 0
        settings = {**_PLAIN, **self.settings}
        for number, (key, value) in enumerate(settings.items(), first):
            variables[f"GIT_CONFIG_KEY_{number}"] = key
            variables[f"GIT_CONFIG_VALUE_{number}"] = value
        if self.caller.get("UV_GIT_LFS", "").lower() not in _TRUE:
            variables["GIT_LFS_SKIP_SMUDGE"] = "1"
        return {
            **variables, "GIT_CONFIG_COUNT": str(first + len(settings)), "GIT_TERMINAL_PROMPT": "0",
            "LC_ALL": "C", "LANGUAGE": "C",
        }  # fmt: skip


class _GitFailed(Exception):
    """Git ended with an error."""

    def __init__(self, said: str) -> None:
        super().__init__(said)
        lines = [line.removeprefix("fatal: ") for line in said.splitlines() if line.strip()]
        fatal = [
            line.partition(": ")[2] for line in said.splitlines()
            if line.startswith(("fatal: ", "error: "))
        ]  # fmt: skip
        self.said = without_credentials((fatal or lines or ["git does not say why"])[0])


def unpacked(archive: Path, folder: Path) -> Path:
    """Unpack an archive of a commit; return the folder of its files."""
    with tarfile.open(archive) as tar:
        safe = {"filter": "tar"} if hasattr(tarfile, "tar_filter") else {}
        tar.extractall(folder, **safe)  # type: ignore[arg-type] # noqa: S202 -- made by us
    return folder / "repository"


def _packed(place: Path, target: Path) -> Path:
    """Write a folder into an archive, without what belongs to this machine."""

    def plain(one: tarfile.TarInfo) -> tarfile.TarInfo:
        one.uid = one.gid = 0
        one.uname = one.gname = ""
        return one

    with tarfile.open(target, "w:gz", compresslevel=6) as tar:
        tar.add(place, arcname="repository", filter=plain)
    return target


def _failed(repository: Repository, package: str, why: str) -> EnvironmentFailed:
    denied = any(word in why for word in _DENIED)
    return EnvironmentFailed(
        f"the commit {repository.commit[:12]} of {package} cannot be fetched: {why}",
        where=without_credentials(repository.url),
        hint="see that git can fetch it: 'git ls-remote', a credential helper, or a netrc file"
        if denied
        else "the commit or its repository may be gone, or the network: see 'git ls-remote'",
    )
