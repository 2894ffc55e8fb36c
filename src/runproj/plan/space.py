"""The space of a sweep: what each swept parameter may be, and how its points are chosen."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import count as count_from
from typing import TYPE_CHECKING, TypeAlias

from runproj.model import Model, digest_of

if TYPE_CHECKING:
    from decimal import Decimal

Point: TypeAlias = Mapping[str, str]
"""A value for each swept parameter, as the text that ``-P`` would give it."""


class Axis(Model):
    """What one parameter may be: some values, or all from ``low`` to ``high``.

    All are texts, as they were given. A range is of whole numbers where ``whole`` says so, else of
    real ones; with ``step`` only those in steps from ``low``. ``log`` chooses from it so that each
    order of magnitude is as likely as the others.
    """

    name: str
    values: tuple[str, ...] = ()
    low: str = ""
    high: str = ""
    step: str = ""
    log: bool = False
    whole: bool = False

    @property
    def size(self) -> int | None:
        """How many values there are; None: no end of them."""
        if self.values:
            return len(self.values)
        if not (self.whole or self.step):
            return None
        from decimal import Decimal  # noqa: PLC0415 -- lazy: records know axes, and few have any

        return int((Decimal(self.high) - Decimal(self.low)) // Decimal(self.step or "1")) + 1

    @property
    def ends(self) -> tuple[str, ...]:
        """The values that must be allowed for all to be."""
        return self.values or (self.low, self.high)

    def at(self, index: int) -> str:
        """Return a value of a finite axis.

        >>> Axis(name="lr", low="0.1", high="0.5", step="0.1").at(2)
        '0.3'
        """
        if self.values:
            return self.values[index]
        from decimal import Decimal  # noqa: PLC0415 -- lazy, as above

        number = Decimal(self.low) + index * Decimal(self.step or "1")
        return str(int(number)) if self.whole else _plain(number)

    def draw(self, share: float) -> str:
        """Return the value that lies at a share, from 0 up to 1, of the way through all.

        >>> Axis(name="lr", low="1e-4", high="1", log=True).draw(0.5)
        '0.01'
        """
        size = self.size
        if size is not None and not self.log:
            return self.at(int(share * size))
        low, high = float(self.low), float(self.high)
        if not self.log:
            return repr(min(low + share * (high - low), high))
        if not self.whole:
            return repr(min(max(low * (high / low) ** share, low), high))
        first, last = low - 0.5, high + 0.5
        drawn = round(first * (last / first) ** share)
        return str(min(max(drawn, int(self.low)), int(self.high)))


def _plain(number: "Decimal") -> str:
    """Return a number without an exponent where a person would not write one."""
    return repr(float(number)) if abs(number.adjusted()) > 15 else f"{number.normalize():f}"  # noqa: PLR2004 -- digits of a float


def size_of(axes: Sequence[Axis]) -> int | None:
    """Return how many points a space has; None: no end of them."""
    total = 1
    for axis in axes:
        size = axis.size
        if size is None:
            return None
        total *= size
    return total


def point_at(axes: Sequence[Axis], index: int) -> dict[str, str]:
    """Return a point of a finite space; the last axis changes fastest.

    >>> axes = Axis(name="a", values=("x", "y")), Axis(name="b", low="1", high="3", whole=True)
    >>> point_at(axes, 4)
    {'a': 'y', 'b': '2'}
    """
    places = []
    for axis in reversed(axes):
        index, place = divmod(index, axis.size or 1)
        places.append((axis.name, axis.at(place)))
    return dict(reversed(places))


def grid(axes: Sequence[Axis]) -> Iterator[Point]:
    """Yield all points of a finite space."""
    return (point_at(axes, index) for index in range(size_of(axes) or 0))


def random_points(axes: Sequence[Axis], count: int, seed: int) -> Iterator[Point]:
    """Yield points by chance, the same for the same seed; a finite space gives none twice."""
    size = size_of(axes)
    shares = _shares(seed)
    if size is None or any(axis.log for axis in axes):
        for _ in range(count):
            yield {axis.name: axis.draw(next(shares)) for axis in axes}
        return
    moved: dict[int, int] = {}  # Fisher and Yates, without a list of all points
    for index in range(min(count, size)):
        chosen = index + int(next(shares) * (size - index))
        yield point_at(axes, moved.get(chosen, chosen))
        moved[chosen] = moved.get(index, index)


def _shares(seed: int) -> Iterator[float]:
    """Return numbers from 0 up to 1 without end, in a manner that no version of Python changes."""
    return (int(digest_of(["sweep", seed, number])[:13], 16) / 16**13 for number in count_from(0))
