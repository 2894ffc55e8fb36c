"""What gc asks, answered from memory; tests say what is there and what is in its way."""

import contextlib
from collections.abc import Collection, Iterator, Sequence

from runproj.errors import StoreError
from runproj.ports import Held, HeldSnapshots


class FakeHoldings:
    """Things by name; those in ``stuck`` cannot be removed, those in ``used`` are used meanwhile."""

    def __init__(self, place: str) -> None:
        self.place = place
        self.things: dict[str, Held] = {}
        self.stuck: set[str] = set()
        self.used: set[str] = set()

    def add(self, name: str, size: int, used_at: float, *needs: str) -> None:
        self.things[name] = Held(name, size, used_at, needs)

    def all(self) -> Sequence[Held]:
        return list(self.things.values())

    def remove(self, one: Held) -> bool:
        if one.name in self.stuck:
            raise StoreError("permission denied")
        if one.name in self.used:
            return False
        self.things.pop(one.name, None)
        return True


class FakeSnapshots:
    """Trees with the time of each; every one has ``10`` bytes, and ``loose`` bytes are nobody's."""

    place = "source.git"

    def __init__(self, now: float) -> None:
        self.now = now
        self.trees: dict[str, float] = {}
        self.loose = 0
        self.problem: str | None = None
        self.stuck = False
        self.removed: list[Sequence[str]] = []

    def look(self, needed: Collection[str], young_s: float) -> HeldSnapshots:
        spare = [tree for tree in self.trees if tree not in needed]
        old = [tree for tree in spare if self.now - self.trees[tree] >= young_s]
        size = 10 * len(self.trees) + self.loose
        if self.problem is not None:
            return HeldSnapshots(len(self.trees), size, problem=self.problem)
        unneeded_size = 10 * len(old) + self.loose
        young = len(spare) - len(old)
        return HeldSnapshots(len(self.trees), size, tuple(old), unneeded_size, young)

    def remove(self, trees: Sequence[str], young_s: float) -> None:
        assert young_s
        if self.stuck:
            raise StoreError("permission denied")
        self.removed.append(trees)
        for tree in trees:
            del self.trees[tree]
        self.loose = 0


class FakeUse:
    """Has runs that go on; ``begins`` are those that begin while somebody waits to be alone."""

    def __init__(self) -> None:
        self.running: list[str] = []
        self.begins: list[str] = []
        self.busy = False
        self.entered = 0

    def alive(self) -> Sequence[str]:
        return self.running

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        if self.busy:
            raise StoreError("another runproj prepares a run in this store")
        self.running += self.begins
        self.entered += 1
        yield
