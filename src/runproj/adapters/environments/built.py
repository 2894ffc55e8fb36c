"""Virtual environments that are there: built once per content, proved, shared, checked at use.

``FOLDER/KEY/`` is an environment, ``FOLDER/KEY.lock`` is held while it is built. An environment
counts only when its marker, written last and atomically, is in it. The marker keeps what the
folders and files looked like then, so that damage is seen.
"""

import contextlib
import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runproj.adapters.disk import FolderLock, write_atomically
from runproj.errors import EnvironmentFailed
from runproj.model import Model
from runproj.ports import Say

_MARKER = "runproj.json"
_WAIT_S = 0.1


class Marker(Model):
    """A built environment; ``folders`` and ``files`` are digests of what they looked like."""

    key: str
    python: str
    packages: int
    folders: str
    files: str


class BuiltEnvironment(Model):
    """A built environment as a user sees it; ``size`` in bytes, ``used_at`` seconds since 1970."""

    key: str
    path: str
    python: str
    packages: int
    size: int
    used_at: float


@dataclass(frozen=True, slots=True)
class BuiltEnvironments:
    """The environments below a folder."""

    folder: Path

    def place(self, key: str) -> Path:
        """Return where the environment with a key is, or would be."""
        return self.folder / key[:32]

    def get(self, key: str) -> Path | None:
        """Return an environment that is whole; None when it is not there or was damaged."""
        place = self.place(key)
        marker = read_marker(place)
        if marker is None or marker.key != key or not (place / "bin" / "python").exists():
            return None
        if folders_digest(place) != marker.folders:
            return None
        with contextlib.suppress(OSError):  # a read-only cache serves as well
            os.utime(place / _MARKER)
        return place

    def get_or_build(self, key: str, build: Callable[[Path], tuple[str, int]], say: Say) -> Path:
        """Return the environment with a key; build it when it is not there.

        ``build`` fills a folder and returns the Python version and the number of packages.

        Raises:
            EnvironmentFailed: it cannot be built.
        """
        found = self.get(key)
        if found is not None:
            return found
        with self._lock(key, say):
            found = self.get(key)  # another process may have built it while we waited
            if found is not None:
                return found
            return self._build(key, build, say)

    @contextlib.contextmanager
    def _lock(self, key: str, say: Say) -> Iterator[None]:
        waiting = False
        while (lock := self._try_lock(key)) is None:
            if not waiting:
                say("waiting for another runproj that builds it")
            waiting = True
            time.sleep(_WAIT_S)
        try:
            yield
        finally:
            lock.close()

    def _try_lock(self, key: str) -> FolderLock | None:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            return FolderLock(self.folder / f"{key[:32]}.lock")
        except BlockingIOError:
            return None
        except OSError as error:
            raise _failed(error, self.folder) from error

    def _build(self, key: str, build: Callable[[Path], tuple[str, int]], say: Say) -> Path:
        place = self.place(key)
        if place.exists():
            whole = read_marker(place) is not None
            say("it was damaged, building it again" if whole else "removing a half-built one")
        try:
            if place.exists():
                shutil.rmtree(place)
            python, packages = build(place)
            _make_bytecode_folders(place)
            marker = Marker(
                key=key, python=python, packages=packages,
                folders=folders_digest(place), files=files_digest(place),
            )  # fmt: skip
            write_atomically(place / _MARKER, marker.model_dump_json().encode())
        except OSError as error:
            shutil.rmtree(place, ignore_errors=True)
            raise _failed(error, place) from error
        except BaseException:
            shutil.rmtree(place, ignore_errors=True)
            raise
        return place

    def all(self) -> list[BuiltEnvironment]:
        """Return all environments, the last used first."""
        found = []
        for place in self.folder.glob("*/"):
            marker = read_marker(place)
            if marker is not None:
                found.append(
                    BuiltEnvironment(
                        key=marker.key, path=str(place), python=marker.python,
                        packages=marker.packages, size=_size(place),
                        used_at=(place / _MARKER).stat().st_mtime,
                    )
                )  # fmt: skip
        return sorted(found, key=lambda one: -one.used_at)

    def remove(self, key: str) -> None:
        """Remove an environment; one that is being built is waited for."""
        with self._lock(key, lambda _: None):
            place = self.place(key)
            (place / _MARKER).unlink(missing_ok=True)  # nobody takes it from now on
            shutil.rmtree(place, ignore_errors=True)
        (self.folder / f"{key[:32]}.lock").unlink(missing_ok=True)


def read_marker(place: Path) -> Marker | None:
    """Return the marker of an environment; None when it has none that can be read."""
    try:
        data: dict[str, Any] = json.loads((place / _MARKER).read_bytes())
        return Marker(**data)
    except (OSError, ValueError, TypeError):
        return None


def check_files(place: Path) -> bool:
    """Tell whether every file of an environment is as it was; if not, take its marker away."""
    marker = read_marker(place)
    if marker is not None and files_digest(place) == marker.files:
        return True
    with contextlib.suppress(OSError):
        (place / _MARKER).unlink(missing_ok=True)
    return False


def folders_digest(place: Path) -> str:
    """Return a digest of all folders and when something was added to or removed from them.

    Bytecode does not count: its folders are made beforehand, so that an import changes no other.
    """
    digest = hashlib.sha256()
    for folder, _ in _walk(place):
        if folder != str(place):  # the marker itself is written into it
            digest.update(f"{folder} {Path(folder).stat().st_mtime_ns}\n".encode())
    return digest.hexdigest()


def files_digest(place: Path) -> str:
    """Return a digest of the size and time of every file, bytecode and the marker left out."""
    digest = hashlib.sha256()
    for _, entries in _walk(place):
        for entry in entries:
            if entry.name != _MARKER:
                status = entry.stat(follow_symlinks=False)
                digest.update(f"{entry.path} {status.st_size} {status.st_mtime_ns}\n".encode())
    return digest.hexdigest()


def _walk(place: Path) -> Iterator[tuple[str, list[os.DirEntry[str]]]]:
    """Yield each folder with its files, in a fixed order."""
    pending = [str(place)]
    while pending:
        folder = pending.pop()
        files, folders = [], []
        with os.scandir(folder) as entries:
            for entry in sorted(entries, key=lambda entry: entry.name):
                if not entry.is_dir(follow_symlinks=False):
                    files.append(entry)
                elif entry.name != "__pycache__":
                    folders.append(entry.path)
        pending += folders
        yield folder, files


def _make_bytecode_folders(place: Path) -> None:
    for folder, files in list(_walk(place)):
        if any(entry.name.endswith(".py") for entry in files):
            Path(folder, "__pycache__").mkdir(exist_ok=True)


def _size(place: Path) -> int:
    files = (entry for _, entries in _walk(place) for entry in entries)
    return sum(entry.stat(follow_symlinks=False).st_size for entry in files)


def _failed(error: OSError, place: Path) -> EnvironmentFailed:
    return EnvironmentFailed(
        f"the environment cannot be built: {(error.strerror or str(error)).lower()}",
        where=str(error.filename or place),
        hint="make room or give rights there; XDG_CACHE_HOME moves the cache elsewhere",
    )
