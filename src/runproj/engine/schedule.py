"""Which step may start next, what a failure blocks, and what is free for it."""

import heapq
from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from runproj.model import EMPTY

_Demand = tuple[tuple[str, int], ...]


class Room(NamedTuple):
    """What steps that execute share.

    At most ``steps`` of them at once; ``limits`` has the amount of each resource, in thousandths.
    ``demands`` has what each step takes of them meanwhile; a step in ``instant`` takes nothing and
    is no step in this sense, for it is not executed.
    """

    steps: int = 1
    limits: Mapping[str, int] = EMPTY
    demands: Mapping[str, Mapping[str, int]] = EMPTY
    instant: Collection[str] = frozenset()


class Free:
    """How much is free of what steps share; the schedules of several runs may share it, too."""

    def __init__(self, steps: int) -> None:
        """Let so many steps execute at once; amounts come with those who need them."""
        self.steps = steps
        self._amounts: dict[str, int] = {}

    def admit(self, limits: Mapping[str, int]) -> None:
        """Add the amounts of resources that are not known yet."""
        self._amounts = {**limits, **self._amounts}

    def fits(self, demand: _Demand | None) -> bool:
        """Tell whether a step could start now; None is one that is not executed."""
        if demand is None:
            return True
        return self.steps > 0 and all(self._amounts[name] >= amount for name, amount in demand)

    def take(self, demand: _Demand, sign: int) -> None:
        """Take what a step needs, or with ``sign`` -1 give it back."""
        self.steps -= sign
        for name, amount in demand:
            self._amounts[name] -= sign * amount


class Schedule:
    """The order of the steps of a plan while it executes.

    A step is ready when all before it are done, and starts when there is room. Of those that could
    start, the one with the lowest rank does; a step that needs more than is free lets others pass,
    so that nothing lies idle that is wanted. A failure blocks what comes after it; without
    ``keep_going`` nothing starts any more.

    Ready steps wait in a heap for each distinct demand, so choosing takes as long as there are
    different demands.
    """

    def __init__(
        self, after: Mapping[str, Sequence[str]], *, keep_going: bool = False,
        room: Room | None = None, rank: Mapping[str, int] | None = None, free: Free | None = None,
    ) -> None:  # fmt: skip
        """Take each step with those before it, in an order in which they can execute.

        ``rank`` has a number of its own for each step; without it the order is that of the plan.
        ``free`` is shared with the schedules of other runs; without it all of the room is free.
        """
        self._waits_for = {name: set(others) for name, others in after.items()}
        self._unblocks = unblocks(after)
        self._position = {name: index for index, name in enumerate(after)}
        self._rank = self._position if rank is None else rank
        self._room = Room(len(after)) if room is None else room
        self._free = Free(self._room.steps) if free is None else free
        self._free.admit(self._room.limits)
        self._by_rank = {self._rank[name]: name for name in after}
        self._ready: dict[_Demand | None, list[int]] = {}
        for name in after:
            if not self._waits_for[name]:
                self._is_ready(name)
        self._left = set(after)
        self._done: set[str] = set()
        self._keep_going = keep_going
        self._stopped = False

    def next(self) -> str | None:
        """Return a step to start now; None: there is none, or no room for one."""
        if self._stopped:
            return None
        chosen: _Demand | None = ()
        first = -1
        for demand, waiting in self._ready.items():
            if (first < 0 or waiting[0] < first) and self._free.fits(demand):
                chosen, first = demand, waiting[0]
        if first < 0:
            return None
        waiting = self._ready[chosen]
        heapq.heappop(waiting)
        if not waiting:
            del self._ready[chosen]
        if chosen is not None:
            self._free.take(chosen, 1)
        return self._by_rank[first]

    def done(self, step: str) -> None:
        """Note that a step's outputs are there."""
        self._ended(step)
        self._done.add(step)
        for name in self._unblocks[step]:
            self._waits_for[name].discard(step)
            if not self._waits_for[name]:
                self._is_ready(name)

    def failed(self, step: str) -> None:
        """Note that a step failed."""
        self._ended(step)
        self._stopped = not self._keep_going

    def grow(
        self, step: str, after: Mapping[str, Sequence[str]], room: Room,
        rank: Mapping[str, int] | None,
    ) -> None:  # fmt: skip
        """Let others take the place of a step that was started; those that began go on.

        ``after`` and ``rank`` are those of all steps now; what is shared is the same as before.
        """
        self._ended(step)
        known = self._waits_for.keys() - {step}
        ready = {self._by_rank[one] for waiting in self._ready.values() for one in waiting}
        begun = {name for name in known if not self._waits_for[name]} - ready
        self._left = {name for name in after if name in self._left or name not in known}
        self._waits_for = {name: {*others} - self._done for name, others in after.items()}
        self._unblocks = unblocks(after)
        self._position = {name: index for index, name in enumerate(after)}
        self._rank = self._position if rank is None else rank
        self._by_rank = {self._rank[name]: name for name in after}
        self._room, self._ready = room, {}
        for name in after:
            if not self._waits_for[name] and name not in begun:
                self._is_ready(name)

    def pauses(self, step: str) -> None:
        """Note that a step waits: others may have its room meanwhile."""
        demand = self._demand(step)
        if demand is not None:
            self._free.take(demand, -1)

    def goes_on(self, step: str) -> None:
        """Note that a step need not wait any more: it may start again when there is room."""
        self._is_ready(step)

    @property
    def is_short(self) -> bool:
        """Whether a step could start if there were room; other runs may have it."""
        return bool(self._ready) and not self._stopped

    @property
    def left(self) -> list[str]:
        """The steps that are neither done nor failed, in order."""
        return sorted(self._left, key=self._position.__getitem__)

    def _is_ready(self, step: str) -> None:
        heapq.heappush(self._ready.setdefault(self._demand(step), []), self._rank[step])

    def _demand(self, step: str) -> _Demand | None:
        """Return what a step takes while it executes; None: it is not executed."""
        if step in self._room.instant:
            return None
        wanted = self._room.demands.get(step, EMPTY)
        return tuple(sorted((name, amount) for name, amount in wanted.items() if amount))

    def _ended(self, step: str) -> None:
        self._left.discard(step)
        self.pauses(step)


def unblocks(after: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    """Return the steps that wait for each step."""
    found: dict[str, list[str]] = {name: [] for name in after}
    for name, others in after.items():
        for other in others:
            found[other].append(name)
    return found


def longest_paths(
    after: Mapping[str, Sequence[str]], seconds: Mapping[str, float]
) -> dict[str, float]:
    """Return for each step the longest time from its start to the end of all that waits for it.

    Args:
        after: each step with those before it, in an order in which they can execute.
        seconds: how long each step takes.

    >>> longest_paths({"a": [], "b": ["a"], "c": ["a"]}, {"a": 1, "b": 2, "c": 3})
    {'c': 3.0, 'b': 2.0, 'a': 4.0}
    """
    below = unblocks(after)
    paths: dict[str, float] = {}
    for name in reversed(list(after)):
        paths[name] = float(seconds[name]) + max((paths[one] for one in below[name]), default=0.0)
    return paths


def longest_first(after: Mapping[str, Sequence[str]], paths: Mapping[str, float]) -> dict[str, int]:
    """Return the rank of each step: what has the longest path starts first.

    Times are compared in tenths of a second, for what is shorter is chance. Where they are equal,
    the number of steps on the longest way decides, then the order of the plan.
    """
    depth = longest_paths(after, dict.fromkeys(after, 1.0))
    order = sorted(after, key=lambda name: (-round(paths[name], 1), -depth[name]))
    return {name: index for index, name in enumerate(order)}
