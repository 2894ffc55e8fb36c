"""The environments that were built, by what is in them; shared by all projects of a user.

::

    environments/
      <20 digits of the key>/   one environment; it counts only when ready.json is in it
        ready.json              the marker, written last: what it is, and how it looked when built
        used                    its time is when it was used last; locked by those who use it
        pylock.toml             the lock that it was built for
        pylock.archives.toml    the same with the archives that it was installed from
        archives.json           those, of an environment of conda
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
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Self

from runproj.adapters.disk import write_atomically
from runproj.adapters.environments.interpreters import Interpreter, state
from runproj.adapters.holdings import size_of
from runproj.errors import EnvironmentFailed
from runproj.model import Model
from runproj.ports import Held

SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""Where programs of the system are; what PATH goes on with in an environment."""
if sys.platform == "darwin":
    SYSTEM_PATH = f"/opt/homebrew/bin:{SYSTEM_PATH}"
_ARCHIVES = "archives.json"
_FORMAT = 2
_DIGITS = 20
_CACHED = "__pycache__"
_in_use: dict[tuple[int, int], int] = {}  # open files, which hold locks until this process ends


class Marker(NamedTuple):
    """What is known of a finished environment.

    ``size`` is in bytes. ``folders`` maps each folder to its time: a file that comes, goes or is
    replaced changes that of its folder. ``files`` is the digest of names, sizes and times of all
    files: it tells a file that was written over in place, too. ``python_state`` is of the base
    interpreter's file. Bytecode caches count nowhere. ``place`` is where it was built: its programs
    name their interpreter by that path.

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
    place: str
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
            self.key, self.kind, interpreter, packages, size, folders, files, base,
            os.fspath(self.content), python,
        )  # fmt: skip
        (self.folder / "used").touch()
        plain = None if interpreter is None else interpreter._asdict()
        data = {"format": _FORMAT, **marker._asdict(), "interpreter": plain}
        write_atomically(self._ready, json.dumps(data).encode())
        return marker

    def forget(self) -> None:
        """Let it no longer count as finished: it is built anew when it is needed next."""
        self._ready.unlink(missing_ok=True)

    def touch(self) -> None:
        """Note that it is used now, and until this process ends: ``gc`` leaves it alone."""
        with contextlib.suppress(OSError):  # the list shows an older time; no reason to stop
            handle = os.open(self.folder / "used", os.O_RDONLY | os.O_CLOEXEC)
            known = _in_use.setdefault(_identity(handle), handle)
            if known != handle:
                os.close(handle)
            fcntl.flock(known, fcntl.LOCK_SH)
            os.utime(known)


def _identity(handle: int) -> tuple[int, int]:
    status = os.fstat(handle)
    return status.st_dev, status.st_ino


def damage(slot: Slot, marker: Marker) -> str | None:
    """Return what is not as it was when it was built, as far as folders and interpreter tell.

    A few milliseconds for some thousand files: one stat a folder.
    """
    base = os.fspath(slot.content) + os.sep
    try:
        if marker.place != os.fspath(slot.content) and not slot.content.samefile(marker.place):
            return f"{slot.content} is a copy of {marker.place}"
        for name, time in marker.folders.items():
            if os.stat(base + name).st_mtime_ns != time:  # noqa: PTH116 -- the hot path
                return f"{name} was changed since the environment was built"
        if marker.interpreter is not None:
            if state(marker.interpreter.executable) != marker.python_state:
                return f"{marker.interpreter.executable} is another than it was built with"
            os.stat(base + "bin/python")  # noqa: PTH116 -- the hot path
    except OSError as error:
        if error.filename == marker.place:
            return f"{slot.content} was built as {marker.place}, and moved"
        return f"{error.filename or slot.content} is gone since the environment was built"
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


class HeldEnvironments:
    """Environments as what takes room, finished or not, see :class:`~runproj.ports.Holdings`."""

    def __init__(self, root: Path) -> None:
        """Look at the folder ``root``."""
        self.place = str(root)
        self._built = BuiltEnvironments(root)

    def all(self) -> Sequence[Held]:
        """Return what is there: finished ones by key, others by the name of their folder."""
        ready = self._built.all()
        found = [
            Held(one.key, one.size, one.used_at, unique=not _comes_again(Path(one.path).parent))
            for one in ready
        ]
        known = {one.key[:_DIGITS] for one in ready}
        for folder in sorted(self._built.root.glob("*/")):
            if folder.name not in known:
                with contextlib.suppress(FileNotFoundError):  # its builder removed it
                    found.append(Held(folder.name, size_of(folder), folder.stat().st_mtime))
        return found

    def remove(self, one: Held) -> bool:
        """Remove an environment, unless it was used since, or somebody uses it."""
        folder = Slot(self._built.root, one.name).folder
        used = folder / "used" if (folder / "ready.json").exists() else folder
        try:
            handle = os.open(used, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return not folder.exists()
        except OSError as error:
            raise EnvironmentFailed(
                f"it cannot be removed: {error.strerror}", where=str(used)
            ) from error
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.fstat(handle).st_mtime != one.used_at:
                return False
            self._built.remove(one.name)
        except BlockingIOError:
            return False
        finally:
            os.close(handle)
        return True


def note_archives(slot: Slot, places: Sequence[str]) -> None:
    """Keep with an environment the paths of the archives that it is installed from."""
    (slot.folder / _ARCHIVES).write_text(json.dumps(list(places)), encoding="utf-8")


def _comes_again(folder: Path) -> bool:
    """Tell whether all that an environment was installed from is there still, as archives."""
    import tomllib  # noqa: PLC0415 -- lazy: this module is on the hot path

    try:
        noted = folder / _ARCHIVES
        if noted.exists():
            return all(Path(one).exists() for one in json.loads(noted.read_bytes()))
        place = folder / "pylock.archives.toml"
        place = place if place.exists() else folder / "pylock.toml"  # nothing had to be installed
        packages = tomllib.loads(place.read_text(encoding="utf-8")).get("packages", [])
        files = [[*one.get("wheels", ()), one.get("archive", {})][0] for one in packages]
        return all(Path(one["path"]).is_absolute() and Path(one["path"]).exists() for one in files)
    except (OSError, ValueError, KeyError, TypeError):
        return False


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
