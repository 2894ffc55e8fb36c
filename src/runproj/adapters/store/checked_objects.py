"""Reading every object of a store, to see that it is what its name says."""

import hashlib
import itertools
import os
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from runproj.adapters.disk import is_left
from runproj.adapters.store.objects import FolderObjects
from runproj.errors import StoreError
from runproj.model import WrongData, from_json
from runproj.ports import CheckedObject
from runproj.record.artifact import FolderManifest, FolderMember
from runproj.record.health import Note

_FEW = 64  # so many objects are handed to a thread at once
_PIECE = 1 << 22  # bytes
_THREADS = min(8, os.cpu_count() or 1)


class CheckedObjects:
    """Looks at the objects of a folder, see :class:`~runproj.ports.ObjectChecks`."""

    def __init__(self, objects: FolderObjects) -> None:
        """Look at what ``objects`` keeps."""
        self._objects = objects
        self._folder = objects.folder

    def sizes(self) -> Mapping[str, int]:
        """Return sha256 → size in bytes of every object that is there."""
        found: dict[str, int] = {}
        for sha256, place in self._objects.all():
            try:
                found[sha256] = place.stat().st_size
            except FileNotFoundError:
                continue  # it was just set aside
        return found

    def check(self, sha256s: Iterable[str]) -> Iterator[CheckedObject]:
        """Read objects and tell how they are; several threads hash at the same time."""
        rest = iter(sha256s)
        pool = ThreadPoolExecutor(_THREADS)
        try:
            waiting: deque[Future[list[CheckedObject]]] = deque()
            while True:
                some = list(itertools.islice(rest, _FEW))
                if some:
                    waiting.append(pool.submit(self._several, some))
                if waiting and (not some or len(waiting) > 2 * _THREADS):
                    yield from waiting.popleft().result()
                elif not some:
                    return
        finally:
            pool.shutdown(wait=False, cancel_futures=True)

    def _several(self, sha256s: Sequence[str]) -> list[CheckedObject]:
        return [self._one(sha256) for sha256 in sha256s]

    def _one(self, sha256: str) -> CheckedObject:
        place = str(self._objects.place(sha256))
        try:
            size, digest = _hashed(place)
        except FileNotFoundError:
            return CheckedObject(sha256, "missing", 0, place)
        except OSError:
            return CheckedObject(sha256, "unreadable", 0, place)
        return CheckedObject(sha256, "whole" if digest == sha256 else "damaged", size, place)

    def members(self, sha256: str) -> Sequence[FolderMember]:
        """Return the members of a folder; what is damaged is left where it is."""
        what = "the list of files"
        data = self.read(sha256, what)
        try:
            return from_json(FolderManifest, data).members
        except WrongData as error:
            place = str(self._objects.place(sha256))
            raise StoreError(f"{what} {sha256[:12]}… is none: {error}", where=place) from error

    def read(self, sha256: str, what: str = "the object") -> bytes:
        """Return the content of an object; what is damaged is left where it is.

        Raises:
            StoreError: it is damaged, or cannot be read.
        """
        place = self._objects.place(sha256)
        what = f"{what} {sha256[:12]}…"
        try:
            data = place.read_bytes()
        except OSError as error:
            raise StoreError(f"{what} cannot be read", where=str(place)) from error
        if hashlib.sha256(data).hexdigest() != sha256:
            raise StoreError(f"{what} is damaged", where=str(place))
        return data

    def set_aside(self, sha256: str) -> str:
        """Move a damaged object out of the way, and return where it is now."""
        return str(self._objects.set_aside(sha256))

    def notes(self) -> Sequence[Note]:
        """Return what else is there: objects that were set aside, files of killed processes."""
        message = "an object that was set aside: it is damaged"
        aside = self._objects.set_aside_before()
        notes = [Note(message=message, where=str(one)) for one in aside]
        message = "a file of a process that was ended"
        return [*notes, *(Note(message=message, where=str(one)) for one in self.left())]

    def left(self) -> list[Path]:
        """Return the files of processes that were killed."""
        return [one for one in sorted(self._folder.glob("incoming-*")) if is_left(one)]


def _hashed(place: str) -> tuple[int, str]:
    """Return size and sha256 of a file; large pieces let other threads work meanwhile."""
    file = os.open(place, os.O_RDONLY | os.O_CLOEXEC)
    try:
        size = 0
        digest = hashlib.sha256()
        buffer = bytearray(min(os.fstat(file).st_size + 1, _PIECE))
        view = memoryview(buffer)
        while count := os.readv(file, [buffer]):
            digest.update(view[:count])
            size += count
    finally:
        os.close(file)
    return size, digest.hexdigest()
