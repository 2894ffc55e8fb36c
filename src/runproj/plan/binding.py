"""Binding: the declared parameters of an entry point get their values."""

import json
import posixpath
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Literal, NamedTuple, TypeAlias

from runproj.errors import ParameterError, Problem
from runproj.model import EMPTY, Model
from runproj.spec.parameter import Parameter, ParameterType, Value, from_data, from_text, render
from runproj.spec.suggest import did_you_mean, nearest

Origin: TypeAlias = Literal["default", "command line", "params file", "environment"]
PREFIX = "RUNPROJ_PARAM_"
_LONGEST = 60  # characters of an option that are shown


class BoundValue(Model):
    """A parameter with its value.

    ``value`` is typed JSON; that of a path is where it stands in the workspace, relative to the
    project. ``raw`` is the text as given, if it came as text. ``sources`` are where path values
    come from when they are not in the project: absolute paths, or ``run:RUN/STEP:OUTPUT``; they
    go with the paths one by one, None for one that is in the project.
    """

    name: str
    type: ParameterType
    value: Value
    raw: str | None = None
    origin: Origin = "default"
    items: str = "string"
    sources: tuple[str | None, ...] = ()

    @property
    def is_path(self) -> bool:
        """Whether the value is one path or a list of them."""
        return self.type == "path" or (self.type == "list" and self.items == "path")

    @property
    def paths(self) -> tuple[str, ...]:
        """The paths of a path value."""
        if not self.is_path or self.value is None:
            return ()
        return (self.value,) if self.type == "path" else tuple(self.value)

    @property
    def texts(self) -> tuple[str, ...] | str | None:
        """The value as a program gets it: text, one text per item of a list, or None."""
        if self.type == "list" and self.value is not None:
            return tuple(render(item) for item in self.value)
        if self.type == "json" and self.value is not None:
            return json.dumps(self.value, ensure_ascii=False, separators=(",", ":"))
        return None if self.value is None else render(self.value)


class Given(NamedTuple):
    """What the user gave, weakest last: ``-P`` texts, the params file, variables, then defaults.

    A text is None where only a name was given; ``file_places`` tells where each name stands.
    """

    texts: Sequence[tuple[str, str | None]] = ()
    file: Mapping[str, Value] = EMPTY
    file_name: str = "the params file"
    file_places: Mapping[str, str] = EMPTY
    variables: Mapping[str, str] = EMPTY


class Folders(NamedTuple):
    """The absolute folders that a path may be relative to, links resolved."""

    project: str
    caller: str
    home: str


class Recorded(NamedTuple):
    """What was bound in a past run; it holds where nothing is given anew.

    With ``is_there``, the project is that of a record, and stands in no folder: what is given is
    looked for in the caller's folder, and a path at which nothing is there is one of the record.
    """

    values: Mapping[str, BoundValue] = EMPTY
    is_there: Callable[[str], bool] | None = None


_NOTHING_RECORDED = Recorded()


def bind(
    parameters: Mapping[str, Parameter],
    given: Given,
    folders: Folders,
    output_path: Callable[[str], str],
    known_elsewhere: Iterable[str] = (),
    recorded: Recorded = _NOTHING_RECORDED,
) -> tuple[BoundValue, ...]:
    """Give every parameter its value.

    Args:
        parameters: what is declared.
        given: what the user gave.
        folders: what relative paths are relative to.
        output_path: returns the path of the past output that ``run:…`` names.
        known_elsewhere: names of other entry points; a variable for one of them is no mistake.
        recorded: the values of a past run.

    Raises:
        ParameterError: with every mistake.
    """
    problems = _unknown(parameters, given, known_elsewhere)
    bound: list[BoundValue] = []
    binder = _Binder(given, folders, output_path, recorded)
    broken = {name for name, text in given.texts if text is None}
    for name, parameter in parameters.items():
        if name in broken:
            continue  # what is wrong with it was said
        try:
            bound.append(binder.bind(name, parameter))
        except _BadValue as error:
            hint = error.hint or describe(name, parameter)
            problems.append(Problem(f"{name}: {error}", where=error.where, hint=hint))
    if problems:
        raise ParameterError.of(problems)
    return tuple(bound)


def describe(name: str, parameter: Parameter) -> str:
    """Say what a parameter takes.

    >>> describe("lr", Parameter(type="float", min=0, max=1, help="Learning rate."))
    'lr is a float from 0 to 1: Learning rate.'
    """
    article = "an" if parameter.type == "int" else "a"
    text = f"{name} is {article} {parameter.type}"
    if parameter.type == "list":
        text += f" of {parameter.item_type}, written as 1,2,3 or as JSON" * (
            parameter.item_type != "string"
        )
    if parameter.min is not None and parameter.max is not None:
        text += f" from {parameter.min} to {parameter.max}"
    elif parameter.min is not None:
        text += f" of at least {parameter.min}"
    elif parameter.max is not None:
        text += f" of at most {parameter.max}"
    return f"{text}: {parameter.help}" if parameter.help else text


def _meant(parameter: Parameter, given: Value) -> str | None:
    """Return a hint with the choice that was probably meant."""
    near = nearest(str(given), map(str, parameter.choices or ()))
    return None if near is None else f"did you mean {near!r}?"


class _BadValue(ValueError):
    def __init__(self, message: str, where: str | None = None, hint: str | None = None) -> None:
        super().__init__(message)
        self.where = where
        self.hint = hint


def _option(name: str, text: str | None) -> str:
    """Return what was typed, as a place."""
    typed = f"-P {name}" if text is None else f"-P {name}={text}"
    return typed if len(typed) <= _LONGEST else typed[: _LONGEST - 1] + "…"


def _unknown(
    parameters: Mapping[str, Parameter], given: Given, known_elsewhere: Iterable[str]
) -> list[Problem]:
    problems = []
    seen: set[str] = set()
    for name, text in given.texts:
        where = _option(name, text)
        if text is None:
            meant = nearest(name, parameters) or name or "NAME"
            message = "a parameter is set as NAME=VALUE"
            problems.append(Problem(message, where, hint=f"-P {meant}=…"))
        elif name not in parameters:
            hint = did_you_mean(name, parameters)
            problems.append(Problem(f"there is no parameter {name!r}", where, hint=hint))
        elif name in seen:
            problems.append(Problem(f"{name}: given twice", where, hint=f"keep one -P {name}=…"))
        seen.add(name)
    problems += [
        Problem(
            f"there is no parameter {name!r}",
            given.file_places.get(name, given.file_name),
            hint=did_you_mean(name, parameters),
        )
        for name in given.file
        if name not in parameters
    ]
    elsewhere = {*parameters, *known_elsewhere}
    variables = {*elsewhere, *map(str.upper, elsewhere)}
    for variable in given.variables:
        name = variable.removeprefix(PREFIX)
        if name != variable and name not in variables:
            hint = did_you_mean(name, elsewhere)
            problems.append(Problem(f"there is no parameter {name!r}", variable, hint=hint))
    return problems


class _Binder(NamedTuple):
    given: Given
    folders: Folders
    output_path: Callable[[str], str]
    recorded: Recorded

    def bind(self, name: str, parameter: Parameter) -> BoundValue:
        text = dict(self.given.texts).get(name)
        if text is not None:
            return self._text(name, parameter, text, "command line", _option(name, text))
        if name in self.given.file:
            data = self.given.file[name]
            where = self.given.file_places.get(name, self.given.file_name)
            return self._data(name, parameter, data, "params file", where)
        if name in self.recorded.values:
            return _fitting(parameter, self.recorded.values[name])
        for variable in (PREFIX + name, PREFIX + name.upper()):
            if variable in self.given.variables:
                text = self.given.variables[variable]
                return self._text(name, parameter, text, "environment", variable)
        if parameter.required:
            raise _BadValue(
                "a value is needed" + (f" ({parameter.help})" if parameter.help else ""),
                hint=f"give one: -P {name}=…",
            )
        return self._data(name, parameter, parameter.default, "default")

    def _text(
        self, name: str, parameter: Parameter, text: str, origin: Origin, where: str
    ) -> BoundValue:
        try:
            value = from_text(parameter, text)
        except ValueError as error:
            raise _BadValue(str(error), where, _meant(parameter, text)) from None
        return self._placed(name, parameter, value, origin, self.folders.caller, text)

    def _data(
        self, name: str, parameter: Parameter, data: Value, origin: Origin, where: str | None = None
    ) -> BoundValue:
        try:
            value = from_data(parameter, data)
        except ValueError as error:
            raise _BadValue(str(error), where, _meant(parameter, data)) from None
        base = self.folders.project if self.recorded.is_there is None else self.folders.caller
        return self._placed(name, parameter, value, origin, base, None)

    def _placed(
        self, name: str, parameter: Parameter, value: Value, origin: Origin, base: str,
        raw: str | None,
    ) -> BoundValue:  # fmt: skip
        bound = BoundValue(
            name=name, type=parameter.type, value=value, raw=raw, origin=origin,
            items=parameter.item_type,
        )  # fmt: skip
        if not bound.paths:
            return bound
        many = len(bound.paths) > 1
        placed = [
            self._place(path, base, f"inputs/{name}/{index}" if many else f"inputs/{name}")
            for index, path in enumerate(bound.paths)
        ]
        places = [place for place, _ in placed]
        return bound.replace(
            value=places[0] if parameter.type == "path" else places,
            sources=tuple(source for _, source in placed),
        )

    def _place(self, path: str, base: str, outside: str) -> tuple[str, str | None]:
        """Return the place in the workspace, and the source when it is not the project itself."""
        if path.startswith("run:"):
            return f"{outside}/{posixpath.basename(self.output_path(path))}", path
        if path == "~" or path.startswith("~/"):
            path = self.folders.home + path[1:]
        absolute = posixpath.normpath(posixpath.join(base, path))
        if self.recorded.is_there is not None:
            here = self.folders.caller.rstrip("/") + "/"
            if absolute.startswith(here) and not self.recorded.is_there(absolute):
                return absolute[len(here) :], None
            return f"{outside}/{posixpath.basename(absolute) or 'root'}", absolute
        if absolute == self.folders.project:
            raise _BadValue("the project folder itself cannot be a path value")
        if absolute.startswith(self.folders.project.rstrip("/") + "/"):
            return absolute[len(self.folders.project.rstrip("/")) + 1 :], None
        return f"{outside}/{posixpath.basename(absolute) or 'root'}", absolute


def _fitting(parameter: Parameter, known: BoundValue) -> BoundValue:
    """Return a recorded value for a parameter, which may be declared otherwise today."""
    is_path = "path" in (parameter.type, parameter.item_type)
    if known.is_path != is_path or (is_path and parameter.type != known.type):
        raise _BadValue(f"it was a {known.type} in the run, and is a {parameter.type} now")
    value = known.value
    if not is_path:
        try:
            value = from_data(parameter, value)
        except ValueError as error:
            raise _BadValue(f"the value of the run does not fit: {error}") from None
    return known.replace(type=parameter.type, items=parameter.item_type, value=value)
