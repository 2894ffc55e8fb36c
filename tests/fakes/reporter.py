"""A reporter that remembers what it was told."""

from typing import TypeVar

from runproj.record.events import Event

_Kind = TypeVar("_Kind")


class FakeReporter:
    """Keeps all ``events`` in order."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def report(self, event: Event) -> None:
        self.events.append(event)

    def of(self, kind: type[_Kind]) -> list[_Kind]:
        """Return the events of one kind."""
        return [event for event in self.events if isinstance(event, kind)]
