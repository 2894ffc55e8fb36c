"""Where the time of a run went."""

import json

from tests.fakes.records import a_run, a_step

from runproj.plan.plan import Plan, PlannedStep
from runproj.record.outcome import Outcome
from runproj.record.run import Run
from runproj.record.timing import chrome_trace, timing

STEPS = {
    # name: what it comes after, second of its start, seconds
    "prepare": ((), 0, 2.0),
    "train": (("prepare",), 2, 5.0),
    "plot": (("prepare",), 2, 1.0),
    "table": (("prepare",), 3, 1.0),
    "report": (("train", "plot", "table"), 7, 0.5),
}


def planned(name: str, after: tuple[str, ...]) -> PlannedStep:
    return PlannedStep(name=name, argv=("true",), environment="default", after=after)


def run_of(**given: tuple[tuple[str, ...], int, float]) -> Run:
    plan = Plan(
        entry_point="main", steps=tuple(planned(name, one[0]) for name, one in given.items())
    )
    steps = [
        a_step(
            name, started_at=f"2026-01-01T00:00:{start:02}.000Z",
            outcome=Outcome(exit_code=0, duration_s=seconds, cpu_s=seconds / 2),
        )
        for name, (_, start, seconds) in given.items()
    ]  # fmt: skip
    return a_run(plan=plan, steps=tuple(steps), duration_s=8.0)


def test_the_critical_path_is_the_chain_that_takes_longest() -> None:
    found = timing(run_of(**STEPS))
    assert found.critical_path == ("prepare", "train", "report")
    assert (found.critical_s, found.steps_s, found.duration_s) == (7.5, 9.5, 8.0)
    assert [one.step for one in found.spans if one.critical] == list(found.critical_path)


def test_steps_side_by_side_are_in_different_lanes() -> None:
    found = {one.step: one for one in timing(run_of(**STEPS)).spans}
    assert {name: one.lane for name, one in found.items()} == {
        "prepare": 0, "plot": 0, "train": 1, "table": 0, "report": 0,
    }  # fmt: skip
    assert found["train"].start_s == 2


def test_steps_that_did_not_execute_take_no_time() -> None:
    run = run_of(**STEPS)
    steps = [a_step(one.name, "cached") if one.name == "train" else one for one in run.steps[:-1]]
    found = timing(run.replace(steps=tuple(steps), duration_s=None))
    assert found.critical_path == ("prepare", "plot")
    assert found.critical_s == 3
    assert found.duration_s == 4
    assert [one.step for one in found.spans] == ["prepare", "plot", "table"]


def test_a_run_without_steps_took_no_time() -> None:
    found = timing(a_run())
    assert (found.spans, found.critical_path, found.duration_s) == ((), (), 0)


def test_browsers_draw_it() -> None:
    events = json.loads(json.dumps(chrome_trace(run_of(**STEPS))))["traceEvents"]
    [title, *drawn] = events
    assert title["args"] == {"name": "p abc"}
    train = next(one for one in drawn if one["name"] == "train")
    assert (train["ph"], train["ts"], train["dur"], train["tid"]) == ("X", 2_000_000, 5_000_000, 2)
    assert train["args"]["cpu_s"] == 2.5
