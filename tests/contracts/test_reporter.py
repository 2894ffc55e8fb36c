"""What the Reporter for tests promises; those of the command line are tested by what they print."""

from tests.fakes.reporter import FakeReporter

from runproj.ports import Reporter
from runproj.record.events import Event, Progress, Warned


def test_events_are_remembered_in_order() -> None:
    fake = FakeReporter()
    reporter: Reporter = fake
    events: list[Event] = [Warned("one"), Progress("env", "two"), Warned("three")]
    for event in events:
        reporter.report(event)
    assert fake.events == events
    assert fake.of(Warned) == [Warned("one"), Warned("three")]
