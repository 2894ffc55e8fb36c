"""Runs that are told of by a program that is running already."""

import pytest
from tests.engine.world import World

from runproj.engine.furnish import Room
from runproj.engine.session import Session, start
from runproj.errors import CannotRerun
from runproj.record.outcome import Outcome

YAML = """
    runproj: 1
    entry_points: {main: {command: [python, s.py], cache: false}}
"""
ROOM = Room("/home/user/project", "/home/user/project", "/told")


def session(w: World, *, interactive: bool = False) -> Session:
    prepared = w.prepare()
    header = w._header(prepared, None).replace(interactive=interactive, tags={"by": "hand"})
    return start(
        prepared, header, ROOM, objects=w.objects, runs=w.runs, tracking=w.tracking,
        variables={"PATH": "/bin"}, now=lambda: 100.0,
    )  # fmt: skip


def test_it_is_on_record_from_its_start() -> None:
    w = World(YAML, {})
    made = session(w)
    run = w.runs.load(made.run.id)
    assert [(one.status, one.argv) for one in run.steps] == [("running", ("python", "s.py"))]
    assert made.variables == {
        "RUNPROJ_EVENTS": "/told/.tracking/events.jsonl",
        "RUNPROJ_RUN_ID": made.run.id, "RUNPROJ_STEP": "main",
    }  # fmt: skip


def test_what_it_told_is_kept_at_its_end() -> None:
    w = World(YAML, {})
    made = session(w)
    w.disk.write(
        made.variables["RUNPROJ_EVENTS"],
        b'{"metric": "a", "value": 1}\n{"tag": "b", "value": "c"}\n',
    )
    run = made.end("succeeded", Outcome(exit_code=0, duration_s=2.5), None, 102.5)
    assert w.runs.load(run.id) == run
    assert (run.status, run.metrics, run.tags) == (
        "succeeded", {"main.a": 1}, {"by": "hand", "b": "c"},
    )  # fmt: skip
    [step] = run.steps
    assert (step.reusable, step.variables) == (False, {"PATH": "/bin"})


def test_it_may_fail_and_tell_nothing() -> None:
    w = World(YAML, {})
    run = session(w).end("failed", Outcome(exit_code=1), "ValueError: no", 101.0)
    assert (run.exit_code, run.error, run.tags) == (1, "ValueError: no", {"by": "hand"})


def test_what_was_typed_cannot_be_done_again() -> None:
    w = World(YAML, {})
    run = session(w, interactive=True).end("succeeded", Outcome(exit_code=0), None, 101.0)
    with pytest.raises(CannotRerun, match=r"in a notebook or an interactive shell"):
        w.rerun(run)
