"""The points of metrics: what a step wrote, what is kept of it, and what is drawn.

Kept is a file with a line of JSON and columns after it. The line is
``{"format": 1, "metrics": {NAME: NUMBER OF POINTS, …}}``, filled with spaces so that the columns
begin at a multiple of 8; then follow, metric by metric, its steps (64-bit integers), values and
times (64-bit floats; seconds since 1970), all little-endian.

What a step writes is described in :mod:`runproj._client`.
"""

import math
import struct
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Literal, NamedTuple

from runproj.model import Model, from_json, to_json
from runproj.record.tracking import NotFinite, Summary

CURVE = 1000
"""So many points of a metric are drawn at most."""

_MARK = 0x31505052
_HEAD = struct.Struct("<IIQ")
_WORD = 8
_POINT = 3  # words
_BIG = struct.pack("=H", 1) != b"\1\0"


class _Head(Model):
    """The first line of a file of points."""

    format: Literal[1] = 1
    metrics: dict[str, int]


class Points(NamedTuple):
    """The points of a metric, one array of the same length for each: steps, values, times."""

    steps: "array[int]"
    values: "array[float]"
    times: "array[float]"

    def extend(self, other: "Points") -> None:
        """Append the points of another."""
        self.steps.extend(other.steps)
        self.values.extend(other.values)
        self.times.extend(other.times)

    def taken(self, indices: Iterable[int]) -> "Points":
        """Return some of the points, by their places."""
        wanted = list(indices)
        return Points(
            array("q", [self.steps[at] for at in wanted]),
            array("d", [self.values[at] for at in wanted]),
            array("d", [self.times[at] for at in wanted]),
        )


def no_points() -> Points:
    """Return empty columns, which may grow."""
    return Points(array("q"), array("d"), array("d"))


def told(data: memoryview) -> Iterator[tuple[str, Points]]:
    """Yield the points that a process wrote, block by block, in the order of its writing.

    What it did not come to its end with is left out.
    """
    at = 0
    while at + _HEAD.size <= len(data):
        mark, length, room = _HEAD.unpack_from(data, at)
        begin = at + _HEAD.size + -(-length // _WORD) * _WORD
        if mark != _MARK:
            return
        name = bytes(data[at + _HEAD.size : at + _HEAD.size + length]).decode("utf-8", "replace")
        at = begin + room * _POINT * _WORD
        with data[begin:at] as block:
            yield name, _block(block)


def _block(data: memoryview) -> Points:
    """Return the points of a block up to the first without a time."""
    data = data[: len(data) // (_POINT * _WORD) * (_POINT * _WORD)]
    numbers = data.cast("d")
    times = array("d", numbers[2::3])
    count = _zero(times)
    points = Points(
        array("q", data.cast("q")[0 : count * _POINT : _POINT]),
        array("d", numbers[1 : count * _POINT : _POINT]),
        times[:count],
    )
    return _swapped(points)


def _zero(times: "array[float]") -> int:
    """Return how many points come before the first without a time: most blocks are full."""
    if not times or times[-1]:
        return len(times)
    low, high = 0, len(times)  # points are written one after the other
    while low < high:
        middle = (low + high) // 2
        if times[middle]:
            low = middle + 1
        else:
            high = middle
    return low


def _swapped(points: Points) -> Points:
    if _BIG:  # pragma: no cover -- none of the machines that test
        for column in points:
            column.byteswap()
    return points


def write_points(metrics: Mapping[str, Points]) -> Iterator[bytes]:
    """Yield the bytes of a file with the points of metrics."""
    counts = {name: len(points.steps) for name, points in metrics.items()}
    head = to_json(_Head(metrics=counts)).encode()
    yield head + b" " * (-(len(head) + 1) % _WORD) + b"\n"
    for points in metrics.values():
        for column in _swapped(points):
            yield column.tobytes()


def read_points(data: bytes) -> dict[str, Points]:
    """Return the points of metrics from the bytes of a file, see :func:`write_points`.

    Raises:
        ValueError: it is no such file.
    """
    end = data.find(b"\n")
    head = from_json(_Head, data[: max(end, 0)])
    if end + 1 + sum(head.metrics.values()) * _POINT * _WORD != len(data):
        raise ValueError("its columns are not as long as it says")
    found, rest = {}, memoryview(data)[end + 1 :]
    for name, count in head.metrics.items():
        points = no_points()
        for column in points:
            column.frombytes(rest[: count * _WORD])
            rest = rest[count * _WORD :]
        found[name] = _swapped(points)
    return found


def last(points: Points) -> float:
    """Return the value at the greatest step; of several there, the latest.

    Args:
        points: one at least.
    """
    top = max(points.steps)
    if points.steps.count(top) == 1:
        return points.values[points.steps.index(top)]
    at = (index for index, step in enumerate(points.steps) if step == top)
    return points.values[max(at, key=lambda index: (points.times[index], index))]


def summary(points: Points) -> Summary:
    """Return what is known of points as a whole."""
    values = _finite(points.values)
    return Summary(
        points=len(points.values), min=min(values, default=None), max=max(values, default=None)
    )


def _finite(values: "array[float]") -> Sequence[float]:
    """Return those that are finite numbers; a sum, which is quick, tells that all of them are."""
    if math.isfinite(sum(values)):
        return values
    return [value for value in values if math.isfinite(value)]


def not_finite(value: float) -> NotFinite | None:
    """Return how a number is written that JSON has not; None: it is finite.

    >>> not_finite(float("-inf")), not_finite(1.5)
    ('-Infinity', None)
    """
    if math.isfinite(value):
        return None
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def thinned(points: Points) -> Points:
    """Return :data:`CURVE` points at most, with the same look: in each stretch the extremes.

    The first and the last stay, and so do the least and the greatest.
    """
    count = len(points.values)
    if count <= CURVE:
        return points
    wanted = {0, count - 1}
    stretches = CURVE // 2 - 1
    for number in range(stretches):
        begin, end = number * count // stretches, (number + 1) * count // stretches
        stretch = points.values[begin:end]
        values = _finite(stretch)
        if values:
            wanted |= {begin + stretch.index(min(values)), begin + stretch.index(max(values))}
        else:
            wanted.add(begin)
    return points.taken(sorted(wanted))
