"""Which step may start next, and what a failure blocks."""

import heapq
from collections.abc import Mapping, Sequence


class Schedule:
    """The order of the steps of a plan while it executes.

    A step is ready when all before it are done. A failure blocks what comes after it; without
    ``keep_going`` nothing starts any more.
    """

    def __init__(self, after: Mapping[str, Sequence[str]], *, keep_going: bool = False) -> None:
        """Take each step with those before it, in an order in which they can execute."""
        self._waits_for = {name: set(others) for name, others in after.items()}
        self._unblocks: dict[str, list[str]] = {name: [] for name in after}
        for name, others in after.items():
            for other in others:
                self._unblocks[other].append(name)
        self._names = list(after)
        self._position = {name: index for index, name in enumerate(after)}
        # a heap of positions: what is declared first starts first
        self._ready = [self._position[name] for name in after if not self._waits_for[name]]
        self._left = set(after)
        self._keep_going = keep_going
        self._stopped = False

    def next(self) -> str | None:
        """Return a step to start now, the one declared first; None: there is none."""
        if self._stopped or not self._ready:
            return None
        return self._names[heapq.heappop(self._ready)]

    def done(self, step: str) -> None:
        """Note that a step's outputs are there."""
        self._left.discard(step)
        for name in self._unblocks[step]:
            self._waits_for[name].discard(step)
            if not self._waits_for[name]:
                heapq.heappush(self._ready, self._position[name])

    def failed(self, step: str) -> None:
        """Note that a step failed."""
        self._left.discard(step)
        self._stopped = not self._keep_going

    @property
    def left(self) -> list[str]:
        """The steps that are neither done nor failed, in order."""
        return sorted(self._left, key=self._position.__getitem__)
