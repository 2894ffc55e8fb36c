import csv

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runproj.record.metrics import parse_metrics


@pytest.mark.parametrize(
    ("name", "text", "metrics"),
    [
        ("m.json", '{"a": 1, "b": 0.5}', {"a": 1.0, "b": 0.5}),
        ("m.json", '{"a": {"b": {"c": 1}}}', {"a.b.c": 1.0}),
        ("m.json", '{"a": [1, {"b": 2}]}', {"a.0": 1.0, "a.1.b": 2.0}),
        ("m.json", "[1, 2]", {"0": 1.0, "1": 2.0}),
        ("m.json", "0.5", {"value": 0.5}),
        ("m.json", '{"\\ud83d\\ude00": 1, "a": "x", "b": null, "c": true}', {"😀": 1.0}),
        ("m.json", '{"a": NaN, "b": Infinity, "c": -Infinity, "d": 1}', {"d": 1.0}),
        ("m.json", f'{{"a": 1{"0" * 400}, "b": 1e999, "c": 1}}', {"c": 1.0}),
        ("m.json", '{\n\t"a": 1\n}', {"a": 1.0}),
        ("m.yaml", "a: 1\nb:\n  c: 1e-3\n", {"a": 1.0, "b.c": 0.001}),
        ("m.yml", "a: .inf\nb: '5'\nc: 5", {"c": 5.0}),
        ("metrics", "a: 1", {"a": 1.0}),
        ("m.csv", "a,b\n1,2\n3,4\n", {"a": 3.0, "b": 4.0}),
        ("M.CSV", "a\n1\n", {"a": 1.0}),
        ("m.csv", "epoch,step,iteration,loss\n1,2,3,0.5\n", {"loss": 0.5}),
        ("m.csv", "name,value\nf1,0.5\nauc,0.9\n", {"f1": 0.5, "auc": 0.9}),
        ("m.csv", "metric,value,note\nf1,0.5,x\n", {"f1": 0.5}),
        ("m.csv", "value,name\n1,a\n2,a\n", {"a": 2.0}),
        ("m.csv", "name,score\nx,1\n", {"score": 1.0}),
        ("m.csv", "value\n1\n", {"value": 1.0}),
        ("m.csv", "a,b\n1,\n,2\n", {"a": 1.0, "b": 2.0}),
        ("m.csv", "a,b\n1\n2,3,4,5\n", {"a": 2.0, "b": 3.0}),
        ("m.csv", "name,value\na\n,5\nb,1\n", {"b": 1.0}),
        ("m.csv", '"a b",c\r\n" 1 ",nan\r\n', {"a b": 1.0}),
        ("m.csv", "a,b,c\n1_000,inf,1\n", {"c": 1.0}),
        ("m.csv", "\ufeffa,b\n1,2\n", {"a": 1.0, "b": 2.0}),
        ("m.csv", ",a\n0,1\n", {"a": 1.0}),
        ("m.tsv", "a\tb\n1\t2\n", {"a": 1.0, "b": 2.0}),
    ],
)  # fmt: skip
def test_the_numbers_of_a_file_are_found(name: str, text: str, metrics: dict[str, float]) -> None:
    found = parse_metrics(name, text)
    assert found == metrics
    assert all(type(value) is float for value in found.values())


@pytest.mark.parametrize("name", ["m.json", "m.yaml", "m.csv", "m.tsv"])
@pytest.mark.parametrize("text", ["", "\n"])
def test_an_empty_file_holds_no_number(name: str, text: str) -> None:
    with pytest.raises(ValueError, match=f"{name} holds no number"):
        parse_metrics(name, text)


@pytest.mark.parametrize(
    ("name", "text"),
    [("m.json", '{"a": "x"}'), ("m.csv", "a,b\nx,y\n"), ("m.csv", "a,b\n"), ("m.json", "[]")],
)
def test_a_file_without_numbers_is_refused(name: str, text: str) -> None:
    with pytest.raises(ValueError, match="holds no number"):
        parse_metrics(name, text)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("m.json", '{"a": 1', r"m\.json:1:8: not valid JSON"),
        ("m.yaml", "a: 1\na: 2", r"m\.yaml:2:1: a: the key is there already, at 1:1"),
        ("m.json", "[" * 5000, "levels deep"),
        ("m.csv", f"a\n{'1' * (csv.field_size_limit() + 1)}\n", "line 2: field larger than"),
    ],
)
def test_a_file_that_is_not_what_its_name_says_is_refused(
    name: str, text: str, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        parse_metrics(name, text)


@given(st.sampled_from(["m.json", "m.yaml", "m.csv", "m.tsv"]), st.text(max_size=60))
def test_no_text_raises_anything_but_a_value_error(name: str, text: str) -> None:
    try:
        found = parse_metrics(name, text)
    except ValueError:
        return
    assert found
