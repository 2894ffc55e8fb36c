"""What ``-P`` says in a sweep: lists and ranges of values."""

import csv
import json
import re
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import NamedTuple

from runproj.errors import ParameterError, Problem
from runproj.plan.space import Axis
from runproj.spec.parameter import Parameter

_NUMBER = r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?"
_RANGE = re.compile(rf"({_NUMBER})\.\.({_NUMBER})(?:\.\.({_NUMBER}))?(:log)?")
_MOST = 1_000_000
"""Values of one axis; more are a mistake."""


class Swept(NamedTuple):
    """What is swept, and the values that are given for good."""

    axes: tuple[Axis, ...]
    texts: tuple[tuple[str, str | None], ...]


def swept(
    texts: Iterable[tuple[str, str | None]], parameters: Mapping[str, Parameter], *, grid: bool
) -> Swept:
    """Return the axes of a sweep.

    ``1,2,5`` are values, ``1..5`` and ``0.1..0.5..0.1`` ranges with their ends, ``*`` stands for
    all choices. In quotes a value may hold commas; values of a ``list`` or ``json`` parameter are
    the items of a JSON list. ``1e-4..0.1:log`` and ``0..1`` have no end of values: a ``grid`` can't
    be made of them.

    Args:
        texts: name and text of each ``-P``; what has one value, or is not known, is no axis.
        parameters: what is declared.
        grid: whether every axis must be finite.

    Raises:
        ParameterError: with every mistake.
    """
    axes, fixed, problems = [], [], []
    for name, text in texts:
        parameter = parameters.get(name)
        if text is None or parameter is None:
            fixed.append((name, text))  # binding says what is wrong
            continue
        where = f"-P {name}={text}"
        try:
            axis = _axis(name, text, parameter)
        except ValueError as error:
            problems.append(Problem(f"{name}: {error}", where, hint=_hint(name, parameter)))
            continue
        if axis is None:
            fixed.append((name, text))
        elif grid and axis.size is None:
            hint = f"-P {name}={axis.low}..{axis.high}..STEP, or --random N"
            problems.append(
                Problem(f"{name}: a grid of real numbers needs a step", where, hint=hint)
            )
        else:
            axes.append(axis)
    if problems:
        raise ParameterError.of(problems)
    return Swept(tuple(axes), tuple(fixed))


def _axis(name: str, text: str, parameter: Parameter) -> Axis | None:
    """Return an axis; None: it is one value.

    Raises:
        ValueError: it makes no sense.
    """
    if parameter.type in ("list", "json"):
        return _listed(name, _json_items(text, parameter))
    if text == "*":
        return _listed(name, _all_of(parameter))
    tokens = _tokens(text)
    if parameter.type not in ("int", "float"):
        return _listed(name, tokens)
    ranges = [_RANGE.fullmatch(token.strip()) for token in tokens]
    if len(tokens) == 1 and ranges[0] is not None:
        return _range(name, ranges[0], whole=parameter.type == "int")
    values: list[str] = []
    for token, found in zip(tokens, ranges, strict=True):
        if found is None:
            values.append(token.strip())
            continue
        axis = _range(name, found, whole=parameter.type == "int")
        if axis.size is None or axis.log:
            raise ValueError(f"{token} cannot stand beside other values")
        values += [axis.at(index) for index in range(axis.size)]
    return _listed(name, values)


def _listed(name: str, values: list[str]) -> Axis | None:
    seen: set[str] = set()
    for value in values:
        if value in seen:
            raise ValueError(f"{value} is there twice")
        seen.add(value)
    return Axis(name=name, values=tuple(values)) if len(values) > 1 else None


def _tokens(text: str) -> list[str]:
    try:
        rows = list(csv.reader([text], strict=True)) if text else [[""]]
    except csv.Error as error:
        raise ValueError(f"{text!r} is no list of values: {error}") from None
    return rows[0] if rows else [""]


def _all_of(parameter: Parameter) -> list[str]:
    if parameter.type == "bool":
        return ["false", "true"]
    if parameter.choices is None:
        raise ValueError("'*' stands for all choices, and it has none")
    return [str(choice) for choice in parameter.choices]


def _json_items(text: str, parameter: Parameter) -> list[str]:
    """Return the items of a JSON list of values; a text that is no such list is one value."""
    try:
        data = json.loads(text)
    except ValueError:
        return [text]
    of_lists = isinstance(data, list) and data and all(isinstance(item, list) for item in data)
    if isinstance(data, list) and (parameter.type == "json" or of_lists):
        return [json.dumps(item, ensure_ascii=False) for item in data]
    return [text]


def _range(name: str, found: re.Match[str], *, whole: bool) -> Axis:
    low, high, step, log = found[1], found[2], found[3] or "", bool(found[4])
    if whole and any(text and Decimal(text) % 1 for text in (low, high, step)):
        raise ValueError(f"{found[0]} is no range of whole numbers")
    if Decimal(low) >= Decimal(high):
        raise ValueError(f"{found[0]} does not rise")
    if step and Decimal(step) <= 0:
        raise ValueError(f"the step of {found[0]} does not rise")
    if log and (step or Decimal(low) <= 0):
        raise ValueError(f"{found[0]}: a logarithmic range begins above 0, and has no step")
    if whole:
        low, high, step = (text and str(int(Decimal(text))) for text in (low, high, step))
    axis = Axis(name=name, low=low, high=high, step=step, log=log, whole=whole)
    if (axis.size or 0) > _MOST:
        raise ValueError(f"{found[0]} has {axis.size} values")
    return axis


def _hint(name: str, parameter: Parameter) -> str:
    if parameter.type == "int":
        return f"-P {name}=1,2,5, or -P {name}=1..5"
    if parameter.type == "float":
        return f"-P {name}=0.1,0.01, or -P {name}=0.1..0.5..0.1"
    return f"-P {name}=A,B"
