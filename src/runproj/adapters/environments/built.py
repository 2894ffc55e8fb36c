"""The environments that were built, by what is in them; shared by all projects of a user.

::

    environments/
      <20 digits of the key>/   one environment; it counts only when ready.json is in it
        ready.json              the marker, written last: what it is, and how it looked when built
        used                    its time is when it was used last
        pylock.toml             the lock that it was built for
        pylock.archives.toml    the same with the archives that it was installed from
        venv/                   the environment itself, called by its kind
      <20 digits>.lock          held by who builds or removes it
      <20 digits>.machine       on which machine it was found to run
"""

import contextlib
import fcntl
import hashlib
import json
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple, Self

from runproj.adapters.disk import write_atomically
from runproj.adapters.environments.interpreters import Interpreter, state
from runproj.errors import EnvironmentFailed
from runproj.model import Model

SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""Where programs of the system are; what PATH goes on with in an environment."""
if sys.platform == "darwin":
    SYSTEM_PATH = f"/opt/homebrew/bin:{SYSTEM_PATH}"
_FORMAT = 1
_DIGITS = 20
_CACHED = "__pycache__"


class Marker(NamedTuple):
    """What is known of a finished environment.

    ``size`` is in bytes. ``folders`` maps each folder to its time: a file that comes, goes or is
    replaced changes that of its folder. ``files`` is the digest of names, sizes and times of all
    files: it tells a file that was written over in place, too. ``python_state`` is of the base
    interpreter's file. Bytecode caches count nowhere.

    An environment that brings its own interpreter, or none, has no ``interpreter``; ``python`` is
    the version of its own.
    """

    key: str
    kind: str
    interpreter: Interpreter | None
    packages: int
    size: int
    folders: dict[str, int]
    files: str
    python_state: list[int]
    python: str = ""


class BuiltEnvironment(Model):
    """An environment as ``runproj env list`` shows it; ``used_at`` in seconds since 1970."""

    key: str
    kind: str
    path: str
    python: str
    packages: int
    size: int
    used_at: float


class Slot:
    """The place of one environment in the cache, built or not."""

    def __init__(self, root: Path, key: str, kind: str = "venv") -> None:
        """Take the place of ``key`` below ``root``; nothing is touched."""
        self.root = root
        self.key = key
        self.kind = kind
        self.folder = root / key[:_DIGITS]
        self.content = self.folder / kind
        self._ready = self.folder / "ready.json"

    def marker(self) -> Marker | None:
        """Return the marker of an environment that was finished."""
        try:
            data = json.loads(self._ready.read_bytes())
            if data.pop("format") != _FORMAT:
                return None
            if data["interpreter"] is not None:
                data["interpreter"] = Interpreter(**data["interpreter"])
            marker = Marker(**data)
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return None
        return marker if marker.key == self.key else None

    def finish(self, interpreter: Interpreter | None, packages: int, python: str = "") -> Marker:
        """Write down how it looks, and by that say that it is whole."""
        files, size = survey(self.content)
        folders = {name: _time(self.content / name) for name in _folders(self.content)}
        base = [] if interpreter is None else state(interpreter.executable)
        marker = Marker(
            self.key, self.kind, interpreter, packages, size, folders, files, base, python
        )
        (self.folder / "used").touch()
        plain = None if interpreter is None else interpreter._asdict()
        data = {"format": _FORMAT, **marker._asdict(), "interpreter": plain}
        write_atomically(self._ready, json.dumps(data).encode())
        return marker

    def forget(self) -> None:
        """Let it no longer count as finished: it is built anew when it is needed next."""
        self._ready.unlink(missing_ok=True)

    def touch(self) -> None:
        """Note that it is used now."""
        with contextlib.suppress(OSError):  # the list shows an older time; no reason to stop
            os.utime(self.folder / "used")


def damage(slot: Slot, marker: Marker) -> str | None:
    """Return what was changed since it was built, as far as folders and interpreter tell.

    A few milliseconds for some thousand files: one stat a folder.
    """
    base = os.fspath(slot.content) + os.sep
    try:
        for name, time in marker.folders.items():
            if os.stat(base + name).st_mtime_ns != time:  # noqa: PTH116 -- the hot path
                return name
        if marker.interpreter is not None:
            if state(marker.interpreter.executable) != marker.python_state:
                return marker.interpreter.executable
            os.stat(base + "bin/python")  # noqa: PTH116 -- the hot path
    except OSError as error:
        return os.fspath(error.filename or slot.content)
    return None


def is_intact(slot: Slot, marker: Marker) -> bool:
    """Compare every file's size and time; a changed environment is forgotten."""
    try:
        intact = damage(slot, marker) is None and survey(slot.content)[0] == marker.files
    except OSError:
        intact = False
    if not intact:
        slot.forget()
    return intact


def survey(venv: Path) -> tuple[str, int]:
    """Return a digest of names, sizes, times and link targets of all files, and their total size.

    Raises:
        OSError: it cannot be read.
    """
    lines, size = [], 0
    for entry in _entries(os.fspath(venv)):
        found = entry.stat(follow_symlinks=False)
        target = os.readlink(entry.path) if entry.is_symlink() else ""  # noqa: PTH115 -- some thousand files
        lines.append(f"{entry.path}\0{found.st_size}\0{found.st_mtime_ns}\0{target}")
        size += found.st_size
    lines.sort()
    return hashlib.sha256("\n".join(lines).encode("utf-8", "surrogateescape")).hexdigest(), size


def _entries(folder: str) -> "Iterator[os.DirEntry[str]]":
    """Yield all files below a folder but bytecode caches."""
    with os.scandir(folder) as entries:
        for entry in entries:
            if not entry.is_dir(follow_symlinks=False):
                yield entry
            elif entry.name != _CACHED:
                yield from _entries(entry.path)


def _folders(venv: Path) -> Iterator[str]:
    """Yield all folders below an environment but bytecode caches, itself as ``.``."""
    for folder, names, _ in os.walk(venv):
        names[:] = [name for name in names if name != _CACHED]
        yield os.path.relpath(folder, venv)


def _time(path: Path) -> int:
    return path.stat().st_mtime_ns


def add_bytecode_folders(venv: Path) -> None:
    """Make the folders for bytecode now, so that the first import changes no folder's time."""
    for folder, names, files in os.walk(venv):
        if os.path.basename(folder) == _CACHED:  # noqa: PTH119 -- os.walk gives text
            names.clear()
        elif any(name.endswith(".py") for name in files):
            Path(folder, _CACHED).mkdir(exist_ok=True)


class BuildLock:
    """Held by who builds or removes an environment; freed by the kernel when that one is gone.

    Programs that inherit the descriptor hold it as well: as long as a killed builder's installer
    still writes, nobody else builds.
    """

    def __init__(self, slot: Slot, waits: Callable[[], None]) -> None:
        """Take the lock; ``waits`` is called when somebody else holds it.

        Raises:
            OSError: the folder cannot be written.
        """
        slot.root.mkdir(parents=True, exist_ok=True)
        path = slot.folder.with_suffix(".lock")
        self.descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            try:
                fcntl.flock(self.descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                waits()
                fcntl.flock(self.descriptor, fcntl.LOCK_EX)
        except BaseException:
            os.close(self.descriptor)
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self.descriptor)


class BuiltEnvironments(NamedTuple):
    """All environments below a folder."""

    root: Path

    def all(self) -> list[BuiltEnvironment]:
        """Return those that are finished, the last used first."""
        found = []
        for file in self.root.glob("*/ready.json"):
            try:
                found.append(_shown(file.parent, json.loads(file.read_bytes())))
            except (OSError, ValueError, KeyError, TypeError):
                continue  # removed in this moment, or damaged: no environment
        return sorted(found, key=lambda one: (-one.used_at, one.key))

    def remove(self, key: str) -> None:
        """Remove an environment; nothing happens when it is not there.

        Raises:
            EnvironmentFailed: it cannot be removed, or is being built.
        """
        import shutil  # noqa: PLC0415 -- lazy: this module is on the hot path

        slot = Slot(self.root, key)

        def waits() -> None:
            raise EnvironmentFailed("another runproj is building it", where=str(slot.folder))

        try:
            with BuildLock(slot, waits):
                slot.forget()
                slot.folder.with_suffix(".machine").unlink(missing_ok=True)
                if slot.folder.exists():
                    shutil.rmtree(slot.folder)
        except OSError as error:
            raise EnvironmentFailed(
                f"the environment cannot be removed: {error.strerror}", where=str(error.filename)
            ) from error


def _shown(folder: Path, data: dict[str, Any]) -> BuiltEnvironment:
    return BuiltEnvironment(
        key=data["key"],
        kind=data["kind"],
        path=str(folder / data["kind"]),
        python=data["interpreter"]["version"] if data["interpreter"] else data["python"],
        packages=data["packages"],
        size=data["size"],
        used_at=(folder / "used").stat().st_mtime,
    )
