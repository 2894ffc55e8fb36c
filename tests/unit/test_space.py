"""What a sweep may try: lists, ranges, and points chosen from them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runproj.errors import ParameterError
from runproj.plan.axes import swept
from runproj.plan.space import Axis, Point, grid, point_at, random_points, size_of
from runproj.spec.parameter import Parameter

PARAMETERS = {
    "lr": Parameter(type="float", default=0.1),
    "depth": Parameter(type="int", default=3),
    "fast": Parameter(type="bool", default=False),
    "how": Parameter(type="choice", choices=("sgd", "adam"), default="sgd"),
    "data": Parameter(type="path", default="a.csv"),
    "layers": Parameter(type="list", items="int", default=[]),
    "extra": Parameter(type="json", default=None),
}


def axis_of(text: str, *, make_grid: bool = True) -> Axis:
    name, _, value = text.partition("=")
    [axis] = swept([(name, value)], PARAMETERS, grid=make_grid).axes
    return axis


def values(text: str) -> list[str]:
    axis = axis_of(text)
    return [axis.at(index) for index in range(axis.size or 0)]


@pytest.mark.parametrize(("text", "expected"), [
    ("lr=0.1,0.01", ["0.1", "0.01"]),
    ("lr=0.1..0.5..0.1", ["0.1", "0.2", "0.3", "0.4", "0.5"]),
    ("lr=0..1..0.4", ["0", "0.4", "0.8"]),
    ("lr=1e-20..3e-20..1e-20", ["1e-20", "2e-20", "3e-20"]),
    ("depth=1..5", ["1", "2", "3", "4", "5"]),
    ("depth=-1..1", ["-1", "0", "1"]),
    ("depth=1..9..4", ["1", "5", "9"]),
    ("depth=1..3,10", ["1", "2", "3", "10"]),
    ("depth=1, 2", ["1", "2"]),
    ("fast=*", ["false", "true"]),
    ("how=*", ["sgd", "adam"]),
    ('data=a.csv,"b,c.csv"', ["a.csv", "b,c.csv"]),
    ("data=../a..b,../c", ["../a..b", "../c"]),
    ("layers=[[64,32],[128]]", ["[64, 32]", "[128]"]),
    ('extra=[{"a": 1}, "é"]', ['{"a": 1}', '"é"']),
])  # fmt: skip
def test_a_list_or_a_range_has_these_values(text: str, expected: list[str]) -> None:
    assert values(text) == expected


@pytest.mark.parametrize("text", [
    "lr=0.1", "depth=3", "data=../a..b.csv", "data=", "layers=1,2", "layers=[1,2]", "layers=",
    'extra={"a": [1, 2]}', "extra=[1]",
])  # fmt: skip
def test_one_value_is_no_axis(text: str) -> None:
    name, _, value = text.partition("=")
    assert swept([(name, value)], PARAMETERS, grid=True) == ((), ((name, value),))


def test_what_is_unknown_is_left_to_binding() -> None:
    texts = [("lx", "1,2"), ("lr", None)]
    assert swept(texts, PARAMETERS, grid=True).texts == tuple(texts)


@pytest.mark.parametrize(("text", "message", "hint"), [
    ("lr=0..1", "lr: a grid of real numbers needs a step", "-P lr=0..1..STEP, or --random N"),
    ("lr=1e-3..1:log", "lr: a grid of real numbers needs a step", "-P lr=1e-3..1..STEP, or --random N"),
    ("lr=1..0..0.1", "lr: 1..0..0.1 does not rise", "-P lr=0.1,0.01, or -P lr=0.1..0.5..0.1"),
    ("lr=0..1,3", "lr: 0..1 cannot stand beside other values", "-P lr=0.1,0.01, or -P lr=0.1..0.5..0.1"),
    ("lr=0..1:log", "lr: 0..1:log: a logarithmic range begins above 0, and has no step", "-P lr=0.1,0.01, or -P lr=0.1..0.5..0.1"),
    ("lr=0..1..0", "lr: the step of 0..1..0 does not rise", "-P lr=0.1,0.01, or -P lr=0.1..0.5..0.1"),
    ("depth=0..1.5", "depth: 0..1.5 is no range of whole numbers", "-P depth=1,2,5, or -P depth=1..5"),
    ("depth=1..3,2", "depth: 2 is there twice", "-P depth=1,2,5, or -P depth=1..5"),
    ("depth=1..9000000", "depth: 1..9000000 has 9000000 values", "-P depth=1,2,5, or -P depth=1..5"),
    ("data=*", "data: '*' stands for all choices, and it has none", "-P data=A,B"),
    ('data=a,"b', "data: 'a,\"b' is no list of values: unexpected end of data", "-P data=A,B"),
])  # fmt: skip
def test_what_makes_no_sense_is_said(text: str, message: str, hint: str) -> None:
    with pytest.raises(ParameterError) as caught:
        axis_of(text)
    [problem] = caught.value.problems
    assert (problem.message, problem.where, problem.hint) == (message, f"-P {text}", hint)


def test_a_grid_has_all_combinations_in_order() -> None:
    axes = (axis_of("how=*"), axis_of("depth=1..3"))
    assert size_of(axes) == 6
    assert [" ".join(point.values()) for point in grid(axes)] == [
        "sgd 1", "sgd 2", "sgd 3", "adam 1", "adam 2", "adam 3",
    ]  # fmt: skip


@given(sizes=st.lists(st.integers(1, 6), min_size=1, max_size=4), seed=st.integers(0, 2**40))
def test_a_finite_space_gives_no_point_twice_and_in_the_end_all(
    sizes: list[int], seed: int
) -> None:
    axes = [
        Axis(name=f"a{i}", low="1", high=str(size + 1), whole=True) for i, size in enumerate(sizes)
    ]
    size = size_of(axes) or 0
    points = list(random_points(axes, size + 5, seed))
    assert sorted(map(_key, points)) == sorted(map(_key, grid(axes)))
    assert points[: size // 2] == list(random_points(axes, size // 2, seed))
    assert _key(point_at(axes, size - 1)) == tuple(str(one + 1) for one in sizes)


def _key(point: Point) -> tuple[str, ...]:
    return tuple(point.values())


@given(seed=st.integers(0, 2**40))
def test_points_of_an_endless_space_lie_within_it(seed: int) -> None:
    axes = (
        axis_of("lr=1e-4..0.1:log", make_grid=False), axis_of("depth=1..100:log", make_grid=False),
        Axis(name="x", low="-1", high="1"), axis_of("how=*"),
    )  # fmt: skip
    assert size_of(axes) is None
    for point in random_points(axes, 20, seed):
        assert 1e-4 <= float(point["lr"]) <= 0.1
        assert 1 <= int(point["depth"]) <= 100
        assert -1 <= float(point["x"]) <= 1
        assert point["how"] in ("sgd", "adam")


def test_a_logarithmic_range_tries_each_order_of_magnitude() -> None:
    axes = (axis_of("depth=1..1000:log", make_grid=False),)
    small = sum(int(point["depth"]) <= 31 for point in random_points(axes, 2000, 7))
    assert 800 < small < 1200
    assert axes[0].ends == ("1", "1000")
