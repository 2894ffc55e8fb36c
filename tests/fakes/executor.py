"""An executor that runs no process, and remembers what it was asked for."""

from collections.abc import Callable, Iterator

from runproj.errors import RunprojError
from runproj.ports import Execution
from runproj.record.outcome import Outcome

Play = Callable[[Execution], Outcome | None]
"""What a process does: it may call ``on_output``, make files, raise; None stands for success."""


class FakeExecutor:
    """Plays processes in the order in which they were started, each when it is waited for.

    ``play`` does what the process would do; ``succeed`` is a process that does nothing. Tests read
    ``started`` (all executions, in order), ``cancels`` (how often) and ``closed``.
    """

    def __init__(self, play: Play | None = None) -> None:
        self._play = play or succeed
        self._running: list[Execution] = []
        self._canceled: list[tuple[str, Outcome]] = []
        self.started: list[Execution] = []
        self.cancels = 0
        self.closed = False

    @property
    def names(self) -> list[str]:
        """The names of all that was started, in order."""
        return [execution.name for execution in self.started]

    def start(self, execution: Execution) -> None:
        self.started.append(execution)
        self._running.append(execution)

    def wait_for(self, timeout_s: float) -> tuple[str, Outcome] | None:
        del timeout_s
        return self.wait() if self._running or self._canceled else None

    def wait(self) -> tuple[str, Outcome]:
        if self._canceled:
            return self._canceled.pop(0)
        if not self._running:
            raise RunprojError("no process was started that could be waited for")
        execution = self._running[0]
        outcome = self._play(execution) or Outcome(exit_code=0)
        self._running.remove(execution)
        return execution.name, outcome

    def cancel(self) -> None:
        self.cancels += 1
        self._canceled += [(gone.name, Outcome(signal="SIGTERM")) for gone in self._running]
        self._running.clear()

    def close(self) -> None:
        self.closed = True
        self._running.clear()
        self._canceled.clear()


def succeed(_: Execution) -> Outcome:
    """Do nothing, successfully."""
    return Outcome(exit_code=0)


def by_name(**plays: Play) -> Play:
    """Return a play that does what is given for the step's name, and succeeds for all others."""

    def play(execution: Execution) -> Outcome | None:
        return plays.get(execution.name, succeed)(execution)

    return play


def in_turn(*outcomes: Outcome) -> Play:
    """Return a play that ends in these ways, one after another: for retries."""
    remaining: Iterator[Outcome] = iter(outcomes)
    return lambda _: next(remaining)
