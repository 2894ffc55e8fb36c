"""Running: every step in its workspace, and everything written down."""

import pytest
from tests.engine.world import (
    PROJECT,
    Process,
    Program,
    World,
    both,
    copies,
    fails,
    prepare,
    raises,
    statuses,
    told,
    train,
    training,
    writes,
)
from tests.fakes.executor import FakeExecutor
from tests.fakes.runs import FakeJournal

from runproj.errors import EnvironmentFailed, Interrupted, ProjectError, StoreError
from runproj.record.events import (
    Planned,
    Progress,
    RunFinished,
    StepFinished,
    StepPrinted,
    StepStarted,
    Warned,
)
from runproj.record.outcome import Outcome
from runproj.record.run import Run, StepRun


@pytest.fixture
def w() -> World:
    return training()


def one_step(program: Program | None = None, **fields: str) -> World:
    """Return a world with one step called main; its fields are JSON."""
    text = "runproj: 1\nentry_points:\n  main:\n    command: [go]\n"
    text += "".join(f"    {name}: {value}\n" for name, value in fields.items())
    return World(text, {"main": program} if program else {})


def failure(run: Run, name: str = "main") -> tuple[str | None, str | None]:
    step = run.step(name)
    assert step is not None
    assert step.status == "failed"
    return step.error, step.hint


def content(w: World, run: Run, step: str, path: str) -> str:
    found = run.step(step)
    assert found is not None
    output = next(output for output in found.outputs if output.path == path)
    return w.objects.read(output.sha256).decode()


# ── a run ────────────────────────────────────────────────────────────────────────────────────────


def test_a_first_run_executes_every_step_in_order(w: World) -> None:
    run = w.run()
    assert told(run) == dict.fromkeys(("prepare", "train", "report"), "succeeded: new")
    assert w.executor.names == ["prepare", "train", "report"]
    assert content(w, run, "report", "report.html") == "odd 0.1"


def test_what_is_returned_is_what_is_recorded(w: World) -> None:
    run = w.run()
    assert w.runs.load(run.id) == run
    assert (run.status, run.exit_code, run.error) == ("succeeded", 0, None)
    assert run.finished_at is not None
    assert run.duration_s == pytest.approx(run.duration_s)
    assert not w.journal.alive


def test_every_step_is_noted_before_and_after(w: World) -> None:
    w.run()
    assert w.journal.events == [
        (event, name)
        for name in ("prepare", "train", "report")
        for event in ("started", "finished")
    ]


def test_a_run_is_on_record_before_anything_executes(w: World) -> None:
    seen = []

    def look(process: Process) -> None:
        prepare(process)
        run = w.runs.load("r1")
        seen.append((run.status, statuses(run)))

    w.programs["prepare"] = look
    w.run()
    assert seen == [("running", {"prepare": "running"})]


def test_a_person_is_told_what_happens_in_order(w: World) -> None:
    w.programs["prepare"] = both(lambda process: process.print("hello"), prepare)
    run = w.run()
    kinds = [type(event) for event in w.reporter.events if not isinstance(event, Progress)]
    assert kinds == [
        Planned, StepStarted, StepPrinted, StepFinished, StepStarted, StepFinished, StepStarted,
        StepFinished, RunFinished,
    ]  # fmt: skip
    assert w.reporter.of(RunFinished) == [RunFinished(run)]
    assert w.journal.logs["prepare"].pieces == [("stderr", b"hello")]


def test_environments_are_built_once_and_before_the_first_step(w: World) -> None:
    w.run()
    assert len(w.system.built) == 1
    kinds = [type(event) for event in w.reporter.events]
    assert kinds.index(Progress) < kinds.index(StepStarted)


def test_all_is_closed_when_a_run_has_ended(w: World) -> None:
    w.run()
    assert w.workspaces.closed
    assert w.executor.closed
    assert all(log.closed for log in w.journal.logs.values())
    assert [workspace.kept for workspace in w.workspaces.opened] == [False] * 3


def test_a_process_gets_what_makes_it_repeatable_and_little_else() -> None:
    w = one_step(env='{A: "{run.id}", TZ: Europe/Berlin}', pass_env="[B, C]")
    w.caller = {"HOME": "/home/user", "SECRET": "x", "B": "b", "PATH": "/usr/bin"}
    w.run()
    variables = dict(w.executor.started[0].variables)
    root = w.workspaces.opened[0].root
    assert variables == variables | {
        "A": "r1", "B": "b", "TZ": "Europe/Berlin", "HOME": "/home/user",
        "PATH": "/env/bin:/workspaces/client/bin",
        "PYTHONHASHSEED": "0", "RUNPROJ_RUN_ID": "r1", "RUNPROJ_STEP": "main",
        "TMPDIR": f"{root}.tmp", "GIT_CEILING_DIRECTORIES": "/workspaces",
    }  # fmt: skip
    assert not {"SECRET", "C"} & set(variables)


def test_a_process_runs_where_it_is_declared_to() -> None:
    w = one_step(
        working_directory="sub",
        stdin="in.txt",
        stdout="out/log.txt",
        timeout="5",
        inputs="[in.txt]",
    )
    w.source |= {"in.txt": b"", "sub/x": b""}
    w.programs["main"] = writes(out__log_txt="printed")
    w.run()
    execution, root = w.executor.started[0], w.workspaces.opened[0].root
    assert execution.directory == f"{root}/sub"
    assert (execution.stdin, execution.stdout) == (f"{root}/in.txt", f"{root}/out/log.txt")
    assert execution.timeout_s == 5


def test_a_step_sees_the_source_without_what_runproj_keeps_from_it(w: World) -> None:
    w.source["model.bin"] = b"an old result that was committed"
    seen: list[set[str]] = []
    w.programs["prepare"] = both(
        lambda process: seen.append(set(w.disk.show(process.project))), prepare
    )
    w.run()
    assert seen == [{"train.py"}]


def test_a_step_records_what_it_got_and_made(w: World) -> None:
    step = w.run().step("train")
    assert step is not None
    assert step.argv == ("python", "train.py", "--lr", "0.1")
    assert [(one.path, one.size) for one in step.inputs] == [("data.csv", 3)]
    assert [(one.path, one.name) for one in step.outputs] == [("model.bin", None)]
    assert step.environment is not None
    assert step.environment.kind == "system"
    assert step.fingerprint is not None
    assert step.fingerprint.parameters == {"lr": "0.1"}
    assert (step.started_at or "") < (step.finished_at or "")


def test_an_input_that_comes_with_the_source_is_recorded() -> None:
    w = one_step(inputs="[data/*.csv, lib]", outputs="[m]")
    w.source |= {"data/a.csv": b"a", "lib/x": b"x", "lib/y": b"y"}
    w.programs["main"] = writes(m="")
    step = w.run().step("main")
    assert step is not None
    assert {(one.path, one.kind) for one in step.inputs} == {
        ("data/a.csv", "file"),
        ("lib", "folder"),
    }


def test_an_ignored_file_is_given_to_who_declares_it() -> None:
    w = one_step(inputs="[data/*.csv]", outputs="[m]")
    w.ignored("data/a.csv", "a")
    w.programs["main"] = copies("data/a.csv", "m")
    run = w.run()
    assert content(w, run, "main", "m") == "a"
    assert [one.path for one in run.inputs] == ["data/a.csv"]


def test_a_path_from_elsewhere_is_given_as_an_input() -> None:
    w = one_step(outputs="[m]", parameters="{d: {type: path}}")
    w.yaml = w.yaml.replace("[go]", '[go, "{d}"]')
    w.disk.write("/data/x.csv", b"far")
    w.programs["main"] = lambda process: process.write("m", process.read(process.execution.argv[1]))
    run = w.run(d="/data/x.csv")
    assert content(w, run, "main", "m") == "far"
    assert [one.path for one in run.inputs] == ["inputs/d/x.csv"]


def test_an_output_of_a_past_run_is_given_as_an_input(w: World) -> None:
    w.run()
    w.yaml = """
        runproj: 1
        parameters: {page: {type: path}}
        entry_points:
          main: {command: [show, "{page}"], outputs: [copy]}
    """
    w.programs["main"] = lambda process: process.write(
        "copy", process.read(process.execution.argv[1])
    )
    run = w.run(page="run:r1:page")
    assert content(w, run, "main", "copy") == "odd 0.1"


def test_a_step_without_declared_outputs_keeps_all_that_it_made() -> None:
    w = one_step()
    w.source |= {"code.py": b"", "gone.py": b""}
    w.programs["main"] = both(
        writes(d__b_txt="b", code_py="altered"),
        lambda process: process.write("__pycache__/x.pyc"),
        lambda process: process.remove("gone.py"),
    )
    step = w.run().step("main")
    assert step is not None
    assert step.status == "succeeded"
    assert [one.path for one in step.outputs] == ["code.py", "d/b.txt"]


def test_a_folder_can_be_an_output_and_a_part_of_it_an_input() -> None:
    w = World("""
        runproj: 1
        entry_points:
          main:
            steps:
              split: {command: [split], outputs: [parts]}
              one: {command: [one], inputs: [parts/1.csv], outputs: [one.txt]}
              some: {command: [some], inputs: ["parts/*.csv"], outputs: [some.txt]}
              all: {command: [all], inputs: [parts], outputs: [all.txt]}
    """)

    def seen(path: str) -> Program:
        return lambda process: process.write(
            path, " ".join(sorted(w.disk.show(f"{process.project}/parts")))
        )

    w.programs |= {
        "split": writes(parts__1_csv="1", parts__2_csv="2", parts__deep__x="x"),
        "one": seen("one.txt"),
        "some": seen("some.txt"),
        "all": seen("all.txt"),
    }
    run = w.run()
    texts = [content(w, run, name, f"{name}.txt") for name in ("one", "some", "all")]
    assert texts == ["1.csv", "1.csv 2.csv", "1.csv 2.csv deep/x"]


PARTS = """
    runproj: 1
    entry_points:
      main:
        steps:
          split: {command: [split], outputs: [parts]}
          one: {command: [one], inputs: [parts/9.csv], outputs: [one.txt]}
"""


def test_a_part_that_was_not_made_ends_the_run_with_words() -> None:
    w = World(PARTS, {"split": writes(parts__1_csv="1")})
    with pytest.raises(ProjectError, match=r"'parts/9\.csv' is not in the folder 'parts'"):
        w.run()
    run = w.runs.load("r1")
    assert (run.status, run.exit_code, statuses(run)) == ("failed", 3, {"split": "succeeded"})


def test_a_project_may_stand_in_a_folder_of_its_source(w: World) -> None:
    w.yaml += "    source: {root: ..}\n"
    w.source.clear()
    w.source |= {"project/train.py": b"", "lib/shared.py": b"shared"}
    seen = []
    w.programs["prepare"] = both(
        lambda process: seen.append(process.read("../lib/shared.py")), prepare
    )
    run = w.run()
    assert run.source.project_path == "project"
    assert seen == ["shared"]
    assert statuses(run) == {"prepare": "succeeded", "train": "succeeded", "report": "succeeded"}


# ── metrics ──────────────────────────────────────────────────────────────────────────────────────


def test_metrics_are_read_from_what_a_step_made() -> None:
    w = one_step(writes(m_json='{"f1": 0.5, "test": {"f1": 0.25}, "note": "x"}'), metrics="m.json")
    run = w.run()
    assert run.metrics == {"main.f1": 0.5, "main.test.f1": 0.25}


def test_metrics_of_a_cached_step_are_known() -> None:
    w = one_step(writes(m_json='{"f1": 0.5}'), metrics="m.json")
    w.run()
    assert w.run().metrics == {"main.f1": 0.5}


def test_metrics_may_be_declared_after_they_were_made() -> None:
    w = one_step(writes(m_json='{"f1": 0.5}'), outputs="[m.json]")
    assert w.run().metrics == {}
    w.yaml += "    metrics: m.json\n"
    run = w.run()
    assert told(run) == {"main": "succeeded: outputs declared: m.json (metrics)"}
    assert run.metrics == {"main.f1": 0.5}


def test_metrics_that_are_declared_afterwards_and_cannot_be_read_fail_the_step() -> None:
    w = one_step(writes(m_json="{"), outputs="[m.json]")
    w.run()
    w.yaml += "    metrics: m.json\n"
    error, _ = failure(w.run())
    assert error is not None
    assert error.startswith("its metrics file cannot be read: ")


@pytest.mark.parametrize("text", [b"{", b"[]", b"", b"\xff", b'{"note": "x"}'])
def test_metrics_that_cannot_be_read_fail_the_step(text: bytes) -> None:
    w = one_step(metrics="m.json")
    w.programs["main"] = lambda process: w.disk.write(f"{process.project}/m.json", text)
    error, hint = failure(w.run())
    assert error is not None
    assert error.startswith("its metrics file cannot be read: ")
    assert hint == "metrics are numbers in JSON, YAML or CSV"


def test_what_was_kept_of_a_step_that_fails_then_is_in_its_workspace_still() -> None:
    w = one_step(writes(model="days of work", d__x="1", m_json="{"), outputs="[model, d]")
    w.yaml += "    metrics: m.json\n"
    run = w.run()
    assert run.status == "failed"
    (workspace,) = w.workspaces.opened
    assert {path: node.content for path, node in workspace.now().items()} == {
        "model": b"days of work", "d/x": b"1", "m.json": b"{",
    }  # fmt: skip


def test_what_was_not_moved_need_not_be_put_back() -> None:
    w = one_step(metrics="m.json", outputs="[out]")
    w.disk.write("/elsewhere/x", b"theirs")

    def main(process: Process) -> None:
        w.disk.link(f"{process.project}/out", "/elsewhere/x")
        process.write("m.json", "{")

    w.programs["main"] = main
    assert w.run().status == "failed"
    assert w.workspaces.opened[0].now()["out"].kind == "link"


def test_a_folder_is_no_metrics_file() -> None:
    w = one_step(writes(m_json__x="1"), metrics="m.json")
    error, _ = failure(w.run())
    assert error == "its metrics file cannot be read: m.json is a folder"


def test_metrics_that_are_missing_fail_the_step() -> None:
    error, _ = failure(one_step(metrics="m.json").run())
    assert error == "it did not make its output m.json"


# ── failures ─────────────────────────────────────────────────────────────────────────────────────


def test_a_failing_step_ends_the_run_and_what_comes_after_it_is_skipped(w: World) -> None:
    w.programs["train"] = fails("Traceback\nValueError: no\n", 3)
    run = w.run()
    assert statuses(run) == {"prepare": "succeeded", "train": "failed", "report": "skipped"}
    assert (run.status, run.exit_code) == ("failed", 1)
    assert failure(run, "train")[0] == "it ended with exit code 3"
    assert w.executor.names == ["prepare", "train"]
    report_run = run.step("report")
    assert report_run is not None
    assert report_run.error == report_run.why == "the step 'train' before it failed"
    assert run.steps[0].why == "new"


def test_what_a_failure_blocks_says_which_one() -> None:
    w = World(
        """
        runproj: 1
        entry_points:
          main:
            steps:
              a: {command: [a]}
              b: {command: [b]}
              c: {command: [c], needs: [a, b]}
              d: {command: [d], needs: [c]}
              e: {command: [e], needs: [b]}
              f: {command: [f]}
        """,
        {"a": fails(), "b": fails()},
    )
    run = w.execute(w.prepare(), keep_going=True)
    said = {one.name: one.error for one in run.steps if one.status == "skipped"}
    assert said == {
        "c": "the steps 'a' and 'b' before it failed",
        "d": "the steps 'a' and 'b' before it failed",
        "e": "the step 'b' before it failed",
    }
    run = w.run()
    said = {one.name: one.error for one in run.steps if one.status == "skipped"}
    assert said["d"] == "the step 'a' before it failed"
    assert said["b"] == said["e"] == "it did not start, for the step 'a' failed"


def test_a_failure_shows_the_end_of_the_log(w: World) -> None:
    w.programs["train"] = fails("first\nlast\n")
    w.run()
    finished = w.reporter.of(StepFinished)[-1]
    assert finished.step_run.name == "train"
    assert finished.log_tail == "first\nlast\n"
    assert finished.log_path == "/runs/r1/train/output.log"


def test_the_workspace_of_a_failure_stays(w: World) -> None:
    w.programs["train"] = fails()
    run = w.run()
    assert [workspace.kept for workspace in w.workspaces.opened] == [False, True]
    step = run.step("train")
    assert step is not None
    assert step.workspace == w.workspaces.opened[1].root


def test_workspaces_can_be_kept(w: World) -> None:
    run = w.execute(w.prepare(), keep_workspace=True)
    assert [workspace.kept for workspace in w.workspaces.opened] == [True] * 3
    assert [step.workspace for step in run.steps] == [one.root for one in w.workspaces.opened]
    assert w.disk.exists(f"{w.workspaces.opened[0].root}/data.csv")


INDEPENDENT = """
    runproj: 1
    entry_points:
      main:
        steps:
          a: {command: [a], outputs: [a.txt]}
          after_a: {command: [b], inputs: [a.txt], outputs: [b.txt]}
          c: {command: [c], outputs: [c.txt]}
          after_c: {command: [d], inputs: [c.txt], outputs: [d.txt]}
"""


def test_without_keep_going_the_first_failure_is_the_last_step() -> None:
    w = World(INDEPENDENT, {"a": fails()})
    run = w.run()
    assert statuses(run) == {
        "a": "failed",
        "after_a": "skipped",
        "c": "skipped",
        "after_c": "skipped",
    }


def test_with_keep_going_what_can_execute_does() -> None:
    programs = {"a": fails(), "c": writes(c_txt="c"), "after_c": writes(d_txt="d")}
    w = World(INDEPENDENT, programs)
    run = w.execute(w.prepare(), keep_going=True)
    assert statuses(run) == {
        "a": "failed",
        "after_a": "skipped",
        "c": "succeeded",
        "after_c": "succeeded",
    }
    assert run.exit_code == 1


@pytest.mark.parametrize(
    ("outcome", "error"),
    [
        (Outcome(exit_code=2), "it ended with exit code 2"),
        (Outcome(signal="SIGSEGV"), "it was ended by the signal SIGSEGV"),
        (Outcome(signal="SIGTERM", timed_out=True), "it was ended after its timeout of 90 s"),
        (Outcome(exit_code=0, timed_out=True), "it was ended after its timeout of 90 s"),
        (
            Outcome(start_error="command not found: go"),
            "it could not be started: command not found: go",
        ),
    ],
)
def test_the_end_of_a_process_is_told_in_words(outcome: Outcome, error: str) -> None:
    w = one_step(lambda _: outcome, timeout="90")
    run = w.run()
    assert failure(run)[0] == error
    assert run.steps[0].outcome == outcome


def test_a_command_that_is_not_there_is_told_with_its_environment() -> None:
    w = one_step(lambda _: Outcome(start_error="command not found: go"))
    assert failure(w.run())[1] == "it runs in the environment 'system': a fake environment"
    w = one_step(lambda _: Outcome(start_error="command not found: bash"), shell="bash")  # noqa: S604 -- a field
    w.yaml = w.yaml.replace("[go]", "go | there")
    assert str(failure(w.run())[1]).endswith("no bash, 'shell: sh' in the step may do")


def test_an_environment_that_a_step_changed_is_told() -> None:
    w = one_step(fails())
    w.system.intact = False
    assert failure(w.run())[1] == (
        "its environment was changed since it was built; the next run builds it again"
    )


def test_what_ran_in_a_changed_environment_is_not_used_again() -> None:
    w = one_step(writes(m_txt="x"), outputs="[m.txt]")
    w.system.intact = False
    first = w.run()
    assert first.status == "succeeded"
    (step,) = first.steps
    assert (step.reusable, step.warnings) == (
        False, ("the environment 'system' was changed since it was built",),
    )  # fmt: skip
    assert [one.text for one in w.reporter.of(Warned)] == list(step.warnings)
    w.system.intact = True
    assert told(w.run()) == {"main": "succeeded: its environment was changed during r1"}
    assert told(w.run()) == {"main": "cached: unchanged since r2"}


def test_an_output_that_was_not_made_fails_the_step() -> None:
    w = one_step(writes(other_txt="x"), outputs="[m.txt]")
    assert failure(w.run()) == ("it did not make its output m.txt", "it made: other.txt")


def test_an_output_that_was_made_elsewhere_is_found() -> None:
    w = one_step(writes(sub__m_txt="x"), outputs="[m.txt]")
    assert failure(w.run())[1] == (
        "it made sub/m.txt: paths are relative to the project, whatever the working directory"
    )


def test_a_step_that_made_nothing_is_told_so() -> None:
    w = one_step(outputs="[m.txt]")
    assert failure(w.run()) == ("it did not make its output m.txt", "it made no file at all")


def test_nothing_is_moved_away_when_an_output_is_missing() -> None:
    w = one_step(writes(a_txt="a", z_txt="z"), outputs="[a.txt, m.txt, z.txt]")
    w.run()
    root = w.workspaces.opened[0].root
    assert set(w.disk.show(root)) == {"a.txt", "z.txt"}


def test_an_output_that_leads_nowhere_is_told_as_it_is() -> None:
    w = one_step(outputs="[m.txt]")
    w.programs["main"] = lambda process: w.disk.link(f"{process.project}/m.txt", "nowhere")
    error, _ = failure(w.run())
    assert error is not None
    assert error.startswith("its output m.txt cannot be kept: nothing is there to be kept (")


def test_an_input_that_a_step_changed_fails_it(w: World) -> None:
    w.programs["train"] = both(train, writes(data_csv="other"))
    run = w.run()
    assert failure(run, "train") == (
        "it changed its input data.csv",
        "let it write a new file, and declare that one as an output",
    )


def test_an_input_from_the_source_that_a_step_changed_fails_it() -> None:
    w = one_step(writes(in_txt="other"), inputs="[in.txt]")
    w.source["in.txt"] = b""
    assert failure(w.run())[0] == "it changed its input in.txt"


def test_a_file_in_an_input_folder_that_a_step_changed_fails_it() -> None:
    w = one_step(writes(lib__x_txt="other"), inputs="[lib]")
    w.source["lib/x.txt"] = b""
    assert failure(w.run())[0] == "it changed its input lib/x.txt"


def test_a_source_file_that_a_step_changed_fails_it_when_outputs_are_declared() -> None:
    w = one_step(writes(m_txt="m", code_py="altered"), outputs="[m.txt]")
    w.source["code.py"] = b""
    assert failure(w.run()) == (
        "it changed the source file code.py",
        "if that is a result, declare it: outputs: [code.py]",
    )


def test_a_source_file_below_an_output_folder_may_change() -> None:
    w = one_step(writes(out__m_txt="m"), outputs="[out]")
    w.source["out/m.txt"] = b""
    assert w.run().status == "succeeded"


# ── what a failing step may have looked for ──────────────────────────────────────────────────────


def test_an_ignored_file_that_a_step_looked_for_is_named() -> None:
    w = one_step(fails("FileNotFoundError: [Errno 2] No such file: 'data/x.csv'\n"))
    w.ignored("data/x.csv", "x")
    assert failure(w.run())[1] == (
        "data/x.csv is not in the workspace: it stands in the project, but git ignores it; "
        "declare it: add 'inputs: [data/x.csv]' to the step 'main' in the project file"
    )


def test_a_file_that_another_step_makes_is_named(w: World) -> None:
    w.programs["report"] = fails("cannot open data.csv\n")
    hint = failure(w.run(), "report")[1]
    assert hint is not None
    assert hint.startswith("data.csv is not in the workspace: the step 'prepare' makes it; ")
    assert "inputs: [model.bin, data.csv]" in hint


def test_a_source_file_that_sources_leaves_out_is_named() -> None:
    w = one_step(fails("cannot read './lib/x.py'\n"), sources="[main.py]")
    w.source |= {"main.py": b"", "lib/x.py": b""}
    hint = failure(w.run())[1]
    assert hint is not None
    assert "lib/x.py is not in the workspace: " in hint
    assert "'sources' leaves it out" in hint


def test_a_file_that_runproj_keeps_from_steps_is_named() -> None:
    hint = failure(one_step(fails("cannot open runproj.yaml\n")).run())[1]
    assert hint is not None
    assert "it stands in the project, but runproj keeps it from steps" in hint


def test_what_a_step_has_or_makes_itself_is_not_what_it_missed() -> None:
    w = one_step(
        fails("read code.py, in.csv and wrote m.txt\n"), inputs="[in.csv]", outputs="[m.txt]"
    )
    w.source["code.py"] = b""
    w.ignored("in.csv", "")
    w.ignored("m.txt", "")
    assert failure(w.run())[1] is None


@pytest.mark.parametrize("text", ["** ERROR **", "SELECT * FROM x", "'x.cs?'", "'[xy]/1'"])
def test_what_a_step_prints_is_no_pattern(text: str) -> None:
    w = one_step(fails(text))
    w.ignored("data/x.csv", "x")
    w.ignored("x.csv", "x")
    w.ignored("x/1", "x")
    hint = failure(w.run())[1]
    assert hint is None or "*" not in hint
    assert hint is None or "?" not in hint


def test_a_failure_of_which_nothing_is_known_has_no_hint() -> None:
    assert failure(one_step(fails("x" * 500 + "\n\0\n")).run())[1] is None


# ── errors and interruptions ─────────────────────────────────────────────────────────────────────


def test_an_environment_that_cannot_be_built_ends_the_run_with_its_exit_code(w: World) -> None:
    w.system.broken = "no such package"
    with pytest.raises(EnvironmentFailed, match="no such package"):
        w.run()
    run = w.runs.load("r1")
    assert (run.status, run.exit_code, run.error) == ("failed", 4, "no such package")
    assert run.steps == ()
    assert w.executor.started == []
    assert w.executor.closed
    assert not w.journal.alive


@pytest.mark.parametrize(("error", "code"), [(KeyboardInterrupt(), 130), (Interrupted(15), 143)])
def test_an_interruption_is_recorded_and_ends_all_processes(
    w: World, error: BaseException, code: int
) -> None:
    w.programs["train"] = both(lambda process: process.print("so far"), raises(error))
    with pytest.raises(type(error)):
        w.run()
    run = w.runs.load("r1")
    assert (run.status, run.exit_code, run.error) == ("interrupted", code, "interrupted")
    assert statuses(run) == {"prepare": "succeeded", "train": "interrupted"}
    assert w.executor.cancels == 1
    assert w.executor.closed
    assert not w.journal.alive
    assert w.journal.events[-1] == ("finished", "train")
    assert w.journal.logs["train"].closed
    assert w.workspaces.opened[-1].kept is False
    assert w.reporter.of(RunFinished) == [RunFinished(run)]


def test_what_was_done_before_an_interruption_is_cached(w: World) -> None:
    w.programs["train"] = raises(KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        w.run()
    w.programs["train"] = train
    assert told(w.run()) == {
        "prepare": "cached: unchanged since r1",
        "train": "succeeded: new",
        "report": "succeeded: new",
    }


def test_a_mistake_in_runproj_is_not_taken_for_an_interruption(w: World) -> None:
    w.programs["train"] = raises(ZeroDivisionError())
    with pytest.raises(ZeroDivisionError):
        w.run()
    run = w.runs.load("r1")
    assert (run.status, run.exit_code, run.error) == ("failed", 70, "ZeroDivisionError()")
    assert statuses(run) == {"prepare": "succeeded", "train": "failed"}
    assert w.executor.cancels == 1


FULL = raises(StoreError("no space left on device"))


def test_a_store_that_fails_under_way_ends_the_run(w: World) -> None:
    w.programs["train"] = FULL
    with pytest.raises(StoreError, match="no space left"):
        w.run()
    run = w.runs.load("r1")
    assert (run.status, run.exit_code, run.error) == ("failed", 9, "no space left on device")
    assert statuses(run) == {"prepare": "succeeded", "train": "failed"}


def test_processes_are_ended_before_their_workspaces_go(w: World) -> None:
    there = []

    class Watching(FakeExecutor):
        """Looks whether the workspace is there when processes are ended."""

        def cancel(self) -> None:
            there.append(w.disk.exists(w.workspaces.opened[-1].root))
            super().cancel()

    w.make_executor = Watching
    w.programs["train"] = FULL
    with pytest.raises(StoreError, match="no space left"):
        w.run()
    assert there == [True]
    assert w.workspaces.opened[-1].kept is False


def test_the_first_error_is_told_when_the_record_cannot_be_written_either(w: World) -> None:
    class FullJournal(FakeJournal):
        """The record of a run on a disk that is full when a step has failed."""

        def finished(self, step: StepRun) -> None:
            if step.status == "failed":
                raise StoreError("the second error")
            super().finished(step)

    w.runs.make_journal = FullJournal
    w.programs["train"] = FULL
    with pytest.raises(StoreError, match="no space left on device"):
        w.run()
    assert w.runs.load("r1").status == "failed"
    assert w.executor.closed


def test_a_run_of_an_id_that_is_taken_executes_nothing(w: World) -> None:
    w.run()
    prepared = w.prepare(force=True)
    w.runs.journals["r2"] = w.journal
    with pytest.raises(StoreError, match="r2 already"):
        w.execute(prepared)
    assert w.executor.started == []


def test_the_project_folder_is_never_written(w: World) -> None:
    w.run()
    before = w.disk.show(PROJECT)
    w.run(seed=2)
    assert w.disk.show(PROJECT) == before


def test_a_step_that_takes_its_workspace_away_fails() -> None:
    def take_away(_: Process) -> Outcome:
        world.workspaces.opened[0].gone = True
        return Outcome(exit_code=0)

    world = one_step(take_away, outputs="[m.txt]")
    error, hint = failure(world.run())
    assert "its workspace cannot be looked at: " in str(error)
    assert "where it is" in str(hint)


def test_what_is_made_and_cannot_be_kept_is_told() -> None:
    def program(process: Process) -> Outcome | None:
        world.disk.link(f"{world.workspaces.opened[0].project}/dangling", "nowhere")
        return writes(m_txt="x")(process)

    world = one_step(program)
    run = world.run()
    assert [one.path for one in run.steps[0].outputs] == ["m.txt"]
    (warning,) = run.steps[0].warnings
    assert warning.startswith("dangling is not kept: ")
    assert [one.text for one in world.reporter.of(Warned)] == [f"main: {warning}"]


# ── packages ─────────────────────────────────────────────────────────────────────────────────────


def packaged() -> World:
    w = World(
        "runproj: 1\nenvironments:\n  default: {kind: venv, packages: [a, b]}\n"
        "  aside: {kind: system}\nentry_points:\n  main:\n    steps:\n"
        "      one: {command: [go], outputs: [m]}\n"
        "      two: {command: [go], outputs: [n], environment: aside}\n",
        {"one": lambda p: p.write("m"), "two": lambda p: p.write("n")},
    )
    for name in "ab":
        w.disk.write(f"/archives/{name}.whl", f"archive of {name}".encode())
    return w


def test_packages_are_kept_where_that_is_wished() -> None:
    w = packaged()
    plain = w.run()
    assert plain.packages == {}
    assert b"archive of a" not in w.objects.contents.values()

    run = w.execute(w.prepare(), keep_packages=True)

    assert set(statuses(run).values()) == {"cached"}
    kept = run.packages["default"]
    assert list(run.packages) == ["default"]
    assert w.objects.has(kept)
    assert kept.size == 2 * len("archive of a")
    w.objects.give(kept, "/given")
    assert w.disk.find("/given/packages/default/a.whl") is not None
    assert w.runs.load(run.id).packages == run.packages


def test_a_rerun_has_the_packages_of_its_run() -> None:
    w = packaged()
    run = w.execute(w.prepare(), keep_packages=True)
    assert w.rerun(run).packages == run.packages
    assert w.rerun(run, "two").packages == {}


def test_an_archive_that_changes_while_it_is_kept_is_told() -> None:
    w = packaged()
    w.disk.write("/archives/b.whl", b"?")
    with pytest.raises(EnvironmentFailed, match="was changed while it was kept"):
        w.execute(w.prepare(), keep_packages=True)


def test_a_package_that_vanished_is_told_with_its_environment() -> None:
    w = packaged()
    w.venv.vanished = "a file that the lock names is gone: a==1"
    with pytest.raises(EnvironmentFailed) as raised:
        w.execute(w.prepare(), keep_packages=True)
    assert raised.value.problems[0].where == "environment 'default'"
