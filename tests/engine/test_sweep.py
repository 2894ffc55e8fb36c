"""Sweeps: each combination once, what trials share once, and the best is the best."""

import itertools
import json
from functools import partial
from pathlib import Path
from random import Random

import pytest
from tests.engine.world import Process, World, fails, statuses
from tests.fakes.executor import FakeExecutor, Play
from tests.fakes.overlapping import OverlappingExecutor

from runproj.engine.sweep import OneSnapshot
from runproj.errors import EnvironmentFailed, ParameterError, StoreError, UsageError
from runproj.plan.space import Axis, Point
from runproj.record.events import RunFinished, StepStarted
from runproj.record.outcome import Outcome
from runproj.record.run import Run
from runproj.record.sweep import Goal

LR = Axis(name="lr", values=("0.1", "0.2", "0.3"))
DEPTH = Axis(name="depth", low="1", high="2", whole=True)
RMSE = Goal(metric="rmse", direction="minimize")

YAML = """
    runproj: 1
    resources: {licence: 1}
    parameters:
      lr: {type: float, default: 0.1, max: 1}
      depth: {type: int, default: 3}
    entry_points:
      main:
        steps:
          load: {command: [load], outputs: [data]}
          cut: {command: [cut, "{depth}"], inputs: [data], outputs: [part]}
          train:
            command: [train, "{lr}"]
            inputs: [part]
            outputs: [m.json]
            metrics: [m.json]
"""


def load(process: Process) -> None:
    process.write("data", "data")


def cut(process: Process) -> None:
    process.write("part", process.read("data") + process.execution.argv[-1])


def train(process: Process) -> Outcome | None:
    lr, depth = float(process.execution.argv[-1]), int(process.read("part")[-1])
    process.write("m.json", json.dumps({"rmse": abs(lr - 0.2) + depth}))
    return None


def a_world(seed: int = 0, **programs: object) -> World:
    played = {"load": load, "cut": cut, "train": train, **programs}
    return World(YAML, played, make_executor=partial(_executor, seed))  # type: ignore[arg-type] # programs of tests


def _executor(seed: int, play: Play) -> FakeExecutor:
    return OverlappingExecutor(play, seed=seed)


def executed(w: World) -> list[str]:
    return sorted(name.rpartition("/")[2] for name in w.executor.names)


def runs(w: World) -> list[Run]:
    return [journal.run for journal in w.runs.journals.values()]


@pytest.mark.parametrize("jobs", [1, 2, 5])
def test_every_combination_is_tried_and_what_they_share_is_done_once(jobs: int) -> None:
    w = a_world(jobs)
    result = w.sweep(DEPTH, LR, goal=RMSE, jobs=jobs)
    tried = [(one.number, one.values["depth"], one.values["lr"]) for one in result.trials]
    grid = itertools.product("12", LR.values)
    assert tried == [(number, *point) for number, point in enumerate(grid, start=1)]
    assert executed(w) == ["cut"] * 2 + ["load"] + ["train"] * 6
    assert [one.score for one in result.trials] == pytest.approx([1.1, 1, 1.1, 2.1, 2, 2.1])
    assert (result.best, result.failed, result.experiment) == (2, 0, "default")
    assert all(run.status == "succeeded" and len(run.steps) == 3 for run in runs(w))
    assert w.executor.closed


def test_a_run_knows_its_place_in_the_sweep() -> None:
    w = a_world()
    w.sweep(LR)
    places = [(run.sweep.number, run.sweep.text, run.params["lr"]) for run in runs(w) if run.sweep]
    assert places == [(1, "lr=0.1", 0.1), (2, "lr=0.2", 0.2), (3, "lr=0.3", 0.3)]


def test_no_more_execute_at_once_than_may() -> None:
    for seed in range(20):
        w = a_world(seed)
        w.sweep(DEPTH, LR, jobs=3)
        assert isinstance(w.executor, OverlappingExecutor)
        assert max(map(len, w.executor.overlaps)) == 3


def test_a_pool_is_shared_by_all_trials() -> None:
    w = a_world()
    w.yaml = w.yaml.replace(
        "metrics: [m.json]", "metrics: [m.json]\n            resources: {licence: 1, gpus: 1}"
    )
    w.sweep(DEPTH, LR, jobs=4)
    assert isinstance(w.executor, OverlappingExecutor)
    trained = [[n for n in names if n.endswith("train")] for names in w.executor.overlaps]
    assert max(map(len, trained)) == 1
    assert executed(w).count("train") == 6


def test_two_trials_have_different_devices() -> None:
    w = a_world()
    w.yaml = w.yaml.replace(
        "metrics: [m.json]", "metrics: [m.json]\n            resources: {gpus: 1}"
    )
    w.sweep(LR, jobs=2)
    assert isinstance(w.executor, OverlappingExecutor)
    devices = {one.name: one.variables.get("CUDA_VISIBLE_DEVICES") for one in w.executor.started}
    for names in w.executor.overlaps:
        held = [devices[name] for name in names if devices[name] is not None]
        assert len(held) == len(set(held))


def test_a_trial_that_fails_does_not_end_the_others() -> None:
    def diverges(process: Process) -> Outcome | None:
        return Outcome(exit_code=1) if process.execution.argv[-1] == "0.2" else train(process)

    w = a_world(train=diverges)
    result = w.sweep(LR, goal=RMSE)
    assert [one.status for one in result.trials] == ["succeeded", "failed", "succeeded"]
    assert (result.failed, result.best, result.trials[1].score) == (1, 1, None)


def test_what_failed_in_one_trial_is_not_tried_in_the_next() -> None:
    w = a_world(load=fails("", 3))
    result = w.sweep(LR, jobs=2)
    assert executed(w) == ["load"]
    first, *others = runs(w)
    assert first.step("load").error == "it ended with exit code 3"  # type: ignore[union-attr] # it is there
    assert {run.step("load").error for run in others} == {f"it failed as {first.id}/load"}  # type: ignore[union-attr] # the same
    assert statuses(others[0]) == {"load": "failed", "cut": "skipped", "train": "skipped"}
    assert result.failed == 3


def test_a_step_that_always_executes_does_so_in_each_trial() -> None:
    w = a_world()
    w.yaml = w.yaml.replace("{command: [load],", "{command: [load], cache: false,")
    w.sweep(LR)
    assert executed(w).count("load") == 3


def test_a_result_that_nobody_may_take_is_made_again_by_those_that_waited() -> None:
    w = a_world()
    w.venv.intact = w.system.intact = False
    assert w.sweep(LR, jobs=3).failed == 0


def test_the_metric_of_the_goal_must_be_there() -> None:
    w = a_world()
    with pytest.raises(UsageError, match=r"the trial 1 .* has no metric 'loss'") as caught:
        w.sweep(LR, goal=Goal(metric="loss", direction="minimize"), jobs=1)
    assert caught.value.problems[0].hint == "its metrics: train.rmse"
    assert len(runs(w)) == 1
    w = a_world(train=lambda process: process.write("m.json", '{"a": {"x": 1}, "b": {"x": 1}}'))
    with pytest.raises(UsageError, match=r"'x' may be train.a.x or train.b.x"):
        w.sweep(LR, goal=Goal(metric="x", direction="maximize"))


def test_a_value_that_may_not_be_is_said_before_anything_happens() -> None:
    w = a_world()
    with pytest.raises(ParameterError, match=r"2\.0 is larger than the maximum"):
        w.sweep(DEPTH, Axis(name="lr", values=("1", "2")))
    assert not runs(w)


class Broken(FakeExecutor):
    """Raises when it is waited for the third time."""

    def __init__(self, play: Play, error: BaseException) -> None:
        super().__init__(play)
        self._error, self._waits = error, 0

    def wait(self) -> tuple[str, Outcome]:
        self._waits += 1
        if self._waits == 3:
            raise self._error
        return super().wait()


@pytest.mark.parametrize("error", [KeyboardInterrupt(), StoreError("the disk is full")])
def test_what_ends_the_sweep_ends_every_trial(error: BaseException) -> None:
    w = a_world()
    w.make_executor = partial(Broken, error=error)
    w.yaml = w.yaml.replace("{command: [load],", "{command: [load], cache: false,")
    with pytest.raises(type(error)):
        w.sweep(LR, jobs=2)
    assert {run.status for run in runs(w)} <= {"interrupted", "failed"}
    assert not any(journal.alive for journal in w.runs.journals.values())
    assert w.executor.closed


def test_an_environment_that_cannot_be_built_ends_the_sweep() -> None:
    w = a_world()
    w.system.broken = "no such package"
    with pytest.raises(EnvironmentFailed, match="no such package"):
        w.sweep(LR)
    assert [run.status for run in runs(w)] == ["failed"]


def test_a_sweep_goes_on_with_what_is_left() -> None:
    w = a_world(train=fails())
    w.sweep(LR)
    past = runs(w)
    w.programs["train"] = train
    result = w.sweep(LR, goal=RMSE, past=past[:1])
    assert [one.status for one in result.trials] == ["succeeded"] * 3
    assert executed(w) == ["train"] * 3
    again = w.sweep(LR, goal=RMSE, past=[*past, *runs(w)])
    assert (executed(w), again.best) == ([], 2)
    assert not w.reporter.of(RunFinished)


class Fixed:
    """A sampler that learns, and never ends."""

    def __init__(self) -> None:
        self.asked = 0
        self.told: list[tuple[object, object]] = []

    def ask(self) -> Point | None:
        self.asked += 1
        return {"lr": f"0.{self.asked}"}

    def tell(self, point: Point, score: float | None) -> None:
        self.told.append((dict(point), score))


def test_a_sampler_that_learns_is_told_what_came_out() -> None:
    w, sampler = a_world(), Fixed()
    w.sweep(LR, sampler=sampler, trials=3, goal=RMSE, jobs=1)
    assert sampler.told == [
        ({"lr": "0.1"}, pytest.approx(3.1)), ({"lr": "0.2"}, pytest.approx(3)),
        ({"lr": "0.3"}, pytest.approx(3.1)),
    ]  # fmt: skip


def test_a_sampler_that_learns_is_told_of_earlier_trials_too() -> None:
    w, sampler = a_world(), Fixed()
    w.sweep(LR, sampler=sampler, trials=2, goal=RMSE, jobs=1)
    done, failed = runs(w)
    failed = failed.replace(status="failed")
    w.programs["train"], later = fails(), Fixed()
    later.asked = 4
    result = w.sweep(LR, sampler=later, trials=4, goal=RMSE, jobs=1, past=[done, failed])
    assert [(one.number, one.values["lr"]) for one in result.trials] == [
        (1, "0.1"), (2, "0.2"), (3, "0.5"), (4, "0.6"),
    ]  # fmt: skip
    assert later.told[0] == ({"lr": "0.1"}, pytest.approx(3.1))
    assert later.told[-1] == ({"lr": "0.6"}, None)


def test_all_trials_have_the_code_of_the_first() -> None:
    w = a_world()

    def edits(process: Process) -> None:
        w.source["new.py"] = b"print()"
        train(process)

    w.programs["train"] = edits
    w.sweep(LR, jobs=1)
    assert len({run.source.tree for run in runs(w)}) == 1


def test_a_step_that_is_tried_again_keeps_the_others_waiting() -> None:
    tries = iter([fails(), fails(), load])
    w = a_world(load=lambda process: next(tries)(process))  # noqa: PLW0108 -- another one each time
    w.yaml = w.yaml.replace(
        "{command: [load],", "{command: [load], retries: {times: 3, delay: 5s},"
    )
    assert w.sweep(LR, jobs=2).failed == 0
    assert executed(w).count("load") == 3


def test_all_else_of_the_source_is_as_it_is(tmp_path: Path) -> None:
    w = a_world()
    w.source["a.py"] = b"print(1)"
    once = OneSnapshot(w.control)
    tree = once.snapshot("/home/user/project", "/home/user/project").tree
    assert once.read(tree, "a.py") == b"print(1)"
    once.checkout(tree, str(tmp_path), ["a.py"])
    assert (tmp_path / "a.py").exists()
    assert list(once.manifest(tree)) == ["a.py"]


def test_only_the_steps_that_are_asked_for() -> None:
    w = a_world()
    w.sweep(DEPTH, steps=("cut",))
    assert executed(w) == ["cut", "cut", "load"]


def test_a_goal_takes_the_earliest_of_the_best_and_no_nan() -> None:
    assert RMSE.best({3: 1.0, 2: 1.0, 4: 2.0}) == 2
    assert Goal(metric="x", direction="maximize").best({3: 1.0, 2: 1.0, 4: 2.0}) == 4
    assert RMSE.best({}) is None
    assert RMSE.score({"train.rmse": float("nan")}) is None
    assert RMSE.score({"rmse": 1.0, "train.rmse": 2.0}) == 1.0


def test_hundreds_of_sweeps_never_start_a_step_before_its_input_is_there() -> None:
    chance = Random(1)  # noqa: S311 -- no secret
    for seed in range(200):
        w = a_world(seed)
        result = w.sweep(LR, DEPTH, jobs=chance.randrange(1, 6), goal=RMSE)
        assert result.best == 3
        assert len(w.reporter.of(StepStarted)) == 1 + 2 + 6
