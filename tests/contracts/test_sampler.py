"""Every sampler keeps the promises of the port."""

from collections.abc import Callable
from itertools import pairwise

import pytest

from runproj.adapters.tpe import TpeSampler
from runproj.engine.sweep import Listed
from runproj.plan.space import Axis, Point, grid, random_points
from runproj.ports import Sampler
from runproj.record.sweep import Goal

AXES = (
    Axis(name="lr", low="0.001", high="1", log=True), Axis(name="x", low="0", high="1", step="0.25"),
    Axis(name="depth", low="1", high="9", step="2", whole=True), Axis(name="how", values=("a", "b")),
)  # fmt: skip
GOAL = Goal(metric="loss", direction="minimize")
Make = Callable[[int], Sampler]


@pytest.fixture(params=["random", "tpe"])
def make(request: pytest.FixtureRequest) -> Make:
    if request.param == "tpe":
        return lambda seed: TpeSampler(AXES, GOAL, seed)
    return lambda seed: Listed(random_points(AXES, 1000, seed))


def loss(point: Point) -> float:
    return abs(float(point["lr"]) - 0.1) + int(point["depth"]) + (point["how"] == "b")


def points(sampler: Sampler, count: int) -> list[Point]:
    found: list[Point] = []
    for _ in range(count):
        point = sampler.ask()
        assert point is not None
        sampler.tell(point, loss(point))
        found.append(dict(point))
    return found


def test_points_lie_in_the_space(make: Make) -> None:
    for point in points(make(1), 12):
        assert list(point) == ["lr", "x", "depth", "how"]
        assert 0.001 <= float(point["lr"]) <= 1
        assert float(point["x"]) in (0, 0.25, 0.5, 0.75, 1)
        assert point["depth"] in ("1", "3", "5", "7", "9")
        assert point["how"] in ("a", "b")


def test_the_seed_decides(make: Make) -> None:
    assert points(make(1), 6) == points(make(1), 6)
    assert points(make(1), 6) != points(make(2), 6)


def test_several_may_be_asked_for_before_one_is_told(make: Make) -> None:
    sampler = make(1)
    asked = [sampler.ask() for _ in range(4)]
    assert all(one != other for one, other in pairwise(asked))
    for number, point in enumerate(reversed(asked)):
        assert point is not None
        sampler.tell(point, None if number == 2 else loss(point))
    assert sampler.ask() is not None


def test_what_others_tried_can_be_told(make: Make) -> None:
    tried, sampler = points(make(1), 12), make(2)
    for point in tried:
        sampler.tell(point, loss(point))
    sampler.tell({**tried[0], "how": "b"}, None)
    assert sampler.ask() is not None


def test_a_list_ends() -> None:
    sampler = Listed(grid(AXES[3:]))
    assert [sampler.ask(), sampler.ask(), sampler.ask()] == [{"how": "a"}, {"how": "b"}, None]


def test_an_estimator_finds_what_is_good() -> None:
    sampler = TpeSampler(AXES, GOAL, 1)
    found = points(sampler, 60)
    assert sum(map(loss, found[-20:])) < 0.6 * sum(map(loss, found[:20]))
