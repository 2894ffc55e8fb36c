"""Registered models as plain files: ``models/NAME/history.jsonl``, a line for each move."""

import fcntl
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from io import FileIO
from pathlib import Path

from runproj.adapters.disk import append
from runproj.errors import StoreError, UsageError
from runproj.model import WrongData, compact, from_json
from runproj.record.registry import Move, is_name

_HISTORY = "history.jsonl"


class FolderModels:
    """Histories in folders, see :class:`runproj.ports.ModelShelf`; many processes may append."""

    def __init__(self, folder: str, make: Callable[[], None]) -> None:
        """Keep them below ``folder``; ``make`` makes the store that it is in."""
        self.folder = Path(folder)
        self._make = make

    def names(self) -> Sequence[str]:
        """Return the names of all models."""
        with _translated("the registered models cannot be read", self.folder):
            try:
                names = sorted(os.listdir(self.folder))  # noqa: PTH208 -- names only
            except FileNotFoundError:
                return []
            return [one for one in names if is_name(one) and self._size(one)]

    def _size(self, name: str) -> int:
        """Return the size of a history; nothing was said yet in one of 0 bytes."""
        try:
            return (self.folder / name / _HISTORY).stat().st_size
        except (FileNotFoundError, NotADirectoryError):
            return 0

    def history(self, name: str) -> Sequence[Move]:
        """Return the moves of a model."""
        place = self.folder / name / _HISTORY
        with _translated(f"the history of {name} cannot be read", place):
            try:
                data = place.read_bytes()
            except (FileNotFoundError, NotADirectoryError):
                return []
        return _moves(name, data, place)

    def add(self, name: str, decide: Callable[[Sequence[Move]], Sequence[Move]]) -> Sequence[Move]:
        """Append to a history, while nobody else does."""
        place = self.folder / name / _HISTORY
        with _translated(f"the history of {name} cannot be written", place):
            self._refuse_alike(name)
            self._make()
            place.parent.mkdir(parents=True, exist_ok=True)
            with FileIO(place, "a+") as file:
                fcntl.flock(file, fcntl.LOCK_EX)
                return _added(name, decide, file, place)

    def _refuse_alike(self, name: str) -> None:
        """Make sure that no name differs in the size of letters only: some disks take them for one.

        Raises:
            UsageError: one does.
        """
        for other in self.names():
            if other != name and other.casefold() == name.casefold():
                raise UsageError(
                    f"there is a model {other!r}", hint="choose a name that differs more"
                )


def _added(
    name: str, decide: Callable[[Sequence[Move]], Sequence[Move]], file: FileIO, place: Path
) -> Sequence[Move]:
    file.seek(0)
    data = file.readall()
    whole = data.rfind(b"\n") + 1
    new = decide(_moves(name, data, place))
    lines = "".join(f"{compact(move)}\n" for move in new).encode()
    if whole < len(data):
        file.truncate(whole)  # whoever wrote that was killed before it was said
    try:
        append(file, lines)
        os.fsync(file.fileno())
    except OSError:
        file.truncate(whole)  # all of it is said, or nothing
        raise
    return new


def _moves(name: str, data: bytes, place: Path) -> list[Move]:
    *lines, _ = data.split(b"\n")  # a torn last line was never said
    found = []
    for number, line in enumerate(lines, start=1):
        try:
            found.append(from_json(Move, line))
        except WrongData as error:
            raise StoreError(
                f"the history of {name} cannot be read: line {number} is damaged: {error}",
                where=str(place), hint="bring that file back from a copy of the store",
            ) from error  # fmt: skip
    return found


@contextmanager
def _translated(message: str, place: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise StoreError(f"{message}: {reason}", where=str(place)) from error
