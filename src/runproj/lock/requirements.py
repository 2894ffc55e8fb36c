"""Requirement files: what they include, and what in them cannot be locked.

The format is pip's: https://pip.pypa.io/en/stable/reference/requirements-file-format/
"""

import posixpath
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from runproj.errors import NotSupported, ProjectError
from runproj.lock.libraries import ARCHIVES, Local
from runproj.lock.pyproject import normalized

Read: TypeAlias = Callable[[str], str | None]

_COMMENT = re.compile(r"(^|\s+)#.*$")
_OPTION = re.compile(
    r"(?:(?P<short>-[rcef])\s*|"
    r"(?P<long>--(?:requirement|constraint|editable|find-links))(?:\s+|\s*=\s*))(?P<value>\S.*)"
)
_HASH = re.compile(r"--hash(?:=|\s+)([a-z0-9]+:[0-9a-fA-F]+)")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_LONG = {"--requirement": "-r", "--constraint": "-c", "--editable": "-e", "--find-links": "-f"}
_REMOTE = re.compile(
    r"(?:[a-z0-9]+\+)?(?!file:)[a-z][a-z0-9]+://|git\+ssh|[a-z]+\+git@", re.IGNORECASE
)


def logical_lines(text: str) -> Iterator[tuple[int, str]]:
    r"""Yield number and text of each line that says something, continued lines joined.

    >>> list(logical_lines("# x\nnumpy  # y\nscipy \\\n  <2\n"))
    [(2, 'numpy'), (3, 'scipy   <2')]
    """
    begun, start = "", 0
    for number, line in enumerate(text.splitlines(), 1):
        start = start or number
        if line.endswith("\\") and not line.lstrip().startswith("#"):
            begun += line[:-1]
            continue
        whole = _COMMENT.sub("", begun + line).strip()
        if whole:
            yield start, whole
        begun, start = "", 0
    last = _COMMENT.sub("", begun).strip()
    if last:
        yield start, last


def demanded_hashes(files: Mapping[str, str]) -> dict[str, set[str]]:
    r"""Return name → ``sha256:DIGEST``… of the requirements that demand some of a package.

    Args:
        files: path → text, as :class:`RequirementFiles` collects them.

    >>> demanded_hashes({"a.txt": "six==1 --hash=sha256:ab\nnumpy\n"})
    {'six': {'sha256:ab'}}
    """
    found: dict[str, set[str]] = {}
    for text in files.values():
        for line in text.splitlines():
            hashes = _HASH.findall(line)
            name = _NAME.match(line)
            if hashes and name:
                found.setdefault(normalized(name[0]), set()).update(map(str.lower, hashes))
    return found


@dataclass
class RequirementFiles:
    """Requirement files with all that they include.

    ``files`` maps paths to what of their text counts (no comments); ``local`` are the requirements
    that name folders and archives of the project, whose paths are relative to the project as in
    pip; ``errors`` is what is wrong.
    """

    read: Read
    files: dict[str, str] = field(default_factory=dict)
    local: list[Local] = field(default_factory=list)
    errors: list[ProjectError] = field(default_factory=list)

    def add(self, paths: Iterable[str], where: str = "requirements") -> None:
        """Add the files that a project file names."""
        for path in paths:
            self._add(posixpath.normpath(path), where)

    def check(self, requirement: str, where: str, *, editable: bool = False) -> None:
        """Note what is wrong with a requirement, and which path of the project it names."""
        path = local_path(requirement)
        if path is None:
            return
        target, _, extras = path.partition("[")
        target = target.strip()
        place = posixpath.normpath(target)
        if place == ".":
            chosen = f"{{extras: [{extras.rstrip(']')}]}}" if extras else "true"
            self.errors.append(
                NotSupported(
                    f"{requirement!r} is this project itself",
                    where=where,
                    hint=f"leave it out, and write 'pyproject: {chosen}' in the environment",
                )
            )
        elif target.lower().startswith(("/", "~", "file:")) or place.startswith(".."):
            self.errors.append(
                ProjectError(
                    f"{requirement!r} is outside of the project",
                    where=where,
                    hint="write its path relative to the project (./libs/x); what is outside is "
                    "no part of the recorded source: copy it, or name its git repository",
                )
            )
        else:
            self.local.append(Local(place, editable, where))

    def check_editable(self, value: str, where: str) -> None:
        """Note what is wrong with what stands behind ``-e``."""
        if not _REMOTE.match(value):
            path = f"./{value}" if local_path(value) is None else value
            self.check(path, where, editable=True)

    def _add(self, path: str, where: str) -> None:
        if path in self.files:
            return
        text = self._text(path, where)
        if text is None:
            return
        lines = list(logical_lines(text))
        self.files[path] = "".join(f"{line}\n" for _, line in lines)
        for number, line in lines:
            self._line(line, path, f"{path}:{number}")

    def _text(self, path: str, where: str) -> str | None:
        """Return the text of a file that can be read, else note why not."""
        if "://" in path or path.startswith(("../", "/")) or path == "..":
            self.errors.append(
                NotSupported(
                    f"the requirement file {path!r} is outside of the project",
                    where=where,
                    hint="copy it into the project: what is outside is no part of the recorded "
                    "source",
                )
            )
            return None
        text = self.read(path)
        if path.endswith("pyproject.toml"):
            self.errors.append(
                ProjectError(
                    f"{path!r} is no requirement file",
                    where=where,
                    hint="write 'pyproject: true' in the environment",
                )
            )
            return None
        if text is None:
            self.errors.append(ProjectError(f"there is no requirement file {path!r}", where=where))
        return text

    def _line(self, line: str, path: str, where: str) -> None:
        folder = posixpath.dirname(path)
        option = _OPTION.fullmatch(line)
        if option is None:
            if not line.startswith("-"):
                self.check(line, where)
            return
        value = option["value"].strip("\"'")
        flag = option["short"] or _LONG[option["long"]]
        if flag in ("-r", "-c"):
            remote = "://" in value
            self._add(value if remote else posixpath.normpath(posixpath.join(folder, value)), where)
        elif flag == "-e":
            self.check_editable(value, where)
        elif "://" not in value and not value.startswith(("/", "${", "file:")):
            self.errors.append(
                NotSupported(
                    f"--find-links {value}: a folder relative to the project is not supported yet",
                    where=where,
                    hint="give its absolute path, or a file:// URL",
                )
            )


def local_path(requirement: str) -> str | None:
    """Return the path that a requirement points to; None when it points to none.

    >>> local_path("./lib[x]; python_version > '3'"), local_path("numpy>=2"), local_path("a/b")
    ('./lib[x]', None, 'a/b')
    >>> local_path("x @ file:///tmp/x"), local_path("x @ https://host/x.whl"), local_path("file:x")
    ('file:///tmp/x', None, 'file:x')
    """
    target = re.split(r"\s*;|\s+--", requirement, maxsplit=1)[0].strip()
    named = re.match(r"[\w.-]+\s*(?:\[[^]]*\])?\s*@\s*(.+)", target)
    if named:
        target = named[1]
        return target if target.lower().startswith(("file:", ".", "/")) else None
    if _REMOTE.match(target):
        return None
    if target.lower().startswith(("file:", ".", "/", "~")) or "/" in target:
        return target
    return target if target.lower().endswith(ARCHIVES) else None
