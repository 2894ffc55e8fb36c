"""Doing a past run again, from its record and the store alone."""

import pytest
from tests.engine.world import PROJECT, World, copies, statuses, told, training

from runproj.errors import CannotRerun


@pytest.fixture
def w() -> World:
    return training()


def test_a_rerun_executes_every_step_again(w: World) -> None:
    run = w.run(lr=0.5)
    again = w.rerun(run)
    assert told(again) == dict.fromkeys(("prepare", "train", "report"), "succeeded: rerun of r1")
    assert [step.outputs for step in again.steps] == [step.outputs for step in run.steps]
    assert [step.fingerprint for step in again.steps] == [step.fingerprint for step in run.steps]


def test_a_rerun_needs_nothing_of_the_project_folder(w: World) -> None:
    run = w.run()
    w.source.clear()
    w.disk.remove(PROJECT)
    w.yaml = "runproj: 1\n"
    again = w.rerun(run)
    assert statuses(again) == dict.fromkeys(("prepare", "train", "report"), "succeeded")
    assert again.source == run.source


def test_a_rerun_gets_the_files_that_were_given_then(w: World) -> None:
    w.yaml = "runproj: 1\nentry_points:\n  main: {command: [go], inputs: [x], outputs: [m]}\n"
    w.programs["main"] = copies("x", "m")
    w.ignored("x", "then")
    run = w.run()
    w.ignored("x", "now")
    assert w.rerun(run).steps[0].outputs == run.steps[0].outputs


def test_a_rerun_builds_the_environments_of_then(w: World) -> None:
    w.yaml = (
        "runproj: 1\nenvironments:\n  default: {kind: venv, packages: [a]}\n"
        "entry_points:\n  main: {command: [go], outputs: [m]}\n"
    )
    w.programs["main"] = lambda process: process.write("m")
    run = w.run()
    w.shelf.kept.clear()
    w.venv.version = "2.0"
    w.rerun(run)
    assert len(w.venv.locked) == 1
    assert w.venv.built == [run.plan.environments[0].key] * 2


def test_all_that_is_missing_is_told_at_once(w: World) -> None:
    w.yaml = "runproj: 1\nentry_points:\n  main: {command: [go], inputs: [x, y], outputs: [m]}\n"
    w.programs["main"] = lambda process: process.write("m")
    w.ignored("x", "1")
    w.ignored("y", "2")
    run = w.run()
    w.control.trees.clear()
    w.objects.contents.clear()
    with pytest.raises(CannotRerun) as raised:
        w.rerunner.prepare(run)
    messages = [problem.message for problem in raised.value.problems]
    assert messages[0].startswith("the source snapshot is gone: ")
    assert messages[1].startswith("the lock of the environment 'system' is gone: ")
    assert messages[2:] == [
        "the input x is no longer in the store",
        "the input y is no longer in the store",
    ]


def test_a_damaged_input_folder_is_told_as_missing(w: World) -> None:
    w.yaml = "runproj: 1\nentry_points:\n  main: {command: [go], inputs: [data], outputs: [m]}\n"
    w.programs["main"] = lambda process: process.write("m")
    w.ignored("data/x", "1")
    run = w.run()
    w.objects.contents[run.inputs[0].sha256] = b"{"
    with pytest.raises(CannotRerun, match="the input data is no longer in the store"):
        w.rerunner.prepare(run)


def test_one_step_is_done_again_with_what_came_before_it(w: World) -> None:
    run = w.run(lr=0.5)
    again = w.rerun(run, "train")
    assert told(again) == {"prepare": "cached: rerun of r1", "train": "succeeded: rerun of r1"}
    assert again.steps[0].cached_from == "r1/prepare"
    assert [step.outputs for step in again.steps] == [step.outputs for step in run.steps[:2]]
    assert told(w.rerun(again, "train"))["prepare"] == "cached: rerun of r2"
    assert w.rerun(again).status == "succeeded"
    assert statuses(w.rerun(run, "report")) == {
        "prepare": "cached", "train": "cached", "report": "succeeded",
    }  # fmt: skip


def test_one_step_needs_what_the_steps_before_it_made(w: World) -> None:
    run = w.run()
    (made,) = run.steps[0].outputs
    del w.objects.contents[made.sha256]
    with pytest.raises(CannotRerun, match=f"the output {made.path} of 'prepare' is no longer"):
        w.rerun(run, "train")
    failed = run.replace(steps=(run.steps[0].replace(status="failed"), *run.steps[1:]))
    with pytest.raises(CannotRerun, match="the step 'prepare' before it did not succeed"):
        w.rerun(failed, "train")
    assert statuses(w.rerun(run, "prepare")) == {"prepare": "succeeded"}


def test_a_step_that_comes_twice_before_another_is_given_once() -> None:
    steps = {"a": "[]", "b": "[a]", "c": "[a]", "d": "[b, c]", "e": "[a]"}
    text = "runproj: 1\nentry_points:\n  main:\n    steps:\n" + "".join(
        f"      {name}: {{command: [go], outputs: [{name}], needs: {needs}}}\n"
        for name, needs in steps.items()
    )
    w = World(text, {name: lambda process, n=name: process.write(n) for name in steps})  # type: ignore[misc] # a default binds the name now
    again = w.rerun(w.run(), "d")
    assert statuses(again) == {"a": "cached", "b": "cached", "c": "cached", "d": "succeeded"}
