import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.test_graph import graphs

from runproj.engine.schedule import Schedule


def test_steps_start_in_their_order() -> None:
    schedule = Schedule({"b": [], "a": [], "c": ["a"], "d": []})
    assert [schedule.next() for _ in range(4)] == ["b", "a", "d", None]


def test_a_step_starts_when_all_before_it_are_done() -> None:
    schedule = Schedule({"a": [], "b": [], "c": ["a", "b"]})
    assert (schedule.next(), schedule.next()) == ("a", "b")
    schedule.done("b")
    assert schedule.next() is None
    schedule.done("a")
    assert schedule.next() == "c"


def test_what_becomes_ready_comes_before_what_is_declared_later() -> None:
    schedule = Schedule({"a": [], "b": ["a"], "c": []})
    assert schedule.next() == "a"
    schedule.done("a")
    assert (schedule.next(), schedule.next()) == ("b", "c")


def test_nothing_starts_after_a_failure() -> None:
    schedule = Schedule({"a": [], "b": [], "c": ["a"]})
    assert schedule.next() == "a"
    schedule.failed("a")
    assert schedule.next() is None
    assert schedule.left == ["b", "c"]


def test_what_runs_beside_a_failure_may_end_and_still_nothing_starts() -> None:
    schedule = Schedule({"a": [], "b": [], "c": ["b"]})
    assert (schedule.next(), schedule.next()) == ("a", "b")
    schedule.failed("a")
    schedule.done("b")
    assert schedule.next() is None
    assert schedule.left == ["c"]


def test_keep_going_starts_what_does_not_depend_on_a_failure() -> None:
    schedule = Schedule({"a": [], "b": ["a"], "c": ["b"], "d": [], "e": ["d"]}, keep_going=True)
    assert schedule.next() == "a"
    schedule.failed("a")
    assert schedule.next() == "d"
    schedule.done("d")
    assert schedule.next() == "e"
    schedule.done("e")
    assert schedule.next() is None
    assert schedule.left == ["b", "c"]


@pytest.mark.parametrize("keep_going", [True, False])
def test_an_empty_plan_has_nothing_to_start(*, keep_going: bool) -> None:
    schedule = Schedule({}, keep_going=keep_going)
    assert schedule.next() is None
    assert schedule.left == []


@given(graphs(), st.data())
def test_each_step_starts_once_and_after_all_before_it(
    graph: dict[str, list[str]], data: st.DataObject
) -> None:
    schedule = Schedule(graph)
    running: list[str] = []
    done: list[str] = []
    while True:
        name = schedule.next()
        if name is not None:
            assert set(graph[name]) <= set(done)
            running.append(name)
        elif running:
            ended = running.pop(data.draw(st.integers(0, len(running) - 1)))
            schedule.done(ended)
            done.append(ended)
        else:
            break
    assert sorted(done) == sorted(graph)
    assert schedule.left == []
