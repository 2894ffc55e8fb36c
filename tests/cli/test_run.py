"""Running a project: what executes, what is cached and why, and what is said about it."""

import hashlib
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from tests.cli.commandline import Computer, Files, Project
from tests.cli.projects import EVERY_STEP_CACHED, EVERY_STEP_RAN, FAILING, FILES

MakeProject = Callable[[Files], Project]


def reasons(project: Project, *arguments: str) -> dict[str, tuple[str, str]]:
    """Return action and reason of every step of a plan."""
    plan = project.run("status", ".", "--json", *arguments).ok().json["plan"]
    return {step["name"]: (step["action"], step["reason"]) for step in plan["steps"]}


def test_the_first_run_executes_every_step(project: MakeProject) -> None:
    done = project(FILES).run("run", ".", "--json").ok()
    assert done.steps() == EVERY_STEP_RAN
    assert done.run["status"] == "succeeded"
    assert done.run["params"] == {"who": "world", "lr": 0.01}
    assert done.run["metrics"] == {"train.loss": 0.01}
    assert done.step("train")["reason"] == "new"
    assert [output["path"] for output in done.step("report")["outputs"]] == ["build/report.txt"]


def test_the_second_run_finds_every_step_cached(project: MakeProject) -> None:
    demo = project(FILES)
    first = demo.run("run", ".", "--json").ok().run
    second = demo.run("run", ".", "--json").ok()
    assert second.steps() == EVERY_STEP_CACHED
    assert second.step("train")["cached_from"] == f"{first['id']}/train"
    assert second.step("train")["reason"] == f"unchanged since {first['id']}"
    assert second.run["metrics"] == first["metrics"]
    assert demo.outputs("latest") == demo.outputs("latest~1")


def test_a_changed_value_runs_what_depends_on_it_and_says_so(project: MakeProject) -> None:
    demo = project(FILES)
    demo.run("run", ".", "-P", "lr=0.01").ok()
    done = demo.run("run", ".", "-P", "lr=0.02", "--json").ok()
    assert done.steps() == {"prepare": "cached", "train": "succeeded", "report": "succeeded"}
    assert done.step("train")["reason"] == "parameter lr: 0.01 → 0.02"
    reason = {"kind": "parameter", "name": "lr", "from": "0.01", "to": "0.02"}
    assert done.step("train")["reasons"] == [reason]
    assert done.step("report")["reason"] == "input changed: build/metrics.json"


def test_going_back_to_an_earlier_value_finds_the_earlier_results(project: MakeProject) -> None:
    demo = project(FILES)
    for value in ("lr=0.01", "lr=0.02"):
        demo.run("run", ".", "-P", value).ok()
    done = demo.run("run", ".", "-P", "lr=0.01", "--json").ok()
    assert done.steps() == EVERY_STEP_CACHED
    assert done.run["metrics"] == {"train.loss": 0.01}


def test_a_step_whose_inputs_come_out_the_same_is_cached_after_all(project: MakeProject) -> None:
    demo = project(FILES)
    demo.run("run", ".").ok()
    demo.write({"data.csv": "a\nb\n"})  # sorted it is the same
    assert reasons(demo)["train"] == ("pending", "after prepare")
    done = demo.run("run", ".", "--json").ok()
    assert done.steps() == {"prepare": "succeeded", "train": "cached", "report": "cached"}
    assert done.step("prepare")["reason"] == "source: data.csv"


def test_what_no_step_sees_changes_nothing(project: MakeProject) -> None:
    demo = project(FILES)
    demo.run("run", ".").ok()
    demo.write({"notes.txt": "other\n", "more.txt": "new\n"})
    assert demo.run("run", ".", "--json").ok().steps() == EVERY_STEP_CACHED


def test_a_changed_command_is_the_reason(project: MakeProject) -> None:
    demo = project(FILES)
    demo.run("run", ".").ok()
    demo.write({"runproj.yaml": FILES["runproj.yaml"].replace("sort data", "sort -r data")})
    assert reasons(demo)["prepare"][0] == "run"
    assert "command" in reasons(demo)["prepare"][1]


def test_chosen_steps_run_with_what_they_need(project: MakeProject) -> None:
    done = project(FILES).run("run", ".", "train", "--json").ok()
    assert done.steps() == {"prepare": "succeeded", "train": "succeeded"}


def test_another_entry_point_is_chosen_by_name(project: MakeProject) -> None:
    demo = project(FILES)
    done = demo.run("run", ".", "-e", "greet", "-P", "who=you", "--json").ok()
    assert done.steps() == {"greet": "succeeded"}
    demo.run("get", "latest", "--to", "got").ok()
    assert (demo.folder / "got" / "greeting.txt").read_text() == "hello, you\n"


def test_values_come_from_the_command_line_then_a_file_then_variables(
    project: MakeProject,
) -> None:
    demo = project({**FILES, "p.yaml": "lr: 0.3\n"})
    from_all = ("-P", "lr=0.2", "--params-file", "p.yaml")
    variables = {"RUNPROJ_PARAM_LR": "0.4"}
    for typed, expected in ((from_all, 0.2), (from_all[2:], 0.3), ((), 0.4)):
        done = demo.run("run", ".", "train", *typed, "--json", env=variables).ok()
        assert done.run["params"]["lr"] == expected


def test_a_dry_run_shows_the_plan_and_leaves_no_run(project: MakeProject) -> None:
    demo = project(FILES)
    done = demo.run("run", ".", "--dry-run").ok()
    assert [line.split() for line in done.out.splitlines()] == [
        ["prepare", "run", "new"],
        ["train", "pending", "after", "prepare"],
        ["report", "pending", "after", "prepare"],
    ]
    assert demo.run("list").code in (0, 2)
    assert "main" not in demo.run("list").out


def test_status_exits_with_5_only_when_it_is_asked_to_and_something_would_run(
    project: MakeProject,
) -> None:
    demo = project(FILES)
    demo.run("status", ".").ok()
    demo.run("status", ".", "--exit-code").ok(5)
    demo.run("run", ".").ok()
    demo.run("status", ".", "--exit-code").ok()
    demo.run("status", ".", "--exit-code", "-P", "lr=0.5").ok(5)


def test_force_executes_what_is_cached(project: MakeProject) -> None:
    demo = project(FILES)
    demo.run("run", ".").ok()
    done = demo.run("run", ".", "--force", "--json").ok()
    assert done.steps() == EVERY_STEP_RAN
    assert done.step("prepare")["reason"] == "forced"


def test_a_failure_ends_the_run_with_exit_code_1_and_is_explained(project: MakeProject) -> None:
    done = project({"runproj.yaml": FAILING}).run("run", ".").ok(1)
    assert "the step 'bad' failed: it ended with exit code 3" in done.err
    assert "words before the end" in done.err
    assert "command" in done.err
    log = next(line.split()[-1] for line in done.err.splitlines() if "  log " in line)
    assert Path(log).read_text() == "words before the end\n"
    assert "failed" in done.out


def test_after_a_failure_nothing_more_starts(project: MakeProject) -> None:
    done = project({"runproj.yaml": FAILING}).run("run", ".", "-j", "1", "--json").ok(1)
    assert done.steps() == {
        "good": "succeeded", "bad": "failed", "after": "skipped", "aside": "skipped",
    }  # fmt: skip
    assert done.run["exit_code"] == 1
    assert done.step("bad")["exit_code"] == 3


def test_keep_going_runs_what_does_not_depend_on_a_failure(project: MakeProject) -> None:
    done = project({"runproj.yaml": FAILING}).run("run", ".", "--keep-going", "--json").ok(1)
    assert done.steps() == {
        "good": "succeeded", "bad": "failed", "after": "skipped", "aside": "succeeded",
    }  # fmt: skip


def test_the_workspace_of_a_failure_stays_and_that_of_a_success_goes(
    project: MakeProject,
) -> None:
    done = project({"runproj.yaml": FAILING}).run("run", ".", "--json").ok(1)
    assert Path(done.step("bad")["workspace"]).is_dir()
    assert done.step("good")["workspace"] is None


def test_keep_workspace_keeps_that_of_a_success_too(project: MakeProject) -> None:
    done = project(FILES).run("run", ".", "--keep-workspace", "--json").ok()
    kept = done.step("train")["workspace"]
    assert kept is not None
    assert (Path(kept) / "build" / "metrics.json").is_file()


def test_get_copies_the_outputs_at_the_end(project: MakeProject, tmp_path: Path) -> None:
    demo = project(FILES)
    for _ in range(2):  # the second time all is cached, and there already
        demo.run("run", ".", "--get", "../results").ok()
        assert (tmp_path / "results/build/report.txt").read_text() == 'a\nb\n{"loss": 0.01}'
        (tmp_path / "results/build/report.txt").write_text("touched")


def test_name_experiment_and_tags_are_recorded(project: MakeProject) -> None:
    demo = project(FILES)
    told = ("--name", "first try", "--experiment", "lr", "--tag", "a=b", "--tag", "c==d")
    run = demo.run("run", ".", *told, "--json").ok().run
    assert (run["name"], run["experiment"]) == ("first try", "lr")
    assert run["tags"] == {"a": "b", "c": "=d"}
    assert demo.run("show", "first try", "--json").ok().run["id"] == run["id"]


def test_quiet_shows_what_the_steps_print_and_nothing_else(project: MakeProject) -> None:
    done = project(FILES).run("run", ".", "--quiet").ok()
    assert done.err == "training at 0.01\na warning\n"


def test_results_go_to_standard_output_and_the_rest_to_standard_error(
    project: MakeProject,
) -> None:
    done = project(FILES).run("run", ".").ok()
    assert "training at" not in done.out
    assert "training at 0.01" in done.err
    assert [line.split()[0] for line in done.out.splitlines()] == [
        "run", "metric", "outputs", "rerun",
    ]  # fmt: skip


def test_the_closing_commands_work_where_they_were_printed(
    computer: Computer, tmp_path: Path
) -> None:
    folder = "a folder/with 'quotes'"
    computer.project(FILES, folder)
    tools = computer.root / "bin"
    tools.mkdir()
    (tools / "runproj").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m runproj "$@"\n')
    (tools / "runproj").chmod(0o755)
    variables = {**computer.variables, "PATH": f"{tools}:{computer.variables['PATH']}"}
    places = {
        "beside it": (tmp_path, ("run", folder)),
        "in it": (tmp_path / folder, ("run", ".")),
        "with -C": (tmp_path, ("-C", folder, "run", ".")),
        "with --store": (tmp_path, ("run", folder, "--store", "my store")),
    }
    for where, (here, command) in places.items():
        closing = computer.run(*command, cwd=here).ok().out
        lines = dict(line.split(None, 1) for line in closing.splitlines())
        for line in (lines["rerun"], lines["outputs"].rpartition("  (")[0]):
            pasted = subprocess.run(
                ["/bin/sh", "-c", line], cwd=here, env={**variables, "PWD": str(here)},
                capture_output=True, text=True, check=False,
            )  # fmt: skip
            assert pasted.returncode == 0, f"{where}: {line}\n{pasted.stderr}"


SHOWING = """\
runproj: 1
source: {root: ..}
entry_points:
  main:
    steps:
      show: {command: cat ../common.txt own.txt, stdout: all.txt}
"""


def test_a_revision_is_found_around_the_folder_of_a_project(
    computer: Computer, tmp_path: Path
) -> None:
    files = {"p/runproj.yaml": SHOWING, "p/own.txt": "own\n", "common.txt": "first\n"}
    made = computer.project(files, git=True)
    made.write({"common.txt": "second\n"})
    place = made.folder / "p"
    for path, here in (("project/p", tmp_path), (".", place), ("runproj.yaml", place)):
        done = computer.run("run", path, "-v", "HEAD", "--json", cwd=here).ok()
        assert done.run["project"] == "p"
        (output,) = done.step("show")["outputs"]
        assert output["sha256"] == hashlib.sha256(b"first\nown\n").hexdigest()
    assert (place / ".runproj").is_dir()
    assert [path.name for path in made.folder.rglob(".runproj")] == [".runproj"]


def test_a_revision_without_a_repository_is_a_mistake(project: MakeProject) -> None:
    done = project(FILES).run("run", ".", "-v", "HEAD").ok(2)
    assert "is in no git repository" in done.err
    assert "-v REV" in done.err


def test_a_project_of_a_revision_does_not_reach_beyond_its_repository(computer: Computer) -> None:
    made = computer.project({"runproj.yaml": SHOWING, "own.txt": ""}, git=True)
    assert "is outside of the repository" in made.run("run", ".", "-v", "HEAD").ok(3).err


def test_a_submodule_that_is_not_checked_out_is_warned_of(project: MakeProject) -> None:
    demo = project(FILES)
    demo.git("init", "--quiet")
    (demo.folder / "lib").mkdir()
    demo.git("update-index", "--add", "--cacheinfo", f"160000,{'1' * 40},lib")
    for _ in range(2):
        assert "the submodule lib is not checked out" in demo.run("run", ".").ok().err
