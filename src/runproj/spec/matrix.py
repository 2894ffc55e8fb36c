"""A matrix: named lists of values, and the combinations of them for each of which a step exists."""

import itertools
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Annotated, Any, NamedTuple, TypeAlias

from runproj.model import field
from runproj.spec import template
from runproj.spec.fields import Declared, Doc, Flag, Identifier, Limits, Real, Whole, wrong_at
from runproj.spec.parameter import render
from runproj.spec.template import Reference

Scalar: TypeAlias = str | Whole | Real | Flag
Values: TypeAlias = Annotated[tuple[Scalar, ...], Limits(min_length=1)]

MOST = 100_000
"""How many instances a step may have."""


class Combination(NamedTuple):
    """Values by key; ``named`` are those by which it is told from the others of its matrix."""

    values: Mapping[str, Any]
    named: tuple[str, ...]


class WrongMatrix(ValueError):
    """A matrix that makes no sense with some values; ``key`` is the part that is wrong."""

    def __init__(self, key: str | None, message: str, hint: str) -> None:
        super().__init__(message)
        self.key = key
        self.hint = hint


class Matrix(Declared):
    """Axes with their values, and what is added to their combinations or taken from them."""

    include: Annotated[
        tuple[dict[Identifier, Scalar], ...],
        Doc(
            "Keys that are added to the combinations with the same values of the axes; what fits "
            "none of them is a combination of its own."
        ),
    ] = ()
    exclude: Annotated[
        tuple[dict[Identifier, Scalar], ...],
        Doc("Combinations that are left out; an axis that is not named may have any value."),
    ] = ()
    axes: dict[Identifier, Values | str] = field(default_factory=dict)

    @classmethod
    def short(cls, data: Any) -> Any:  # noqa: ANN401 -- raw YAML
        """Take every other name for an axis."""
        if not isinstance(data, dict):
            return data
        known = {key: value for key, value in data.items() if key in ("include", "exclude")}
        return {**known, "axes": {key: data[key] for key in data if key not in known}}

    def check(self) -> None:
        """Refuse what cannot have a combination."""
        if not self.axes and not self.include:
            raise ValueError("a matrix needs an axis: fold: [0, 1, 2]")
        for key, values in self.axes.items():
            if isinstance(values, str) and template.parse(values).whole is None:
                raise wrong_at(key, 'an axis is a list of values, or a list parameter: "{folds}"')
        for entry in self.exclude:
            unknown = sorted(entry.keys() - self.axes.keys())
            if unknown or not entry:
                what = f"there is no axis {unknown[0]!r}" if unknown else "an entry has no axis"
                raise wrong_at("exclude", what)
        if not all(self.include):
            raise wrong_at("include", "an entry has no key")

    @property
    def keys(self) -> tuple[str, ...]:
        """All names that a combination may have a value for."""
        return tuple(dict.fromkeys([*self.axes, *itertools.chain.from_iterable(self.include)]))

    @property
    def lists(self) -> Mapping[str, Reference]:
        """The axes whose values come from a parameter, with the reference to it."""
        parsed = {
            key: template.parse(values).whole
            for key, values in self.axes.items()
            if isinstance(values, str)
        }
        return {key: whole for key, whole in parsed.items() if whole is not None}

    def combinations(self, lists: Mapping[str, Sequence[Any]]) -> list[Combination]:
        """Return the combinations in order: the last axis changes fastest.

        First every value of each axis meets every value of the others; what ``exclude`` names is
        left out. Then each entry of ``include``, in order: where its values of axes are those of a
        combination, its other keys are added there (a later entry wins); where there is no such
        combination, it is one of its own.

        Args:
            lists: the values of axes that come from a parameter.

        Raises:
            WrongMatrix: there is no combination, there are too many, or two are the same.
        """
        axes = {
            key: lists[key] if isinstance(values, str) else values
            for key, values in self.axes.items()
        }
        for key, values in axes.items():
            if not values:
                raise WrongMatrix(key, f"the axis {key!r} has no value", "give its list an item")
        if math.prod(map(len, axes.values())) > MOST:
            raise WrongMatrix(
                None, f"the axes have more than {MOST:,} combinations",
                "let one step do several of them",
            )  # fmt: skip
        found = list(self._grid(axes))
        found += self._include(found)
        if not found:
            raise WrongMatrix("exclude", "no combination is left", "exclude fewer of them")
        _refuse_doubles(found)
        return found

    def _grid(self, axes: Mapping[str, Sequence[Any]]) -> Iterator[Combination]:
        without = [{key: render(value) for key, value in entry.items()} for entry in self.exclude]
        for values in itertools.product(*axes.values()) if axes else ():
            one = dict(zip(axes, values, strict=True))
            texts = {key: render(value) for key, value in one.items()} if without else {}
            if not any(entry.items() <= texts.items() for entry in without):
                yield Combination(one, tuple(axes))

    def _include(self, grid: list[Combination]) -> list[Combination]:
        """Add keys to the combinations of the axes; return those that are new."""
        new = []
        known: dict[tuple[str, ...], dict[tuple[str, ...], list[int]]] = {}
        for entry in self.include:
            shared = tuple(key for key in self.axes if key in entry)
            if shared not in known:
                known[shared] = _by_values(grid, shared)
            fitting = known[shared].get(tuple(render(entry[key]) for key in shared), [])
            added = {key: value for key, value in entry.items() if key not in shared}
            for index in fitting:
                grid[index] = grid[index]._replace(values={**grid[index].values, **added})
            if not fitting:
                new.append(Combination(entry, tuple(entry)))
        return new


def _by_values(
    grid: Iterable[Combination], keys: tuple[str, ...]
) -> dict[tuple[str, ...], list[int]]:
    found: dict[tuple[str, ...], list[int]] = {}
    for index, one in enumerate(grid):
        found.setdefault(tuple(render(one.values[key]) for key in keys), []).append(index)
    return found


def _refuse_doubles(found: Iterable[Combination]) -> None:
    seen = set()
    for one in found:
        name = label(one)
        if name in seen:
            raise WrongMatrix(
                None, f"the combination [{name}] is there twice",
                "values that are the same as text make the same step",
            )  # fmt: skip
        seen.add(name)


_SPECIAL = frozenset("/:%[],=")
_LONG = 80  # characters of a value; of one that is longer, a digest tells it from others


def label(combination: Combination) -> str:
    r"""Return the part of an instance's name that stands between brackets.

    >>> label(Combination({"fold": 0, "file": "a/b.csv", "more": 1}, ("fold", "file")))
    'fold=0,file=a%2Fb.csv'
    """
    return ",".join(
        f"{escaped(key)}={escaped(combination.values[key])}" for key in combination.named
    )


def escaped(value: Any) -> str:  # noqa: ANN401 -- a scalar
    r"""Return a value as a part of a name, in which some characters have a meaning.

    >>> escaped("a/b [1]\n"), escaped(0.5)
    ('a%2Fb %5B1%5D%0A', '0.5')
    """
    text = render(value)
    if len(text) > _LONG:
        import hashlib  # noqa: PLC0415 -- lazy: few values are as long

        digest = hashlib.sha256(text.encode()).hexdigest()[:12]
        text = f"{text[: _LONG // 2]}~{digest}"
    return "".join(
        "".join(f"%{byte:02X}" for byte in char.encode())
        if char in _SPECIAL or not char.isprintable()
        else char
        for char in text
    )


def group_of(name: str) -> str:
    """Return the name of the step of which a step is an instance; of another, its own.

    >>> group_of("train[fold=1]"), group_of("train")
    ('train', 'train')
    """
    return name.partition("[")[0]
