"""Projects from elsewhere: a git URI or a revision of a repository, fetched into the user's cache.

Nothing of the user's is touched: the repository is mirrored into a folder of ours, and the revision
is checked out of that mirror into another one, named by its commit. What git does is done by git
with settings of ours; what a repository says of itself is read by GitPython, which starts nothing.
"""

import contextlib
import fcntl
import hashlib
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from runproj.adapters.source.plumbing import GitFailed, ask, looking
from runproj.errors import UsageError

os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")  # that git is missing is told by us
import git

_URI = re.compile(r"(?:git\+)?(?:[A-Za-z][A-Za-z0-9+.-]*://|[\w.-]+@[\w.-]+:).+")
_PASSWORD = re.compile(r"(?<=://)[^/@\s]+@")
_HOST = re.compile(r"(?P<scheme>[^/@\s]+://)[^/@\s]+@(?P<host>[^/]+/)")
_MARK = Path(".git") / "runproj"
_WHOLE = "with submodules\n"
"""What stands in the mark of a checkout to which nothing is missing."""

# What git sets for its hooks and aliases, which would lead to another repository; and templates,
# which would put files of the user's into those that are made here.
_DROPPED = frozenset(
    {
        "GIT_ALTERNATE_OBJECT_DIRECTORIES",
        "GIT_COMMON_DIR",
        "GIT_CONFIG",
        "GIT_CONFIG_PARAMETERS",
        "GIT_DIR",
        "GIT_GRAFT_FILE",
        "GIT_IMPLICIT_WORK_TREE",
        "GIT_INDEX_FILE",
        "GIT_INTERNAL_SUPER_PREFIX",
        "GIT_NAMESPACE",
        "GIT_NO_REPLACE_OBJECTS",
        "GIT_OBJECT_DIRECTORY",
        "GIT_PREFIX",
        "GIT_QUARANTINE_PATH",
        "GIT_REPLACE_REF_BASE",
        "GIT_SHALLOW_FILE",
        "GIT_WORK_TREE",
    }
)
_QUIET = {
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_TEMPLATE_DIR": "",
    "GIT_TERMINAL_PROMPT": "0",
    "LANGUAGE": "C",
    "LC_ALL": "C",
}
# The user's configuration says how to reach a repository (credentials, proxies, other addresses),
# and not what else is done about it.
_PLAIN = {
    "clone.defaultRemoteName": "origin",
    "core.fsmonitor": "false",
    "core.hooksPath": os.devnull,
    "core.untrackedCache": "false",
    "safe.bareRepository": "all",
    "safe.directory": "*",
    "submodule.recurse": "false",
}
# A repository on this machine is read by a second git, which is given no configuration from here.
_GIVER = (
    "--upload-pack=git -c safe.directory='*' -c safe.bareRepository=all"
    " -c uploadpack.allowAnySHA1InWant=true upload-pack"
)
_BARE_TOO = ("safe.bareRepository=all",)
_FETCHED = "see that git itself can fetch it: git ls-remote"
_LOST = ("not a git repository", "must be run in a work tree")


def is_remote(project: str) -> bool:
    """Tell whether a project is named by a git URI.

    >>> is_remote("https://host/x.git#sub"), is_remote("git@host:x.git"), is_remote("a/b")
    (True, True, False)
    """
    return _URI.fullmatch(project.partition("#")[0]) is not None


class _Repository(NamedTuple):
    """A repository, and where the project stands in it.

    ``origin`` is what relative URLs of submodules start from; ``folder`` is where the repository
    is when the user works in it (``""``: somewhere else).
    """

    url: str
    project: str
    origin: str
    folder: str = ""

    @property
    def local(self) -> bool:
        """Whether it is on this machine."""
        return bool(self.folder) or self.url.startswith("file://")

    @property
    def name(self) -> str:
        """Its name in the cache."""
        return hashlib.sha256(self.url.encode("utf-8", "surrogateescape")).hexdigest()[:24]


class RemoteProjects(NamedTuple):
    """Fetches projects below a folder of the user's cache; ``offline`` takes what is there."""

    folder: Path
    offline: bool = False

    def fetch(self, project: str, revision: str | None) -> Path:
        """Return the place of a project at a revision (default: the remote's own branch).

        ``project`` is a git URI, or the path of a folder or file in a repository; what follows
        ``#`` is the project's folder in it.

        Raises:
            UsageError: the repository cannot be reached, or has no such revision or folder.
        """
        found = _of_uri(project) if is_remote(project) else _around(project)
        with self._alone(found.name):
            mirror = self._mirror(found)
            commit = _commit(mirror, revision, found)
            checkout = self._checkout(mirror, found, commit).resolve()
        place = (checkout / found.project).resolve()
        if not place.exists() or not place.is_relative_to(checkout):
            raise UsageError(
                f"the repository has no folder {found.project!r}"
                + (f" at {revision}" if revision else ""),
                where=_shown(found.url),
            )
        return place

    @contextlib.contextmanager
    def _alone(self, name: str) -> Iterator[None]:
        """Keep other processes away from a repository."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / f"{name}.lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def _mirror(self, found: _Repository) -> Path:
        place = self.folder / f"{found.name}.git"
        giver = (_GIVER,) if found.local else ()
        if self.offline and not found.local:
            if not place.exists():
                raise UsageError(
                    "the repository was never fetched, and --offline asks no network",
                    where=_shown(found.url), hint="run it once without --offline",
                )  # fmt: skip
            return place
        with _told("the repository cannot be fetched", found.url, _FETCHED):
            if place.exists():
                _git(place, "fetch", "--prune", "--quiet", *giver, "origin")
                return place
            passing = _emptied(self.folder / f"{found.name}.new")
            _git(self.folder, "clone", "--mirror", "--quiet", *giver, found.url, str(passing))
            return passing.rename(place)

    def _checkout(self, mirror: Path, found: _Repository, commit: str) -> Path:
        place = self.folder / f"{found.name}-{commit}"
        mark = place / _MARK
        if mark.exists() and mark.read_text() == _WHOLE:
            return place
        _emptied(place)  # of a checkout that was cut off
        with _told("the revision cannot be checked out", found.url):
            _git(self.folder, "clone", "-q", "-n", _GIVER, str(mirror), str(place))
            _bring(place, commit)
            _git(place, "checkout", "--quiet", "--detach", commit)
        if (place / ".gitmodules").exists():
            hint = "see that git itself can fetch them: git submodule update --init --recursive"
            with _told("the submodules cannot be fetched", found.url, hint):
                _fetch_submodules(place, found)
        with _told("the revision cannot be checked out", found.url):
            _git(place, "remote", "set-url", "origin", _shown(found.url))
        mark.write_text(_WHOLE)
        return place


def _of_uri(project: str) -> _Repository:
    where, _, folder = project.partition("#")
    url = where.removeprefix("git+")
    return _Repository(url, folder, url)


def _around(project: str) -> _Repository:
    """Find the repository around a path, which need not be there today.

    Raises:
        UsageError: there is none.
    """
    path, _, folder = (project, "", "") if Path(project).exists() else project.partition("#")
    place = Path(path).resolve()
    start = next(above for above in (place, *place.parents) if above.is_dir())
    words = ("--is-bare-repository", "--absolute-git-dir", "--show-toplevel")
    answer = ask(looking(str(start), "rev-parse", *words, settings=_BARE_TOO))[0]
    bare, git_folder, top = (*os.fsdecode(answer.out).split("\n"), "", "", "")[:3]
    if bare == "true":
        top = git_folder
    elif answer.code:
        lost = any(sign in answer.said for sign in _LOST)
        raise UsageError(
            f"{path} is in no git repository" if lost
            else f"the repository cannot be read: {_reason(answer.said)}",
            where=str(place),
            hint="-v REV takes a revision of the repository in which the project is",
        )  # fmt: skip
    inner = place.relative_to(top) if place.is_relative_to(top) else Path()
    return _Repository(top, (inner / folder).as_posix(), _origin(top), top)


def _origin(top: str) -> str:
    """Return where a repository on this machine comes from; itself when from nowhere."""
    url = next((remote.url for remote in git.Repo(top).remotes if remote.name == "origin"), "")
    return url if is_remote(url) else str((Path(top) / url).resolve())


def _commit(mirror: Path, revision: str | None, found: _Repository) -> str:
    """Return the id of the commit that a branch, tag or (short) commit id names.

    In the repository that the user works in, a revision means what it means there (``HEAD`` of a
    worktree, ``@{upstream}``); what no branch leads to is fetched by its id.
    """
    name = revision or "HEAD"
    words = ("rev-parse", "--quiet", "--verify", "--end-of-options", f"{name}^{{commit}}")
    try:
        if not found.folder:
            return _git(mirror, *words)
        commit = ask(looking(found.folder, *words, settings=_BARE_TOO))[0].checked()
    except GitFailed as error:
        names = [reference.name for reference in git.Repo(mirror).references][:8]
        raise UsageError(
            f"the repository has no revision {name!r}", where=_shown(found.url),
            hint=f"it has {', '.join(names)}" if names else "it is empty",
        ) from error  # fmt: skip
    commit_id = commit.decode().strip()
    with _told("the repository cannot be fetched", found.url, _FETCHED):
        _bring(mirror, commit_id)
    return commit_id


def _bring(folder: Path, commit: str) -> None:
    """Fetch a commit by its id, if it did not come with the branches and tags."""
    try:
        _git(folder, "cat-file", "-e", f"{commit}^{{tree}}")
    except GitFailed:
        _git(folder, "fetch", "--quiet", _GIVER, "origin", commit)


def _fetch_submodules(place: Path, found: _Repository) -> None:
    """Check out the submodules of a checkout, and theirs."""
    settings = {"protocol.file.allow": "always"} if found.local else {}
    host = _HOST.match(found.origin)
    if host:  # the password is not written down, and serves the neighbours too
        settings[f"url.{host[0]}.insteadOf"] = host["scheme"] + host["host"]
    _git(place, "remote", "set-url", "origin", _shown(found.origin))
    _git(place, "submodule", "--quiet", "update", "--init", "--recursive", settings=settings)


def _git(folder: Path, *argv: str, settings: dict[str, str] | None = None) -> str:
    """Run git in a folder of ours and return what it answers.

    Raises:
        GitFailed: the exit code is not 0.
        UsageError: git is not installed.
    """
    program = shutil.which("git")
    if program is None:
        raise UsageError("git is not installed", hint="see that its folder is in PATH")
    done = subprocess.run(
        [program, *argv], cwd=folder, env=_environment({**_PLAIN, **(settings or {})}),
        stdin=subprocess.DEVNULL, capture_output=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise GitFailed(argv[0], done.stderr.decode("utf-8", "backslashreplace").strip())
    return os.fsdecode(done.stdout).strip()


def _environment(settings: dict[str, str]) -> dict[str, str]:
    """Return the user's variables with settings of git after those that are there already."""
    variables = {key: text for key, text in os.environ.items() if key not in _DROPPED}
    given = variables.get("GIT_CONFIG_COUNT", "")
    first = int(given) if given.isdecimal() else 0
    for number, (key, value) in enumerate(settings.items(), first):
        variables[f"GIT_CONFIG_KEY_{number}"] = key
        variables[f"GIT_CONFIG_VALUE_{number}"] = value
    return {**variables, **_QUIET, "GIT_CONFIG_COUNT": str(first + len(settings))}


@contextlib.contextmanager
def _told(what: str, url: str, hint: str | None = None) -> Iterator[None]:
    """Turn what git says into an error of the user's."""
    try:
        yield
    except GitFailed as failure:
        reason = _reason(failure.said)
        raise UsageError(f"{what}: {reason}", where=_shown(url), hint=hint) from failure


def _reason(said: str) -> str:
    """Return the line in which git says what is wrong."""
    said = _PASSWORD.sub("", said)
    fatal = re.search(r"(?:fatal|error): ([^\n]*)", said)
    return fatal[1] if fatal else said.rpartition("\n")[2] or "git does not say why"


def _shown(url: str) -> str:
    return _PASSWORD.sub("", url)


def _emptied(place: Path) -> Path:
    """Take away what a process that was cut off has left."""
    if place.exists():
        shutil.rmtree(place)
    return place
