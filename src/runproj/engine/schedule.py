"""Which step may start next, and what a failure blocks."""

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
        self._ready = [name for name, others in self._waits_for.items() if not others]
        self._ready.reverse()
        self._position = {name: index for index, name in enumerate(after)}
        self._left = set(after)
        self._keep_going = keep_going
        self._stopped = False

    def next(self) -> str | None:
        """Return a step to start now, the one declared first; None: there is none."""
        if self._stopped or not self._ready:
            return None
        return self._ready.pop()

    def done(self, step: str) -> None:
        """Note that a step's outputs are there."""
        self._left.discard(step)
        freed = []
        for name in self._unblocks[step]:
            self._waits_for[name].discard(step)
            if not self._waits_for[name]:
                freed.append(name)
        if freed:
            self._ready += freed
            self._ready.sort(key=self._position.__getitem__, reverse=True)

    def failed(self, step: str) -> None:
        """Note that a step failed."""
        self._left.discard(step)
        self._stopped = not self._keep_going

    @property
    def left(self) -> list[str]:
        """The steps that are neither done nor failed, in order."""
        return sorted(self._left, key=self._position.__getitem__)
