"""Events: lines of JSON by which a step tells of itself."""

import json
import math

import pytest

from runproj.record.points import Points, no_points
from runproj.record.telling import LONGEST, Events, events


def heard(*lines: object, known: dict[str, Points] | None = None) -> Events:
    texts = (line if isinstance(line, str) else json.dumps(line) for line in lines)
    return events("".join(f"{text}\n" for text in texts).encode(), 7.0, known or {})


def test_metrics_have_steps_and_times() -> None:
    found = heard(
        {"metric": "loss", "value": 0.5, "step": 3, "time": 12.5},
        {"metrics": {"loss": "0.25", "acc": 1}, "step": 4.0},
    )
    loss, acc = found.points["loss"], found.points["acc"]
    assert (list(loss.steps), list(loss.values), list(loss.times)) == (
        [3, 4],
        [0.5, 0.25],
        [12.5, 7.0],
    )
    assert list(acc.values) == [1]
    assert found.warnings == []


def test_points_without_a_step_are_counted() -> None:
    known = no_points()
    known.steps.append(0)
    found = heard({"metric": "a", "value": 1}, {"metric": "a", "value": 2}, known={"a": known})
    assert list(found.points["a"].steps) == [1, 2]


def test_numbers_that_json_has_not_are_texts() -> None:
    found = heard(*({"metric": "a", "value": one} for one in ("NaN", "Infinity", "-Infinity")))
    values = found.points["a"].values
    assert math.isnan(values[0])
    assert list(values[1:]) == [math.inf, -math.inf]


def test_a_huge_step_is_the_greatest_that_there_is() -> None:
    found = heard(*({"metric": "a", "value": 1, "step": one} for one in (10**30, -(10**30), 1e300)))
    assert list(found.points["a"].steps) == [2**63 - 1, -(2**63) + 1, 2**63 - 1]


def test_parameters_are_any_json() -> None:
    found = heard({"param": "layers", "value": [1, {"a": None}]}, {"param": "x"})
    assert found.params == {"layers": [1, {"a": None}], "x": None}


def test_tags_are_text_and_the_last_counts() -> None:
    found = heard({"tag": "a", "value": 1}, {"tag": "a", "value": "b"}, {"tag": "c"})
    assert found.tags == {"a": "b", "c": ""}


def test_artifacts_are_called_as_their_file_unless_they_have_a_name() -> None:
    found = heard({"artifact": "plots/roc.png"}, {"artifact": "/a/b/", "name": "c"})
    assert found.artifacts == {"roc.png": "plots/roc.png", "c": "/a/b/"}


def test_a_torn_line_is_left_out_without_a_word() -> None:
    found = events(b'{"tag": "a", "value": "b"}\n\n{"tag": "c", "val', 0.0, {})
    assert (found.tags, found.warnings) == ({"a": "b"}, [])


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("nothing", "it is not JSON"),
        ("[" * 100_000, "it is not JSON"),
        ([1], "it is no JSON object"),
        ({"what": 1}, "it has none of metric, metrics, param, tag, artifact"),
        ({"metric": "a"}, "None is no number"),
        ({"metric": "a", "value": True}, "True is no number"),
        ({"metric": "a", "value": "many"}, "'many' is no number"),
        ('{"metric": "a", "value": 1' + "0" * 400 + "}", "is no number"),
        ({"metric": "", "value": 1}, "'' is no name"),
        ({"metric": 5, "value": 1}, "5 is no name"),
        ({"metrics": [1]}, "metrics are an object of names and values"),
        ({"metric": "a", "value": 1, "step": 0.5}, "the step 0.5 is no whole number"),
        ({"metric": "a", "value": 1, "step": "NaN"}, "the step 'NaN' is no whole number"),
        ({"param": "a", "value": "x" * (LONGEST + 1)}, "the parameter 'a' is too long"),
        ({"artifact": ".."}, "'..' is no name of an artifact"),
        ({"artifact": "a", "name": "../b"}, "'../b' is no name of an artifact"),
    ],
)
def test_what_is_no_event_is_told_and_nothing_else_is_lost(line: object, why: str) -> None:
    found = heard(line, {"tag": "a", "value": "b"})
    assert found.tags == {"a": "b"}
    [warning] = found.warnings
    assert warning.startswith("line 1 of its events: ")
    assert why in warning


@pytest.mark.parametrize("half", [b"\\ud800", b"\xed\xa0\x80"])
def test_half_a_character_is_replaced_so_that_the_record_can_be_written(half: bytes) -> None:
    found = events(b'{"param": "a%s", "value": ["b%s", "\\u00e9"]}\n' % (half, half), 0.0, {})
    assert found.warnings == []
    [(name, value)] = found.params.items()
    assert (name.strip("?"), [one.strip("?") for one in value]) == ("a", ["b", "é"])


def test_many_lines_that_are_no_events_are_told_in_few_words() -> None:
    found = heard(*["x"] * 10)
    assert len(found.warnings) == 4
    assert found.warnings[-1] == "7 more lines of its events are no events"
