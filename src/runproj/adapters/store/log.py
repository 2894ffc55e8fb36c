"""The log of a step: the raw bytes, and an index of when which stream wrote how much.

``output.log`` holds what was printed, in the order in which it came. ``output.idx`` has a line
``MILLISECONDS STREAM LENGTH`` for each piece: milliseconds since the step started, ``1`` for
standard output and ``2`` for standard error, length in bytes.
"""

import time
from collections.abc import Iterator
from pathlib import Path

from runproj.adapters.disk import append
from runproj.errors import StoreError
from runproj.ports import Stream

_NUMBER: dict[Stream, int] = {"stdout": 1, "stderr": 2}
_NAME: dict[str, Stream] = {"1": "stdout", "2": "stderr"}


class FolderLog:
    """Writes the log of one step run."""

    def __init__(self, folder: Path) -> None:
        """Write into ``folder``, which is made."""
        self.path = str(folder / "output.log")
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._log = (folder / "output.log").open("wb", buffering=0)
            self._index = (folder / "output.idx").open("wb", buffering=0)
        except OSError as error:
            raise self._unwritable(error) from error
        self._start = time.monotonic_ns()

    def _unwritable(self, error: OSError) -> StoreError:
        reason = (error.strerror or str(error)).lower()
        return StoreError(f"the log cannot be written: {reason}", where=self.path)

    def write(self, stream: Stream, chunk: bytes) -> None:
        """Append what a stream printed."""
        elapsed = (time.monotonic_ns() - self._start) // 1_000_000
        try:
            append(self._log, chunk)
            append(self._index, f"{elapsed} {_NUMBER[stream]} {len(chunk)}\n".encode())
        except OSError as error:
            raise self._unwritable(error) from error

    def tail(self, limit: int) -> str:
        """Return the last whole lines, at most ``limit`` bytes; the end of one that is longer."""
        path = Path(self.path)
        size = path.stat().st_size
        with path.open("rb") as file:
            file.seek(max(0, size - limit))
            text = file.read().decode(errors="replace")
        if size > limit:
            text = text.partition("\n")[2] or text
        return text

    def close(self) -> None:
        """Close both files."""
        self._log.close()
        self._index.close()


def pieces(folder: Path) -> Iterator[tuple[float, Stream, bytes]]:
    """Yield seconds since the start, stream and bytes of a log, as far as it is written."""
    try:
        log, index = (folder / "output.log").open("rb"), (folder / "output.idx").open()
    except FileNotFoundError:
        return
    elapsed = 0.0
    with log, index:
        for line in index:
            if line.endswith("\n"):
                milliseconds, stream, length = line.split()
                elapsed = int(milliseconds) / 1000
                yield elapsed, _NAME[stream], log.read(int(length))
        rest = log.read()
        if rest:  # the writer died between the two writes
            yield elapsed, "stdout", rest


def end_of(folder: Path, limit: int) -> tuple[bytes, int]:
    """Return the last bytes of a log, ``limit`` at most, and how many it has; nothing without one.

    Raises:
        StoreError: it cannot be read.
    """
    path = folder / "output.log"
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - limit))
            return file.read(limit), size
    except FileNotFoundError:
        return b"", 0
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise StoreError(f"the log cannot be read: {reason}", where=str(path)) from error
