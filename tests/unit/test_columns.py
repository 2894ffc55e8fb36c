"""Runs as a table with typed columns."""

from typing import Any

import pytest
from tests.unit.test_query import ROW

from runproj.record.columns import Column, columns


def table(*params: dict[str, Any], **more: Any) -> dict[str, Column]:  # noqa: ANN401 -- any columns
    rows = [
        {**ROW, "params": one, "metrics": {}, "tags": {}, "summaries": {}, **more} for one in params
    ]
    return {one.name: one for one in columns(rows)}


def test_what_all_runs_have_comes_first() -> None:
    found = list(table({"lr": 1}))
    assert found[:3] == ["id", "name", "project"]
    assert found[-1] == "params.lr"
    kinds = {name: one.kind for name, one in table({}).items()}
    assert {name: kinds[name] for name in ("started_at", "duration_s", "exit_code", "source.dirty", "id")} == {
        "started_at": "time", "duration_s": "number", "exit_code": "integer",
        "source.dirty": "boolean", "id": "text",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("values", "kind", "there"),
    [
        ([1, None, 3], "integer", [1, None, 3]),
        ([1, 2.5], "number", [1.0, 2.5]),
        ([True, None, False], "boolean", [True, None, False]),
        ([2**63], "text", [str(2**63)]),
        ([1, True], "text", ["1", "true"]),
        (["a", 1, [2], None], "text", ["a", "1", "[2]", None]),
        ([None, None], "text", [None, None]),
    ],
)
def test_a_column_has_the_narrowest_kind(values: list[Any], kind: str, there: list[Any]) -> None:
    column = table(*({"p": one} for one in values))["params.p"]
    assert (column.kind, column.values) == (kind, there)


def test_a_run_without_a_value_has_none() -> None:
    assert table({"a": 1}, {"b": 2})["params.b"].values == [None, 2]


def test_curves_have_their_range() -> None:
    found = table(
        {}, {}, metrics={"a.m": 1.0, "a.n": 2}, summaries={"a.m": [0.5, 2.0, 10], "a.n": [2, 2, 1]}
    )
    assert found["metrics.a.m.points"] == Column("metrics.a.m.points", "integer", [10, 10])
    assert found["metrics.a.m.min"].values == [0.5, 0.5]
    assert "metrics.a.n.max" not in found


def test_no_runs_are_an_empty_table() -> None:
    assert all(one.values == [] for one in table().values())
