"""Comparing an output with what it was: equal, within tolerance, or where it differs first."""

import csv
import io
import json
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import zip_longest
from typing import Any, Literal, NamedTuple, TypeAlias

from runproj.spec.project import Comparer

Likeness: TypeAlias = Literal["identical", "equivalent", "different"]
_WORSE: Mapping[Likeness, int] = {"identical": 0, "equivalent": 1, "different": 2}
_NUMBER = re.compile(
    r"[-+]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?|[-+]?(?:nan|inf(?:inity)?)\b", re.IGNORECASE
)
_LONGEST = 60  # characters of a value that are shown


class Tolerance(NamedTuple):
    """How far numbers may be apart: ``|new - old| <= atol + rtol * |old|``, as numpy's allclose."""

    rtol: float = 0.0
    atol: float = 0.0

    def allows(self, new: float, old: float) -> bool:
        """Tell whether two numbers count as the same; not-a-number is the same as itself.

        >>> Tolerance(rtol=0.01).allows(1.005, 1.0), Tolerance().allows(1.0, 1.0 + 1e-16)
        (True, True)
        """
        if not (math.isfinite(new) and math.isfinite(old)):
            return new == old or (math.isnan(new) and math.isnan(old))
        return new == old or abs(new - old) <= self.atol + self.rtol * abs(old)


class Comparison(NamedTuple):
    """How two contents compare; ``difference`` says in words where they differ first."""

    likeness: Likeness
    difference: str | None = None


SAME = Comparison("identical")


def worst(likenesses: Iterator[Likeness]) -> Likeness:
    """Return the worst of several; of none it is ``identical``.

    >>> worst(iter(["identical", "different", "equivalent"]))
    'different'
    """
    return max(likenesses, key=_WORSE.__getitem__, default="identical")


def compare(how: Comparer, new: bytes, old: bytes, tolerance: Tolerance) -> Comparison:
    """Compare the bytes of a file with what they were.

    What cannot be read as what it is declared to be (``json``, ``csv``, ``text`` in UTF-8) is
    compared as bytes, and the difference says so.
    """
    if new == old or how == "ignore":
        return SAME
    if how == "bytes":
        return Comparison("different", _first_byte(new, old))
    try:
        found = _READERS[how](new.decode("utf-8-sig"), old.decode("utf-8-sig"), tolerance)
    except (ValueError, RecursionError, csv.Error) as error:
        why = str(error).splitlines()[0] if str(error) else type(error).__name__
        return Comparison("different", f"{_first_byte(new, old)} (not {how}: {why})")
    return Comparison("equivalent") if found is None else Comparison("different", found)


def compare_metrics(
    new: Mapping[str, float], old: Mapping[str, float], tolerance: Tolerance
) -> Comparison:
    """Compare the metrics of a step with what they were."""
    if new == old:
        return SAME
    for name in dict.fromkeys([*old, *new]):
        if name not in new:
            return Comparison("different", f"metric {name}: {old[name]!r} → nothing")
        if name not in old:
            return Comparison("different", f"metric {name}: nothing → {new[name]!r}")
        if not tolerance.allows(new[name], old[name]):
            return Comparison("different", f"metric {name}: {old[name]!r} → {new[name]!r}")
    return Comparison("equivalent")


def _first_byte(new: bytes, old: bytes) -> str:
    at = next(
        (index for index, (a, b) in enumerate(zip(new, old, strict=False)) if a != b),
        min(len(new), len(old)),
    )
    sizes = f", {len(old)} → {len(new)} bytes" if len(old) != len(new) else ""
    return f"byte {at}: {_byte(old, at)} → {_byte(new, at)}{sizes}"


def _byte(data: bytes, at: int) -> str:
    return f"0x{data[at]:02x}" if at < len(data) else "the end"


def _json(new: str, old: str, tolerance: Tolerance) -> str | None:
    return _values("$", json.loads(new), json.loads(old), tolerance)


def _values(path: str, new: Any, old: Any, tolerance: Tolerance) -> str | None:  # noqa: ANN401 -- JSON
    """Return the first difference below a JSON path; None: there is none."""
    if isinstance(new, dict) and isinstance(old, dict):
        return _first(
            f"{_below(path, key)}: {_shown(old[key])} → nothing" if key not in new
            else f"{_below(path, key)}: nothing → {_shown(new[key])}" if key not in old
            else _values(_below(path, key), new[key], old[key], tolerance)
            for key in dict.fromkeys([*old, *new])
        )  # fmt: skip
    if isinstance(new, list) and isinstance(old, list):
        found = _first(
            _values(f"{path}[{index}]", a, b, tolerance)
            for index, (a, b) in enumerate(zip(new, old, strict=False))
        )
        if found is None and len(new) != len(old):
            return f"{path}: {len(old)} → {len(new)} items"
        return found
    if _is_number(new) and _is_number(old):
        same = tolerance.allows(new, old)
    else:
        same = type(new) is type(old) and new == old
    return None if same else f"{path}: {_shown(old)} → {_shown(new)}"


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _below(path: str, key: str) -> str:
    return f"{path}.{key}" if re.fullmatch(r"\w+", key) else f"{path}[{json.dumps(key)}]"


def _shown(value: Any) -> str:  # noqa: ANN401 -- JSON
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


def _csv(new: str, old: str, tolerance: Tolerance) -> str | None:
    after, before = _rows(new), _rows(old)
    names = before[0] if before else []
    for number, (row, was) in enumerate(zip_longest(after, before), start=1):
        if row is None or was is None:
            return f"row {number}: {len(before)} → {len(after)} rows"
        for index, (cell, old_cell) in enumerate(zip_longest(row, was)):
            if not _same_cell(cell, old_cell, tolerance):
                column = repr(names[index]) if index < len(names) else str(index + 1)
                return f"row {number}, column {column}: {_cell(old_cell)} → {_cell(cell)}"
    return None


def _rows(text: str) -> list[list[str]]:
    sample = text[: text.find("\n")] if "\n" in text else text
    delimiter = max(",;\t", key=sample.count)
    return list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter))


def _same_cell(new: str | None, old: str | None, tolerance: Tolerance) -> bool:
    if new == old:
        return True
    if new is None or old is None:
        return False
    if not (_NUMBER.fullmatch(new.strip()) and _NUMBER.fullmatch(old.strip())):
        return False
    return tolerance.allows(float(new), float(old))


def _cell(text: str | None) -> str:
    return "nothing" if text is None else _shown(text)


def _text(new: str, old: str, tolerance: Tolerance) -> str | None:
    pairs = zip_longest(new.splitlines(), old.splitlines())
    for number, (line, was) in enumerate(pairs, start=1):
        if line is None or was is None or not _same_line(line, was, tolerance):
            return f"line {number}: {_cell(was)} → {_cell(line)}"
    return None


def _same_line(new: str, old: str, tolerance: Tolerance) -> bool:
    """Tell whether two lines are the same but for numbers that are close enough."""
    if new.rstrip() == old.rstrip():
        return True
    if _NUMBER.split(new.rstrip()) != _NUMBER.split(old.rstrip()):
        return False
    numbers: Sequence[tuple[str, str]] = list(
        zip(_NUMBER.findall(new), _NUMBER.findall(old), strict=True)
    )
    return all(tolerance.allows(float(a), float(b)) for a, b in numbers)


def _first(found: Iterator[str | None]) -> str | None:
    return next((one for one in found if one is not None), None)


_READERS: Mapping[str, Callable[[str, str, Tolerance], str | None]] = {
    "json": _json,
    "csv": _csv,
    "text": _text,
}
