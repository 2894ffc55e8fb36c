"""What every value that is read or written has in common: frozen, strict about keys, digestible.

A class of such values costs next to nothing to define, because starting is on the path of every
command. Data from outside is checked by pydantic, which takes these classes for dataclasses; our
own records are read by :func:`from_json`, without it.
"""

import functools
import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType, NoneType, UnionType
from typing import (
    Annotated,
    Any,
    ClassVar,
    Literal,
    Self,
    TypeVar,
    Union,
    dataclass_transform,
    get_args,
    get_origin,
    get_type_hints,
)

M = TypeVar("M", bound="Model")

EMPTY: Mapping[Any, Any] = MappingProxyType({})
"""A default that nobody can change."""


class _Fresh:
    """A default that is made anew for each value."""

    def __init__(self, make: Callable[[], Any]) -> None:
        self.make = make


def field(*, default_factory: Callable[[], Any]) -> Any:  # noqa: ANN401 -- stands for any type
    """Return a default that is made anew for each value, such as an empty dictionary."""
    return _Fresh(default_factory)


class Key:
    """The key of a field in JSON, where Python cannot have it as a name."""

    def __init__(self, name: str) -> None:
        """Write ``name`` for the field."""
        self.name = name


_REQUIRED = object()


class _DataclassFields:
    """The fields as the standard library describes them, made when somebody asks."""

    def __get__(self, _: object, cls: "type[Model]") -> dict[str, Any]:
        import dataclasses  # noqa: PLC0415 -- only pydantic asks

        def described(default: object) -> Any:  # noqa: ANN401 -- the standard library says so
            if isinstance(default, _Fresh):
                return dataclasses.field(default_factory=default.make)
            return (
                dataclasses.field() if default is _REQUIRED else dataclasses.field(default=default)
            )

        types = dict(cls.model_types)
        for name, key in cls.model_keys.items():
            from pydantic import Field  # noqa: PLC0415 -- as above

            types[name] = Annotated[types[name], Field(alias=key)]
        fields = [(name, types[name], described(cls.model_defaults[name])) for name in types]
        made = dataclasses.make_dataclass(cls.__name__, fields, kw_only=True)
        found: dict[str, Any] = made.__dataclass_fields__  # type: ignore[attr-defined]
        cls.__dataclass_fields__ = found
        return found


def _marks(annotation: Any) -> list[Key]:  # noqa: ANN401 -- a type
    return [one for one in getattr(annotation, "__metadata__", ()) if type(one) is Key]


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(field,))
class Model:
    """A frozen value that refuses unknown keys; a subclass declares its fields as a dataclass does.

    Making one checks names, not types: types are mypy's, or pydantic's where data comes in.
    """

    model_types: ClassVar[Mapping[str, Any]] = {}
    model_defaults: ClassVar[Mapping[str, Any]] = {}
    model_keys: ClassVar[Mapping[str, str]] = {}
    model_fresh: ClassVar[Mapping[str, Callable[[], Any]]] = {}
    model_required: ClassVar[frozenset[str]] = frozenset()
    __dataclass_fields__: ClassVar[Any] = _DataclassFields()
    __pydantic_config__: ClassVar[Any] = {"extra": "forbid"}

    def __init_subclass__(cls) -> None:
        """Collect the fields."""
        own = cls.__annotations__
        defaults = {name: cls.__dict__.get(name, _REQUIRED) for name in own}
        cls.model_types = {**cls.model_types, **own}
        cls.model_defaults = {**cls.model_defaults, **defaults}
        keys = {name: key.name for name, one in own.items() for key in _marks(one)}
        cls.model_keys = {**cls.model_keys, **keys}
        every = cls.model_defaults.items()
        cls.model_fresh = {name: one.make for name, one in every if type(one) is _Fresh}
        cls.model_required = frozenset(name for name, one in every if one is _REQUIRED)
        cls.__dataclass_fields__ = _DataclassFields()

    def __init__(self, **values: Any) -> None:  # noqa: ANN401 -- the fields of any subclass
        defaults = self.model_defaults
        if not values.keys() >= self.model_required:
            missing = next(name for name in defaults if name in self.model_required - values.keys())
            raise TypeError(f"{type(self).__name__} needs {missing!r}")
        if not defaults.keys() >= values.keys():
            unknown = [name for name in values if name not in defaults]
            raise TypeError(f"{type(self).__name__} has no {', '.join(unknown)}")
        state = self.__dict__
        state.update(defaults)  # all of them, in their order
        state.update(values)
        for name, make in self.model_fresh.items():
            if name not in values:
                state[name] = make()

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"{type(self).__name__} is frozen: {name!r} cannot be set")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"{type(self).__name__} is frozen: {name!r} cannot be deleted")

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and self.__dict__ == other.__dict__

    def __hash__(self) -> int:
        return hash((type(self), *self.__dict__.values()))

    def __repr__(self) -> str:
        fields = ", ".join(f"{name}={value!r}" for name, value in self.__dict__.items())
        return f"{type(self).__name__}({fields})"

    def replace(self, **values: Any) -> Self:  # noqa: ANN401 -- the fields of any subclass
        """Return a copy with other values of these fields.

        Raises:
            TypeError: there is no such field.
        """
        if not self.model_defaults.keys() >= values.keys():
            return type(self)(**self.__dict__ | values)  # says what is wrong
        made = self.__new__(type(self))
        made.__dict__.update(self.__dict__)
        made.__dict__.update(values)
        return made

    @classmethod
    def of(cls, other: "Model", **values: Any) -> Self:  # noqa: ANN401 -- the fields of any subclass
        """Return one with the fields that ``other`` has too, and these values."""
        shared = {name: getattr(other, name) for name in cls.model_defaults if name not in values}
        return cls(**shared, **values)


def plain(model: Any) -> dict[str, Any]:  # noqa: ANN401 -- what json.dumps cannot write itself
    """Return a model's fields by their keys in JSON: the ``default`` of :func:`json.dumps`.

    Raises:
        TypeError: it is no model.
    """
    fields = vars(model)
    keys = model.model_keys
    return {keys.get(name, name): value for name, value in fields.items()} if keys else fields


def to_json(value: Any) -> str:  # noqa: ANN401 -- a model, or JSON data with models in it
    """Return the JSON text of a model in one line; keys are in the order of its fields.

    Raises:
        ValueError: a number in it is not finite.
    """
    return json.dumps(
        value, default=plain, ensure_ascii=False, allow_nan=False, separators=(",", ":")
    )


def _said(model: Any) -> dict[str, Any]:  # noqa: ANN401 -- what json.dumps cannot write itself
    """Return what a model says that its class does not: the fields without their defaults."""
    return {
        key: value
        for (key, default), value in zip(
            _defaults(model.__class__), vars(model).values(), strict=True
        )
        if value is not default and value != default
    }


@functools.cache
def _defaults(kind: type[Model]) -> tuple[tuple[str, Any], ...]:
    """Return key and default of every field, in the order that all models of a kind have."""
    return tuple(
        (kind.model_keys.get(name, name), default.make() if type(default) is _Fresh else default)
        for name, default in kind.model_defaults.items()
    )


def compact(value: Any) -> str:  # noqa: ANN401 -- a model, or JSON data with models in it
    """Return the JSON text of a model in one line, without the fields that have their defaults.

    :func:`from_json` reads it as it does the whole: in a third of the time, where there are many.

    Raises:
        ValueError: a number in it is not finite.
    """
    return _COMPACT(value)


_COMPACT = json.JSONEncoder(
    default=_said, ensure_ascii=False, allow_nan=False, separators=(",", ":")
).encode


def as_lines(model: Model, **known: str | Sequence[str]) -> Iterator[str]:
    """Yield JSON text with a line for each field, and one for each model of a tuple of them.

    All fields of the model itself are there; what is in them is compact.

    Args:
        model: the model.
        known: JSON of a field, or of its items, where somebody has it already.
    """
    begin = "{\n"
    for key, value in plain(model).items():
        yield f"{begin} {to_json(key)}: "
        begin = ",\n"
        text = known.get(key)
        if not (isinstance(value, tuple) and value and isinstance(value[0], Model)):
            yield text if isinstance(text, str) else compact(value)
            continue
        between = "[\n  "
        for item in map(compact, value) if text is None else text:
            yield between
            yield item
            between = ",\n  "
        yield "\n ]"
    yield "\n}\n"


def canonical(data: Any) -> bytes:  # noqa: ANN401 -- any JSON value, or a model
    """Return the one JSON text of ``data``: sorted keys, no spaces, ASCII.

    >>> canonical({"b": 1, "a": [0.1, None]})
    b'{"a":[0.1,null],"b":1}'
    """
    return _CANONICAL(data).encode()


_CANONICAL = json.JSONEncoder(default=plain, sort_keys=True, separators=(",", ":")).encode


def digest_of(data: Any) -> str:  # noqa: ANN401 -- any JSON value, or a model
    """Return the sha256 (64 hex digits) of the canonical JSON of ``data``."""
    return hashlib.sha256(canonical(data)).hexdigest()


class WrongData(ValueError):
    """Data is not what a model says; ``path`` leads to the place."""

    def __init__(self, message: str, path: tuple[str | int, ...] = ()) -> None:
        """Remember what is wrong with the value at ``path``."""
        super().__init__(message)
        self.message = message
        self.path = path

    def __str__(self) -> str:
        """Say it in words.

        >>> str(WrongData("must be text", ("steps", 0, "name")))
        'steps[0].name: must be text'
        """
        where = "".join(f"[{part}]" if type(part) is int else f".{part}" for part in self.path)
        return f"{where.lstrip('.')}: {self.message}" if where else self.message

    def below(self, part: str | int) -> "WrongData":
        """Return the same, seen from one level up."""
        return WrongData(self.message, (part, *self.path))


def from_json(kind: type[M], text: str | bytes) -> M:
    """Return the model that JSON text holds.

    Raises:
        WrongData: it is no JSON, a key is missing or unknown, or a value has another type.
    """
    try:
        data = json.loads(text)
    except ValueError as error:  # UnicodeDecodeError is one, too
        raise WrongData(f"not JSON: {error}") from error
    except RecursionError:
        raise WrongData("nested too deeply") from None
    return from_data(kind, data)


def from_data(kind: type[M], data: Any) -> M:  # noqa: ANN401 -- JSON data
    """Return the model that JSON data holds, see :func:`from_json`."""
    reader = _reader(kind)  # type: ignore[arg-type]  # types are hashable
    found: M = reader(data)
    return found


_Reader = Callable[[Any], Any]


@functools.cache
def _reader(kind: Any) -> _Reader:  # noqa: ANN401 -- a type; one line for each form
    """Return what turns JSON data into a value of a type."""
    arguments = get_args(kind)
    match get_origin(kind):
        case None if kind is Any:
            return lambda data: data
        case None if issubclass(kind, Model):
            return _model(kind)
        case None:
            return _scalar(kind)
        case origin if origin is Literal:
            return _choice(arguments)
        case origin if origin in (Union, UnionType):
            readers = [_reader(one) for one in arguments if one is not NoneType]
            either = readers[0] if len(readers) == 1 else _either(readers)
            return _optional(either) if NoneType in arguments else either
        case origin if origin is tuple and arguments[-1] is ...:
            return _items(_reader(arguments[0]))
        case origin if origin is tuple:
            return _row([_reader(one) for one in arguments])
        case origin if origin in (dict, Mapping):
            return _mapping(_reader(arguments[1]))
    raise TypeError(f"records have no {kind}")  # pragma: no cover -- a mistake of ours


def _model(kind: type[Model]) -> _Reader:
    types = get_type_hints(kind)
    defaults = kind.model_defaults  # all names in their order: what is required is put in below
    names = {kind.model_keys.get(name, name): name for name in defaults}
    required = {key for key, name in names.items() if name in kind.model_required}
    fresh = [
        (key, name, kind.model_fresh[name])
        for key, name in names.items()
        if name in kind.model_fresh
    ]
    fields: dict[str, tuple[str, frozenset[type], _Reader]] = {}

    def read(data: Any) -> Any:  # noqa: ANN401 -- JSON data
        if type(data) is not dict:
            raise WrongData("must be a mapping")
        if not fields:  # not before: a model may hold its own kind
            for key, name in names.items():
                fields[key] = name, _as_they_are(types[name]), _reader(types[name])
        if not fields.keys() >= data.keys():
            raise WrongData("unknown key", (next(key for key in data if key not in fields),))
        if not data.keys() >= required:
            missing = next(names[key] for key in names if key in required - data.keys())
            raise WrongData(f"the key {missing!r} is missing")
        made = kind.__new__(kind)  # its __init__ would look at all names once more
        state = made.__dict__
        state.update(defaults)
        for key, value in data.items():
            name, plain_types, reader = fields[key]
            if type(value) in plain_types:
                state[name] = value
                continue
            try:
                state[name] = reader(value)
            except WrongData as error:
                raise error.below(key) from None
        for key, name, make in fresh:
            if key not in data:
                state[name] = make()
        return made

    return read


_SCALARS: Mapping[type, tuple[tuple[type, ...], str]] = {
    str: ((str,), "text"),
    int: ((int,), "a whole number"),
    float: ((float, int), "a number"),
    bool: ((bool,), "true or false"),
}


def _as_they_are(kind: Any) -> frozenset[type]:  # noqa: ANN401 -- a type
    """Return the types of JSON data that a reader leaves as they are: most values are of these."""
    if get_origin(kind) in (Union, UnionType):
        return frozenset().union(*map(_as_they_are, get_args(kind)))
    return frozenset({kind}) if kind in _SCALARS or kind is NoneType else frozenset()


def _scalar(kind: type) -> _Reader:
    types, name = _SCALARS[kind]

    def read(data: Any) -> Any:  # noqa: ANN401 -- JSON data
        if type(data) not in types:
            raise WrongData(f"must be {name}")
        return float(data) if kind is float else data

    return read


def _choice(values: tuple[Any, ...]) -> _Reader:
    known = {(type(value), value) for value in values}

    def read(data: Any) -> Any:  # noqa: ANN401 -- JSON data
        if type(data) in (list, dict) or (type(data), data) not in known:
            raise WrongData(f"must be one of {', '.join(map(str, values))}")
        return data

    return read


def _optional(reader: _Reader) -> _Reader:
    return lambda data: None if data is None else reader(data)


def _either(readers: list[_Reader]) -> _Reader:
    def read(data: Any) -> Any:  # noqa: ANN401 -- JSON data
        wrong: list[WrongData] = []
        for reader in readers:
            try:
                return reader(data)
            except WrongData as error:
                wrong.append(error)
        raise max(
            wrong, key=lambda error: len(error.path)
        )  # the branch that was meant goes deepest

    return read


def _items(reader: _Reader) -> _Reader:
    def read(data: Any) -> Any:  # noqa: ANN401 -- JSON data
        if type(data) is not list:
            raise WrongData("must be a list")
        try:
            return tuple([reader(item) for item in data])
        except WrongData:  # once more, to know where
            return tuple(_at(index, reader, item) for index, item in enumerate(data))

    return read


def _row(readers: list[_Reader]) -> _Reader:
    def read(data: Any) -> Any:  # noqa: ANN401 -- JSON data
        if type(data) is not list or len(data) != len(readers):
            raise WrongData(f"must be a list of {len(readers)}")
        return tuple(
            _at(index, reader, item)
            for index, (reader, item) in enumerate(zip(readers, data, strict=True))
        )

    return read


def _mapping(reader: _Reader) -> _Reader:
    def read(data: Any) -> Any:  # noqa: ANN401 -- JSON data
        if type(data) is not dict:
            raise WrongData("must be a mapping")
        try:
            return {key: reader(value) for key, value in data.items()}
        except WrongData:  # once more, to know where
            return {key: _at(key, reader, value) for key, value in data.items()}

    return read


def _at(part: str | int, reader: _Reader, data: Any) -> Any:  # noqa: ANN401 -- JSON data
    try:
        return reader(data)
    except WrongData as error:
        raise error.below(part) from None
