"""Runs side by side."""

from typing import Any

import pytest
from tests.unit.test_query import ROW

from runproj.errors import UsageError
from runproj.record.comparison import Compared, compared


def rows(*metrics: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {**ROW, "id": f"r{at}", "metrics": one, "summaries": {}} for at, one in enumerate(metrics)
    ]


def by_name(found: list[Compared]) -> dict[str, Compared]:
    return {one.name: one for one in found}


def test_what_is_equal_is_left_out() -> None:
    one, other = rows({"a.m": 1}, {"a.m": 1})
    other = {**other, "params": {**ROW["params"], "lr": 0.5, "new": 1}, "tags": {}}
    found = by_name(compared([one, other], {}, every=False))
    assert set(found) == {"status", "started_at", "duration", "lr", "new", *ROW["tags"]}
    assert found["new"].values == (None, 1)
    assert found["started_at"].values == ("2026-01-31T12:00",) * 2
    every = by_name(compared([one, other], {}, every=True))
    assert set(every) > {"a.m", "depth", "default", "source.commit"}
    assert every["gpu"].values == ("docker k2",) * 2
    unknown = [{**row, "verdict": None} for row in (one, other)]
    assert "verdict" not in by_name(compared(unknown, {}, every=True))


def test_the_best_values_are_known() -> None:
    found = by_name(
        compared(rows({"a.m": 1}, {"a.m": 3}, {}, {"a.m": 1}), {"m": False}, every=False)
    )
    assert found["a.m"].best == {0, 3}
    found = by_name(compared(rows({"a.m": 1}, {"a.m": 3}), {"a.m": True}, every=False))
    assert found["a.m"].best == {1}
    found = by_name(compared(rows({"a.m": True}, {"a.m": float("nan")}), {"m": True}, every=False))
    assert found["a.m"].best == frozenset()


def test_curves_have_their_range() -> None:
    one, other = rows({"a.m": 1}, {"a.m": 1})
    one = {**one, "summaries": {"a.m": [0.5, 2, 10]}}
    found = by_name(compared([one, other], {}, every=False))
    assert (found["a.m.min"].values, found["a.m.max"].values) == ((0.5, None), (2, None))


def test_a_goal_that_is_no_metric_or_may_mean_several_is_refused() -> None:
    with pytest.raises(UsageError, match=r"no run has the metric 'x'"):
        compared(rows({"a.m": 1}), {"x": True}, every=False)
    with pytest.raises(UsageError, match=r"may mean a.m, b.m"):
        compared(rows({"a.m": 1, "b.m": 2}), {"m": True}, every=False)
