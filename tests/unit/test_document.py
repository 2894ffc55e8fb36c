import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runproj.spec.document import Document, read
from runproj.spec.place import dotted


def data_of(text: str) -> Any:  # noqa: ANN401 -- any YAML
    document = read(text, "f.yaml")
    assert document.problems == []
    return document.data


def only_problem(text: str, name: str = "f.yaml") -> tuple[str, str]:
    """Return place and message of the one thing that is wrong with a text."""
    (problem,) = read(text, name).problems
    assert problem.where is not None
    return problem.where.removeprefix(f"{name}:"), problem.message


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("no", "no"), ("on", "on"), ("yes", "yes"), ("y", "y"), ("tRue", "tRue"), ("nULL", "nULL"),
        ("true", True), ("True", True), ("TRUE", True), ("false", False), ("False", False),
        ("", None), ("~", None), ("null", None), ("Null", None), ("NULL", None),
        ("0", 0), ("+1", 1), ("-1", -1), ("0777", 777), ("0o17", 15), ("0x1F", 31), ("0x1f", 31),
        ("0b11", "0b11"), ("1_000", "1_000"), ("12:30:45", "12:30:45"), ("0o8", "0o8"),
        ("1.5", 1.5), (".5", 0.5), ("5.", 5.0), ("1e5", 1e5), ("1e-3", 1e-3), ("1.5E+3", 1500.0),
        ("-.5e1", -5.0), (".inf", math.inf), ("-.INF", -math.inf), ("+.Inf", math.inf),
        ("1e999", math.inf), ("2020-10-10", "2020-10-10"), ("7e013608", math.inf),
        ("1.2.3", "1.2.3"), ("-", None), ("+", "+"), (".", "."), ("--x", "--x"), ("<<", "<<"),
        ("'1'", "1"), ('"true"', "true"), ("''", ""), ('"\\u00e9\\n"', "é\n"), ("'it''s'", "it's"),
        ("|\n  a\n  b\n", "a\nb\n"), (">-\n  a\n  b\n", "a b"), ("😀", "😀"), ("a # b", "a"),
        ("!!str 1", "1"), ("! 5", "5"), ("!!int '5'", 5), ("!!float 1", 1.0), ("!!null ''", None),
        ("!!bool true", True), ("!!float .inf", math.inf),
    ],
)  # fmt: skip
def test_a_scalar_is_what_yaml_1_2_says(text: str, value: object) -> None:
    found = data_of(f"a: {text}")["a"] if text != "-" else None
    assert (found, type(found)) == (value, type(value))


def test_not_a_number_is_a_number() -> None:
    assert math.isnan(data_of("a: .NaN")["a"])


@given(st.from_regex(r"[-+.0-9a-zA-Z_~<]{1,12}", fullmatch=True))
def test_any_word_in_quotes_is_itself(word: str) -> None:
    assert data_of(f"[\"{word}\", '{word}']") == [word, word]


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_float_survives(number: float) -> None:
    assert data_of(f"[{number!r}]") == [number]


def test_keys_are_text_whatever_they_look_like() -> None:
    assert data_of("1: a\ntrue: b\n~: c\n1.50: d") == {"1": "a", "true": "b", "~": "c", "1.50": "d"}


def test_a_key_that_is_no_text_is_a_problem() -> None:
    assert only_problem("[1, 2]: a\nb: 1") == ("1:1", "a key must be plain text")


def test_a_key_given_twice_is_a_problem_that_names_both_places() -> None:
    assert only_problem("a: 1\nb: 2\n'a': 3") == ("3:1", "a: the key is there already, at 1:1")


def test_a_nested_key_given_twice_is_named_in_full_and_the_first_counts() -> None:
    document = read("x:\n  - {a: 1, a: 2}\n", "f.yaml")
    assert document.data == {"x": [{"a": 1}]}
    assert document.problems[0].message == "x[0].a: the key is there already, at 2:6"


def test_every_key_given_twice_is_reported() -> None:
    places = [problem.where for problem in read("a: 1\na: 2\nb: 1\nb: 2\na: 3", "f").problems]
    assert places == ["f:2:1", "f:4:1", "f:5:1"]


@pytest.mark.parametrize("text", ["", "  ", "# only a comment\n", "---", "---\n...\n", "\ufeff"])
def test_a_file_without_content_is_null_and_no_problem(text: str) -> None:
    assert data_of(text) is None


def test_a_list_at_the_top_is_read() -> None:
    assert data_of("- 1\n- [a]") == [1, ["a"]]


def test_a_byte_order_mark_is_not_there() -> None:
    document = read("\ufeffa: 1", "f.yaml")
    assert document.data == {"a": 1}
    assert document.keys["a",] == (1, 1)
    assert not document.problem(("a",), "x").excerpt.startswith("   1 | \ufeff")  # type: ignore[union-attr]


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
def test_lines_may_end_as_on_any_system(ending: str) -> None:
    document = read(f"a: 1{ending}b:{ending}  c: 2{ending}", "f.yaml")
    assert document.data == {"a": 1, "b": {"c": 2}}
    assert document.values["b", "c"] == (3, 6)


def test_two_documents_are_a_problem() -> None:
    assert only_problem("a: 1\n---\nb: 2") == (
        "2:1", "a second YAML document starts here: only one is read",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("\ta: 1", "1:1"), ("a:\n\tb: 1", "2:1"), ("a:\n  - b\n\t- c", "3:1"), ("a: @b", "1:4"),
        ("a: `b`", "1:4"), ("a: %b", "1:4"),
    ],
)  # fmt: skip
def test_a_tab_or_a_reserved_character_is_a_problem_with_advice(text: str, place: str) -> None:
    (problem,) = read(text, "f").problems
    assert problem.where == f"f:{place}"
    assert "indent with spaces, and quote" in (problem.hint or "")


@pytest.mark.parametrize(
    ("text", "place", "hint"),
    [
        ("a: b: c", "1:5", "a value that holds ': ' needs quotes"),
        ("a: 1\nbc\nd: 1", "3:1", "each key needs a colon and a space after it"),
        ("a: 'x", "1:6", None),
        ("a: [1, 2\nb: 3", "2:2", None),
        ('a: "\\q"', "1:5", None),
        ("a: *", "1:5", None),
        ("%FOO", "1:5", None),
    ],
)  # fmt: skip
def test_what_is_no_yaml_is_a_problem_with_a_place(text: str, place: str, hint: str | None) -> None:
    (problem,) = read(text, "f").problems
    assert (problem.where or "").startswith(f"f:{place[0]}:")
    assert problem.message.startswith("not valid YAML: ")
    assert problem.hint == hint
    assert problem.excerpt is not None


def test_the_end_of_a_file_is_shown_with_its_last_line() -> None:
    (problem,) = read("a: 1\nb: [1\n", "f").problems
    assert problem.where == "f:2:6"
    assert problem.excerpt == "   2 | b: [1\n     |      ^"


@pytest.mark.parametrize("character", ["\x00", "\x01", "\x7f", "\x0b", "\x1c", "\ud800", "\ufffe"])
def test_a_control_character_is_named_with_its_place(character: str) -> None:
    name = f"U+{ord(character):04X}"
    message = f"not valid YAML: the character {name} is not allowed"
    assert only_problem(f"é: 1\nb: {character}c") == ("2:4", message)
    assert only_problem(f"a: 1\n{character}") == ("2:1", message)
    assert only_problem(character) == ("1:1", message)


def test_an_alias_is_what_its_anchor_is() -> None:
    document = read("a: &x {b: [1]}\nc: *x\n", "f")
    assert document.data == {"a": {"b": [1]}, "c": {"b": [1]}}
    assert document.values["c", "b", 0] == (1, 12)


def test_an_alias_may_be_a_key() -> None:
    assert data_of("a: &x b\n*x : 1") == {"a": "b", "b": 1}


def test_the_last_anchor_of_a_name_counts() -> None:
    assert data_of("[&x 1, *x, &x 2, *x]") == [1, 1, 2, 2]


def test_an_alias_without_anchor_is_a_problem() -> None:
    assert only_problem("b: *x") == ("1:4", "there is no anchor '&x' before this alias")


@pytest.mark.parametrize("text", ["a: &x [*x]", "a: &x {b: *x}", "a: &x {<<: *x}", "&x [[*x]]"])
def test_an_alias_that_contains_itself_is_a_problem(text: str) -> None:
    assert only_problem(text)[1] == "an alias that contains itself"


def test_merged_keys_are_there_unless_they_are_given() -> None:
    document = read("a: &x {b: 1, c: 1}\nd: {<<: *x, b: 2}\n", "f")
    assert document.data["d"] == {"b": 2, "c": 1}
    assert document.values["d", "b"] == (2, 16)
    assert document.values["d", "c"] == (1, 17)


def test_the_first_of_several_merged_mappings_wins() -> None:
    assert data_of("a: {<<: [{b: 1}, {b: 2, c: 3}]}") == {"a": {"b": 1, "c": 3}}
    assert data_of("a: {<<: {b: 1}, <<: {b: 2, c: 3}}") == {"a": {"b": 1, "c": 3}}


def test_what_is_merged_may_merge() -> None:
    text = "a: &a {x: 1, y: 1}\nb: &b {<<: *a, y: 2}\nc: {<<: *b, z: 3}\n"
    assert data_of(text)["c"] == {"x": 1, "y": 2, "z": 3}


def test_a_merge_in_quotes_is_a_plain_key() -> None:
    assert data_of("a: {'<<': {b: 1}}") == {"a": {"<<": {"b": 1}}}


def test_odd_keys_of_what_is_merged_are_left_out() -> None:
    assert read("a: &x {[1]: 1, b: 2}\nc: {<<: *x}", "f").data["c"] == {"b": 2}


@pytest.mark.parametrize(("text", "place"), [("{<<: 5}", "1:6"), ("{<<: [{b: 1}, 5]}", "1:15")])
def test_only_mappings_can_be_merged(text: str, place: str) -> None:
    assert only_problem(text) == (place, "'<<' merges mappings only")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("!foo 1", "the tag !foo has no meaning here"),
        ("!foo {b: 1}", "the tag !foo has no meaning here"),
        ("!!set {x}", "the tag !!set has no meaning here"),
        ("!!omap [a: 1]", "the tag !!omap has no meaning here"),
        ("!!timestamp 2020-01-01", "the tag !!timestamp has no meaning here"),
        ("!!python/object:os.system x", "the tag !!python/object:os.system has no meaning here"),
        ("!!int x", "'x' is not what its tag !!int says"),
        ("!!int 1.5", "'1.5' is not what its tag !!int says"),
        ("!!bool 1", "'1' is not what its tag !!bool says"),
        ("!!float true", "'true' is not what its tag !!float says"),
        ("!!null x", "'x' is not what its tag !!null says"),
        ("9" * 5000, "the number has too many digits"),
    ],
)
def test_a_tag_or_number_without_meaning_is_a_problem(text: str, message: str) -> None:
    assert only_problem(f"a: {text}") == ("1:4", message)


def test_tags_that_say_what_is_there_anyway_are_fine() -> None:
    assert data_of("!!map {a: !!seq [!!str b]}") == {"a": ["b"]}


@pytest.mark.parametrize("text", ["[" * 100_000, "[" * 500 + "]" * 500, "- " * 500, "{a: " * 500])
def test_what_is_nested_without_end_is_a_problem(text: str) -> None:
    assert only_problem(text)[1] == "nested more than 100 levels deep"


def test_a_hundred_levels_are_read() -> None:
    document = read("[" * 100 + "]" * 100, "f")
    assert document.problems == []


def test_aliases_cannot_hide_depth() -> None:
    lines = ["- &a0 []", *(f"- &a{i} [*a{i - 1}]" for i in range(1, 200))]
    assert "levels deep" in only_problem("\n".join(lines))[1]


def test_merges_cannot_hide_depth() -> None:
    lines = ["- &a0 {x: 1}", *(f"- &a{i} {{<<: *a{i - 1}}}" for i in range(1, 200))]
    assert "levels deep" in only_problem("\n".join(lines))[1]


@pytest.mark.parametrize("pattern", ["[*a{0}, *a{0}]", "{{<<: [*a{0}, *a{0}]}}"])
def test_a_few_lines_cannot_stand_for_billions_of_values(pattern: str) -> None:
    lines = ["- &a0 {x: 1}"]
    lines += [f"- &a{i} {pattern.format(i - 1)}" for i in range(1, 60)]
    assert only_problem("\n".join(lines))[1] == "the aliases stand for too many values"


def test_places_of_keys_and_values_are_known() -> None:
    document = read("a: 1\nsteps:\n  - run:  x\n", "f")
    assert document.values == {
        (): (1, 1), ("a",): (1, 4), ("steps",): (3, 3), ("steps", 0): (3, 5),
        ("steps", 0, "run"): (3, 11),
    }  # fmt: skip
    assert document.keys == {("a",): (1, 1), ("steps",): (2, 1), ("steps", 0, "run"): (3, 5)}


def test_the_text_of_a_plain_value_is_known_as_it_stands() -> None:
    document = read("a: 3.10\nb: '3.10'\n", "f")
    assert document.raw == {("a",): "3.10"}


def test_a_problem_points_at_its_value_or_key() -> None:
    document = read("a:\n  bc: 1\n", "f")
    value, key = document.problem(("a", "bc"), "x"), document.problem(("a", "bc"), "x", key=True)
    assert (value.where, value.excerpt) == ("f:2:7", "   2 |   bc: 1\n     |       ^")
    assert (key.where, key.excerpt) == ("f:2:3", "   2 |   bc: 1\n     |   ^")


def test_a_problem_with_what_is_missing_points_at_the_key_above() -> None:
    assert read("a:\n  b:\n    c: 1\n", "f").problem(("a", "b", "x", "y"), "m").where == "f:2:3"
    assert read("a: 1\n", "f").problem(("x",), "m").where == "f:1:1"
    assert Document("f", "").problem((), "m").where == "f:1:1"


def test_a_tab_does_not_move_the_caret() -> None:
    assert read("a:\tb", "f").problem(("a",), "m").excerpt == "   1 | a: b\n     |    ^"


def test_json_is_read_as_json() -> None:
    text = '{"a": 1,\n\t"\\ud83d\\ude00": [1e3, "\\/", true, null], "b":{"c"\n:2}}'
    document = read(text, "x.JSON")
    assert document.problems == []
    assert document.data == {"a": 1, "😀": [1e3, "/", True, None], "b": {"c": 2}}


def test_a_json_file_that_is_no_json_is_read_as_yaml() -> None:
    assert read("a: 1", "x.json").data == {"a": 1}


def test_a_key_given_twice_is_a_problem_in_json_too() -> None:
    where, message = only_problem('{"a": 1, "a": 2}', "x.json")
    assert (where, message) == ("1:10", "a: the key is there already, at 1:2")


@pytest.mark.parametrize("depth", [101, 5_000, 100_000])
def test_json_cannot_be_nested_without_end(depth: int) -> None:
    _, message = only_problem("[" * depth + "]" * depth, "x.json")
    assert message == "nested more than 100 levels deep"


@given(st.text(max_size=60))
def test_no_text_makes_it_raise(text: str) -> None:
    for problem in read(text, "f").problems:
        assert (problem.where or "").startswith("f:")
        assert "^" in (problem.excerpt or "")


@given(st.text(alphabet="ab:-[]{},&*!<>|'\"#%@`?~ \n\t", max_size=40))
def test_no_soup_of_signs_makes_it_raise(text: str) -> None:
    assert isinstance(read(text, "f").problems, list)


@pytest.mark.parametrize(
    ("path", "text"),
    [((), ""), (("a",), "a"), (("a", 0, "b"), "a[0].b"), ((0, 1), "[0][1]"), (("a", "b"), "a.b")],
)
def test_a_path_reads_like_one(path: tuple[str | int, ...], text: str) -> None:
    assert dotted(path) == text


@pytest.mark.parametrize("column", [1, 80, 200, 500])
def test_of_a_long_line_the_part_around_the_place_is_shown(column: int) -> None:
    line = "".join(chr(ord("a") + index % 26) for index in range(500))
    problem = read(line, "f").at((1, column), "x")
    assert problem.where == f"f:1:{column}"
    assert problem.excerpt is not None
    text, caret = problem.excerpt.split("\n")
    assert len(text) < 180
    assert text[caret.index("^")] == line[column - 1]
    assert ("…" in text[:8]) is (column > 80)
