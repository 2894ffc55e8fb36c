"""Going on with a run, and executing only a part of one."""

import pytest
from tests.engine.world import World, statuses, told, training

from runproj.engine.prepare import Request
from runproj.errors import CannotRerun, UsageError
from runproj.plan.binding import Given
from runproj.record.outcome import Outcome
from runproj.record.run import Run

DONE = {"prepare": "cached", "train": "cached", "report": "succeeded"}


@pytest.fixture
def w() -> World:
    return training()


def broken(w: World) -> Run:
    """Let the last step of a run fail, and mend it."""
    report = w.programs["report"]

    w.programs["report"] = lambda _: Outcome(exit_code=1)
    run = w.run()
    w.programs["report"] = report
    assert statuses(run)["report"] == "failed"
    return run


def part(**options: object) -> Request:
    return Request("main", Given(), **options)  # type: ignore[arg-type] # options are free


def test_what_is_done_is_not_done_again(w: World) -> None:
    run = broken(w)
    again = w.execute(w.rerunner.resume(run))
    assert statuses(again) == DONE
    assert told(again)["train"] == "cached: done in r1"


def test_what_is_never_cached_is_not_done_again_either(w: World) -> None:
    w.yaml = w.yaml.replace("inputs: [data.csv]", "inputs: [data.csv]\n            cache: false")
    run = broken(w)
    assert statuses(w.execute(w.rerunner.resume(run))) == DONE


def test_a_run_that_is_resumed_twice_remembers_the_first(w: World) -> None:
    first = broken(w)
    second = first.replace(id="r2", steps=(), resume_of="r1")
    again = w.execute(w.rerunner.resume(second))
    assert statuses(again) == DONE
    gone = w.rerunner.resume(first.replace(resume_of="gone"))
    assert told(gone)["train"] == "cached: done in r1"


def test_a_rerun_that_is_resumed_executes_what_is_left(w: World) -> None:
    run = w.run()
    only = run.replace(id="r2", steps=run.steps[:1], rerun_of=run.id)
    assert statuses(w.execute(w.rerunner.resume(only))) == {
        "prepare": "cached", "train": "succeeded", "report": "succeeded",
    }  # fmt: skip


def test_a_step_whose_outputs_are_gone_is_done_again(w: World) -> None:
    run = broken(w)
    for step in run.steps[:1]:
        for output in step.outputs:
            w.objects.contents.pop(output.sha256)
    assert statuses(w.execute(w.rerunner.resume(run)))["prepare"] == "succeeded"


def test_what_is_missing_is_told(w: World) -> None:
    run = broken(w)
    w.control.trees.clear()
    with pytest.raises(CannotRerun, match="the source snapshot is gone"):
        w.rerunner.resume(run)


def test_a_repeat_is_not_resumed(w: World) -> None:
    run = broken(w).replace(perturbed=("locale",), rerun_of="r0")
    with pytest.raises(UsageError, match="is not resumed"):
        w.rerunner.resume(run)


def test_a_step_that_is_held_and_makes_nothing_says_what_comes_after_it() -> None:
    made = "{command: [made], outputs: [o]}"
    steps = f"{{a: {{command: [a]}}, m: {made}, b: {{command: [b], needs: [a], inputs: [o]}}}}"
    w = World(f"{{runproj: 1, entry_points: {{main: {{steps: {steps}}}}}}}")
    with pytest.raises(UsageError) as raised:
        w.preparer().prepare(part(start=("b",)), keep=True)
    assert [one.message for one in raised.value.problems] == [
        "the step 'b' comes after 'a', which is left out; it has no current result: new",
        "the step 'b' needs o, which 'm' makes; it has no current result: new",
    ]


def test_a_step_that_is_held_must_have_a_current_result(w: World) -> None:
    with pytest.raises(UsageError) as raised:
        w.preparer().prepare(part(start=("report",)), keep=True)
    [problem] = raised.value.problems
    assert problem.message == "the step 'prepare' is left out; it has no current result: new"
    assert problem.hint == "let 'prepare' run, too"
    with pytest.raises(UsageError, match=r"'train' needs data\.csv, which 'prepare' makes"):
        w.preparer().prepare(part(start=("train",)), keep=True)


def test_what_is_held_is_not_forced(w: World) -> None:
    w.run()
    prepared = w.preparer().prepare(part(start=("train",), force=True), keep=True)
    assert statuses(w.execute(prepared)) == {
        "prepare": "cached", "train": "succeeded", "report": "succeeded",
    }  # fmt: skip


def test_a_step_is_forced_by_name(w: World) -> None:
    w.run()
    prepared = w.preparer().prepare(part(forced=("train",)), keep=True)
    assert statuses(w.execute(prepared)) == {
        "prepare": "cached", "train": "succeeded", "report": "cached",
    }  # fmt: skip


def test_what_comes_after_a_step_that_executes_cannot_be_held(w: World) -> None:
    w.run()
    with pytest.raises(
        UsageError, match=r"'report' needs model\.bin, which 'train' makes; whether"
    ):
        w.preparer().prepare(part(skip=("train",), forced=("prepare",)), keep=True)
