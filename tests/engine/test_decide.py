"""Deciding: what must execute, and why."""

import pytest
from tests.engine.world import (
    PROJECT,
    Process,
    World,
    fails,
    raises,
    statuses,
    told,
    train,
    training,
    writes,
)
from tests.fakes.source import EXECUTABLE, FakeFile

from runproj.engine.decide import below
from runproj.errors import StoreError
from runproj.record.events import Planned
from runproj.record.run import Run


@pytest.fixture
def w() -> World:
    """A project that has run once."""
    world = training()
    world.run()
    return world


def declare(w: World, line: str) -> None:
    """Add a line to the first step."""
    w.yaml = w.yaml.replace("outputs: [data.csv]", f"outputs: [data.csv]\n            {line}")


CACHED = "cached: unchanged since r1"


def test_nothing_executes_a_second_time(w: World) -> None:
    run = w.run()
    assert told(run) == {"prepare": CACHED, "train": CACHED, "report": CACHED}
    assert w.executor.started == []
    assert w.workspaces.opened == []
    assert len(w.system.built) == 1


def test_a_cached_step_has_everything_of_the_one_that_executed(w: World) -> None:
    first, second = w.runs.load("r1").step("train"), w.run().step("train")
    assert first is not None
    assert second is not None
    assert second.cached_from == "r1/train"
    update = {"status": "succeeded", "cached_from": None, "reasons": first.reasons}
    assert second.replace(**update) == first


def test_what_was_cached_is_cached_from_the_run_that_executed(w: World) -> None:
    w.run()
    step = w.run().step("train")
    assert step is not None
    assert step.cached_from == "r1/train"


def test_a_cached_step_is_on_record_when_the_run_dies_later(w: World) -> None:
    seen = {}

    def look(process: Process) -> None:
        train(process)
        seen.update(statuses(w.runs.load("r2")))

    w.programs["train"] = look
    w.run(lr=0.5)
    assert seen == {"prepare": "cached", "train": "running"}


def test_a_changed_parameter_reruns_exactly_what_depends_on_it(w: World) -> None:
    prepared = w.prepare(lr=0.5)
    assert told(prepared) == {
        "prepare": CACHED,
        "train": "run: parameter lr: 0.1 → 0.5",
        "report": "pending: after train",
    }
    assert told(w.execute(prepared)) == {
        "prepare": CACHED,
        "train": "succeeded: parameter lr: 0.1 → 0.5",
        "report": "succeeded: input changed: model.bin",
    }


def test_a_pending_step_is_cached_when_what_it_gets_is_the_same(w: World) -> None:
    prepared = w.prepare(seed=3)
    assert told(prepared) == {
        "prepare": "run: parameter seed: 1 → 3",
        "train": "pending: after prepare",
        "report": "pending: after train",
    }
    assert told(w.execute(prepared)) == {
        "prepare": "succeeded: parameter seed: 1 → 3",
        "train": CACHED,
        "report": CACHED,
    }


def test_a_value_that_was_used_before_is_cached_again(w: World) -> None:
    w.run(lr=0.5)
    assert told(w.run()) == {"prepare": CACHED, "train": CACHED, "report": CACHED}
    assert told(w.run(lr=0.5))["train"] == "cached: unchanged since r2"


def test_a_reason_is_told_from_the_latest_run(w: World) -> None:
    w.run(lr=0.5)
    w.run(lr=0.6)
    assert told(w.prepare(lr=0.7))["train"] == "run: parameter lr: 0.6 → 0.7"


def test_a_changed_source_file_is_named(w: World) -> None:
    w.source["train.py"] = b"print(2)"
    w.source["new.py"] = b""
    assert told(w.prepare())["prepare"] == "run: source: new.py, source: train.py"


def test_a_file_that_was_made_executable_is_named(w: World) -> None:
    w.source["train.py"] = FakeFile(b"print(1)", EXECUTABLE)
    assert told(w.prepare())["prepare"] == "run: source: train.py"


def test_what_is_no_code_is_no_reason(w: World) -> None:
    w.source["model.bin"] = b"an old result"
    w.yaml += "    # a comment\n"
    assert told(w.run()) == {"prepare": CACHED, "train": CACHED, "report": CACHED}


def test_a_changed_command_is_a_reason(w: World) -> None:
    w.yaml = w.yaml.replace("prepare.py", "other.py")
    assert told(w.prepare())["prepare"] == "run: command changed"


def test_a_changed_variable_is_a_reason(w: World) -> None:
    declare(w, "env: {A: b}")
    assert told(w.prepare())["prepare"] == "run: variable A: nothing → b"


def test_a_variable_of_the_caller_is_a_reason_when_it_is_passed(w: World) -> None:
    declare(w, "pass_env: A")
    w.caller["A"] = "x"
    w.run()
    w.caller |= {"A": "y", "B": "z"}
    assert told(w.prepare())["prepare"] == "run: variable A: x → y"


def test_declared_outputs_are_a_reason(w: World) -> None:
    w.yaml = w.yaml.replace("outputs: [data.csv]", "outputs: [data.csv, more.csv]")
    assert told(w.prepare())["prepare"] == "run: outputs declared: data.csv, more.csv"


def test_a_new_name_of_an_output_is_a_reason(w: World) -> None:
    w.yaml = w.yaml.replace("outputs: [model.bin]", "outputs: {model: model.bin}")
    run = w.run()
    assert told(run)["train"] == "succeeded: outputs declared: model=model.bin"
    assert told(run)["report"] == CACHED
    assert w.lookup.output("r2:model").path == "model.bin"


def test_another_platform_is_a_reason(w: World) -> None:
    w.platform = "darwin-arm64"
    assert told(w.prepare())["prepare"] == "run: platform: linux-x86_64 → darwin-arm64"


def test_a_new_step_and_a_new_entry_point_are_new(w: World) -> None:
    w.yaml += "      other: {command: [go], outputs: [x]}\n"
    assert told(w.prepare(entry_point="other")) == {"other": "run: new"}


def test_force_executes_all(w: World) -> None:
    prepared = w.prepare(force=True)
    assert told(prepared) == dict.fromkeys(("prepare", "train", "report"), "run: forced")
    run = w.execute(prepared)
    assert told(run) == dict.fromkeys(("prepare", "train", "report"), "succeeded: forced")
    assert w.executor.names == ["prepare", "train", "report"]


def test_a_step_that_is_never_cached_executes_and_what_follows_may_be_cached(w: World) -> None:
    declare(w, "cache: false")
    prepared = w.prepare()
    assert told(prepared) == {
        "prepare": "run: cache: false",
        "train": "pending: after prepare",
        "report": "pending: after train",
    }
    assert told(w.execute(prepared)) == {
        "prepare": "succeeded: cache: false",
        "train": CACHED,
        "report": CACHED,
    }


def test_outputs_that_the_store_lost_are_made_again(w: World) -> None:
    step = w.runs.load("r1").step("train")
    assert step is not None
    del w.objects.contents[step.outputs[0].sha256]
    reason = "its outputs are no longer in the store: model.bin"
    prepared = w.prepare()
    assert told(prepared)["train"] == f"run: {reason}"
    assert told(w.execute(prepared)) == {
        "prepare": CACHED,
        "train": f"succeeded: {reason}",
        "report": CACHED,
    }


def test_a_folder_whose_list_of_files_is_damaged_is_made_again(w: World) -> None:
    run = w.runs.load("r1")
    step = run.step("train")
    assert step is not None
    folder = step.outputs[0].replace(kind="folder")
    w.runs.note(run, [step.replace(outputs=(folder,))])
    w.objects.contents[folder.sha256] = b"damaged"
    reason = "its outputs are no longer in the store: model.bin"
    assert told(w.prepare())["train"] == f"run: {reason}"


def test_a_damaged_object_ends_the_run_before_a_step_gets_it(w: World) -> None:
    step = w.runs.load("r1").step("prepare")
    assert step is not None
    w.objects.contents[step.outputs[0].sha256] = b"damaged"
    with pytest.raises(StoreError, match="is damaged"):
        w.run(lr=0.5)
    assert w.executor.started == []
    run = w.runs.load("r2")
    assert (run.status, run.exit_code) == ("failed", 9)


def test_a_failure_is_tried_again(w: World) -> None:
    w.programs["train"] = fails()
    assert statuses(w.run(lr=0.5))["train"] == "failed"
    w.programs["train"] = train
    assert told(w.run(lr=0.5))["train"] == "succeeded: parameter lr: 0.1 → 0.5"


def test_a_planned_decision_is_told_to_a_person(w: World) -> None:
    w.run()
    (planned,) = w.reporter.of(Planned)
    assert [one.action for one in planned.decisions] == ["cached"] * 3


def test_chosen_steps_execute_with_those_they_need(w: World) -> None:
    assert told(w.prepare("train")) == {"prepare": CACHED, "train": CACHED}
    assert statuses(w.run("train", lr=0.7)) == {"prepare": "cached", "train": "succeeded"}


def test_preparing_to_look_keeps_no_file() -> None:
    w = World(
        "runproj: 1\nentry_points:\n  main: {command: [go], inputs: [data.csv], outputs: [m]}\n"
    )
    w.ignored("data.csv", "x")
    prepared = w.prepare(keep=False)
    assert told(prepared) == {"main": "run: new"}
    assert not w.objects.has(prepared.files["data.csv"])
    assert w.objects.has(w.prepare(keep=True).files["data.csv"])


def test_a_changed_input_is_named() -> None:
    w = World(
        "runproj: 1\nentry_points:\n  main: {command: [go], inputs: [data.csv], outputs: [m]}\n",
        {"main": writes(m="m")},
    )
    w.ignored("data.csv", "x")
    w.run()
    w.ignored("data.csv", "y")
    assert told(w.prepare()) == {"main": "run: input changed: data.csv"}


def test_narrowed_sources_leave_out_what_a_step_never_sees(w: World) -> None:
    w.yaml = w.yaml.replace(
        "outputs: [data.csv]", "outputs: [data.csv]\n            sources: [lib]"
    )
    w.source["lib/a.py"] = b""
    w.run()
    w.source["train.py"] = b"print(2)"
    assert told(w.prepare())["prepare"] == "cached: unchanged since r2"
    w.source["lib/a.py"] = b"x"
    assert told(w.prepare())["prepare"] == "run: source: lib/a.py"


def test_a_source_snapshot_that_is_gone_leaves_the_reason_without_names(w: World) -> None:
    w.source["train.py"] = b"print(2)"
    w.control.trees.clear()
    assert told(w.prepare())["prepare"] == "run: source: which files belong to it"


VENV = """
    runproj: 1
    environments:
      default: {kind: venv, packages: [a]}
    entry_points:
      main: {command: [go], outputs: [m]}
"""


def test_a_package_of_another_version_is_named() -> None:
    w = World(VENV, {"main": writes(m="m")})
    w.run()
    w.shelf.kept.clear()
    w.venv.version = "2.0"
    assert told(w.prepare()) == {"main": "run: environment: a 1.0 → 2.0"}


def test_another_python_is_named() -> None:
    w = World(VENV, {"main": writes(m="m")})
    w.run()
    w.yaml = w.yaml.replace("kind: venv", 'kind: venv, python: "3.12"')
    assert told(w.prepare()) == {"main": "run: environment: python 3.0 → 3.12"}


def test_another_kind_of_environment_is_another_key() -> None:
    w = World(VENV, {"main": writes(m="m")})
    w.run()
    w.yaml = w.yaml.replace("{kind: venv, packages: [a]}", "{kind: system}")
    (reason,) = told(w.prepare()).values()
    assert reason.startswith("run: environment: key ")


def test_a_lock_that_the_store_lost_leaves_the_reason_without_packages() -> None:
    w = World(VENV, {"main": writes(m="m")})
    run = w.run()
    w.shelf.kept.clear()
    w.venv.version = "2.0"
    del w.objects.contents[run.plan.environments[0].lock]
    (reason,) = told(w.prepare()).values()
    assert reason.startswith("run: environment: key ")


def test_every_step_can_run_on_the_system() -> None:
    w = World(VENV, {"main": writes(m="m")})
    run = w.execute(w.prepare(system=True))
    assert [pin.name for pin in run.plan.environments] == ["system"]
    assert w.venv.built == []


def test_a_manifest_is_seen_from_a_folder_of_it() -> None:
    manifest = {"a/b/x": "1", "a/y": "2", "z": "3", "a/bc/w": "4"}
    assert below(manifest, "a/b") == {
        "x": "1",
        "../../a/y": "2",
        "../../z": "3",
        "../../a/bc/w": "4",
    }
    assert below(manifest, "") == manifest


def test_an_interrupted_run_is_not_the_last_of_a_step_it_did_not_finish(w: World) -> None:
    w.programs["train"] = raises(KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        w.run(lr=0.5)
    assert told(w.prepare(lr=0.6))["train"] == "run: parameter lr: 0.1 → 0.6"


def test_the_files_of_the_user_are_as_before(w: World) -> None:
    before = w.disk.show(PROJECT)
    run: Run = w.run(lr=0.5)
    assert run.status == "succeeded"
    assert w.disk.show(PROJECT) == before
