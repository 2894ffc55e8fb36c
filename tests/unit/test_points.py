"""The points of metrics: what is kept, what counts, what is drawn."""

import math
import struct
from array import array
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as some

from runproj.record import points as module
from runproj.record.points import (
    CURVE,
    Points,
    last,
    no_points,
    not_finite,
    read_points,
    summary,
    thinned,
    told,
    write_points,
)

NAN, INF = math.nan, math.inf


def points(values: Sequence[float], steps: Sequence[int] | None = None) -> Points:
    count = len(values)
    return Points(
        array("q", range(count) if steps is None else steps),
        array("d", values),
        array("d", [1000.0 + index for index in range(count)]),
    )


def block(name: str, values: Sequence[float], room: int, mark: int = module._MARK) -> bytes:
    text = name.encode()
    head = struct.pack("<IIQ", mark, len(text), room) + text + b"\0" * (-len(text) % 8)
    body = b"".join(struct.pack("<qdd", at, value, 5.0 + at) for at, value in enumerate(values))
    return head + body.ljust(room * 24, b"\0")


@given(
    some.dictionaries(
        some.text(min_size=1),
        some.lists(
            some.tuples(some.integers(-(2**63), 2**63 - 1), some.floats(), some.floats(1, 2e9))
        ),
    )
)
def test_what_is_written_is_read_again(told: dict[str, list[tuple[int, float, float]]]) -> None:
    metrics = {
        name: Points(*(array(kind, column) for kind, column in zip("qdd", zip(*rows), strict=True)))  # noqa: B905
        if rows
        else no_points()
        for name, rows in told.items()
    }
    found = read_points(b"".join(write_points(metrics)))
    assert list(found) == list(metrics)
    assert [[one.tobytes() for one in columns] for columns in found.values()] == [
        [one.tobytes() for one in columns] for columns in metrics.values()
    ]


@pytest.mark.parametrize(
    "data", [b"", b"x", b"{}\n", b'{"metrics":{"a":1}}\n', b'{"metrics":{"a":0}}\nmore'], ids=str
)
def test_what_is_no_file_of_points_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"JSON|missing|columns"):
        read_points(data)


def test_points_that_a_process_wrote_are_read_block_by_block() -> None:
    data = block("loss", [1.0, 2.0], 2) + block("Müller", [3.0], 4) + bytes(100)
    found = [(name, list(one.values), list(one.steps)) for name, one in told(memoryview(data))]
    assert found == [("loss", [1.0, 2.0], [0, 1]), ("Müller", [3.0], [0])]


def test_what_a_killed_process_did_not_come_to_its_end_with_is_left_out() -> None:
    torn = block("a", [1.0, 2.0], 16)
    torn = torn[:64] + bytes(8) + torn[72:]  # the time of the second point
    assert [list(one.values) for _, one in told(memoryview(torn))] == [[1.0]]
    unmarked = block("a", [1.0], 2) + block("b", [1.0], 2, mark=0)
    assert [name for name, _ in told(memoryview(unmarked))] == ["a"]
    short = block("a", [1.0, 2.0], 2)[:-8]
    assert [list(one.values) for _, one in told(memoryview(short))] == [[1.0]]


def test_the_last_value_is_that_of_the_greatest_step() -> None:
    assert last(points([1, 2, 3], [5, 9, 7])) == 2


def test_of_several_values_of_the_greatest_step_the_latest_counts() -> None:
    assert last(points([1, 2, 3, 4], [9, 9, 9, 1])) == 3


def test_a_summary_is_about_numbers() -> None:
    assert summary(points([1, NAN, -2, INF])).replace(points=0) == summary(points([1, -2])).replace(
        points=0
    )
    assert summary(points([NAN])).min is None
    assert summary(points([1.5, 2.5])).max == 2.5


@pytest.mark.parametrize("count", [1, CURVE, CURVE + 1, 12_345])
def test_few_points_are_drawn_and_the_extremes_are_among_them(count: int) -> None:
    values = [math.sin(at / 100) for at in range(count)]
    values[count // 2] = 50.0
    values[count // 3] = -50.0 if count > 3 else values[count // 3]
    few = thinned(points(values))
    assert len(few.values) <= CURVE
    assert (few.values[0], few.values[-1]) == (values[0], values[-1])
    assert (min(few.values), max(few.values)) == (min(values), max(values))
    assert list(few.steps) == sorted(few.steps)
    assert list(few.times) == [1000.0 + step for step in few.steps]


def test_stretches_without_a_number_are_drawn_as_gaps() -> None:
    few = thinned(points([NAN] * 5000 + [1.0] * 5000))
    assert any(map(math.isnan, few.values))
    assert 1.0 in few.values


def test_numbers_that_json_has_not_are_named() -> None:
    assert [not_finite(one) for one in (NAN, INF, -INF, 0.0)] == [
        "NaN", "Infinity", "-Infinity", None,
    ]  # fmt: skip


def test_points_grow_by_those_of_others() -> None:
    both = no_points()
    both.extend(points([1, 2]))
    both.extend(points([3]))
    assert list(both.values) == [1, 2, 3]
