import pytest
from hypothesis import given
from hypothesis import strategies as st

from runproj.spec.template import Reference, Template, joined, parse


@pytest.mark.parametrize(
    "name",
    ["a", "_a", "lr_2", "Aa", "matrix.fold", "inputs.data", "outputs.model", "run.id", "workspace",
     "steps.train.outputs.model", "steps.my-step.outputs.m", "a.1"],
)  # fmt: skip
def test_an_identifier_or_a_dotted_one_in_braces_is_a_reference(name: str) -> None:
    assert parse(f"x{{{name}}}y").parts == ("x", Reference(name), "y")


@pytest.mark.parametrize(
    "text",
    ["{}", "${HOME}", "{print $1}", '{"a": 1}', "{a b}", "{ a }", "{1a}", "{a-b}", "{a.}", "{.a}",
     "{a..b}", "{a,b}", "{a", "a}", "{é}", "{a[0]}", "{a:x}", "$ {", "{\na}", "${a.b}", "{a!r}"],
)  # fmt: skip
def test_all_other_braces_are_plain_text(text: str) -> None:
    assert parse(text).parts == (text,)


@pytest.mark.parametrize(
    ("text", "plain"),
    [("{{a}}", "{a}"), ("{{a.b-c}}", "{a.b-c}"), ("x{{a}}y", "x{a}y"), ("{{a}}{{b}}", "{a}{b}")],
)
def test_doubled_braces_are_a_name_as_plain_text(text: str, plain: str) -> None:
    assert parse(text).parts == (plain,)


def test_three_braces_are_a_name_between_doubled_ones() -> None:
    assert parse("{{{a}}}").parts == ("{{a}}",)


@pytest.mark.parametrize("text", ["{{}}", "{{a b}}", "{{ a }}"])
def test_doubled_braces_around_no_name_stay(text: str) -> None:
    assert parse(text).parts == (text,)


def test_references_are_in_order() -> None:
    assert [str(one) for one in parse("{b}{a} {b}").references] == ["{b}", "{a}", "{b}"]


def test_a_template_that_is_one_reference_is_whole() -> None:
    assert parse("{a}").whole == Reference("a")


@pytest.mark.parametrize("text", ["", "a", " {a}", "{a}{b}", "{{a}}"])
def test_a_template_that_is_more_or_less_is_not_whole(text: str) -> None:
    assert parse(text).whole is None


def test_parts_of_a_name_are_what_dots_divide() -> None:
    assert Reference("steps.a.outputs.b").parts == ("steps", "a", "outputs", "b")


@given(st.text(alphabet="{}ab.$ ", max_size=30))
def test_no_character_of_the_text_gets_lost(text: str) -> None:
    shown = str(parse(text))
    assert shown == text or len(shown) < len(text)
    assert shown.replace("{", "").replace("}", "") == text.replace("{", "").replace("}", "")


@given(st.text(max_size=30).filter(lambda text: "{" not in text))
def test_text_without_braces_is_itself(text: str) -> None:
    assert str(parse(text)) == text


def test_neighbouring_text_is_joined_and_empty_text_dropped() -> None:
    a = Reference("a")
    assert joined(["x", "", "y", a, "", a, ""]) == Template(("xy", a, a))
