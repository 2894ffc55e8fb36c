"""Types that fields of several models have; strict, so that a value is what YAML says it is."""

from typing import Annotated, Any, TypeAlias

from pydantic import BeforeValidator, Field, StrictBool, StrictFloat, StrictInt, StringConstraints
from pydantic_core import PydanticCustomError


def wrong_at(key: str, message: str) -> PydanticCustomError:
    """Return the error of a model's validator that is about one of its keys."""
    return PydanticCustomError("wrong_at", "{message}", {"key": key, "message": message})


def _text(data: Any) -> Any:  # noqa: ANN401 -- raw YAML
    if isinstance(data, bool) or data is None or isinstance(data, (int, float)):
        raise PydanticCustomError("needs_quotes", "not text")
    return data


def _one_or_many(data: Any) -> Any:  # noqa: ANN401 -- raw YAML
    return (data,) if isinstance(data, str) else data


Name: TypeAlias = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_-]*$")]
Identifier: TypeAlias = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
Text: TypeAlias = Annotated[str, BeforeValidator(_text)]
FilledText: TypeAlias = Annotated[Text, Field(min_length=1)]
Texts: TypeAlias = Annotated[tuple[Text, ...], BeforeValidator(_one_or_many)]
Identifiers: TypeAlias = Annotated[tuple[Identifier, ...], BeforeValidator(_one_or_many)]
Flag: TypeAlias = StrictBool
Whole: TypeAlias = StrictInt
Number: TypeAlias = Annotated[StrictInt | StrictFloat, Field(allow_inf_nan=False)]
