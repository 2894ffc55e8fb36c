"""Looking around: shell RUN/STEP and env shell, on a terminal and without one."""

import os
import pty
import select
import subprocess
import time
from pathlib import Path

from tests.cli.commandline import DEADLINE_S, Computer, Project, argv
from tests.containers import Engine

YAML = """\
runproj: 1
environments: {default: {kind: venv}}
entry_points:
  main:
    steps:
      good: {command: "printf 1 > x", outputs: [x]}
      bad:
        command: "cat x > seen; exit 3"
        inputs: [x]
        outputs: [y]
        env: {COLOUR: blue}
"""
LOOK = "pwd; cat x seen; echo $COLOUR $RUNPROJ_STEP; test -d $TMPDIR && echo temporary; exit 7"


def failed(computer: Computer) -> Project:
    """Make a project, one step of which has failed."""
    project = computer.project({"runproj.yaml": YAML})
    project.run("run", ".").ok(1)
    return project


def typed(project: Project, *arguments: str, keys: bytes) -> tuple[int, str]:
    """Type a command on a terminal, and keys when it prompts; return exit code and screen."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        argv(arguments), cwd=project.folder, stdin=theirs, stdout=theirs, stderr=theirs,
        env=project.computer.variables_for(project.folder, {"TERM": "dumb"}),
        start_new_session=True,
    )  # fmt: skip
    os.close(theirs)
    screen, end = b"", time.monotonic() + DEADLINE_S
    while time.monotonic() < end:
        if select.select([ours], [], [], 0.1)[0]:
            try:
                screen += os.read(ours, 4096)
            except OSError:  # the other end is closed
                break
        if keys and b"$ " in screen:
            os.write(ours, keys)
            keys = b""
    os.close(ours)
    return process.wait(DEADLINE_S), screen.decode()


def test_a_command_runs_where_the_step_failed_and_its_exit_code_is_passed_on(
    computer: Computer,
) -> None:
    project = failed(computer)
    workspace = project.run("show", "latest", "--json").ok().step("bad")["workspace"]
    done = project.run("shell", "latest/bad", "--", "sh", "-c", LOOK).ok(7)
    assert done.out.split() == [workspace, "11blue", "bad", "temporary"]
    assert done.err == ""
    assert Path(workspace).is_dir()
    # without a terminal, and without a command, the shell reads its standard input
    shell = subprocess.run(
        argv(("shell", "latest")), cwd=project.folder, input=b"pwd\nexit 4\n",
        env=project.computer.variables_for(project.folder), capture_output=True, check=False,
    )  # fmt: skip
    assert (shell.returncode, shell.stdout.decode().strip()) == (4, workspace)
    assert b"cat x > seen; exit 3" in shell.stderr


def test_a_step_that_succeeded_gets_a_new_workspace_that_goes(computer: Computer) -> None:
    project = failed(computer)
    done = project.run("shell", "latest/good", "--", "sh", "-c", "pwd; ls; kill -TERM $$").ok(143)
    folder = done.out.split()[0]
    assert not Path(folder).exists()
    assert "command not found: nothing-here" in (
        project.run("shell", "latest/good", "--", "nothing-here").ok(2).err
    )
    assert "no step 'goood'" in project.run("shell", "latest/goood").ok(2).err


def test_a_person_at_a_terminal_is_told_what_it_is_and_how_to_leave(computer: Computer) -> None:
    project = failed(computer)
    code, screen = typed(project, "shell", "latest", keys=b"echo $COLOUR sky; exit 5\r")
    assert code == 5
    assert "blue sky" in screen
    assert "/bad) " in screen
    assert "exit, or Ctrl-D" in screen


def test_the_environment_of_a_project_is_entered_built_if_needed(computer: Computer) -> None:
    project = computer.project({"runproj.yaml": YAML})
    script = "command -v python; pwd; echo $OWN; exit 6"
    done = project.run("env", "shell", "--", "sh", "-c", script, env={"OWN": "mine"}).ok(6)
    python, folder, own = done.out.split()
    assert (folder, own) == (str(project.folder), "mine")
    assert "/environments/" in python
    assert "no environment 'other'" in project.run("env", "shell", "other").ok(2).err


def test_a_failure_says_how_to_look_into_its_workspace(computer: Computer) -> None:
    steps = "{steps: {a: {command: 'echo 1 > x; exit 3'}}}"
    text = f"runproj: 1\nenvironments: {{default: {{kind: system}}}}\nentry_points: {{main: {steps}}}\n"
    project = computer.project({"runproj.yaml": text})
    said = project.run("run", ".").ok(1).out
    [line] = [one for one in said.splitlines() if one.startswith("shell ")]
    command = line.split()[1:]
    assert command[:2] == ["runproj", "shell"]
    assert project.run(*command[1:], "--", "cat", "x").ok().out == "1\n"


def test_a_shell_in_a_container_has_the_workspace_of_its_step(
    computer: Computer, engine: Engine
) -> None:
    name = f"runproj-test/shell-{os.getpid()}:1"
    engine.named(name, {})
    project = computer.project({"runproj.yaml": (
        f"runproj: 1\nenvironments: {{default: {{kind: docker, image: '{name}', network: none}}}}\n"
        "entry_points: {main: {command: [sh, -c, 'echo 1 > x; exit 3']}}\n"
    )})  # fmt: skip
    project.run("run", ".").ok(1)
    done = project.run("shell", "latest", "--", "sh", "-c", "cat x; pwd; exit 7").ok(7)
    workspace = project.run("show", "latest", "--json").ok().step("main")["workspace"]
    assert done.out.split() == ["1", workspace]
    code, screen = typed(project, "shell", "latest", keys=b"cat x; exit 5\r")
    assert code == 5, screen
    assert "shell" not in engine.containers()
