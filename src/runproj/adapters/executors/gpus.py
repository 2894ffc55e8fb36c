"""How busy the machine's GPUs are, as the driver's own program tells it.

``nvidia-smi`` takes a good part of a second to start, and then prints a line for each GPU every few
seconds, for as long as somebody reads them.
"""

import contextlib
import os
import subprocess
from collections.abc import Collection, Iterator
from typing import NamedTuple

_QUERY = "index,utilization.gpu,memory.used"
_MEGABYTE = 1024 * 1024  # its MiB
_PATIENCE_S = 1.0
_MOST = 20_000  # of what was told; then half of it goes


class Told(NamedTuple):
    """What was told of a GPU, and when, by the clock of those who wait."""

    at: float
    gpu: str
    busy: float
    memory: int


class GpuWatch:
    """Asks the program at a path, from :meth:`start` to :meth:`stop`."""

    def __init__(self, program: str, every_s: float = 2.0) -> None:
        """Ask every so many seconds."""
        self._command = [
            program, f"--query-gpu={_QUERY}", "--format=csv,noheader,nounits",
            f"--loop-ms={round(every_s * 1000)}",
        ]  # fmt: skip
        self._process: subprocess.Popen[bytes] | None = None
        self._rest = b""
        self._told: list[Told] = []

    @property
    def running(self) -> bool:
        """Whether it was started, and not stopped."""
        return self._process is not None

    def start(self) -> int | None:
        """Begin; return the file that can be read when there is something new; None: it cannot."""
        try:
            self._process = subprocess.Popen(
                self._command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL, start_new_session=True, cwd="/",
            )  # fmt: skip
        except OSError:
            return None
        assert self._process.stdout is not None  # noqa: S101 -- for mypy: it is a pipe
        file = self._process.stdout.fileno()
        os.set_blocking(file, False)
        return file

    def read(self, file: int, now: float) -> bool:
        """Take what there is to read; tell whether more may come."""
        try:
            chunk = os.read(file, 65536)
        except BlockingIOError:
            return True
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        for line in lines:
            with contextlib.suppress(ValueError):  # '[N/A]', or what it says of a mistake
                gpu, busy, memory = line.decode("ascii", "replace").split(",")
                told = Told(now, gpu.strip(), float(busy), int(memory) * _MEGABYTE)
                self._told.append(told)
        if len(self._told) >= _MOST:
            numbers = {one.gpu for one in self._told}
            halves = [[one for one in self._told if one.gpu == gpu][1::2] for gpu in numbers]
            self._told = sorted(one for half in halves for one in half)
        return bool(chunk)

    def told(self, since: float, gpus: Collection[str] | None) -> Iterator[Told]:
        """Yield what was told since then, of some GPUs or of all."""
        return (one for one in self._told if one.at >= since and (gpus is None or one.gpu in gpus))

    def stop(self) -> None:
        """End it; what was told is forgotten."""
        if self._process is not None:
            self._process.kill()
            with contextlib.suppress(subprocess.TimeoutExpired):  # the driver may hold it back
                self._process.wait(_PATIENCE_S)
            if self._process.stdout is not None:
                self._process.stdout.close()
        self._process, self._rest = None, b""
        self._told.clear()
