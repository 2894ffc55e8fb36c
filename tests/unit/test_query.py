"""Asking for runs: what a query means, and what is wrong with one."""

import contextlib
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from runproj.errors import UsageError
from runproj.record.query import (
    Aggregate,
    Field,
    eligible,
    field_of,
    grouped,
    order_of,
    ordered,
    parse,
)

ROW: dict[str, Any] = {
    "id": "a1", "name": None, "status": "succeeded", "project": "wine", "entry_point": "main",
    "experiment": "base line", "verdict": "identical", "error": None, "exit_code": 0,
    "started_at": "2026-01-31T12:00:00.000Z", "finished_at": None, "duration_s": 90.0,
    "source_commit": "abc", "branch": "main", "dirty": False, "tree": "t", "host": "h",
    "user": "me", "sweep": None, "trial": None, "rerun_of": None, "resume_of": None,
    "params": {"lr": 0.01, "depth": 3, "flag": True, "model": "forest", "train.optimizer": "adam",
               "text": "0.5", "none": None, "list": [1]},
    "metrics": {"train.rmse": 0.7, "test.rmse": 0.9, "train.loss": 0.1, "train.min": 5.0},
    "summaries": {"train.loss": [0.05, 2.0, 100], "train.odd": [None, None, 3]},
    "tags": {"team": "vision", 'we"ird name': "x"},
    "environments": {"default": ["venv", "k1"], "gpu": ["docker", "k2"]},
}  # fmt: skip


@pytest.mark.parametrize(
    "text",
    [
        "status = succeeded", "status == 'succeeded'", "status != failed", "status in [failed, succeeded]",
        "name is null", "verdict is not null", "source.dirty = false", "exit_code = 0",
        "params.lr = 0.01", "params.lr = 1e-2", "params.lr < 0.02 and params.depth >= 3",
        "params.flag = true", "params.model = forest", "params.model ~ 'fo*'", "params.text < 0.6",
        "params.lr in [0.1, 0.01]", "params.none is null", "params.what is null", "params.list = '[1]'",
        "params.optimizer = adam", "params.train.optimizer = adam",
        "metrics.train.rmse < 0.8", "metrics.loss <= 0.1", "metrics.loss.max = 2", "metrics.loss.min < 0.1",
        "metrics.train.loss.last = 0.1", "metrics.loss.points = 100", "metrics.odd.max is null",
        "metrics.train.min = 5", "metrics.train.min.last = 5",
        "tags.team = vision", 'tags.team = "vision"', r'tags."we\"ird name" = x', "not tags.team = a",
        "not tags.what = a", "tags.team ~ ?ision", "tags.team > 'via'",
        "environment.gpu.kind = docker", "environment.default = k1", "environment.default.key ~ k*",
        "environment.what is null", "experiment = 'base line'",
        "duration > 1m and duration < 1h", "duration = 1.5m", "duration >= 90s", "duration < 1d",
        "started_at > 2026-01-31 and started_at < 2026-02-02", "started_at >= 2026-01-31T12:00Z",
        "started_at < '2026-01-31T12:00:01Z'",
        "(status = failed or status = succeeded) and not (params.lr > 1)",
        "status = failed and params.lr = 1 or status = succeeded", "NOT status = failed AND id = a1",
        "not not id = a1", "  id='a1'  ", "source.commit=abc",
    ],
)  # fmt: skip
def test_a_run_that_fits(text: str) -> None:
    assert parse(text).test(ROW)


@pytest.mark.parametrize(
    "text",
    [
        "status = failed", "name = x", "name != x", "params.what != 1", "params.what < 1",
        "params.model < 5", "params.model = 5", "params.flag = 1", "params.flag < 2", "params.lr = true",
        "params.what in [1]", "metrics.what.min < 1", "metrics.odd.min < 9", "params.list < 5",
        "status in [failed]", "not status = succeeded", "params.none = 1", "params.depth < text",
        "status = failed or id = b", "params.lr in [x, y]", "params.huge < 1",
    ],
)  # fmt: skip
def test_a_run_that_does_not(text: str) -> None:
    row = {**ROW, "params": {**ROW["params"], "huge": 10**400}}
    assert not parse(text).test(row)


@pytest.mark.parametrize(
    ("text", "at", "why"),
    [
        ("status", 6, "an operator was expected"),
        ("status =", 8, "a value was expected"),
        ("status = a b", 11, "'and', 'or' or the end was expected"),
        ("= a", 0, "a field was expected"),
        ("(status = a", 11, "a ) was expected"),
        ("status in a", 10, "a [ was expected"),
        ("status in [a b]", 13, "a , or ] was expected"),
        ("status in [", 11, "a value was expected"),
        ("status = 'a", 9, "is a quote open?"),
        ("status = a and 5", 15, "'5' is no field"),
        ("stats = a", 0, "'stats' is no field"),
        ("param.lr = 1", 0, "'param.lr' is no field"),
        ("params = 1", 0, "'params' is no field"),
        ("started_at > yesterday", 13, "this is no time"),
        ("", 0, "a field was expected"),
    ],
)
def test_a_mistake_is_shown_where_it_is(text: str, at: int, why: str) -> None:
    with pytest.raises(UsageError, match=re.escape(why)) as caught:
        parse(text)
    lines = str(caught.value).splitlines()
    assert lines[1:] == [f"    {text}", f"    {' ' * at}^"]


def test_the_nearest_field_is_told() -> None:
    for text, hint in {
        "stats": "did you mean 'status'?", "param.lr": "did you mean 'params'?",
    }.items():  # fmt: skip
        with pytest.raises(UsageError) as caught:
            field_of(text)
        assert caught.value.problems[0].hint == hint


def test_a_plain_name_that_may_mean_several_is_refused() -> None:
    for text in ("metrics.rmse < 1", "metrics.rmse.last < 1"):
        with pytest.raises(UsageError, match=r"metrics.rmse\S* may mean train.rmse, test.rmse"):
            parse(text).test(ROW)


def test_a_query_knows_which_columns_it_looks_at() -> None:
    assert parse("params.a = 1 and (id = b or metrics.c.max > 2)").columns == {
        "params", "id", "metrics", "summaries",
    }  # fmt: skip


@given(some.text())
def test_any_text_is_a_query_or_a_mistake(text: str) -> None:
    with contextlib.suppress(UsageError):
        assert parse(text).fields


@given(some.text(), some.text(min_size=1))
def test_quotes_hold_any_text(value: str, name: str) -> None:
    def quoted(text: str) -> str:
        return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'

    row = {**ROW, "tags": {name: value}}
    assert parse(f"tags.{quoted(name)} = {quoted(value)}").test(row)


def rows(*values: object) -> list[dict[str, Any]]:
    made = [{**ROW, "id": str(at), "metrics": {"a.m": one}} for at, one in enumerate(values)]
    return [{**one, "metrics": {}} if one["metrics"]["a.m"] is None else one for one in made]


def ids(found: list[Any]) -> str:
    return "".join(row["id"] for row in found)


def test_rows_are_sorted_and_those_without_a_value_come_last() -> None:
    found = rows(3, None, 1, 2)
    assert ids(ordered(found, [order_of("metrics.m")])) == "2301"
    assert ids(ordered(found, [order_of("metrics.m:desc")])) == "0321"
    assert ids(ordered(found, [order_of("status:asc"), order_of("id:desc")])) == "3210"
    assert order_of("metrics.a:b").field.name == "a:b"
    assert ids(ordered(found, [])) == "0123"


def test_numbers_come_before_text() -> None:
    found = [
        {**ROW, "id": str(at), "params": {"p": one}} for at, one in enumerate(["b", 2, "10", True])
    ]
    assert ids(ordered(found, [order_of("params.p")])) == "1230"


def test_the_best_run_is_one_that_succeeded_and_has_a_number() -> None:
    found = rows(3, None, 1, 2, float("nan"))
    found[2]["status"] = "failed"
    query = eligible(parse("id != 3"), field_of("metrics.m"))
    assert ids(list(filter(query.test, found))) == "0"
    assert query.columns == {"id", "status", "metrics", "summaries"}


def test_groups_have_what_is_known_of_their_numbers() -> None:
    found = [
        {**one, "params": {"p": p}}
        for one, p in zip(rows(1, 3, None, 7, None), [2, 2, 2, None, "x"], strict=True)
    ]
    groups = grouped(found, [field_of("params.p")])
    assert [group.values for group in groups] == [(2,), ("x",), (None,)]
    metric = field_of("metrics.m")
    assert groups[0].aggregate(metric) == Aggregate(2, 2.0, 1.0, 3.0)
    assert groups[1].aggregate(metric) is None
    assert ids(list(groups[0].rows)) == "012"


def test_a_field_is_written_as_it_was_given() -> None:
    assert field_of("metrics.a.b") == Field("metrics.a.b", "metrics", "a.b")
    assert field_of("environment.gpu.kind") == Field(
        "environment.gpu.kind", "environments", "gpu", "kind"
    )
    assert field_of("metrics.min") == Field("metrics.min", "metrics", "min")
