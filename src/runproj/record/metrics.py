"""Numbers out of the files in which steps leave them."""

import csv
import io
import math
from collections.abc import Iterator
from typing import Any

from runproj.spec.document import read

_STEP_COLUMNS = frozenset({"step", "epoch", "iteration"})


def parse_metrics(path: str, text: str) -> dict[str, float]:
    """Read the metrics of a JSON, YAML or CSV file; the file's name says which.

    Nested names are joined by dots. A CSV file has a header; with the columns ``name`` (or
    ``metric``) and ``value`` each row is a metric, else each column is one and its last row counts.

    >>> parse_metrics("m.json", '{"test": {"f1": 0.5}, "note": "x"}')
    {'test.f1': 0.5}

    Raises:
        ValueError: the text is not what the name says, or holds no number.
    """
    if path.lower().endswith((".csv", ".tsv")):
        found = _csv(text, "\t" if path.lower().endswith(".tsv") else ",")
    else:
        document = read(text, path)
        if document.problems:
            problem = document.problems[0]
            raise ValueError(f"{problem.where}: {problem.message}")
        found = dict(_numbers("", document.data))
    if not found:
        raise ValueError(f"{path} holds no number")
    return found


def _numbers(name: str, data: Any) -> Iterator[tuple[str, float]]:  # noqa: ANN401 -- any YAML
    if isinstance(data, dict):
        for key, value in data.items():
            yield from _numbers(f"{name}.{key}" if name else str(key), value)
    elif isinstance(data, list):
        for index, value in enumerate(data):
            yield from _numbers(f"{name}.{index}" if name else str(index), value)
    elif isinstance(data, (int, float)) and not isinstance(data, bool):
        number = _number(str(data))
        if number is not None:
            yield name or "value", number


def _csv(text: str, delimiter: str) -> dict[str, float]:
    reader = csv.DictReader(io.StringIO(text.removeprefix("\ufeff")), delimiter=delimiter)
    try:
        rows = list(reader)
    except csv.Error as error:
        raise ValueError(f"line {reader.line_num + 1}: {error}") from error
    if not rows:
        return {}
    names = set(rows[0])
    key = next((column for column in ("name", "metric") if column in names), None)
    if key is not None and "value" in names:
        pairs = [(row[key], row["value"]) for row in rows if row[key]]
    else:
        pairs = [
            item for row in rows for item in row.items() if item[0] and item[0] not in _STEP_COLUMNS
        ]
    return {name: number for name, value in pairs if (number := _number(value)) is not None}


def _number(text: str | None) -> float | None:
    if not text or "_" in text:  # for Python, 1_000 is a number
        return None
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None
