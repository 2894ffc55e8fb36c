"""Projects from elsewhere: a git URI or a revision of a repository, fetched into the user's cache.

Nothing of the user's is touched: the repository is mirrored into a folder of ours, and the revision
is checked out of that mirror into another one, named by its commit.
"""

import contextlib
import fcntl
import hashlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import git

from runproj.errors import UsageError

_URI = re.compile(r"(?:git\+)?(?:[A-Za-z][A-Za-z0-9+.-]*://|[\w.-]+@[\w.-]+:).+")
_PASSWORD = re.compile(r"(?<=://)[^/@\s]+@")


def is_remote(project: str) -> bool:
    """Tell whether a project is named by a git URI.

    >>> is_remote("https://host/x.git#sub"), is_remote("git@host:x.git"), is_remote("a/b")
    (True, True, False)
    """
    return _URI.fullmatch(project.partition("#")[0]) is not None


class RemoteProjects(NamedTuple):
    """Fetches projects below a folder of the user's cache."""

    folder: Path

    def fetch(self, project: str, revision: str | None) -> Path:
        """Return the folder of a project at a revision (default: the remote's own branch).

        ``project`` is a git URI or the path of a repository; what follows ``#`` is the project's
        folder in it.

        Raises:
            UsageError: the repository cannot be reached, or has no such revision or folder.
        """
        where, _, subfolder = project.partition("#")
        url = where.removeprefix("git+")
        if not is_remote(where):
            url = str(Path(where).resolve())
        name = hashlib.sha256(url.encode()).hexdigest()[:24]
        with self._alone(name):
            mirror = self._mirror(url, name)
            commit = _commit(mirror, revision, where)
            checkout = self._checkout(mirror, url, name, commit)
        place = checkout / subfolder
        if not place.is_dir():
            raise UsageError(f"the repository has no folder {subfolder!r}", where=_shown(where))
        return place

    @contextlib.contextmanager
    def _alone(self, name: str) -> Iterator[None]:
        """Keep other processes away from a repository."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / f"{name}.lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def _mirror(self, url: str, name: str) -> git.Repo:
        place = self.folder / f"{name}.git"
        try:
            if place.exists():
                mirror = git.Repo(place)
                mirror.git.fetch("--prune", "--quiet", "origin")
                return mirror
            return git.Repo.clone_from(url, place, mirror=True, env={"GIT_TERMINAL_PROMPT": "0"})
        except git.GitCommandError as error:
            raise UsageError(
                f"the repository cannot be fetched: {_reason(error)}",
                where=_shown(url), hint="see that git itself can fetch it: git ls-remote",
            ) from error  # fmt: skip

    def _checkout(self, mirror: git.Repo, url: str, name: str, commit: str) -> Path:
        place = self.folder / f"{name}-{commit}"
        if (place / ".git" / "runproj").exists():
            return place
        if place.exists():
            git.rmtree(str(place))  # a checkout that was cut off
        clone = git.Repo.clone_from(mirror.git_dir, place, no_checkout=True)
        clone.remotes.origin.set_url(_shown(url))
        clone.git.checkout("--quiet", "--detach", commit)
        (place / ".git" / "runproj").touch()
        return place


def _reason(error: git.GitCommandError) -> str:
    """Return the line in which git says what is wrong."""
    said = _PASSWORD.sub("", str(error.stderr))
    fatal = re.search(r"(?:fatal|error): ([^\n]*)", said)
    return fatal[1].rstrip("'") if fatal else f"git ended with {error.status}"


def _commit(mirror: git.Repo, revision: str | None, where: str) -> str:
    """Return the id of the commit that a branch, tag or (short) commit id names."""
    try:
        return mirror.commit(revision or "HEAD").hexsha
    except (git.BadName, ValueError, IndexError) as error:
        names = [ref.name for ref in mirror.references][:8]
        raise UsageError(
            f"the repository has no revision {revision or 'HEAD'!r}", where=_shown(where),
            hint=f"it has {', '.join(names)}" if names else "it is empty",
        ) from error  # fmt: skip


def _shown(url: str) -> str:
    return _PASSWORD.sub("", url)
