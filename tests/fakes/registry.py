"""Histories of registered models in memory."""

from collections.abc import Callable, Sequence

from runproj.errors import StoreError
from runproj.record.registry import Move


class FakeModels:
    """Keeps moves by name, in ``moves``; a name in ``damaged`` cannot be read."""

    def __init__(self) -> None:
        self.moves: dict[str, list[Move]] = {}
        self.damaged: set[str] = set()

    def names(self) -> Sequence[str]:
        return sorted(name for name, moves in self.moves.items() if moves)

    def history(self, name: str) -> Sequence[Move]:
        if name in self.damaged:
            raise StoreError(f"the history of {name} cannot be read", where=f"models/{name}")
        return list(self.moves.get(name, ()))

    def add(self, name: str, decide: Callable[[Sequence[Move]], Sequence[Move]]) -> Sequence[Move]:
        new = decide(self.history(name))
        self.moves.setdefault(name, []).extend(new)
        return new
