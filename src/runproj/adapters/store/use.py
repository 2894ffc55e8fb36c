"""Who uses a store: those who prepare or execute runs share it, ``gc`` needs it alone.

The lock is one of the store's folder itself, so that nothing is written where only is looked.
"""

import contextlib
import fcntl
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from runproj.adapters.disk import is_locked
from runproj.errors import StoreError


class FolderUse:
    """Tells who uses the store in a folder, see :class:`~runproj.ports.StoreUse`."""

    def __init__(self, folder: Path) -> None:
        """Look at the store ``folder``."""
        self._folder = folder

    def alive(self) -> Sequence[str]:
        """Return the ids of the runs that go on."""
        try:
            return sorted(
                lock.parent.name for lock in self._folder.glob("runs/*/lock") if is_locked(lock)
            )
        except OSError as error:
            raise _failed(error, self._folder) from error

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Keep everybody else from beginning anything in the store meanwhile."""
        try:
            handle = os.open(self._folder, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            raise _failed(error, self._folder) from error
        try:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise StoreError(
                    "another runproj prepares a run in this store, or removes what nothing needs",
                    where=str(self._folder), hint="try again when it has ended",
                ) from None  # fmt: skip
            except OSError as error:
                raise _failed(error, self._folder) from error
            yield
        finally:
            os.close(handle)


def shared(folder: Path) -> int | None:
    """Use a store together with others until this process ends; ``gc`` is waited for.

    Returns:
        An open file, which holds the lock; None where there is no store yet, or no locks.
    """
    try:
        handle = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None  # what is not there cannot be removed
    with contextlib.suppress(OSError):
        fcntl.flock(handle, fcntl.LOCK_SH)
    return handle


def _failed(error: OSError, folder: Path) -> StoreError:
    reason = (error.strerror or str(error)).lower()
    return StoreError(f"the store cannot be used: {reason}", where=str(error.filename or folder))
