"""Steps side by side: never too much at once, and never before the inputs are whole."""

import json
from collections.abc import Mapping
from functools import partial
from random import Random

import pytest
from tests.engine.world import Process, World, fails, raises, statuses
from tests.fakes.executor import FakeExecutor, Play
from tests.fakes.overlapping import OverlappingExecutor

from runproj.engine.resources import Capacity
from runproj.errors import StoreError, UsageError
from runproj.record.events import Planned, StepStarted
from runproj.record.outcome import Outcome
from runproj.record.run import Run

CAPACITY = Capacity(3, {"cpus": 3, "memory": 8e9, "gpus": 2}, ("0", "1"))
POOLS = {"licence": 2}


def a_world(steps: Mapping[str, Mapping[str, object]], seed: int = 0, **more: object) -> World:
    """Return a world of steps, each with fields of its own."""
    given = {name: {"command": ["go", name], **fields} for name, fields in steps.items()}
    project = {"runproj": 1, "entry_points": {"main": {"steps": given}}, **more}
    return World(json.dumps(project), make_executor=partial(_executor, seed))


def _executor(seed: int, play: Play) -> FakeExecutor:
    return OverlappingExecutor(play, seed=seed)


def run(w: World, capacity: Capacity = CAPACITY, *, keep_going: bool = False) -> Run:
    return w.execute(w.prepare(), capacity=capacity, keep_going=keep_going)


def overlaps(w: World) -> list[tuple[str, ...]]:
    assert isinstance(w.executor, OverlappingExecutor)
    return w.executor.overlaps


def test_two_steps_that_need_nothing_of_each_other_run_at_once() -> None:
    w = a_world({"a": {}, "b": {}, "c": {"needs": ["a", "b"]}})
    run(w)
    assert overlaps(w) == [("a",), ("a", "b"), ("c",)]
    assert w.reporter.of(Planned)[0].side_by_side


def test_a_chain_is_told_to_be_one() -> None:
    w = a_world({"a": {}, "b": {"needs": ["a"]}})
    run(w)
    assert not w.reporter.of(Planned)[0].side_by_side


def test_a_step_that_does_not_fit_lets_others_pass() -> None:
    w = a_world({
        "a": {"resources": {"licence": 1}}, "b": {"resources": {"licence": 1}}, "c": {},
    })  # fmt: skip
    run(w, Capacity(2, {"cpus": 2}))
    assert overlaps(w)[:2] == [("a",), ("a", "c")]


def test_a_cached_step_waits_for_nothing() -> None:
    w = a_world({"a": {"cache": False}, "b": {"resources": {"licence": 1}}})
    run(w)
    again = run(w, Capacity(1, {"cpus": 1, "licence": 0}))
    assert statuses(again) == {"a": "succeeded", "b": "cached"}


def test_the_longest_way_starts_first() -> None:
    w = a_world({"a": {}, "b": {}, "c": {"needs": ["b"]}, "d": {}})
    w.durations = {"a": 2.0, "b": 1.0, "c": 3.0, "d": 9.0}
    run(w, Capacity(2, {"cpus": 2}))
    assert w.executor.names[:2] == ["d", "b"]
    planned = w.reporter.of(Planned)[0]
    assert (planned.seconds, planned.paths["b"], planned.jobs) == (w.durations, 4.0, 2)


def test_what_is_not_known_takes_as_long_as_the_rest() -> None:
    w = a_world({"a": {}, "b": {}, "c": {}})
    w.durations = {"a": 2.0, "b": 4.0}
    run(w)
    assert w.reporter.of(Planned)[0].seconds["c"] == 3.0


def test_without_any_past_the_longest_chain_starts_first() -> None:
    w = a_world({"a": {}, "b": {}, "c": {"needs": ["b"]}})
    run(w)
    assert w.executor.names[:2] == ["b", "a"]
    assert w.reporter.of(Planned)[0].seconds == {}


def test_one_at_a_time_keeps_the_order_of_the_plan() -> None:
    w = a_world({"a": {}, "b": {}, "c": {"needs": ["b"]}})
    w.durations = {"c": 100.0}
    run(w, Capacity(1, {"cpus": 1}))
    assert w.executor.names == ["a", "b", "c"]


def test_more_than_there_is_is_an_error_before_anything_happens() -> None:
    w = a_world({
        "a": {"resources": {"cpus": 4}}, "b": {"resources": {"memory": "9GB"}},
        "c": {"resources": {"gpus": 3}}, "d": {"resources": {"licence": 3}},
    }, resources=POOLS)  # fmt: skip
    with pytest.raises(UsageError) as caught:
        run(w)
    assert [(one.message, one.hint) for one in caught.value.problems] == [
        ("the step 'a' needs 4 cpus, and there is 3 cpus", "-j 4 lets it run; now it is -j 3"),
        ("the step 'b' needs 9 GB of memory, and there is 8 GB of memory",
         "--resources memory=9000000000 says that there is that much"),
        ("the step 'c' needs 3 gpus, and there is 2 gpus",
         "--resources gpus=3 says that there is that much"),
        ("the step 'd' needs 3 licence, and there is 2 licence",
         "--resources licence=3 says that there is that much"),
    ]  # fmt: skip
    assert not w.runs.journals


def test_a_rerun_shares_the_pools_of_the_record() -> None:
    w = a_world({name: {"resources": {"licence": 1}} for name in "abc"}, resources=POOLS)
    first = run(w)
    w.execute(w.rerunner.prepare(first), capacity=CAPACITY)
    assert max(map(len, overlaps(w))) == 2


def test_gpus_belong_to_one_step_each() -> None:
    w = a_world({
        "a": {"resources": {"gpus": 1}}, "b": {"resources": {"gpus": 1}},
        "c": {"resources": {"gpus": 0}}, "d": {},
        "e": {"resources": {"gpus": 2}, "env": {"CUDA_VISIBLE_DEVICES": "7"}},
    })  # fmt: skip
    run(w)
    seen = {one.name: one.variables.get("CUDA_VISIBLE_DEVICES") for one in w.executor.started}
    assert {seen["a"], seen["b"]} == {"0", "1"}
    assert (seen["c"], seen["d"], seen["e"]) == ("", None, "7")


def test_repeats_execute_one_step_after_another() -> None:
    w = a_world({"a": {"resources": {"cpus": 99}}, "b": {}})
    w.execute(w.prepare(), capacity=CAPACITY, trial=())
    assert overlaps(w) == [("a",), ("b",)]


@pytest.mark.parametrize("keep_going", [False, True])
def test_what_runs_beside_a_failure_comes_to_its_end(*, keep_going: bool) -> None:
    w = a_world({"a": {}, "b": {}, "c": {}, "d": {"needs": ["a"]}})
    w.programs = {"a": fails()}
    w.make_executor = FakeExecutor  # in order
    done = run(w, Capacity(2, {"cpus": 2}), keep_going=keep_going)
    rest = {"c": "succeeded"} if keep_going else {"c": "skipped"}
    assert statuses(done) == {"a": "failed", "b": "succeeded", **rest, "d": "skipped"}


def test_what_runs_beside_a_broken_store_is_interrupted() -> None:
    w = a_world({"a": {"outputs": ["a"]}, "b": {}})
    w.make_executor = FakeExecutor
    w.programs = {"a": lambda process: _full(w, process)}
    with pytest.raises(StoreError):
        run(w)
    assert statuses(w.runs.load("r1")) == {"a": "failed", "b": "interrupted"}
    assert w.executor.cancels == 1


def _full(w: World, process: Process) -> None:
    process.write("a", "x")

    def put(*_: object, **__: object) -> None:
        raise StoreError("no space left on device")

    w.objects.put = put  # type: ignore[method-assign, assignment] # a disk that is full now


def test_ctrl_c_interrupts_all_that_run() -> None:
    w = a_world({"a": {}, "b": {}, "c": {"needs": ["a"]}})
    w.programs = dict.fromkeys("ab", raises(KeyboardInterrupt()))
    with pytest.raises(KeyboardInterrupt):
        run(w)
    assert statuses(w.runs.load("r1")) == {"a": "interrupted", "b": "interrupted"}
    assert w.executor.cancels == 1


def a_random_world(seed: int) -> tuple[World, dict[str, dict[str, int]]]:
    """Return a random DAG whose steps read what those before them make, and what they ask for."""
    chance = Random(seed)  # noqa: S311 -- no secret
    names = [f"s{index}" for index in range(chance.randrange(1, 14))]
    steps: dict[str, dict[str, object]] = {}
    asked: dict[str, dict[str, int]] = {}
    programs = {}
    for index, name in enumerate(names):
        before = chance.sample(names[:index], min(index, chance.randrange(3)))
        most = {"cpus": 3, "memory": 8_000_000_000, "gpus": 2, "licence": 2, "tape": 1}
        asked[name] = {
            key: chance.randint(1, top) for key, top in most.items() if chance.random() < 0.25
        }
        steps[name] = {
            "inputs": [f"out/{other}" for other in before], "outputs": [f"out/{name}"],
            "resources": asked[name], "sources": [],
        }  # fmt: skip

        def program(process: Process, name: str = name, before: list[str] = before) -> Outcome:
            read = "".join(process.read(f"out/{other}") for other in before)
            process.write(f"out/{name}", f"{name}({read})")
            return Outcome(exit_code=0, duration_s=1.0)

        programs[name] = program
    w = a_world(steps, seed, resources={**POOLS, "tape": 1})
    w.programs = {**programs}
    w.durations = {name: chance.random() * 9 for name in names if chance.random() < 0.5}
    return w, asked


@pytest.mark.parametrize("block", range(10))
def test_random_plans_keep_all_limits_and_come_out_the_same(block: int) -> None:
    limits = {**CAPACITY.amounts, **POOLS, "tape": 1}
    for seed in range(block * 40, block * 40 + 40):
        w, asked = a_random_world(seed)
        done = run(w)
        assert set(statuses(done).values()) == {"succeeded"}
        assert sorted(w.executor.names) == sorted(asked)
        for together in overlaps(w):
            for name, limit in limits.items():
                least = 1 if name == "cpus" else 0
                assert sum(asked[one].get(name, least) for one in together) <= limit
        again, _ = a_random_world(seed)
        assert run(again).steps == done.steps
        assert again.reporter.of(StepStarted) == w.reporter.of(StepStarted)
        alone, _ = a_random_world(seed)
        one_by_one = run(alone, CAPACITY._replace(steps=1))
        assert [one.outputs for one in one_by_one.steps] == [one.outputs for one in done.steps]


def test_ten_thousand_steps_are_scheduled_in_no_time() -> None:
    from runproj.engine.schedule import Room, Schedule  # noqa: PLC0415

    after: dict[str, list[str]] = {"first": []}
    after |= {str(index): ["first"] for index in range(20_000)}
    demands = {name: {"cpus": 1000} for name in after}
    schedule = Schedule(after, room=Room(2, {"cpus": 2000}, demands))
    looks = 0
    while (name := schedule.next()) is not None:
        looks += 1
        schedule.done(name)
    assert looks == len(after)
