"""Files and folders as what takes room."""

import os
import stat
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from runproj.adapters.disk import remove_all
from runproj.errors import StoreError
from runproj.ports import Held


class PathHoldings:
    """Files and folders, known by their paths, see :class:`~runproj.ports.Holdings`."""

    def __init__(self, place: str, paths: Callable[[], Iterable[Path]]) -> None:
        """Hold what ``paths`` returns when it is asked."""
        self.place = place
        self._paths = paths

    def all(self) -> Sequence[Held]:
        """Return what is there."""
        found = []
        for path in self._paths():
            try:
                found.append(Held(str(path), size_of(path), used_at(path)))
            except FileNotFoundError:
                continue  # it went in this moment
            except OSError as error:
                raise _failed("read", error, path) from error
        return found

    def remove(self, one: Held) -> bool:
        """Remove something with all that is in it."""
        path = Path(one.name)
        try:
            if stat.S_ISDIR(path.lstat().st_mode):
                remove_all(path)
            else:
                path.unlink()
        except FileNotFoundError:
            return True
        except OSError as error:
            raise _failed("removed", error, path) from error
        if os.path.lexists(path):
            raise StoreError("it cannot be removed: permission denied", where=str(path))
        return True


def used_at(path: Path) -> float:
    """Return when something, or what stands in a folder, changed last, in seconds since 1970."""
    times = [path.lstat().st_mtime]
    if path.is_dir() and not path.is_symlink():
        with os.scandir(path) as entries:
            times += [entry.stat(follow_symlinks=False).st_mtime for entry in entries]
    return max(times)


def size_of(path: Path) -> int:
    """Return the size in bytes of a file, or of all files below a folder."""
    size = path.lstat().st_size if not path.is_dir() or path.is_symlink() else 0
    for folder, _, files in os.walk(path):
        for name in files:
            try:
                size += os.lstat(os.path.join(folder, name)).st_size  # noqa: PTH118 -- some thousand files
            except FileNotFoundError:
                continue
    return size


def _failed(done: str, error: OSError, path: Path) -> StoreError:
    reason = (error.strerror or str(error)).lower()
    return StoreError(f"it cannot be {done}: {reason}", where=str(error.filename or path))
