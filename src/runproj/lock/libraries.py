"""Packages at paths of the project: which they are, and what of them decides a lock and a key.

A library is built from the source snapshot, never from the user's folder. An editable one is not
built: its code is on the path of a step, in the step's workspace, as the project's own package is.
An archive of the project (a wheel, a source archive) is installed from the snapshot's bytes.
"""

import json
import posixpath
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from runproj.errors import ProjectError
from runproj.lock import package, pyproject
from runproj.lock.container import Code
from runproj.model import canonical, digest_of

ARCHIVES = (".whl", ".zip", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")
"""How the names of archives end; folders do not."""
UNKNOWN = ""
"""Stands for the digest of content that nobody has looked at."""
_SETUP = ("setup.py", "setup.cfg")
_DECIDING = frozenset({"dependencies", "optional-dependencies"})


class Local(NamedTuple):
    """A requirement that names a folder or an archive of the project; ``where`` it stands."""

    path: str
    editable: bool
    where: str


class Library(NamedTuple):
    """A package at a path of the project.

    ``content`` is the digest of its files, ``package`` what an editable one is made of (JSON, see
    :mod:`runproj.lock.package`).
    """

    path: str
    content: str
    package: str | None

    @property
    def editable(self) -> bool:
        """Whether its code is used where it stands."""
        return self.package is not None

    @property
    def is_archive(self) -> bool:
        """Whether it is one file; the lock has its sha256."""
        return self.path.endswith(ARCHIVES)

    @property
    def digest(self) -> str:
        """What the wheels that are built from it are known by."""
        return digest_of(["folder", self.content])


class Libraries(NamedTuple):
    """The libraries of an environment.

    ``folder`` is where the project stands in the git tree ``tree``.
    """

    tree: str
    folder: str
    all: tuple[Library, ...]

    @property
    def built(self) -> tuple[Library, ...]:
        """The folders that are installed from what is built of them."""
        return tuple(one for one in self.all if not (one.editable or one.is_archive))

    @property
    def editable(self) -> tuple[Library, ...]:
        """Those whose code is on the path."""
        return tuple(one for one in self.all if one.editable)

    @property
    def paths(self) -> tuple[str, ...]:
        """Where all of them stand in the project."""
        return tuple(one.path for one in self.all)

    def place(self, path: str) -> str:
        """Return where a path of the project is in the tree."""
        return posixpath.normpath(posixpath.join(self.folder, path))

    @property
    def text(self) -> str:
        """The same as JSON, for a declaration."""
        several = [one._asdict() for one in self.all]
        found = {"tree": self.tree, "folder": self.folder, "libraries": several}
        return canonical(found).decode()


NO_LIBRARIES = Libraries("", "", ())


def parse(text: str | None) -> Libraries:
    """Return the libraries that a declaration holds as JSON."""
    if text is None:
        return NO_LIBRARIES
    read = json.loads(text)
    return Libraries(
        read["tree"], read["folder"], tuple(Library(**one) for one in read["libraries"])
    )


class Gathering:
    """Collects libraries, with those that they name in turn (``tool.uv.sources``).

    ``deciding`` maps the path of each to the digest of what of it decides a lock: UNKNOWN where
    that is content, and there is no snapshot. ``errors`` is what is wrong.
    """

    def __init__(self, read: Callable[[str], str | None], code: Code) -> None:
        """Look at files of the project; ``code`` without a tree: their content is not known."""
        self._read = read
        self._code = code
        self._found: dict[str, Library] = {}
        self.deciding: dict[str, str] = {}
        self.errors: list[ProjectError] = []

    def add(self, local: Sequence[Local]) -> None:
        """Add what requirements name."""
        for one in local:
            known = self._found.get(one.path)
            if known is None:
                self._add(one)
            elif known.editable != one.editable:
                self.errors.append(
                    ProjectError(
                        f"{one.path!r} is wanted as editable, and not so elsewhere", where=one.where
                    )
                )

    def libraries(self) -> Libraries:
        """Return what was found."""
        return Libraries(
            self._code.tree, self._code.folder,
            tuple(one for _, one in sorted(self._found.items())),
        )  # fmt: skip

    def _add(self, local: Local) -> None:
        if local.path.startswith(("..", "/")):
            self._wrong(
                local, f"{local.path!r} is outside of the project",
                "what is outside is no part of the recorded source: copy it, or name its git "
                "repository",
            )  # fmt: skip
            return
        if local.path.endswith(ARCHIVES):
            self._add_archive(local)
            return
        files = self._files(local.path)
        text = self._read(f"{local.path}/{pyproject.FILE}")
        if not files and self._code.tree:
            self._wrong(
                local, f"there is no folder {local.path!r} in the project's source",
                "the path is relative to the project; ignored files are no source",
            )  # fmt: skip
            return
        if text is None and not any(self._read(f"{local.path}/{name}") for name in _SETUP):
            self._wrong(
                local, f"{local.path!r} is no package: it has neither pyproject.toml nor setup.py",
                "a package for pip has one of them",
            )  # fmt: skip
            return
        import tomllib  # noqa: PLC0415 -- lazy: this module is on the hot path

        try:
            own = tomllib.loads(text or "")
        except tomllib.TOMLDecodeError as error:
            self._wrong(local, f"{local.path}/{pyproject.FILE} is not valid TOML: {error}", None)
            return
        content = digest_of(sorted(files.items())) if self._code.tree else UNKNOWN
        essence = None
        if local.editable:
            if package.described(own) is None:
                self._wrong(
                    local, f"{local.path!r} cannot be editable: its pyproject.toml has no "
                    "[project] table with a name", "leave out '-e'; it is built then",
                )  # fmt: skip
                return
            essence = canonical(package.essence(own)).decode()
        self._found[local.path] = Library(local.path, content, essence)
        self.deciding[local.path] = _deciding(own, content)
        self.add(sources(own, local))

    def _add_archive(self, local: Local) -> None:
        mode, _, content = self._code.files.get(local.path, "").partition(" ")
        if local.editable:
            self._wrong(
                local, f"{local.path!r} cannot be editable: it is an archive", "leave out '-e'"
            )
        elif self._code.tree and not content:
            self._wrong(
                local, f"there is no file {local.path!r} in the project's source",
                "the path is relative to the project; ignored files are no source",
            )  # fmt: skip
        elif content and not mode.startswith("100"):
            self._wrong(
                local, f"{local.path!r} is a link, not an archive",
                "name the file that it points to, or copy that here",
            )  # fmt: skip
        else:
            self._found[local.path] = Library(local.path, content, None)
            self.deciding[local.path] = content

    def _files(self, path: str) -> dict[str, str]:
        prefix = f"{path}/"
        return {
            name.removeprefix(prefix): entry
            for name, entry in self._code.files.items()
            if name.startswith(prefix)
        }

    def _wrong(self, local: Local, message: str, hint: str | None) -> None:
        self.errors.append(ProjectError(message, where=local.where, hint=hint))


def _deciding(own: Mapping[str, Any], content: str) -> str:
    """Return the digest of what decides which packages a library needs."""
    project = own.get("project")
    if not isinstance(project, dict) or _DECIDING & set(project.get("dynamic", ())):
        return content  # only a build tells
    return digest_of(pyproject.toml(pyproject.essence(own)))


def sources(own: Mapping[str, Any], local: Local) -> list[Local]:
    """Return the libraries that a ``pyproject.toml`` says stand at paths (``tool.uv.sources``)."""
    table = own.get("tool", {}).get("uv", {}).get("sources", {})
    found = []
    for given in table.values():
        for one in given if isinstance(given, list) else [given]:
            if isinstance(one, dict) and "path" in one:
                path = posixpath.normpath(posixpath.join(local.path, one["path"]))
                found.append(Local(path, bool(one.get("editable", False)), local.where))
    return found
