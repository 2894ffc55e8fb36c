"""Virtual environments: the interpreter by discovery, resolving and installing by uv.

What a run needs when nothing changed (the key, and an environment that is there) is done here with
a few file reads; all that is slow stands in modules that are imported when it is needed.
"""

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from runproj.adapters.disk import write_atomically
from runproj.adapters.environments import built, interpreters, own_package
from runproj.adapters.environments.archives import FolderArchives
from runproj.adapters.environments.built import SYSTEM_PATH, Marker, Slot
from runproj.adapters.environments.interpreters import Interpreter
from runproj.errors import EnvironmentFailed
from runproj.lock import libraries, package, pylock
from runproj.lock.lock import Declaration, Lock
from runproj.model import digest_of
from runproj.ports import Archive, Say, SourceControl

if TYPE_CHECKING:
    from runproj.adapters.environments.installing import Installer
    from runproj.adapters.environments.uv import Uv

_FORMAT = 1
_IDENTITY_FORMAT = 2
_HALF = 32


class Shown(NamedTuple):
    """A package whose code stands in the workspace: the project's own, or an editable library.

    ``path`` is where in the project, ``tables`` what is known of it, ``folder`` has its metadata
    and scripts.
    """

    path: str
    tables: Mapping[str, Any]
    folder: Path

    def roots(self, project_folder: str) -> list[str]:
        """Return the folders of a workspace that go on the path; none: it is no package there."""
        place = f"{project_folder}/{self.path}".removesuffix("/.")
        own = package.project_package(self.tables, own_package.code_files(place))
        return [] if own is None else [f"{place}/{root}".removesuffix("/.") for root in own.roots]


class PreparedVenv(NamedTuple):
    """A virtual environment that is there, see :class:`runproj.ports.PreparedEnvironment`.

    ``shown`` are the packages whose code stands in the workspace.
    """

    key: str
    slot: Slot
    marker: Marker
    interpreter: Interpreter
    shown: tuple[Shown, ...]

    @property
    def description(self) -> str:
        """What it is, for a person."""
        count = self.marker.packages
        python = self.interpreter.version
        return f"Python {python}, {count} package{'s' * (count != 1)}, in {self.slot.content}"

    @property
    def folders(self) -> Sequence[str]:
        """The environment, and where its interpreter is installed."""
        executable = Path(self.interpreter.executable)
        bases = {str(one.parent.parent) for one in (executable, executable.resolve())}
        shown = [str(one.folder) for one in self.shown]
        return [str(self.slot.content), *shown, *sorted(bases)]

    def variables(self, project_folder: str) -> Mapping[str, str]:
        """Return the variables of a process in it; the project's package is importable there."""
        path = [str(self.slot.content / "bin")]
        variables = {"VIRTUAL_ENV": str(self.slot.content)}
        roots, folders = [], []
        for one in self.shown:
            found = one.roots(project_folder)
            roots += found
            folders += [str(one.folder)] if found else []
        if roots:
            variables["PYTHONPATH"] = ":".join([*roots, *folders])
            path += [f"{folder}/bin" for folder in folders]
        return {**variables, "PATH": ":".join([*path, SYSTEM_PATH])}

    def is_intact(self) -> bool:
        """Compare every file's size and time; a changed environment is forgotten."""
        return built.is_intact(self.slot, self.marker)


class VenvBackend:
    """Locks and builds virtual environments, see :class:`runproj.ports.EnvironmentBackend`."""

    def __init__(
        self, cache: str, archives: FolderArchives, caller: Mapping[str, str],
        source: SourceControl | None = None,
    ) -> None:  # fmt: skip
        """Build below ``cache``, the user's folder for what can be made again.

        Packages are installed from ``archives``, those of the project from trees of ``source``.
        ``caller`` are the caller's variables: PATH for interpreters, settings of uv, proxies.
        """
        self.cache = Path(cache)
        self.archive_folder = archives
        self.source = source
        self.caller = caller
        self.root = self.cache / "environments"

    def lock(self, declaration: Declaration, previous: Lock | None, say: Say) -> Lock:
        """Resolve a declaration with uv; pins that ``previous`` has stay where they can."""
        from runproj.adapters.environments.resolving import Resolver  # noqa: PLC0415 -- lazy

        interpreter = self._interpreter(declaration)
        return Resolver(self._uv(), interpreter, say, self.source).lock(declaration, previous)

    def key(self, declaration: Declaration, lock: Lock) -> str:
        """Return the digest of packages, interpreter, platform and the project's own package.

        The first half is of what is installed alone and names the folder, so that an edit of the
        project's scripts makes another key, but no other folder.
        """
        return _combined(
            self._content_key(declaration, lock, self._interpreter(declaration)), declaration
        )

    def facts(self, declaration: Declaration) -> Mapping[str, str]:
        """Return the version of Python, and which text describes the project's own package."""
        interpreter = self._interpreter(declaration)
        named = interpreter.implementation.replace("CPython", "")
        facts = {"python": f"{named} {interpreter.version}".strip()}
        if declaration.package is not None:
            facts["pyproject.toml"] = digest_of(declaration.package)[:12]
        for one in libraries.parse(declaration.local).all:
            facts[one.path] = (digest_of(one.package) if one.package else one.content)[:12]
        return facts

    def prepare(self, declaration: Declaration, lock: Lock, say: Say) -> PreparedVenv:
        """Take the environment that is there, or build it."""
        interpreter = self._interpreter(declaration)
        slot = Slot(self.root, self._content_key(declaration, lock, interpreter))
        slot.touch()  # from here on nobody takes it away
        marker = slot.marker()
        if marker is None or built.damage(slot, marker) is not None:
            marker = self._build(slot, interpreter, declaration, lock, say)
            slot.touch()
        own = [(".", declaration.package or "{}")]
        own += [
            (one.path, one.package or "{}") for one in libraries.parse(declaration.local).editable
        ]
        shown = [
            Shown(path, tables, folder)
            for path, text in own
            if (folder := self._show(tables := json.loads(text), slot)) is not None
        ]
        key = _combined(slot.key, declaration)
        base = marker.interpreter or interpreter
        return PreparedVenv(key, slot, marker, base, tuple(shown))

    def archives(self, declaration: Declaration, lock: Lock, say: Say) -> Sequence[Archive]:
        """Return all that a lock is installed from; what is missing is fetched."""
        import tempfile  # noqa: PLC0415 -- lazy

        from runproj.adapters.environments.building import check_local  # noqa: PLC0415 -- lazy

        content = pylock.body_of(lock.content)
        check_local(content, libraries.parse(declaration.local).paths)
        installer = self._installer(self._interpreter(declaration), declaration, say)
        with tempfile.TemporaryDirectory(prefix="runproj-archives-") as folder:
            return installer.all_archives(content, Path(folder))

    def _build(
        self, slot: Slot, interpreter: Interpreter, declaration: Declaration, lock: Lock, say: Say
    ) -> Marker:
        from runproj.adapters.environments.building import Blueprint, Builder  # noqa: PLC0415 -- lazy

        blueprint = Blueprint(interpreter, pylock.body_of(lock.content))
        installer = self._installer(interpreter, declaration, say)
        builder = Builder(installer, self.caller, self.cache / "virtualenv", say)
        return builder.build(slot, blueprint)

    def _installer(
        self, interpreter: Interpreter, declaration: Declaration, say: Say
    ) -> "Installer":
        from runproj.adapters.environments.installing import Installer  # noqa: PLC0415 -- lazy

        listed = "\n".join(declaration.packages)  # addresses in it may have a user and a password
        declared = {**declaration.files, "": listed}
        local = libraries.parse(declaration.local)
        return Installer(
            self._uv(), self.archive_folder, interpreter, declared, say, local, self.source
        )

    def _uv(self) -> "Uv":
        from runproj.adapters.environments.uv import find_uv  # noqa: PLC0415 -- lazy

        return find_uv(self.caller)

    def _interpreter(self, declaration: Declaration) -> Interpreter:
        return interpreters.find(
            declaration.python, sys.executable, self.caller, self.cache, _discover
        )

    def _content_key(self, declaration: Declaration, lock: Lock, interpreter: Interpreter) -> str:
        built = [one.digest for one in libraries.parse(declaration.local).built]
        return digest_of([
            _FORMAT, "venv", self._content(lock),
            interpreter.version, interpreter.implementation, interpreter.platform,
            *([built] if built else []),
        ])  # fmt: skip

    def _content(self, lock: Lock) -> str:
        """Return the digest of what a lock installs; parsing is paid once for each lock."""
        file = self.cache / "locks" / f"{lock.sha256}-{_IDENTITY_FORMAT}"
        try:
            kept = file.read_text("ascii")
            if len(kept) == 2 * _HALF:
                return kept
        except (OSError, ValueError):
            pass  # never seen before
        digest = digest_of(pylock.identity(lock.content))
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(file, digest.encode())
        except OSError:
            pass  # it is computed again next time
        return digest

    def _show(self, tables: Mapping[str, Any], slot: Slot) -> Path | None:
        own = package.described(tables)
        if own is None:
            return None
        python = str(slot.content / "bin/python")
        try:
            return own_package.metadata_folder(own, python, self.cache / "projects")
        except OSError as error:
            raise EnvironmentFailed(
                f"the project's package cannot be prepared: {error.strerror}",
                where=str(error.filename),
            ) from error


def _combined(content_key: str, declaration: Declaration) -> str:
    shown = [one.package for one in libraries.parse(declaration.local).editable]
    if declaration.package is None and not shown:
        return content_key
    return content_key[:_HALF] + digest_of([content_key, declaration.package, *shown])[:_HALF]


def _discover(spec: str | None, caller: Mapping[str, str], cache: Path) -> Interpreter:
    from runproj.adapters.environments.discovery import discover  # noqa: PLC0415 -- lazy

    return discover(spec, caller, cache)
