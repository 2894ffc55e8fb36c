"""Experiment tracking, as a user sees it: a program tells of itself, and the run knows."""

import json
import re
import signal
import subprocess
import sys
from pathlib import Path

from tests.cli.commandline import Computer, Project, until

import runproj

SCRIPT = """\
import runproj
lr = runproj.params["lr"]
for epoch in range(2000):
    runproj.log_metric("loss", lr / (epoch + 1), step=epoch)
runproj.log_metrics({"accuracy": 0.5, "broken": float("nan")})
runproj.log_param("optimizer", "adam")
runproj.set_tag("team", "vision")
runproj.log_text("<b>", "notes/end.txt")
with open(runproj.output_path("model"), "w") as file:
    file.write(open(runproj.input_path("in.csv")).read())
"""
YAML = """\
runproj: 1
environments: {default: {kind: system}}
parameters: {lr: 0.5}
entry_points:
  main:
    steps:
      train:
        command: python3 train.py {lr}
        inputs: [in.csv]
        outputs: {model: out/model}
      shell:
        command: |
          runproj log metric size=12
          echo '{"metric": "size", "value": 13}' >> "$RUNPROJ_EVENTS"
          echo nonsense >> "$RUNPROJ_EVENTS"
        outputs: []
"""


def project_of(computer: Computer, script: str = SCRIPT, yaml: str = YAML) -> Project:
    return computer.project({"runproj.yaml": yaml, "train.py": script, "in.csv": "1,2"}, git=True)


def test_what_steps_tell_is_shown_and_to_be_had(computer: Computer) -> None:
    project = project_of(computer)
    done = project.run("run", ".").ok()
    assert re.search("shell: line [23] of its events: it is not JSON", done.err)
    assert "train.loss = 0.00025" in done.out
    assert "train.broken = NaN" in done.out
    shown = " ".join(project.run("show").ok().out.split())
    for text in (
        "tag team = vision", "parameter train.optimizer = adam logged",
        "artifacts/train/notes 3 B train", "metric shell.size = 13",
    ):  # fmt: skip
        assert text in shown
    step = " ".join(project.run("show", "latest/train").ok().out.split())
    assert "metric loss = 0.00025 2,000 points, 0.00025 to 0.5" in step
    project.run("get", "latest", "notes", "--to", "here").ok()
    assert (project.folder / "here/artifacts/train/notes/end.txt").read_text() == "<b>"


def test_json_has_all_that_was_told(computer: Computer) -> None:
    project = project_of(computer)
    run = project.run("run", ".", "--json").ok().json["run"]
    assert run["metrics"] == {"train.loss": 0.00025, "train.accuracy": 0.5, "shell.size": 13}
    assert run["params"] == {"lr": 0.5, "train.optimizer": "adam"}
    assert run["tags"] == {"team": "vision"}
    told = {step["name"]: step["tracked"] for step in run["steps"]}["train"]
    assert told["not_finite"] == {"broken": "NaN"}
    assert told["points"]["loss"] == {"points": 2000, "min": 0.00025, "max": 0.5}
    assert [one["path"] for one in told["artifacts"]] == ["notes"]
    [listed] = project.run("list", "--json").ok().json["runs"]
    assert listed["metrics"] == run["metrics"]


def test_runs_that_take_it_from_others_and_verdicts_know_it_too(computer: Computer) -> None:
    project = project_of(computer)
    first = project.run("run", ".", "--json").ok().json["run"]
    again = project.run("run", ".", "--json").ok().json["run"]
    assert [one["status"] for one in again["steps"]] == ["cached", "cached"]
    assert (again["metrics"], again["tags"]) == (first["metrics"], first["tags"])
    assert (
        project.run("verify", first["id"], "--json").ok().json["verify"]["verdict"] == "identical"
    )
    project.run("gc").ok()
    project.run("fsck").ok()
    project.run("get", first["id"], "--to", "there").ok()


def test_a_parameter_that_is_not_referred_to_is_no_secret_ingredient(computer: Computer) -> None:
    yaml = YAML.replace("train.py {lr}", "train.py")
    project = project_of(computer, yaml=yaml)
    done = project.run("run", ".", "train").ok(1)
    assert "this step does not refer to the parameter 'lr'; put {lr} into its command" in done.err


def test_a_failed_and_an_interrupted_step_leave_what_they_told(computer: Computer) -> None:
    script = "import runproj\nrunproj.log_metric('a', 1)\nraise SystemExit(3)\n"
    project = project_of(computer, script)
    project.run("run", ".", "train").ok(1)
    assert project.run("show", "--json").ok().json["run"]["metrics"] == {"train.a": 1}
    waits = computer.root / "waits"
    project.write({"train.py": script.replace(
        "raise SystemExit(3)", f"open({str(waits)!r}, 'w')\nimport time; time.sleep(1000)"
    )})  # fmt: skip
    running = project.start("run", ".", "train")
    until(waits.exists, "the step waits")
    running.send_signal(signal.SIGINT)
    running.communicate()
    assert running.returncode == 130
    assert project.run("show", "--json").ok().json["run"]["metrics"] == {"train.a": 1}


def test_runproj_log_outside_of_a_step_does_nothing(computer: Computer) -> None:
    (computer.root / "file").touch()
    for arguments in (
        ("metric", "a=1", "--step", "3"), ("param", "b=2"), ("tag", "c=d"), ("artifact", "file"),
    ):  # fmt: skip
        done = computer.run("log", *arguments, cwd=computer.root).ok()
        assert (done.out, done.err) == ("", "")
    for text, why in {
        "metric a": "a: say NAME=VALUE",
        "metric a=b": "a=b: not a number",
        "artifact none": "none: no such file or folder",
        "artifact file file --name x": "--name is for one artifact",
    }.items():
        assert why in computer.run("log", *text.split(), cwd=computer.root).ok(2).err


def test_runproj_log_of_an_installed_runproj_tells_the_same(computer: Computer) -> None:
    source = Path(str(runproj.__file__)).parents[1]
    yaml = YAML.replace("runproj log", f"PYTHONPATH={source} {sys.executable} -m runproj log")
    project = project_of(computer, yaml=yaml)
    done = project.run("run", ".", "shell").ok()
    assert "shell.size = 13" in done.out
    shown = project.run("show", "--json").ok().json["run"]["steps"][0]["tracked"]
    assert shown["points"]["size"]["points"] == 2


STARTS = """\
import os
import sys
import runproj
with runproj.start_run(experiment="by hand", name="first", tags={"a": 1}, params={"lr": 0.1}) as run:
    runproj.start_run(tags={"b": 2}).log_metric("loss", 0.5)
    run.log_text("x", "a.txt")
    if "fail" in sys.argv:
        raise ValueError("no {x}")
    if "stop" in sys.argv:
        raise KeyboardInterrupt
if "RUNPROJ_EVENTS" not in os.environ:
    assert runproj.log_metric("after", 1) == 1
"""


def python(project: Project, *arguments: str) -> subprocess.CompletedProcess[str]:
    source = str(Path(str(runproj.__file__)).parents[1])
    variables = {**project.computer.variables_for(project.folder), "PYTHONPATH": source}
    return subprocess.run(
        [sys.executable, *arguments], cwd=project.folder, env=variables,
        capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_a_script_without_a_project_makes_tracked_runs(computer: Computer) -> None:
    project = computer.project({"s.py": STARTS})
    assert python(project, "s.py", "{x}").returncode == 0
    run = project.run("show", "first", "--json").ok().json["run"]
    assert (run["status"], run["experiment"], run["tags"]) == (
        "succeeded", "by hand", {"a": "1", "b": "2"},
    )  # fmt: skip
    assert run["metrics"] == {"main.loss": 0.5}
    assert run["params"] == {"main.lr": 0.1}
    [step] = run["steps"]
    assert step["argv"][1:] == ["s.py", "{x}"]
    assert [one["path"] for one in step["tracked"]["artifacts"]] == ["a.txt", "packages.txt"]
    again = project.run("rerun", "first", "--json").ok().json["run"]
    assert again["metrics"] == run["metrics"]
    assert project.run("verify", run["id"], "--json").ok().json["verify"]["verdict"] == "identical"


def test_what_ends_such_a_run_is_in_its_record(computer: Computer) -> None:
    project = computer.project({"s.py": STARTS})
    for argument, status, error in (
        ("fail", "failed", "ValueError: no {x}"), ("stop", "interrupted", "KeyboardInterrupt"),
    ):  # fmt: skip
        assert python(project, "s.py", argument).returncode != 0
        run = project.run("show", "--json").ok().json["run"]
        assert (run["status"], run["error"]) == (status, error)


def test_what_was_typed_is_recorded_and_cannot_be_done_again(computer: Computer) -> None:
    project = computer.project({"other.py": ""})
    program = "import runproj; runproj.start_run(); runproj.log_metric('a', 1)"
    assert python(project, "-c", program).returncode == 0
    run = project.run("show", "--json").ok().json["run"]
    assert (run["status"], run["metrics"]) == ("succeeded", {"main.a": 1})
    assert "no command does it again" in project.run("rerun", "latest").ok(7).err
    assert json.loads(project.run("list", "--json").ok().out)["runs"][0]["id"] == run["id"]
