"""Types that fields of several models have; strict, so that a value is what YAML says it is.

What is said of them here is for pydantic. It is put into pydantic's own words only when a project
file is checked: importing pydantic costs more than all the rest of a small command.
"""

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias, TypeVar

from runproj.model import Model

if TYPE_CHECKING:
    from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler, TypeAdapter
    from pydantic_core import CoreSchema, PydanticCustomError

T = TypeVar("T")


def _custom(kind: str, message: str, context: dict[str, Any]) -> "PydanticCustomError":
    from pydantic_core import PydanticCustomError  # noqa: PLC0415 -- see above

    return PydanticCustomError(kind, message, context)


def wrong_at(key: str, message: str) -> "PydanticCustomError":
    """Return the error of a model's check that is about one of its keys."""
    return _custom("wrong_at", "{message}", {"key": key, "message": message})


class Doc:
    """What a field means to a user, with examples."""

    def __init__(self, text: str, *, examples: list[Any] | None = None) -> None:
        """Say it in a sentence."""
        self.text = text
        self.examples = examples

    def __get_pydantic_json_schema__(
        self, schema: "CoreSchema", handler: "GetJsonSchemaHandler"
    ) -> dict[str, Any]:
        """Put it into the published schema."""
        more = {"examples": self.examples} if self.examples else {}
        return {**handler(schema), "description": self.text, **more}


class Limits:
    """Limits in pydantic-core's words: ``gt``, ``ge``, ``min_length``, ``pattern``, ``strict``….

    It must stand first behind the type that it limits.
    """

    def __init__(self, **limits: Any) -> None:  # noqa: ANN401 -- each has a type of its own
        """Limit a value."""
        self.limits = limits

    def __get_pydantic_core_schema__(
        self,
        source: object,
        handler: "GetCoreSchemaHandler",
    ) -> "CoreSchema":
        """Tell pydantic."""
        return {**handler(source), **self.limits}


class Before:
    """What turns a short form into the long one, before anything is checked."""

    def __init__(self, function: Callable[[Any], Any]) -> None:
        """Let ``function`` take what the file says."""
        self.function = function

    def __get_pydantic_core_schema__(
        self,
        source: object,
        handler: "GetCoreSchemaHandler",
    ) -> "CoreSchema":
        """Tell pydantic."""
        from pydantic_core import core_schema  # noqa: PLC0415 -- see above

        return core_schema.no_info_before_validator_function(self.function, handler(source))


class ByKey:
    """Tells which model of a union is meant by one of its keys."""

    def __init__(self, key: str) -> None:
        """Look at ``key``."""
        self.key = key

    def __get_pydantic_core_schema__(
        self,
        source: object,
        handler: "GetCoreSchemaHandler",
    ) -> "CoreSchema":
        """Tell pydantic."""
        from pydantic import Field  # noqa: PLC0415 -- see above

        return handler.generate_schema(Annotated[source, Field(discriminator=self.key)])


class Declared(Model):
    """A part of the project file, which may have a short form and rules of its own."""

    @classmethod
    def short(cls, data: Any) -> Any:  # noqa: ANN401 -- raw YAML
        """Return the long form of what the file says."""
        return data

    def check(self) -> None:
        """Look at the fields together.

        Raises:
            ValueError: they do not fit each other.
        """

    @classmethod
    def __get_pydantic_core_schema__(
        cls,
        source: object,
        handler: "GetCoreSchemaHandler",
    ) -> "CoreSchema":
        """Tell pydantic."""
        from pydantic_core import core_schema  # noqa: PLC0415 -- see above

        def checked(value: Declared) -> Declared:
            value.check()
            return value

        inner: dict[str, Any] = dict(handler(source))
        ref = inner.pop("ref")  # what others refer to is the whole, not the fields alone
        after = core_schema.no_info_after_validator_function(checked, inner)
        return core_schema.no_info_before_validator_function(cls.short, after, ref=ref)


@functools.cache
def adapter(kind: Any) -> "TypeAdapter[Any]":  # noqa: ANN401 -- a type, or a form of types
    """Return what checks data against a type."""
    from pydantic import TypeAdapter  # noqa: PLC0415 -- see above

    return TypeAdapter(kind)


def validated(kind: type[T], data: Any) -> T:  # noqa: ANN401 -- raw YAML
    """Return the value of a type that data stands for.

    Raises:
        pydantic.ValidationError: with all that is wrong with it.
    """
    found: T = adapter(kind).validate_python(data)  # type: ignore[arg-type]  # types are hashable
    return found


def _text(data: Any) -> Any:  # noqa: ANN401 -- raw YAML
    if isinstance(data, bool) or data is None or isinstance(data, (int, float)):
        raise _custom("needs_quotes", "not text", {})
    return data


def _one_or_many(data: Any) -> Any:  # noqa: ANN401 -- raw YAML
    return (data,) if isinstance(data, str) else data


_NAME = r"^[A-Za-z_][A-Za-z0-9_-]*$"
_IDENTIFIER = r"^[A-Za-z_][A-Za-z0-9_]*$"
_FINITE = Limits(strict=True, allow_inf_nan=False)

Name: TypeAlias = Annotated[str, Limits(pattern=_NAME)]
Identifier: TypeAlias = Annotated[str, Limits(pattern=_IDENTIFIER)]
Text: TypeAlias = Annotated[str, Before(_text)]
FilledText: TypeAlias = Annotated[str, Limits(min_length=1), Before(_text)]
Sha256: TypeAlias = Annotated[str, Limits(pattern=r"^[0-9a-f]{64}$"), Before(_text)]
Texts: TypeAlias = Annotated[tuple[Text, ...], Before(_one_or_many)]
Identifiers: TypeAlias = Annotated[tuple[Identifier, ...], Before(_one_or_many)]
Flag: TypeAlias = Annotated[bool, Limits(strict=True)]
Whole: TypeAlias = Annotated[int, Limits(strict=True)]
Count: TypeAlias = Annotated[int, Limits(strict=True, ge=0)]
Real: TypeAlias = Annotated[float, Limits(strict=True)]
Number: TypeAlias = Whole | Annotated[float, _FINITE]
Positive: TypeAlias = (
    Annotated[int, Limits(strict=True, gt=0)]
    | Annotated[float, Limits(strict=True, allow_inf_nan=False, gt=0)]
)
