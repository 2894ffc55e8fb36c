import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from runproj.spec.fields import validated
from runproj.spec.parameter import Parameter, from_data, from_text, shorthand


def declared(**fields: Any) -> Parameter:  # noqa: ANN401 -- raw YAML
    return validated(Parameter, fields)


def refused(**fields: Any) -> str:  # noqa: ANN401 -- raw YAML
    """Return what is wrong with a declaration."""
    with pytest.raises(ValidationError) as caught:
        declared(**fields)
    context = caught.value.errors()[0].get("ctx", {})
    return f"{context.get('key')}: {context.get('message')}"


@pytest.mark.parametrize(
    ("value", "kind"),
    [(0.01, "float"), (1, "int"), (True, "bool"), ("x", "string"), ("", "string"), ("1", "string")],
)
def test_a_bare_value_is_a_parameter_with_that_default(value: object, kind: str) -> None:
    parameter = validated(Parameter, value)
    assert (parameter.type, parameter.default, parameter.required) == (kind, value, False)


@pytest.mark.parametrize(("value", "items"), [([1, 2], "int"), (["a"], "string"), ([0.5], "float")])
def test_a_bare_list_is_a_list_of_its_kind(value: list[object], items: str) -> None:
    parameter = validated(Parameter, value)
    assert (parameter.type, parameter.items, parameter.default) == ("list", items, value)


@pytest.mark.parametrize("value", [[], [1, "a"], [1, 1.5], [None], [[1]]])
def test_a_bare_list_without_one_kind_is_refused(value: list[object]) -> None:
    with pytest.raises(ValueError, match="write a list parameter as"):
        shorthand(value)


def test_a_bare_null_is_refused() -> None:
    with pytest.raises(ValueError, match="a parameter is a value, or a mapping"):
        shorthand(None)


def test_a_parameter_without_default_is_required() -> None:
    assert declared(type="int").required
    assert not declared(type="int").optional


def test_a_null_default_makes_an_optional_one() -> None:
    parameter = declared(type="int", default=None)
    assert parameter.optional
    assert not parameter.required


def test_the_type_is_text_unless_it_is_given() -> None:
    assert declared(default="x").type == "string"


@pytest.mark.parametrize(
    ("type_", "text", "value"),
    [
        ("int", "5", 5), ("int", "-5", -5), ("int", "+5", 5), ("int", "007", 7),
        ("float", "1e-5", 1e-5), ("float", "0.10", 0.1), ("float", "5", 5.0), ("float", ".5", 0.5),
        ("float", "5.", 5.0), ("float", "-1E+3", -1000.0),
        ("bool", "true", True), ("bool", "True", True), ("bool", "yes", True), ("bool", "on", True),
        ("bool", "1", True), ("bool", "false", False), ("bool", "NO", False), ("bool", "off",
         False),
        ("bool", "0", False),
        ("string", "no", "no"), ("string", "7e013608", "7e013608"), ("string", "", ""),
        ("string", " a ", " a "), ("string", "null", "null"),
        ("path", "a b", "a b"), ("path", "~/x", "~/x"), ("path", "run:latest:m", "run:latest:m"),
        ("uri", "https://x/y", "https://x/y"), ("uri", "s3://b", "s3://b"), ("uri", "a:b", "a:b"),
        ("json", '{"a": [1, null]}', {"a": [1, None]}), ("json", "null", None), ("json", "1", 1),
        ("json", '"\\\\u0000"', "\\u0000"),
    ],
)  # fmt: skip
def test_text_is_parsed_as_the_declared_type(type_: str, text: str, value: object) -> None:
    found = from_text(declared(type=type_), text)
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize(
    ("type_", "text", "message"),
    [
        ("int", "5.0", "'5.0' is not a whole number"), ("int", "1_000", "is not a whole number"),
        ("int", "", "'' is not a whole number"), ("int", " 5", "is not a whole number"),
        ("int", "٣", "is not a whole number"), ("int", "9" * 5000, "too many digits"),
        ("float", "abc", "'abc' is not a number"), ("float", "nan", "is not a number"),
        ("float", "inf", "is not a number"), ("float", "1e999", "'1e999' is not a finite number"),
        ("float", "1_0.0", "is not a number"), ("float", "0x10", "is not a number"),
        ("float", "7e013608", "is not a finite number"),
        ("bool", "maybe", "'maybe' is not true or false"), ("bool", "", "is not true or false"),
        ("path", "", "an empty text is not a path"), ("uri", "x", "'x' is not a URI"),
        ("uri", "https:", "is not a URI"),
        ("json", "{a: 1}", "is not JSON"), ("json", "NaN", "JSON has no NaN"),
        ("json", "1e999", "JSON has no NaN and no infinity"), ("json", '["\\u0000"]', "NUL"),
        ("json", '{"\\u0000": 1}', "NUL"), ("json", '"\\ud800"', "not valid UTF-8"),
        ("json", "[" * 150 + "]" * 150, "nested too deeply"),
        ("json", "[" * 90_000, "nested too deeply"), ("json", "9" * 5000, "digits"),
        ("string", "a\0b", "NUL"), ("string", "a\ud800", "not valid UTF-8"), ("path", "\0", "NUL"),
    ],
)  # fmt: skip
def test_text_that_is_not_of_the_type_is_refused(type_: str, text: str, message: str) -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        from_text(declared(type=type_), text)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("items", "text", "value"),
    [
        ("int", "1,2", [1, 2]), ("int", "[1, 2]", [1, 2]), ("int", " [1]", [1]), ("int", "", []),
        ("string", "a,b c", ["a", "b c"]), ("string", '["a,b"]', ["a,b"]), ("string", ",", ["",
         ""]),
        ("float", "1,0.5", [1.0, 0.5]), ("float", "[1]", [1.0]), ("bool", "yes,no", [True, False]),
        ("path", "a,b", ["a", "b"]), ("string", "[]", []),
    ],
)  # fmt: skip
def test_a_list_is_given_with_commas_or_as_json(items: str, text: str, value: list[object]) -> None:
    assert from_text(declared(type="list", items=items), text) == value


@pytest.mark.parametrize(
    ("items", "text", "message"),
    [
        ("int", "1,a", "'a' is not a whole number"), ("int", "[1", "is not a JSON list"),
        ("int", "[1.5]", "1.5 is not a whole number"), ("string", "[1]",
         "1 is not text: put it in"),
        ("string", "[[]]", "[] is not text"), ("string", '["\\ud800"]', "UTF-8"),
        ("string", '["\\u0000"]', "NUL"), ("int", "[true]", "true is not a whole number"),
        ("path", "a,", "an empty text is not a path"), ("bool", "[1]", "1 is not true or false"),
    ],
)  # fmt: skip
def test_a_list_with_a_wrong_item_is_refused(items: str, text: str, message: str) -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        from_text(declared(type="list", items=items), text)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("type_", "data", "message"),
    [
        ("int", "5", "'5' is not a whole number"), ("int", True, "true is not a whole number"),
        ("int", 1.0, "1.0 is not a whole number"), ("int", None, "null is no value here"),
        ("float", True, "true is not a number"), ("float", "1", "'1' is not a number"),
        ("float", math.nan, "not a finite number"), ("float", 10**400, "the number is too large"),
        ("bool", 1, "1 is not true or false"), ("bool", "yes", "'yes' is not true or false"),
        ("string", 5, "5 is not text: put it in quotes"), ("string", True, "true is not text"),
        ("string", {}, "{} is not text"), ("string", "\0", "NUL"),
        ("list", "a", "'a' is not a list"), ("list", {"a": 1}, "is not a list"),
        ("json", math.inf, "JSON has no NaN and no infinity"), ("json", [{"a": "\0"}], "NUL"),
        ("uri", "x", "not a URI"), ("path", "", "not a path"),
    ],
)  # fmt: skip
def test_typed_data_that_does_not_fit_is_refused(type_: str, data: Any, message: str) -> None:  # noqa: ANN401 -- any data
    with pytest.raises(ValueError, match=r".") as caught:
        from_data(declared(type=type_), data)
    assert message in str(caught.value)


def test_a_whole_number_is_a_float_for_a_float() -> None:
    value = from_data(declared(type="float"), 3)
    assert (value, type(value)) == (3.0, float)


def test_null_is_a_value_of_an_optional_parameter_and_of_json() -> None:
    assert from_data(declared(type="int", default=None), None) is None
    assert from_data(declared(type="json"), None) is None


@pytest.mark.parametrize(
    ("fields", "text", "message"),
    [
        ({"type": "int", "min": 1}, "0", "0 is smaller than the minimum, 1"),
        ({"type": "float", "max": 1}, "1.5", "1.5 is larger than the maximum, 1"),
        ({"type": "string", "pattern": "[a-z]+"}, "abc1", "does not match the pattern [a-z]+"),
        ({"type": "string", "pattern": "a"}, "a\n", "does not match"),
        ({"type": "choice", "choices": ["a", "b"]}, "c", "'c' is not one of the choices: a, b"),
        ({"type": "int", "choices": [1, 2]}, "3", "3 is not one of the choices: 1, 2"),
        ({"type": "list", "items": "int", "max": 2}, "1,3", "3 is larger than the maximum, 2"),
        ({"type": "list", "items": "choice", "choices": ["a"]}, "a,b", "'b' is not one of"),
        ({"type": "list", "pattern": "a+"}, "a,b", "'b' does not match"),
    ],
)
def test_a_value_out_of_bounds_is_refused(fields: dict[str, Any], text: str, message: str) -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        from_text(declared(**fields), text)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"type": "int", "min": 1, "max": 1}, "1"),
        ({"type": "float", "min": 0, "max": 1}, "1"),
        ({"type": "string", "pattern": "[a-z]+"}, "abc"),
        ({"type": "json", "choices": ["a"]}, '"a"'),
        ({"type": "list", "items": "int", "min": 2}, ""),
    ],
)
def test_a_value_at_the_bounds_is_taken(fields: dict[str, Any], text: str) -> None:
    from_text(declared(**fields), text)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"type": "choice"}, "choices: type 'choice' needs 'choices', a list of texts"),
        ({"type": "choice", "choices": []}, "choices: type 'choice' needs 'choices'"),
        ({"type": "list", "items": "choice"}, "choices: type 'choice' needs 'choices'"),
        ({"type": "choice", "choices": [1]}, "choices: 'choices' of type 'choice' are texts"),
        ({"type": "int", "choices": ["a"]}, "choices: 'a' is not a whole number"),
        ({"type": "bool", "choices": [1]}, "choices: 1 is not true or false"),
        ({"type": "string", "min": 1}, "min: 'min' needs type int or float, this is 'string'"),
        ({"type": "json", "max": 1}, "max: 'max' needs type int or float, this is 'json'"),
        ({"type": "int", "min": 2, "max": 1}, "min: 'min' (2) is larger than 'max' (1)"),
        ({"type": "int", "pattern": "a"}, "pattern: 'pattern' needs type string, path or uri"),
        ({"type": "string", "pattern": "["}, "pattern: not a regular expression: "),
        ({"type": "int", "items": "int"}, "items: 'items' needs type list, this is 'int'"),
        ({"type": "float", "default": "abc"}, "default: 'abc' is not a number"),
        ({"type": "int", "default": 3, "max": 2}, "default: 3 is larger than the maximum, 2"),
        ({"type": "choice", "choices": ["a"], "default": "b"}, "default: 'b' is not one of"),
    ],
)  # fmt: skip
def test_a_declaration_that_contradicts_itself_is_refused(
    fields: dict[str, Any], message: str
) -> None:
    assert refused(**fields).startswith(message)


@pytest.mark.parametrize("limit", [True, "5", math.nan, math.inf])
def test_a_limit_is_a_number(limit: object) -> None:
    with pytest.raises(ValidationError):
        declared(type="float", min=limit)


def test_a_parameter_can_be_made_of_a_parameter() -> None:
    parameter = declared(type="int", default=1)
    assert validated(Parameter, parameter) == parameter


@given(st.integers(min_value=-(10**30), max_value=10**30))
def test_any_whole_number_survives_as_text(number: int) -> None:
    assert from_text(declared(type="int"), str(number)) == number


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_any_float_survives_as_text(number: float) -> None:
    assert from_text(declared(type="float"), repr(number)) == number


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**20), 10**20)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(alphabet=st.characters(codec="utf-8", exclude_characters="\0")),
    lambda inner: st.lists(inner) | st.dictionaries(
        st.text(alphabet=st.characters(codec="utf-8", exclude_characters="\0")), inner
    ),
    max_leaves=10,
)  # fmt: skip


@given(JSON)
def test_any_json_survives_as_text(data: Any) -> None:  # noqa: ANN401 -- any JSON value
    assert from_text(declared(type="json"), json.dumps(data)) == data


@given(
    st.sampled_from(["string", "int", "float", "bool", "path", "uri", "list", "json"]),
    st.text(max_size=30),
)
def test_no_text_raises_anything_but_a_value_error(type_: str, text: str) -> None:
    try:
        from_text(declared(type=type_), text)
    except ValueError as error:
        assert str(error)  # noqa: PT017 -- a value is as good as a refusal


def test_a_key_that_is_there_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="the key 'a' is there twice"):
        from_text(Parameter(type="json"), '{"a": 1, "a": 2}')
