"""An executor that ends processes in any order, and a probe of what ran at the same time."""

from random import Random

from tests.fakes.executor import FakeExecutor, Play

from runproj.ports import Execution
from runproj.record.outcome import Outcome


class OverlappingExecutor(FakeExecutor):
    """Ends one of the running processes by chance; ``overlaps`` has all sets that ran together."""

    def __init__(self, play: Play | None = None, *, seed: int = 0) -> None:
        super().__init__(play)
        self._chance = Random(seed)  # noqa: S311 -- no secret
        self.overlaps: list[tuple[str, ...]] = []

    def start(self, execution: Execution) -> None:
        super().start(execution)
        self.overlaps.append(tuple(one.name for one in self._running))

    def wait(self) -> tuple[str, Outcome]:
        if self._running and not self._canceled:
            chosen = self._chance.randrange(len(self._running))
            self._running.insert(0, self._running.pop(chosen))
        return super().wait()
