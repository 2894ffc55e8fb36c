"""Where numbers stand on an axis, and which of them are written beside it."""

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

_NICE = (1, 2, 5, 10)
_ROOM = 0.04  # left at both ends, so that nothing lies on the frame
_MOST = 60  # ticks; more are a mistake of rounding
_UNITS = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))
_SHORT = 5  # characters before a unit
_DIGITS = 3  # that a person writes down


class Tick(NamedTuple):
    """A number beside an axis; ``place`` is 0 at its beginning and 1 at its end."""

    place: float
    text: str


class Scale(NamedTuple):
    """An axis from ``low`` to ``high``; where it is ``log``, both are greater than 0.

    Only ``whole`` numbers are written beside it where that is so.
    """

    low: float
    high: float
    log: bool = False
    whole: bool = False

    def shows(self, value: float) -> bool:
        """Tell whether a number has a place on it."""
        return math.isfinite(value) and (value > 0 or not self.log)

    def place(self, value: float) -> float:
        """Return where a number that it shows stands: 0 is the beginning, 1 the end.

        >>> Scale(0, 10).place(5), Scale(1, 100, log=True).place(10)
        (0.5, 0.5)
        """
        if self.log:
            low, high, value = math.log10(self.low), math.log10(self.high), math.log10(value)
        else:  # by halves: the whole may be more than the greatest number
            low, high, value = self.low / 2, self.high / 2, value / 2
        return (value - low) / (high - low)

    def ticks(self, about: int) -> list[Tick]:
        """Return round numbers, about so many."""
        values = _decades(self.low, self.high, about) if self.log else []
        if len(values) < 2:  # noqa: PLR2004 -- an axis needs two
            values = _round(self.low, self.high, about, whole=self.whole)
        texts = labels(values)
        return [Tick(self.place(one), text) for one, text in zip(values, texts, strict=True)]


def scale_of(values: Iterable[float], *, log: bool = False) -> Scale:
    """Return an axis on which all finite numbers have a place; for ``log``, all above 0.

    >>> scale_of([]), scale_of([float("nan"), 3.0]).place(3.0)
    (Scale(low=0.0, high=1.0, log=False, whole=False), 0.5)
    """
    known = [one for one in values if math.isfinite(one) and (one > 0 or not log)]
    if not known:
        return Scale(1.0, 10.0, log=True) if log else Scale(0.0, 1.0)
    low, high = min(known), max(known)
    if log:
        factor = (high / 2 / (low / 2 or 5e-324)) ** _ROOM if low < high else 2.0
        if not math.isfinite(factor):
            factor = 2.0
        return Scale(max(low / factor, 5e-324), min(high * factor, _GREATEST), log=True)
    room = (high / 2 - low / 2) * 2 * _ROOM if low < high else abs(low) * _ROOM or 0.5
    room = room if math.isfinite(room) else 0.0
    low, high = max(low - room, -_GREATEST), min(high + room, _GREATEST)
    if low == high:  # so near to the greatest number, or so small, that nothing is left
        low, high = (0.0, high) if high > 0 else (low, 0.0)
    return Scale(low, high)


_GREATEST = 1.7976931348623157e308


def _round(low: float, high: float, about: int, *, whole: bool = False) -> list[float]:
    """Return multiples of 1, 2 or 5 times a power of ten."""
    raw = (high / 2 - low / 2) / max(about, 1) * 2
    if whole and raw < 1 < high - low:
        raw = 1.0
    if not math.isfinite(raw) or raw <= max(abs(low), abs(high)) * 1e-13 or raw < 1e-300:  # noqa: PLR2004 -- what can still be told apart
        return [low, high]
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(nice * power for nice in _NICE if nice * power >= raw * 0.999)
    first, last = math.ceil(low / step), math.floor(high / step)
    found = [number * step for number in range(first, min(last, first + _MOST) + 1)]
    return found if len(found) > 1 else [low, high]


def _decades(low: float, high: float, about: int) -> list[float]:
    """Return powers of ten; where there are few, 2 and 5 times these too."""
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    factors = (1,) if last - first >= about / 2 else (1, 2, 5)
    every = max(1, math.ceil((last - first) / max(about, 1)))
    values = [
        factor * 10.0**power
        for power in range(first, min(last, 308) + 1)
        if power % every == 0 and power >= -307  # noqa: PLR2004 -- what a float can be
        for factor in factors
    ]
    return [one for one in values if low <= one <= high]


def labels(values: Sequence[float]) -> list[str]:
    """Return numbers as texts that are short, and differ where these differ.

    >>> labels([0.0, 0.25, 0.5]), labels([0.0, 20000.0]), labels([1e-5, 1e-4])
    (['0', '0.25', '0.5'], ['0', '20k'], ['1e-5', '0.0001'])
    """
    most = max(map(abs, values), default=0.0)
    for size, unit in _UNITS:
        if 10 * size <= most < 1e15:  # noqa: PLR2004 -- then powers are shorter
            texts = _alike([one / size for one in values])
            if max(map(len, texts)) <= _SHORT:
                return [text + unit * (one != 0) for text, one in zip(texts, values, strict=True)]
    return _alike(values)


def _alike(values: Sequence[float]) -> list[str]:
    """Return numbers in so few digits that they are what they are, and differ."""
    for digits in range(1, 17):
        texts = [_text(one, digits) for one in values]
        exact = all(
            math.isclose(float(text), one, rel_tol=1e-9)
            for text, one in zip(texts, values, strict=True)
        )
        if (exact or digits > _DIGITS) and len(set(texts)) == len(set(values)):
            return texts
    return [repr(one) for one in values]


def _text(value: float, digits: int) -> str:
    text = f"{value:.{digits}g}"
    mantissa, e, exponent = text.partition("e")
    if not e:
        return "0" if value == 0 else text
    plain = f"{value:.0f}"
    if abs(value) < 1e6 and float(plain) == float(text):  # noqa: PLR2004 -- 500000 is read more easily than 5e5
        return plain
    return f"{mantissa}e{int(exponent)}"


def short(value: float) -> str:
    """Return a number in at most four digits, for a legend.

    >>> short(0.123456), short(float("nan"))
    ('0.1235', 'NaN')
    """
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "∞" if value > 0 else "-∞"
    return _text(value, 4)
