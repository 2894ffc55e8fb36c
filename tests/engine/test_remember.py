"""Plans that were made before are taken as long as all that they were made of is as it was."""

from collections.abc import Callable

import pytest
from tests.engine.world import PROJECT, World, told, writes
from tests.fakes.remembered import FakeRemembered

from runproj.engine.prepare import Prepared
from runproj.engine.remember import Made, PlanMemory
from runproj.errors import Problem, ProjectError
from runproj.plan.plan import PlannedStep
from runproj.plan.planner import Facts
from runproj.record.source import SourceSnapshot

YAML = """
    runproj: 1
    parameters: {lr: {type: float, default: 0.1}}
    entry_points:
      main:
        steps:
          a: {command: [go, "{lr}"], inputs: ["data/*.csv"], pass_env: [LANG], outputs: [m]}
          b: {command: [go], inputs: [m, big.bin], outputs: [n]}
"""


def a_world() -> World:
    w = World(YAML, {"a": writes(m="1"), "b": writes(n="2")}, {"code.py": b"1"}, {"LANG": "C"})
    w.ignored("data/1.csv", "1")
    w.ignored("big.bin", "1")
    return w


def planned(prepared: Prepared) -> tuple[object, ...]:
    return prepared.plan.steps, prepared.plan.hidden, prepared.files


def test_a_plan_is_taken_as_it_was() -> None:
    w = a_world()
    first = w.prepare()
    assert w.plans.taken == 0
    again = w.prepare()
    assert w.plans.taken == 1
    assert planned(again) == planned(first)
    w.execute(again)
    assert told(w.prepare()) == {
        "a": "cached: unchanged since r1",
        "b": "cached: unchanged since r1",
    }


def more(w: World) -> None:
    w.ignored("data/2.csv", "2")


def other(w: World) -> None:
    w.ignored("big.bin", "2")


def fewer(w: World) -> None:
    w.disk.remove(f"{PROJECT}/data/1.csv")
    w.ignored("data/0.csv", "2")


def speech(w: World) -> None:
    w.caller["LANG"] = "C.UTF-8"


def no_speech(w: World) -> None:
    del w.caller["LANG"]


def source(w: World) -> None:
    w.source["data/3.csv"] = b"3"


def yaml(w: World) -> None:
    w.yaml += "\n    description: Other words.\n"


@pytest.mark.parametrize("change", [more, other, fewer, speech, no_speech, source, yaml])
def test_a_plan_is_made_anew_when_something_differs(change: Callable[[World], None]) -> None:
    w = a_world()
    w.prepare()
    change(w)
    found = w.prepare()
    w.plans.kept.clear()
    assert planned(found) == planned(w.prepare())


def test_values_steps_and_options_count() -> None:
    w = a_world()
    plans = [
        w.prepare(), w.prepare(lr=0.2), w.prepare("a"), w.prepare(trace=True),
        w.prepare(hermetic=True), w.prepare(system=True),
    ]  # fmt: skip
    assert w.plans.taken == 0
    assert len({str(planned(one)[0]) for one in plans}) == 5  # without environments all are system


def test_mistakes_are_not_remembered() -> None:
    w = a_world()
    w.disk.remove(f"{PROJECT}/big.bin")
    for _ in range(2):
        with pytest.raises(ProjectError, match=r"'big\.bin' is not there"):
            w.prepare()
    w.ignored("big.bin", "1")
    w.prepare()
    assert w.plans.taken == 0
    w.disk.remove(f"{PROJECT}/big.bin")
    with pytest.raises(ProjectError, match=r"'big\.bin' is not there"):
        w.prepare()


def test_small_plans_are_not_remembered() -> None:
    kept = FakeRemembered()
    facts = Facts({}, lambda _: (), lambda _: None, lambda _: None, no_point)
    made = Made((PlannedStep(name="a", argv=("go",), environment="e"),), ("runproj.yaml",))
    source = SourceSnapshot(tree="0" * 40)
    for least in (2, 1):
        memory = PlanMemory(kept, "p", least)
        assert memory.planned(["main"], source, facts, lambda _: made) == made
        assert len(kept.kept) == 2 - least


def no_point(*_: object) -> Problem:
    raise AssertionError("there is no mistake")
