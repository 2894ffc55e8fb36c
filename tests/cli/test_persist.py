"""Folders that persist, as a user sees them: checkpoints that survive failures and the end of a run."""

import signal
from pathlib import Path

import pytest
from tests.cli.commandline import Computer, Project, until

SCRIPT = """\
import os, pathlib, sys, time
place, state = sys.argv[1], pathlib.Path("checkpoints/epoch")
epoch = int(state.read_text()) if state.exists() else 0
while epoch < 3:
    epoch += 1
    print("epoch", epoch)
    state.with_suffix(".part").write_text(str(epoch))
    os.replace(state.with_suffix(".part"), state)
    if epoch == 1 and os.path.exists(f"{place}/fail"):
        sys.exit(75)
    if epoch == 2 and os.path.exists(f"{place}/wait"):
        pathlib.Path(place, "waits").touch()
        time.sleep(1000)
pathlib.Path("model").write_text("trained")
"""
YAML = """\
runproj: 1
environments: {default: {kind: system}}
entry_points:
  main:
    parameters: {place: {type: string}}
    command: python3 train.py {place}
    persist: [checkpoints/]
    outputs: [model]
    retries: RETRIES
"""


def training(computer: Computer, retries: int = 0) -> Project:
    """A step that counts to three, and fails or waits where there are files that say so."""
    files = {"runproj.yaml": YAML.replace("RETRIES", str(retries)), "train.py": SCRIPT}
    return computer.project(files)


def epochs(project: Project) -> list[int]:
    """Return what the step of the latest run counted."""
    return [int(line.split()[1]) for line in project.run("logs").ok().out.splitlines()]


def shown(project: Project) -> str:
    """Return what ``show`` says of the step, without its columns."""
    return " ".join(project.run("show", "latest/main").ok().out.split())


def workspaces(computer: Computer) -> list[Path]:
    return list((computer.home / ".cache/runproj/workspaces").glob("run-*"))


def test_an_attempt_and_a_resumed_run_begin_where_the_last_one_was(computer: Computer) -> None:
    project = training(computer, retries=1)
    (computer.root / "fail").touch()
    said = project.run("run", ".", "-P", f"place={computer.root}").ok().err
    assert "begins with what attempt 1 left" in said
    assert epochs(project) == [1, 2, 3]
    assert "began with what attempt 1 left" in shown(project)
    assert workspaces(computer) == []

    retried_no_more = {"runproj.yaml": YAML.replace("RETRIES", "0")}
    project.write({**retried_no_more, "train.py": SCRIPT.replace("75", "3")})
    project.run("run", ".", "-P", f"place={computer.root}").ok(1)
    assert epochs(project) == [1]
    assert "persisted checkpoints 1 B" in shown(project)
    project.run("resume").ok()
    assert epochs(project) == [2, 3]
    step = project.run("show", "latest/main", "--json").ok().json["step"]
    assert step["resumed_from"].endswith("/main")
    assert step["persisted"] == []
    (computer.root / "fail").unlink()
    project.run("rerun", "latest").ok()
    assert epochs(project) == [1, 2, 3]
    project.run("fsck").ok()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_run_that_is_ended_from_outside_goes_on_where_it_was(
    computer: Computer, number: int
) -> None:
    project = training(computer)
    (computer.root / "wait").touch()
    process = project.start("run", ".", "-P", f"place={computer.root}")
    until((computer.root / "waits").exists, "the step waits in its second epoch")
    process.send_signal(number)
    process.communicate()
    (computer.root / "wait").unlink()
    nothing = "runproj: 1\nentry_points: {main: {command: 'true'}}\n"
    other = computer.project({"runproj.yaml": nothing}, "other")
    other.run("run", ".").ok()  # it removes what dead processes left, but not this
    done = project.run("resume").ok()
    assert "begins with what " in done.err
    assert epochs(project) == [3]
