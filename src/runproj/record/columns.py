"""Runs as a table: a row for each run, a column for each thing, each column of one type."""

import json
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from runproj.record.query import Row

_FIXED = (
    ("id", "id"), ("name", "name"), ("project", "project"), ("entry_point", "entry_point"),
    ("experiment", "experiment"), ("status", "status"), ("started_at", "started_at"),
    ("finished_at", "finished_at"), ("duration_s", "duration_s"), ("exit_code", "exit_code"),
    ("error", "error"), ("verdict", "verdict"), ("source.commit", "source_commit"),
    ("source.branch", "branch"), ("source.dirty", "dirty"), ("source.tree", "tree"),
    ("host", "host"), ("user", "user"), ("sweep", "sweep"), ("trial", "trial"),
    ("rerun_of", "rerun_of"), ("resume_of", "resume_of"),
)  # fmt: skip
_INTEGERS = frozenset(("exit_code", "trial"))
_TIMES = frozenset(("started_at", "finished_at"))


class Column(NamedTuple):
    """A column: ``kind`` is ``text``, ``number``, ``integer``, ``boolean`` or ``time``.

    Values are of that kind, None where a run has none; times are ISO 8601 in UTC.
    """

    name: str
    kind: str
    values: list[Any]


def columns(rows: Sequence[Row]) -> list[Column]:
    """Return runs as columns: what all have, parameters, metrics with their range, tags."""
    found = [_fixed(name, [row[column] for row in rows]) for name, column in _FIXED]
    for group in ("params", "metrics", "tags"):
        for name in _names(rows, group):
            values = [row[group].get(name) for row in rows]
            found.append(_typed(f"{group}.{name}", values))
            if group == "metrics":
                found += _ranges(rows, name)
    return found


def _names(rows: Iterable[Row], group: str) -> dict[str, None]:
    return dict.fromkeys(sorted({name for row in rows for name in row[group]}))


def _fixed(name: str, values: list[Any]) -> Column:
    if name in _TIMES:
        return Column(name, "time", values)
    if name in _INTEGERS:
        return Column(name, "integer", values)
    if name == "duration_s":
        return Column(name, "number", values)
    return Column(name, "boolean" if name == "source.dirty" else "text", values)


def _ranges(rows: Sequence[Row], name: str) -> list[Column]:
    ranges = [row["summaries"].get(name, (None, None, None)) for row in rows]
    if not any(points and points > 1 for _, _, points in ranges):
        return []
    least, greatest, points = (list(one) for one in zip(*ranges, strict=True))
    return [
        Column(f"metrics.{name}.min", "number", least),
        Column(f"metrics.{name}.max", "number", greatest),
        Column(f"metrics.{name}.points", "integer", points),
    ]


def _typed(name: str, values: list[Any]) -> Column:
    """Return a column of the narrowest kind that has room for all values, else of their text."""
    kinds = {type(value) for value in values if value is not None}
    if kinds == {bool}:
        return Column(name, "boolean", values)
    if kinds == {int} and all(abs(value) < 2**63 for value in values if value is not None):
        return Column(name, "integer", values)
    if float in kinds and kinds <= {int, float}:
        return Column(name, "number", [None if one is None else float(one) for one in values])
    texts = [
        value if value is None or isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        for value in values
    ]
    return Column(name, "text", texts)
