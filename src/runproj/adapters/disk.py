"""Writing files so that a crash leaves either the old or the new content."""

import contextlib
import fcntl
import itertools
import os
import shutil
import stat
import time
from collections.abc import Iterable, Iterator
from io import FileIO
from pathlib import Path

_numbers = itertools.count()
_LEFT_S = 60  # who writes a temporary file writes to it often


def write_atomically(path: Path, data: bytes | Iterable[bytes]) -> None:
    """Replace the content of a file as a whole, by bytes or by what several pieces are together."""
    new = path.with_name(f".{path.name}-{os.getpid()}-{next(_numbers)}")
    try:
        with new.open("xb") as file:
            if isinstance(data, bytes):
                file.write(data)
            else:
                file.writelines(data)
            file.flush()
            os.fsync(file.fileno())
        new.replace(path)
    except BaseException:
        new.unlink(missing_ok=True)
        raise


def append(file: FileIO, data: bytes) -> None:
    """Write all of the bytes; a raw file may take only some at a time."""
    rest = memoryview(data)
    while rest:
        rest = rest[file.write(rest) :]


class FolderLock:
    """A lock that the kernel frees when its holder is gone, whatever ended it."""

    def __init__(self, path: Path) -> None:
        """Lock the file ``path`` for as long as the object is open.

        Raises:
            BlockingIOError: somebody else holds it.
        """
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BaseException:
            os.close(self._file)
            raise

    def close(self) -> None:
        """Free it."""
        os.close(self._file)


@contextlib.contextmanager
def taking_turns(path: Path) -> Iterator[None]:
    """Wait until nobody else is in a block with this file; for what takes moments."""
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
    finally:
        os.close(file)


def is_locked(path: Path) -> bool:
    """Tell whether somebody holds the lock; asking does not disturb the holder."""
    try:
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(file)
    return False


def is_left(place: Path) -> bool:
    """Tell whether a temporary file seems to be nobody's: it was not written to for a while."""
    try:
        return time.time() - place.lstat().st_mtime > _LEFT_S
    except FileNotFoundError:
        return False


def remove_all(path: Path) -> None:
    """Remove a folder; one in which folders were made read-only too."""
    if not path.exists():
        return
    try:
        shutil.rmtree(path)
    except OSError:
        for folder, folders, _ in os.walk(path):
            for name in folders:  # it looks into them afterwards
                if not Path(folder, name).is_symlink():
                    with contextlib.suppress(OSError):
                        Path(folder, name).chmod(stat.S_IRWXU)
        shutil.rmtree(path, ignore_errors=True)
