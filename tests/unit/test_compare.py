"""Comparing outputs: bytes, JSON, CSV and text, with tolerances."""

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runproj.record.compare import (
    SAME,
    Comparison,
    Tolerance,
    compare,
    compare_metrics,
    worst,
)
from runproj.spec.project import Comparer

EXACT = Tolerance()
CLOSE = Tolerance(rtol=0.01)


def of(
    how: Comparer, old: str | bytes, new: str | bytes, tolerance: Tolerance = EXACT
) -> Comparison:
    texts = [one if isinstance(one, bytes) else one.encode() for one in (new, old)]
    return compare(how, texts[0], texts[1], tolerance)


@pytest.mark.parametrize("how", ["bytes", "json", "csv", "text", "ignore"])
def test_equal_bytes_are_identical_whatever_they_are(how: Comparer) -> None:
    assert of(how, b"\xff{", b"\xff{") == SAME


def test_what_is_ignored_never_differs() -> None:
    assert of("ignore", "a", "b") == SAME


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (b"abc", b"abd", "byte 2: 0x63 → 0x64"),
        (b"abc", b"ab", "byte 2: 0x63 → the end, 3 → 2 bytes"),
        (b"", b"a", "byte 0: the end → 0x61, 0 → 1 bytes"),
    ],
)
def test_the_first_byte_that_differs_is_named(old: bytes, new: bytes, said: str) -> None:
    assert of("bytes", old, new) == Comparison("different", said)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('{"a": 1, "b": 2}', '{"b":2,"a":1}'), ("[1, 2.0]", "[1.0,2]"), ('"ä"', '"\\u00e4"'),
        ("[NaN, Infinity]", "[NaN,Infinity]"), ('{"a": 1}', '\ufeff{"a": 1}'),
    ],
)  # fmt: skip
def test_json_that_means_the_same_is_equivalent(old: str, new: str) -> None:
    assert of("json", old, new) == Comparison("equivalent")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('{"a": {"b": [1, 2]}}', '{"a": {"b": [1, 3]}}', "$.a.b[1]: 2 → 3"),
        ('{"a": 1}', '{"a": 1, "c d": 2}', '$["c d"]: nothing → 2'),
        ('{"a": 1, "b": 2}', '{"a": 1}', "$.b: 2 → nothing"),
        ("[1]", "[1, 2]", "$: 1 → 2 items"), ("1", "true", "$: 1 → true"),
        ("null", '"null"', '$: null → "null"'), ("[[]]", "[{}]", "$[0]: [] → {}"),
        ('"' + "x" * 99 + '"', "0", '$: "' + "x" * 58 + "… → 0"),
    ],
)  # fmt: skip
def test_the_first_json_path_that_differs_is_named(old: str, new: str, said: str) -> None:
    assert of("json", old, new) == Comparison("different", said)


@pytest.mark.parametrize(
    ("tolerance", "old", "new", "close"),
    [
        (CLOSE, 1.0, 1.009, True), (CLOSE, 1.0, 1.02, False), (CLOSE, 0.0, 1e-9, False),
        (Tolerance(atol=0.5), 0, 0.5, True), (Tolerance(atol=0.5), 0, 0.6, False),
        (Tolerance(0.1, 1), 10, 12, True), (Tolerance(0.1, 1), 10, 12.1, False),
        (EXACT, 0.1 + 0.2, 0.3, False), (CLOSE, math.nan, math.nan, True),
        (CLOSE, math.nan, 1, False), (CLOSE, math.inf, math.inf, True),
        (CLOSE, math.inf, -math.inf, False),
    ],
)  # fmt: skip
def test_numbers_have_a_tolerance_everywhere(
    tolerance: Tolerance, old: float, new: float, *, close: bool
) -> None:
    likeness = "equivalent" if close else "different"
    assert of("json", json.dumps([old]), json.dumps([new]) + " ", tolerance).likeness == likeness
    assert of("csv", f"a\n{old}\n", f"a\n{new}\n\n", tolerance).likeness in (likeness, "different")
    assert of("csv", f"a\n{old}\n", f"a\n{new} \n", tolerance).likeness == likeness
    assert of("text", f"loss {old}!", f"loss {new}! ", tolerance).likeness == likeness
    same = new == old or new is old
    found = compare_metrics({"m": new}, {"m": old}, tolerance).likeness
    assert found == ("identical" if same else likeness)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("x,y\n1,a\n", "x,y\n1,b\n", "row 2, column 'y': \"a\" → \"b\""),
        ("x,y\n1,2\n", "x,y\n1\n", "row 2, column 'y': \"2\" → nothing"),
        ("x\n1\n", "x\n1,2\n", 'row 2, column 2: nothing → "2"'),
        ("x\n1\n2\n", "x\n1\n", "row 3: 3 → 2 rows"), ("x\n", "x\n1\n", "row 2: 1 → 2 rows"),
        ("a;b\n1;2\n", "a;b\n1;3\n", "row 2, column 'b': \"2\" → \"3\""), ("", "x", "row 1: 0 → 1 rows"),
    ],
)  # fmt: skip
def test_the_first_cell_that_differs_is_named(old: str, new: str, said: str) -> None:
    assert of("csv", old, new) == Comparison("different", said)


def test_rows_and_quotes_of_csv_may_be_written_otherwise() -> None:
    assert of("csv", "x,y\n1,2\n", 'x,"y"\r\n1,2\r\n') == Comparison("equivalent")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("a\nb 1.5\n", "a\nb 2.5\n", 'line 2: "b 1.5" → "b 2.5"'),
        ("a\n", "a\nb\n", 'line 2: nothing → "b"'), ("a\nb\n", "a\n", 'line 2: "b" → nothing'),
        ("x 1 y", "x 1 2 y", 'line 1: "x 1 y" → "x 1 2 y"'),
    ],
)  # fmt: skip
def test_the_first_line_that_differs_is_named(old: str, new: str, said: str) -> None:
    assert of("text", old, new, CLOSE) == Comparison("different", said)


def test_line_ends_of_text_do_not_count() -> None:
    assert of("text", "a\nb\n", "a  \r\nb") == Comparison("equivalent")


@pytest.mark.parametrize(
    ("how", "old", "new"),
    [("json", b"{", b"["), ("json", b"[" * 99999, b"[" * 99998), ("text", b"\xff", b"\xfe"),
     ("csv", b"\xff", b"a")],
)  # fmt: skip
def test_what_cannot_be_read_is_compared_as_bytes(how: Comparer, old: bytes, new: bytes) -> None:
    found = of(how, old, new)
    assert found.likeness == "different"
    assert found.difference is not None
    assert found.difference.startswith("byte ")
    assert f"(not {how}: " in found.difference


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ({"a": 1.0}, {}, "metric a: 1.0 → nothing"), ({}, {"a": 1.0}, "metric a: nothing → 1.0"),
        ({"a": 1.0, "b": 1.0}, {"a": 1.001, "b": 2.0}, "metric b: 1.0 → 2.0"),
    ],
)  # fmt: skip
def test_the_first_metric_that_differs_is_named(
    old: dict[str, float], new: dict[str, float], said: str
) -> None:
    assert compare_metrics(new, old, CLOSE) == Comparison("different", said)


def test_the_worst_counts() -> None:
    assert worst(iter([])) == "identical"
    assert worst(iter(["identical", "equivalent"])) == "equivalent"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(JSON)
def test_any_json_is_equivalent_to_itself_written_otherwise(data: Any) -> None:  # noqa: ANN401 -- JSON
    old, new = json.dumps(data), json.dumps(data, indent=3, sort_keys=True) + "\n"
    assert of("json", old, new).likeness == "equivalent"
