"""Parameters: named, typed values that a user may set from outside."""

import json
import math
import re
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal, TypeAlias

from runproj.model import field
from runproj.spec.fields import Declared, Doc, Number, Real, Text, Whole, wrong_at

ScalarType: TypeAlias = Literal["string", "int", "float", "bool", "choice", "path", "uri"]
ParameterType: TypeAlias = Literal[ScalarType, "list", "json"]
Value: TypeAlias = Any  # a JSON value; which one is what the parameter's type says

_INT = re.compile(r"[+-]?[0-9]+")
_FLOAT = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:.+", re.DOTALL)
_DEEPEST = 100  # levels of a JSON value
_TRUE = frozenset({"true", "yes", "on", "1"})
_FALSE = frozenset({"false", "no", "off", "0"})


class Parameter(Declared):
    """A named value; a bare scalar is shorthand for a parameter with that default."""

    type: Annotated[ParameterType, Doc("What kind of value this is.")] = "string"
    default: Annotated[
        Value,
        Doc(
            "The value when none is given. Without a default the parameter is required; "
            "`null` makes it optional."
        ),
    ] = field(default_factory=lambda: ...)
    min: Annotated[Number | None, Doc("The smallest allowed number.")] = None
    max: Annotated[Number | None, Doc("The largest allowed number.")] = None
    pattern: Annotated[Text | None, Doc("A regular expression that the whole text must match.")] = (
        None
    )
    choices: Annotated[
        tuple[str | Whole | Real, ...] | None,
        Doc("The allowed values; required for `type: choice`."),
    ] = None
    items: Annotated[
        ScalarType | None, Doc("The type of each item of a `list`; default: string.")
    ] = None
    help: Annotated[Text | None, Doc("One line for the person who runs the project.")] = None

    @classmethod
    def short(cls, data: Any) -> Any:  # noqa: ANN401 -- raw YAML
        """Take a bare value for the default."""
        return data if isinstance(data, (dict, Parameter)) else shorthand(data)

    def check(self) -> None:
        """Refuse rules that do not fit the type, and a default that does not fit the rules."""
        scalar = self.item_type if self.type == "list" else self.type
        if self.items is not None and self.type != "list":
            raise wrong_at("items", f"'items' needs type list, this is {self.type!r}")
        self._check_choices(scalar)
        self._check_range(scalar)
        self._check_pattern(scalar)
        if not self.required and self.default is not None:
            try:
                from_data(self, self.default)
            except ValueError as error:
                raise wrong_at("default", str(error)) from None

    def _check_choices(self, scalar: str) -> None:
        if scalar == "choice" and not self.choices:
            raise wrong_at("choices", "type 'choice' needs 'choices', a list of texts")
        for choice in self.choices or ():
            if scalar == "choice" and not isinstance(choice, str):
                raise wrong_at(
                    "choices", "'choices' of type 'choice' are texts: quote them, or use type int"
                )
            if scalar != "json":
                try:
                    _scalar_data(scalar, choice)
                except ValueError as error:
                    raise wrong_at("choices", str(error)) from None

    def _check_range(self, scalar: str) -> None:
        for key, limit in (("min", self.min), ("max", self.max)):
            if limit is not None and scalar not in ("int", "float"):
                raise wrong_at(key, f"{key!r} needs type int or float, this is {scalar!r}")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise wrong_at("min", f"'min' ({self.min}) is larger than 'max' ({self.max})")

    def _check_pattern(self, scalar: str) -> None:
        if self.pattern is None:
            return
        if scalar not in ("string", "path", "uri"):
            raise wrong_at("pattern", f"'pattern' needs type string, path or uri, not {scalar!r}")
        try:
            re.compile(self.pattern)
        except (re.error, OverflowError, RecursionError) as error:
            raise wrong_at("pattern", f"not a regular expression: {error}") from error

    @property
    def required(self) -> bool:
        """Whether a value must be given."""
        return self.default is ...

    @property
    def item_type(self) -> ScalarType:
        """The type of each item of a list."""
        return self.items or "string"

    @property
    def optional(self) -> bool:
        """Whether null is a value."""
        return not self.required and self.default is None


def shorthand(data: Any) -> dict[str, Any]:  # noqa: ANN401 -- raw YAML
    """Return the parameter that a bare value stands for.

    >>> shorthand(0.01)
    {'type': 'float', 'default': 0.01}

    Raises:
        ValueError: the value has no obvious type.
    """
    if isinstance(data, list):
        kinds = {_kind(item) for item in data}
        if len(kinds) == 1 and None not in kinds:
            return {"type": "list", "items": kinds.pop(), "default": data}
        raise ValueError("write a list parameter as {type: list, items: …, default: […]}")
    kind = _kind(data)
    if kind is None:
        raise ValueError("a parameter is a value, or a mapping such as {type: float, default: 0.1}")
    return {"type": kind, "default": data}


def _kind(data: Any) -> str | None:  # noqa: ANN401 -- raw YAML
    kinds: Mapping[type, str] = {bool: "bool", int: "int", float: "float", str: "string"}
    return kinds.get(type(data))


def render(value: Value) -> str:
    """Return a scalar as text: floats in their shortest exact form, ``true`` and ``false``.

    >>> render(0.10), render(1e-5), render(True), render(3)
    ('0.1', '1e-05', 'true', '3')
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else repr(value)


def from_text(parameter: Parameter, text: str) -> Value:
    """Parse text as the declared type, and only as that.

    >>> from_text(Parameter(type="float"), "1e-5")
    1e-05
    >>> from_text(Parameter(type="string"), "7e013608")
    '7e013608'

    Raises:
        ValueError: the text is not such a value; the message says what is wrong with it.
    """
    _refuse_odd(text)
    if parameter.type == "json":
        return _checked(parameter, _json(text, "JSON"))
    if parameter.type == "list":
        return _checked(parameter, _items(parameter, text))
    return _checked(parameter, _SCALAR_TEXT[parameter.type](text))


def from_data(parameter: Parameter, data: Any) -> Value:  # noqa: ANN401 -- raw YAML or JSON
    """Check a value that already has a type (from YAML or JSON) against the declared one.

    Raises:
        ValueError: the value does not fit; the message says why.
    """
    if data is None:
        if parameter.optional or parameter.type == "json":
            return None
        raise ValueError("null is no value here; 'default: null' would make it optional")
    if parameter.type == "json":
        return _checked(parameter, _sound(data))
    if parameter.type == "list":
        if not isinstance(data, (list, tuple)):
            raise ValueError(f"{_shown(data)} is not a list")
        return _checked(parameter, [_scalar_data(parameter.item_type, item) for item in data])
    return _checked(parameter, _scalar_data(parameter.type, data))


def _items(parameter: Parameter, text: str) -> list[Value]:
    if text.lstrip().startswith("["):
        return [_scalar_data(parameter.item_type, item) for item in _json(text, "a JSON list")]
    return [_SCALAR_TEXT[parameter.item_type](item) for item in text.split(",")] if text else []


def _scalar_data(kind: str, data: Any) -> Value:  # noqa: ANN401 -- raw YAML or JSON
    if kind in ("string", "choice", "path", "uri"):
        if not isinstance(data, str):
            quote = ": put it in quotes" if isinstance(data, (int, float)) else ""
            raise ValueError(f"{_shown(data)} is not text{quote}")
        _refuse_odd(data)
        return _SCALAR_TEXT[kind](data)
    if kind == "bool":
        if not isinstance(data, bool):
            raise ValueError(f"{_shown(data)} is not true or false")
        return data
    if isinstance(data, bool) or not isinstance(data, (int, float)):
        raise ValueError(f"{_shown(data)} is not {_A[kind]}")
    if kind == "int" and not isinstance(data, int):
        raise ValueError(f"{_shown(data)} is not a whole number")
    return data if kind == "int" else _float(data)


def _int_text(text: str) -> int:
    if not _INT.fullmatch(text):
        raise ValueError(f"{text!r} is not a whole number")
    try:
        return int(text)
    except ValueError:
        raise ValueError("the number has too many digits") from None


def _float_text(text: str) -> float:
    if not _FLOAT.fullmatch(text):
        raise ValueError(f"{text!r} is not a number")
    return _finite(float(text), repr(text))


def _float(data: float) -> float:
    try:
        return _finite(float(data), _shown(data))
    except OverflowError:
        raise ValueError("the number is too large") from None


def _finite(number: float, shown: str) -> float:
    if not math.isfinite(number):
        raise ValueError(f"{shown} is not a finite number")
    return number


def _bool_text(text: str) -> bool:
    low = text.lower()
    if low in _TRUE or low in _FALSE:
        return low in _TRUE
    raise ValueError(f"{text!r} is not true or false")


def _path_text(text: str) -> str:
    if not text:
        raise ValueError("an empty text is not a path")
    return text


def _uri_text(text: str) -> str:
    if not _URI.fullmatch(text):
        raise ValueError(f"{text!r} is not a URI: it has no scheme such as https:")
    return text


_SCALAR_TEXT: Mapping[str, Callable[[str], Value]] = {
    "string": str,
    "choice": str,
    "int": _int_text,
    "float": _float_text,
    "bool": _bool_text,
    "path": _path_text,
    "uri": _uri_text,
}
_A = {"int": "a whole number", "float": "a number"}


def _checked(parameter: Parameter, value: Value) -> Value:
    for item in value if parameter.type == "list" else [value]:
        if parameter.choices is not None and item not in parameter.choices:
            allowed = ", ".join(str(choice) for choice in parameter.choices)
            raise ValueError(f"{_shown(item)} is not one of the choices: {allowed}")
        if parameter.min is not None and item < parameter.min:
            raise ValueError(f"{item} is smaller than the minimum, {parameter.min}")
        if parameter.max is not None and item > parameter.max:
            raise ValueError(f"{item} is larger than the maximum, {parameter.max}")
        if parameter.pattern is not None and not re.fullmatch(parameter.pattern, item):
            raise ValueError(f"{_shown(item)} does not match the pattern {parameter.pattern}")
    return value


def _refuse_odd(text: str) -> None:
    if "\0" in text:
        raise ValueError("the NUL character cannot be part of a value")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("the value is not valid UTF-8 text") from None


def _json(text: str, what: str) -> Value:
    try:
        return _sound(json.loads(text, object_pairs_hook=_once))
    except json.JSONDecodeError as error:
        raise ValueError(f"{text!r} is not {what}: {error}") from error
    except RecursionError:
        raise ValueError("the value is nested too deeply") from None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"the key {key!r} is there twice")
        found[key] = value
    return found


def _sound(data: Any) -> Value:  # noqa: ANN401 -- any JSON value
    """Return JSON data in which there is nothing that JSON or a program cannot take."""
    level = [data]
    for _ in range(_DEEPEST):
        below: list[Any] = []
        for value in level:
            if isinstance(value, str):
                _refuse_odd(value)
            elif isinstance(value, float) and not math.isfinite(value):
                raise ValueError("JSON has no NaN and no infinity")
            elif isinstance(value, dict):
                below += [*value, *value.values()]
            elif isinstance(value, list):
                below += value
        level = below
    if level:
        raise ValueError("the value is nested too deeply")
    return data


def _shown(data: Any) -> str:  # noqa: ANN401 -- any JSON value
    return {True: "true", False: "false"}[data] if isinstance(data, bool) else repr(data)
