"""What a chart is before it is drawn."""

import json
import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple, TypeAlias

from runproj.cli.render.charts.scale import Scale, Tick, scale_of

_FAR = 25  # from such a ratio on, parameters are compared by their powers


class Series(NamedTuple):
    """A line: places along the axis, never going back, and values; what is not finite is a gap.

    One without ``xs`` has a single value, which does not belong to any place.
    """

    label: str
    xs: Sequence[float]
    ys: Sequence[float]

    @property
    def gaps(self) -> int:
        """How many values are not finite."""
        return sum(not math.isfinite(one) for one in self.ys)


class Lines(NamedTuple):
    """Lines on common axes; ``best`` is the index of one that stands out."""

    title: str
    x: str
    series: Sequence[Series]
    log: bool = False
    best: int | None = None


class Dots(NamedTuple):
    """One value for each name, on a common axis."""

    title: str
    rows: Sequence[tuple[str, float]]
    log: bool = False
    best: int | None = None


class Axis(NamedTuple):
    """One of several axes: its scale, or, where not all values are numbers, their ``names``.

    ``values`` has what each run has, None for nothing; ``places`` where that stands, from 0 to 1,
    None for nowhere.
    """

    name: str
    values: Sequence[object]
    places: Sequence[float | None]
    scale: Scale | None
    names: Sequence[str] = ()

    def ticks(self, about: int) -> Sequence[Tick]:
        """Return what is written beside it."""
        if self.scale is not None:
            return self.scale.ticks(about)
        every = max(1, math.ceil(len(self.names) / max(about * 2, 1)))
        return [
            Tick(_place(number, len(self.names)), name)
            for number, name in enumerate(self.names)
            if number % every == 0
        ]


class Scatter(NamedTuple):
    """A mark for each run that has both values; ``labels`` name the runs."""

    x: Axis
    y: Axis
    labels: Sequence[str]
    best: int | None = None


class Parallel(NamedTuple):
    """Parallel coordinates: a line for each run through its places; the last axis is the metric."""

    axes: Sequence[Axis]
    labels: Sequence[str]
    best: int | None = None


Chart: TypeAlias = Lines | Dots | Scatter | Parallel


def axis_of(name: str, values: Sequence[object], *, log: bool | None = None) -> Axis:
    """Return an axis for what runs have; ``log`` None: where the values lie far from each other.

    None is no value. Numbers that are not finite have no place.
    """
    known = [one for one in values if one is not None]
    if known and all(_is_number(one) for one in known):
        numbers = [None if one is None else _float(one) for one in values]
        there = [one for one in numbers if one is not None]
        chosen = _far_apart(there) if log is None else log
        scale = scale_of(there, log=chosen)
        if all(isinstance(one, int) for one in known):
            scale = scale._replace(whole=True)
        places = [
            scale.place(one) if one is not None and scale.shows(one) else None for one in numbers
        ]
        return Axis(name, values, places, scale)
    names = sorted({as_text(one) for one in known})
    order = {one: _place(number, len(names)) for number, one in enumerate(names)}
    places = [None if one is None else order[as_text(one)] for one in values]
    return Axis(name, values, places, None, names)


def _place(number: int, count: int) -> float:
    return (number + 0.5) / count


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _float(value: object) -> float:
    try:
        return float(value)  # type: ignore[arg-type] # it is a number, see axis_of
    except OverflowError:
        return math.inf


def _far_apart(values: Iterable[float]) -> bool:
    known = [one for one in values if math.isfinite(one)]
    return bool(known) and min(known) > 0 and max(known) >= _FAR * min(known)


def as_text(value: object) -> str:
    """Return a value of a parameter as text; None is nothing.

    >>> as_text("a"), as_text([1, True]), as_text(0.1 + 0.2)
    ('a', '[1, true]', '0.3')
    """
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.6g}"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
