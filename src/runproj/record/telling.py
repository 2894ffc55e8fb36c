"""The events of a step: lines of JSON in which it tells of itself, in any language.

Each is an object that says one thing::

    {"metric": "loss", "value": 0.5, "step": 3, "time": 1767225600.0}
    {"metrics": {"loss": 0.5, "accuracy": 0.9}, "step": 3}
    {"param": "optimizer", "value": "adam"}
    {"tag": "team", "value": "vision"}
    {"artifact": "plots/roc.png", "name": "roc.png"}

``step`` is a whole number, without it the points of a metric are counted; ``time`` is in seconds
since 1970. NaN and infinities, which JSON has not, are the texts ``NaN``, ``Infinity`` and
``-Infinity``; a number may be a text always. ``name`` of an artifact may be left out.
"""

import json
import math
import posixpath
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from runproj.record.points import Points, no_points

LONGEST = 100_000
"""So many characters a value may have; more belongs into an artifact."""

_GREATEST = 2**63 - 1
_NAMED = 3  # lines that are not understood and named
_NOT_FINITE = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


@dataclass
class Events:
    """What a step told in its events.

    ``points`` are those of each metric, in the order of the events. ``artifacts`` are names and
    paths. ``warnings`` are about what was not understood.
    """

    params: dict[str, Any] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    points: dict[str, Points] = field(default_factory=dict)
    artifacts: dict[str, str] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)


def events(data: bytes, now: float, known: Mapping[str, Points]) -> Events:
    """Read events; a line without an end was torn when its process was killed, and is left out.

    Args:
        data: the lines.
        now: seconds since 1970: the time of points that have none.
        known: the points of metrics that were told otherwise; counting goes on after them.
    """
    found, wrong = Events(), []
    for number, line in enumerate(data.split(b"\n")[:-1], start=1):
        if line.strip():
            try:
                _take(found, line, now, known)
            except ValueError as error:
                wrong.append(f"line {number} of its events: {error}")
    found.warnings += wrong[:_NAMED]
    if len(wrong) > _NAMED:
        found.warnings.append(f"{len(wrong) - _NAMED} more lines of its events are no events")
    return found


def _take(found: Events, line: bytes, now: float, known: Mapping[str, Points]) -> None:
    try:
        event = json.loads(line)
        if b"\\u" in line or b"\xed" in line:  # halves of characters, which no file can hold
            event = json.loads(json.dumps(event, ensure_ascii=False).encode(errors="replace"))
    except (ValueError, RecursionError) as error:
        raise ValueError("it is not JSON") from error
    if not isinstance(event, dict):
        raise ValueError("it is no JSON object")
    takers: Mapping[str, Callable[[Any], None]] = {
        "metric": lambda name: _points(found, {name: event.get("value")}, event, now, known),
        "metrics": lambda values: _points(found, values, event, now, known),
        "param": lambda name: _param(found, name, event.get("value")),
        "tag": lambda name: found.tags.update({_name(name): str(event.get("value", ""))}),
        "artifact": lambda path: _artifact(found, path, event.get("name")),
    }
    kind = next((key for key in takers if key in event), None)
    if kind is None:
        raise ValueError(f"it has none of {', '.join(takers)}")
    takers[kind](event[kind])


def _name(name: object) -> str:
    if not isinstance(name, str) or not name:
        raise ValueError(f"{name!r} is no name")
    return name


def _param(found: Events, name: object, value: object) -> None:
    if len(json.dumps(value)) > LONGEST:
        raise ValueError(f"the parameter {name!r} is too long: log it as an artifact")
    found.params[_name(name)] = value


def _artifact(found: Events, path: object, name: object) -> None:
    name = _name(name or posixpath.basename(_name(path).rstrip("/")))
    if name in (".", "..") or "/" in name:
        raise ValueError(f"{name!r} is no name of an artifact")
    found.artifacts[name] = _name(path)


def _points(
    found: Events, values: object, event: Mapping[str, Any], now: float,
    known: Mapping[str, Points],
) -> None:  # fmt: skip
    if not isinstance(values, dict):
        raise ValueError("metrics are an object of names and values")
    when = event.get("time")
    numbers = {_name(name): _number(value) for name, value in values.items()}
    at = now if when is None else _number(when)
    step = None if event.get("step") is None else _step(event["step"])
    for name, value in numbers.items():
        points = found.points.setdefault(name, no_points())
        count = len(points.steps) + (len(known[name].steps) if name in known else 0)
        points.steps.append(count if step is None else step)
        points.values.append(value)
        points.times.append(at)


def _number(value: object) -> float:
    if isinstance(value, str) and value in _NOT_FINITE:
        return _NOT_FINITE[value]
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise ValueError(f"{value!r} is no number")
    try:
        return float(value)
    except (ValueError, OverflowError) as error:
        raise ValueError(f"{value!r} is no number") from error


def _step(step: object) -> int:
    """Return a step; one that 64 bits cannot hold is the last that they can."""
    if isinstance(step, int):
        return max(-_GREATEST, min(_GREATEST, step))
    number = _number(step)
    if not number.is_integer():
        raise ValueError(f"the step {step!r} is no whole number")
    return _step(int(number))
