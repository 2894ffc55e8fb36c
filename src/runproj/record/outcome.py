"""How a step's process ended, and what it used."""

from runproj.model import Model


class Outcome(Model):
    """The end of a process.

    Exactly one of ``exit_code``, ``signal`` (a name such as ``SIGKILL``) and ``start_error`` (why
    it could not be started) is set. ``out_of_memory`` tells that the kernel ended it because its
    container used more memory than it may. ``duration_s`` is wall time; ``cpu_s`` is user and
    system time of the process and its descendants, as far as they were seen or waited for.
    ``peak_memory`` is the most that all of these had at the same time in bytes, shared memory
    counted once: it is looked at more and more seldom, and what lived for a moment counts as if it
    had been alone. ``read`` and ``written`` are bytes that reached a block device, ``rchar`` and
    ``wchar`` those that the process and what it waited for asked the kernel to read and write
    (proc(5)). Of a container the engine tells this every second, but for ``rchar`` and ``wchar``.
    """

    exit_code: int | None = None
    signal: str | None = None
    start_error: str | None = None
    timed_out: bool = False
    out_of_memory: bool = False
    duration_s: float = 0.0
    cpu_s: float = 0.0
    peak_memory: int = 0
    read: int = 0
    written: int = 0
    rchar: int = 0
    wchar: int = 0

    @property
    def succeeded(self) -> bool:
        """Whether the process ended by itself with exit code 0."""
        return self.exit_code == 0 and not self.timed_out
