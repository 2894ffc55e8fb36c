"""Runs side by side: what differs between them, a row for each thing."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from runproj.errors import UsageError
from runproj.record.query import Row, field_of
from runproj.spec.suggest import did_you_mean

_FACTS = (
    "status", "project", "entry_point", "experiment", "started_at", "duration", "verdict", "user",
    "host", "source.commit", "source.branch", "source.dirty", "source.tree",
)  # fmt: skip
_ALWAYS = frozenset(("status", "started_at", "duration"))
_SHORT = {"source.commit": 12, "source.tree": 12, "started_at": 16}


class Compared(NamedTuple):
    """One thing in which runs may differ: a value for each run, None where it has none.

    ``group`` is ``run``, ``params``, ``metrics``, ``environment`` or ``tags``. ``best`` has the
    places of the best values, where it is known which are better.
    """

    group: str
    name: str
    values: tuple[Any, ...]
    best: frozenset[int] = frozenset()

    @property
    def differs(self) -> bool:
        """Whether some run has another value than the others."""
        return len(set(map(repr, self.values))) > 1


def compared(rows: Sequence[Row], goals: Mapping[str, bool], *, every: bool) -> list[Compared]:
    """Return runs side by side.

    Args:
        rows: the runs, with all columns of the index.
        goals: metrics of which it is known whether more is better.
        every: whether what is equal is there, too.

    Raises:
        UsageError: a goal is no metric, or may mean several.
    """
    found = [*_facts(rows), *_named(rows, "params"), *_metrics(rows, goals)]
    found += [*_environments(rows), *_named(rows, "tags")]
    return [one for one in found if every or one.differs or one.name in _ALWAYS or one.best]


def _facts(rows: Sequence[Row]) -> Iterator[Compared]:
    for name in _FACTS:
        field = field_of(name)
        values = tuple(
            value[: _SHORT[name]] if name in _SHORT and value else value
            for value in (field.of(row) for row in rows)
        )
        if any(value is not None for value in values):
            yield Compared("run", name, values)


def _names(rows: Sequence[Row], column: str) -> dict[str, None]:
    return {name: None for row in rows for name in row[column]}


def _named(rows: Sequence[Row], column: str) -> Iterator[Compared]:
    for name in _names(rows, column):
        yield Compared(column, name, tuple(row[column].get(name) for row in rows))


def _metrics(rows: Sequence[Row], goals: Mapping[str, bool]) -> Iterator[Compared]:
    down = {name: more for goal, more in goals.items() for name in _meant(rows, goal)}
    for one in _named(rows, "metrics"):
        best = _best(one.values, down=down[one.name]) if one.name in down else frozenset()
        yield one._replace(best=best)
        ranges = [row["summaries"].get(one.name, (None, None, 0)) for row in rows]
        if any(points > 1 for _, _, points in ranges):
            yield Compared("metrics", f"{one.name}.min", tuple(least for least, _, _ in ranges))
            yield Compared("metrics", f"{one.name}.max", tuple(most for _, most, _ in ranges))


def _meant(rows: Sequence[Row], goal: str) -> list[str]:
    """Return the full names of the metrics that a goal means: one in each run at most."""
    names = list(_names(rows, "metrics"))
    found = [one for one in names if one == goal] or [
        one for one in names if one.endswith(f".{goal}")
    ]
    if not found:
        raise UsageError(f"no run has the metric {goal!r}", hint=did_you_mean(goal, names))
    for row in rows:
        field_of(f"metrics.{goal}").of(row)  # says so where it may mean several
    return found


def _environments(rows: Sequence[Row]) -> Iterator[Compared]:
    for name in _names(rows, "environments"):
        texts = (row["environments"].get(name) for row in rows)
        yield Compared(
            "environment", name, tuple(one and f"{one[0]} {one[1][:12]}" for one in texts)
        )


def _best(values: Sequence[Any], *, down: bool) -> frozenset[int]:
    """Return the places of the best numbers."""
    numbers = {
        at: value
        for at, value in enumerate(values)
        if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    }
    if not numbers:
        return frozenset()
    top = max(numbers.values()) if down else min(numbers.values())
    return frozenset(at for at, value in numbers.items() if value == top)
