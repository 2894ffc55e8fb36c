"""Which files are the code: asked of git, so that every ignore rule means what it means there.

The root may be a repository, a folder of one, or no repository; and there may be repositories
nested in it (submodules among them), whose files belong to the code as well.
"""

import hashlib
import os
import stat
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from runproj.adapters.source.plumbing import Answer, Command, ask, looking
from runproj.errors import ProjectError

OWN_IGNORE_FILE = b".runprojignore"

# Never code, even where no ignore file says so.
_NEVER = (
    ".runproj/",
    "__pycache__/",
    "*.pyc",
    ".venv/",
    ".tox/",
    ".nox/",
    ".mypy_cache/",
    ".pytest_cache/",
    ".ruff_cache/",
    ".ipynb_checkpoints/",
    ".hypothesis/",
    "node_modules/",
    ".DS_Store",
)
_OWN_FOLDER = b".runproj"
# A folder with such a file in it is an environment, whatever its name.
_ENVIRONMENT_MARKS = (b"/pyvenv.cfg", b"/conda-meta/history")
_GITLINK = b"160000"
_CLOSED = "could not open directory"
_ASKED = ("-t", "-z", "--exclude-standard", *(word for name in _NEVER for word in ("-x", name)))


class Part(NamedTuple):
    r"""What git lists in one folder: the root, or a repository nested in it.

    ``prefix`` is where the folder stands below the root (``b""`` or ``b"sub/"``). Each line is
    ``TAG MODE OBJECTID STAGE\tPATH`` for a tracked file and ``? PATH`` for another. ``foreign``
    tells that the repository around it does not know it.
    """

    folder: str
    prefix: bytes
    repository: bool
    foreign: bool
    lines: tuple[bytes, ...]

    @property
    def absent(self) -> bool:
        """Whether it is a submodule that is not checked out."""
        return bool(self.prefix) and not self.repository and not self.lines


@dataclass(slots=True)
class Names:
    """The paths of the code, relative to the root, before a look at the files themselves.

    ``tracked`` are known to some repository; ``strange`` are not in the commit of the root's
    repository, even if it is clean; ``promised`` has the object ids of files whose changes git
    was told not to show (assume-unchanged, skip-worktree); ``absent`` are the folders of submodules
    that are not checked out (``b"sub/"``).
    """

    paths: dict[bytes, None] = field(default_factory=dict)
    tracked: set[bytes] = field(default_factory=set)
    strange: set[bytes] = field(default_factory=set)
    promised: dict[bytes, str] = field(default_factory=dict)
    absent: list[bytes] = field(default_factory=list)

    def drop(self, unwanted: Iterable[bytes]) -> None:
        """Take paths out."""
        for path in unwanted:
            self.paths.pop(path, None)


class CodeFile(NamedTuple):
    """A file of the code as it stands in the folder."""

    path: bytes
    tracked: bool
    status: os.stat_result


Plain = Callable[[str, Sequence[str]], Command]
"""Makes the command that lists a folder outside of any repository."""


def is_within_repository(folder: str) -> bool:
    """Tell whether a ``.git`` stands in the folder or above it; git itself has the last word."""
    while not os.path.lexists(os.path.join(folder, ".git")):  # noqa: PTH118 -- plain str is quicker
        folder, below = os.path.split(folder)
        if not below:
            return False
    return True


def question(root: str, plain: Plain, *, repository: bool, ceiling: str = "") -> Command:
    """Return the command that lists a folder."""
    if repository:
        return looking(root, "ls-files", "-c", "-o", "-s", "-v", *_ASKED, ceiling=ceiling)
    return plain(root, ("ls-files", "-o", *_ASKED))


def parts(root: str, answer: Answer, plain: Plain, *, repository: bool) -> list[Part]:
    """Return what git lists in the root and in every repository nested in it.

    ``repository`` tells how the root was asked. A root that its repository ignores altogether is
    no part of that repository.
    """
    first = _part(root, b"", answer, plain, repository=repository)
    found = [first]
    for part in found:  # grows while it is walked
        found.extend(_nested(part, plain))
    return found


def digest(found: Iterable[Part]) -> str:
    """Return one digest of all that git listed."""
    all_of_it = hashlib.sha256()
    for part in found:
        kind = -1 if part.absent else part.repository
        all_of_it.update(b"%d %s\0" % (kind, part.prefix))
        all_of_it.update(b"\0".join(part.lines))
    return all_of_it.hexdigest()


def names(found: Iterable[Part]) -> Names:
    """Return the paths of the code; what stands in an environment's folder is none."""
    result = Names()
    for part in found:
        for line in part.lines:
            _enter(result, part, line)
        if part.absent:
            result.absent.append(part.prefix)
    loose = [path for path in result.paths if path not in result.tracked]
    environments = tuple(
        path.removesuffix(mark) + b"/"
        for path in loose
        for mark in _ENVIRONMENT_MARKS
        if path.endswith(mark)
    )
    result.drop([path for path in loose if path.startswith(environments)])
    return result


def files(root: str, code: Names) -> list[CodeFile]:
    """Look at the files; what is not there, or is no file and no symbolic link, is left out."""
    below = os.fsencode(root) + b"/"
    folders: dict[bytes, bool] = {b"": True}
    present = []
    for path in code.paths:
        if not _is_folder(below, path.rpartition(b"/")[0], folders):
            continue
        status = _status(below + path)
        if status and (stat.S_ISREG(status.st_mode) or stat.S_ISLNK(status.st_mode)):
            present.append(CodeFile(path, path in code.tracked, status))
    return present


def _part(
    root: str,
    prefix: bytes,
    answer: Answer,
    plain: Plain,
    *,
    repository: bool,
    foreign: bool = False,
) -> Part:
    if repository and (_is_no_repository(answer) or not (answer.code or answer.out or prefix)):
        repository = False
        answer = ask(question(root, plain, repository=False))[0]
    if answer.code:
        raise ProjectError(
            f"git cannot list the files of the repository: {answer.said}",
            where=root,
            hint="see what 'git status' says there",
        )
    closed = [line for line in answer.said.splitlines() if _CLOSED in line]
    if closed:
        raise ProjectError(
            f"a folder of the project cannot be read: {closed[0]}",
            where=root,
            hint="let it be read, or name it in .gitignore",
        )
    lines = tuple(answer.out.split(b"\0")[:-1])
    return Part(root, prefix, repository, foreign, lines)


def _is_no_repository(answer: Answer) -> bool:
    """Tell whether git found none: nothing there, or a ``.git`` that leads nowhere."""
    lost = ("not a git repository", "must be run in a work tree")
    return bool(answer.code) and any(sign in answer.said for sign in lost)


def _nested(part: Part, plain: Plain) -> Iterator[Part]:
    for line in part.lines:
        if line[-1:] == b"/":
            path, foreign = line[2:-1], True
        elif line[2:8] == _GITLINK and line[:1] != b"?":
            path, foreign = line.partition(b"\t")[2], False
        else:
            continue
        folder = os.path.join(part.folder, os.fsdecode(path))  # noqa: PTH118 -- the rest is str
        if not os.path.isdir(folder) or os.path.islink(folder):  # noqa: PTH112, PTH114 -- the same
            continue
        repository = os.path.lexists(os.path.join(folder, ".git"))  # noqa: PTH118 -- the same
        command = question(folder, plain, repository=repository, ceiling=part.folder)
        yield _part(
            folder,
            part.prefix + path + b"/",
            ask(command)[0],
            plain,
            repository=repository,
            foreign=foreign or part.foreign,
        )


def _enter(result: Names, part: Part, line: bytes) -> None:
    """Note the path of one line; a folder is a part of its own, and noted there."""
    if line[:1] == b"?":
        tracked, meta, path = False, b"", line[2:]
    else:
        tracked = True
        meta, _, path = line[2:].partition(b"\t")
    if path[-1:] == b"/" or meta.startswith(_GITLINK) or _OWN_FOLDER in path.split(b"/"):
        return
    path = part.prefix + path
    result.paths[path] = None
    if tracked:
        result.tracked.add(path)
    if part.foreign or not tracked:
        result.strange.add(path)
    if tracked and line[:1] in b"Shs":
        result.promised[path] = meta.split(b" ")[1].decode()


def _is_folder(below: bytes, folder: bytes, known: dict[bytes, bool]) -> bool:
    """Tell whether a folder below the root is one, and is not reached through a symbolic link."""
    if folder not in known:
        status = _status(below + folder)
        known[folder] = (
            status is not None
            and stat.S_ISDIR(status.st_mode)
            and _is_folder(below, folder.rpartition(b"/")[0], known)
        )
    return known[folder]


def _status(path: bytes) -> os.stat_result | None:
    try:
        return os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
