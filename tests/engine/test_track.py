"""What steps tell of themselves is kept, and nothing goes wrong for it."""

import json
import struct
from collections.abc import Mapping

import pytest
from tests.engine.world import Process, Program, World, both, writes

from runproj.engine.lookup import find_outputs
from runproj.engine.needs import needs_of
from runproj.model import EMPTY
from runproj.record.outcome import Outcome
from runproj.record.points import CURVE, read_points
from runproj.record.run import Run, StepRun
from runproj.record.tracking import Summary, Tracked

YAML = """
    runproj: 1
    parameters: {lr: 0.1, rounds: 3, data: {type: path, default: in.csv},
                 many: {type: list, items: path, default: [a, b]}, none: {type: path, default: null}}
    entry_points:
      main:
        steps:
          train: {command: [go, "{lr}"%s], outputs: {model: out/model}%s}
"""


def world(more: str = "", arguments: str = "") -> World:
    w = World(YAML % (arguments, more), {"train": writes(out__model="m")})
    w.source |= {"in.csv": b"", "a": b"", "b": b""}
    return w


def telling(*events: object, then: Outcome | None = None) -> World:
    """Return a world whose step tells something, and makes its output."""
    w = world()
    w.programs["train"] = tells(*events, then=then)
    return w


def tells(
    *events: object, then: Outcome | None = None, files: Mapping[str, bytes] = EMPTY
) -> Program:
    def play(process: Process) -> Outcome | None:
        folder = folder_of(process)
        texts = (event if isinstance(event, str) else json.dumps(event) for event in events)
        process.disk.write(f"{folder}/events.jsonl", "".join(f"{t}\n" for t in texts).encode())
        for path, content in files.items():
            process.disk.write(f"{folder}/{path}", content)
        process.write("out/model", "m")
        return then

    return play


def folder_of(process: Process) -> str:
    return process.execution.variables["RUNPROJ_EVENTS"].rpartition("/")[0]


def step(run: Run) -> StepRun:
    [one] = run.steps
    return one


def tracked(run: Run) -> Tracked:
    found = step(run).tracked
    assert found is not None
    return found


def block(name: str, values: list[float]) -> bytes:
    text = name.encode().ljust(8, b"\0")
    body = b"".join(struct.pack("<qdd", at, value, 5.0) for at, value in enumerate(values))
    return struct.pack("<IIQ", 0x31505052, len(name), len(values)) + text + body


def test_metrics_are_those_of_the_step_with_all_points_in_the_store() -> None:
    w = telling({"metric": "loss", "value": 0.5}, {"metric": "loss", "value": 0.25})
    run = w.run()
    assert run.metrics == {"train.loss": 0.25}
    assert run.summaries == {"train.loss": Summary(points=2, min=0.25, max=0.5)}
    found = tracked(run)
    assert found.curves == found.points
    assert list(read_points(w.objects.read(found.points or ""))["loss"].values) == [0.5, 0.25]


def test_points_of_processes_and_of_events_are_one_metric() -> None:
    w = world()
    w.programs["train"] = tells(
        {"metric": "a", "value": 9},
        files={"points-1-0": block("a", [1, 2]), "points-2-0": block("a", [3])},
    )
    run = w.run()
    points = read_points(w.objects.read(tracked(run).points or ""))["a"]
    assert (list(points.values), list(points.steps)) == ([1, 2, 3, 9], [0, 1, 0, 3])


def test_many_points_are_kept_and_few_of_them_besides() -> None:
    w = world()
    w.programs["train"] = tells(
        files={"points-1-0": block("a", [float(n) for n in range(CURVE * 2)])}
    )
    found = tracked(w.run())
    assert found.curves != found.points
    every, few = (
        read_points(w.objects.read(one or ""))["a"] for one in (found.points, found.curves)
    )
    assert len(every.values) == CURVE * 2
    assert 0 < len(few.values) <= CURVE


def test_a_last_value_that_is_no_number_stands_apart() -> None:
    run = telling({"metrics": {"a": "NaN", "b": "-Infinity", "c": 1}}).run()
    assert run.metrics == {"train.c": 1}
    assert tracked(run).not_finite == {"a": "NaN", "b": "-Infinity"}
    assert run.shown_metrics == {"train.a": "NaN", "train.b": "-Infinity", "train.c": 1}


def test_parameters_and_tags_are_told() -> None:
    run = telling({"param": "optimizer", "value": "adam"}, {"tag": "team", "value": "vision"}).run()
    assert tracked(run).params == {"optimizer": "adam"}
    assert run.tags == {"team": "vision"}


def test_artifacts_and_models_are_kept_and_needed() -> None:
    w = world()
    w.programs["train"] = tells(
        files={
            "artifacts/plots/roc.svg": b"<svg>",
            "artifacts/notes.txt": b"n",
            "models/best/model.json": b'{"flavor": "generic"}',
            "models/best/weights": b"w",
        }
    )
    run = w.run()
    found = tracked(run)
    assert [(one.path, one.kind) for one in found.artifacts] == [
        ("notes.txt", "file"), ("plots", "folder"),
    ]  # fmt: skip
    [model] = found.models
    assert (model.name, model.flavor, model.path) == ("best", "generic", "models/best")
    assert w.objects.has(model)
    assert [(one.name, one.path) for one in step(run).kept] == [
        ("model", "out/model"), ("notes.txt", "artifacts/train/notes.txt"),
        ("plots", "artifacts/train/plots"), ("best", "models/train/best"),
    ]  # fmt: skip
    assert [one.sha256 for _, one in find_outputs(run, None, "best")] == [model.sha256]
    needed = needs_of([run], outputs=True).objects
    assert {one.sha256 for one in (*found.artifacts, model)} <= set(needed)


def test_points_are_needed() -> None:
    run = telling({"metric": "a", "value": 1}).run()
    assert tracked(run).points in needs_of([run], outputs=True).objects


def test_artifacts_of_events_are_kept_as_they_are_at_the_end() -> None:
    w = telling({"artifact": "out/model", "name": "copy"}, {"artifact": "none"})
    run = w.run()
    [artifact] = tracked(run).artifacts
    assert artifact.path == "copy"
    assert w.objects.read(artifact.sha256) == b"m"
    assert any("its artifact none is not kept" in text for text in step(run).warnings)


def test_what_stands_outside_of_the_workspace_is_not_kept() -> None:
    run = telling({"artifact": "/home/user/.ssh/id"}, {"artifact": "../../etc/x"}).run()
    assert tracked(run).artifacts == ()
    assert step(run).warnings == (
        "its artifact /home/user/.ssh/id is not kept: it is not in its workspace",
        "its artifact ../../etc/x is not kept: it is not in its workspace",
    )


def test_what_is_no_event_is_a_warning() -> None:
    run = telling("what").run()
    assert step(run).warnings == ("line 1 of its events: it is not JSON",)


def test_a_step_that_tells_nothing_has_nothing() -> None:
    only = step(world().run())
    assert only.tracked is None
    assert (only.kept, only.shown_metrics) == (only.outputs, {})


def test_what_a_failed_step_told_is_kept() -> None:
    run = telling(
        {"metric": "a", "value": 1}, {"tag": "b", "value": "c"}, then=Outcome(exit_code=3)
    ).run()
    assert (run.status, run.metrics, run.tags) == ("failed", {"train.a": 1}, {"b": "c"})


def test_what_an_interrupted_step_told_is_kept() -> None:
    w = world()

    def play(process: Process) -> Outcome | None:
        tells({"metric": "a", "value": 1})(process)
        raise KeyboardInterrupt

    w.programs["train"] = play
    with pytest.raises(KeyboardInterrupt):
        w.run()
    assert w.runs.load("r1").metrics == {"train.a": 1}


def test_a_step_that_is_taken_from_another_run_has_what_it_told_then() -> None:
    w = telling({"metric": "a", "value": 1}, {"tag": "b", "value": "c"})
    w.run()
    again = w.run()
    assert (step(again).status, again.metrics, again.tags) == ("cached", {"train.a": 1}, {"b": "c"})


def test_metrics_of_a_file_are_beside_what_was_logged() -> None:
    w = world(more=", metrics: [out/m.json]")
    w.programs["train"] = both(
        tells({"metric": "a", "value": 1}, {"metric": "b", "value": 1}),
        writes(**{"out__m.json": '{"b": 2}'}),
    )
    assert w.run().metrics == {"train.a": 1, "train.b": 2}


def test_what_cannot_be_heard_is_a_warning_and_no_failure() -> None:
    w = world()
    w.tracking.broken = "the disk is gone"
    run = w.run()
    assert run.status == "succeeded"
    assert step(run).warnings == ("what it logged cannot be kept: the disk is gone",)


def test_no_secret_is_kept_in_what_is_told() -> None:
    w = world(more=", secrets: [TOKEN]")
    w.caller = {"TOKEN": "correct-horse"}
    said = "my correct-horse"
    w.programs["train"] = tells(
        {"param": said, "value": [said, {said: 1}]}, {"tag": said, "value": said},
        {"metric": said, "value": 1}, files={"artifacts/a.txt": said.encode()},
    )  # fmt: skip
    run = w.run()
    assert "correct-horse" not in repr(run)
    assert step(run).warnings == ("its artifact a.txt holds the secret TOKEN",)


def test_a_step_can_ask_for_what_it_refers_to() -> None:
    w = world(
        more=", matrix: {fold: [1]}, inputs: [in.csv]",
        arguments=', "{data}", "{many}", "{matrix.fold}"',
    )
    w.programs["train[fold=1]"] = writes(out__model="m")
    w.run()
    [context] = w.tracking.contexts
    project = w.workspaces.opened[0].project
    assert context["params"] == {
        "lr": 0.1,
        "data": f"{project}/in.csv",
        "many": [f"{project}/a", f"{project}/b"],
        "fold": 1,
    }
    assert context["others"] == ["rounds", "none"]
    assert context["inputs"] == {path: f"{project}/{path}" for path in ("in.csv", "a", "b")}
    assert context["outputs"] == {
        "out/model": f"{project}/out/model", "model": f"{project}/out/model",
    }  # fmt: skip


def test_a_path_that_was_not_given_is_none() -> None:
    w = world(arguments=', "{none}"')
    w.run()
    assert w.tracking.contexts[0]["params"] == {"lr": 0.1, "none": None}


def test_python_and_shells_find_where_to_tell_behind_what_is_there() -> None:
    w = world(more=", env: {PYTHONPATH: lib}")
    w.run()
    variables = w.executor.started[0].variables
    root = w.workspaces.opened[0].root
    assert variables["RUNPROJ_EVENTS"] == f"{root}.tmp/.tracking/events.jsonl"
    assert variables["PYTHONPATH"] == "lib:/workspaces/client/python"
    assert variables["PATH"] == "/env/bin:/workspaces/client/bin"


def test_where_to_tell_makes_no_difference_between_runs() -> None:
    from runproj.engine.audit import changed_variables  # noqa: PLC0415

    w = world(more=", cache: false")
    first, second = step(w.run()), step(w.run())
    assert first.variables != second.variables
    assert list(changed_variables(first.variables, second.variables)) == []


def test_a_step_that_is_tried_again_begins_anew() -> None:
    w = world(more=", retries: 1")
    attempts = iter(
        [
            tells({"metric": "a", "value": 1}, then=Outcome(exit_code=1)),
            tells({"metric": "b", "value": 2}),
        ]
    )
    w.programs["train"] = lambda process: next(attempts)(process)  # noqa: PLW0108 -- the next one each time
    assert w.run().metrics == {"train.b": 2}
