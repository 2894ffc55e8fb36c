"""Completion, as real shells ask for it."""

import os
import pty
import select
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.cli.commandline import DEADLINE_S, Computer, Project

YAML = """\
runproj: 1
parameters: {rate: {type: float, default: 0.1, help: How fast.}}
environments: {default: {kind: system}, tools: {kind: system}}
entry_points:
  main: {steps: {prepare: {command: [echo, "{rate}"]}, publish: {command: [echo, hello]}}}
  other: {command: "true"}
"""


def asked(project: Project, *words: str) -> list[str]:
    """Return what is offered for the last of some words."""
    variables = {
        "COMP_WORDS": "\n".join(("runproj", *words)), "COMP_CWORD": str(len(words)),
        "_RUNPROJ_COMPLETE": "bash_complete",
    }  # fmt: skip
    return project.run(env=variables).ok().out.split()


def test_names_of_everything_are_offered(computer: Computer) -> None:
    project = computer.project({"runproj.yaml": YAML})
    run = project.run("run", ".", "--experiment", "first", "--json").ok().run["id"]
    offered = {
        ("sho",): ["plain,show"],
        ("run", ""): ["dir,"],
        ("run", ".", "p"): ["plain,prepare", "plain,publish"],
        ("run", ".", "-P", ""): ["plain,rate="],
        ("rerun", run, "-P", ""): ["plain,rate="],
        ("run", "-e", "o"): ["plain,other"],
        ("run", "--from", "pu"): ["plain,publish"],
        ("run", "--params-file", "x"): ["file,x"],
        ("list", "--experiment", ""): ["plain,first"],
        ("show", run[:3]): [f"plain,{run}"],
        ("show", "latest/pu"): ["plain,latest/publish"],
        ("env", "build", "t"): ["plain,tools"],
        ("show", "nothing/"): [],
        ("config", "--js"): ["plain,--json"],
    }
    assert {words: asked(project, *words) for words in offered} == offered
    folder = str(project.folder)
    elsewhere = Project(computer, computer.root)
    assert asked(elsewhere, "-C", folder, "show", "latest/pu") == ["plain,latest/publish"]
    assert asked(elsewhere, "show", "") == []


def shell_of(name: str) -> str:
    """Return a shell; without it the test is skipped, but in CI it is there."""
    found = shutil.which(name)
    if found is None and os.environ.get("RUNPROJ_CI"):
        pytest.fail(f"{name} is not there: .ci/run installs it")
    if found is None:
        pytest.skip(f"{name} is not there")
    return found


def prepared(computer: Computer) -> tuple[Project, dict[str, str]]:
    """Return a project with a run, and the variables of a shell that finds runproj."""
    project = computer.project({"runproj.yaml": YAML})
    project.run("run", ".").ok()
    programs = computer.root / "bin"
    programs.mkdir()
    program = programs / "runproj"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m runproj "$@"\n')
    program.chmod(0o755)
    variables = project.computer.variables_for(project.folder, {"TERM": "dumb"})
    return project, {**variables, "PATH": f"{programs}:{variables['PATH']}"}


def typed(argv: list[str], variables: dict[str, str], folder: Path, line: bytes) -> str:
    """Type the beginning of a line in an interactive shell, and Tab; return what then stands."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        argv, cwd=folder, env=variables, stdin=theirs, stdout=theirs, stderr=theirs,
        start_new_session=True,
    )  # fmt: skip
    os.close(theirs)
    screen, end, sent = "", time.monotonic() + DEADLINE_S, False
    while time.monotonic() < end and "latest/publish" not in screen:
        if select.select([ours], [], [], 0.1)[0]:
            screen += os.read(ours, 4096).decode(errors="replace")
        if not sent and "ready" in screen:
            os.write(ours, line)
            sent = True
    process.kill()
    process.wait()
    os.close(ours)
    return screen


def test_bash_completes_a_word(computer: Computer) -> None:
    project, variables = prepared(computer)
    start = computer.root / "rc"
    start.write_text('eval "$(runproj completion bash)"\nPS1="rea""dy$ "\n')
    argv = [shell_of("bash"), "--noprofile", "--rcfile", str(start), "-i"]
    screen = typed(argv, variables, project.folder, b"runproj show latest/pu\t")
    assert "latest/publish" in screen


def test_zsh_completes_a_word(computer: Computer) -> None:
    zsh = shell_of("zsh")
    project, variables = prepared(computer)
    (computer.root / ".zshrc").write_text(
        'autoload -U compinit; compinit -D -u\neval "$(runproj completion zsh)"\nPS1="rea""dy%% "\n'
    )
    variables["ZDOTDIR"] = str(computer.root)
    screen = typed([zsh, "-d", "-i"], variables, project.folder, b"runproj show latest/pu\t")
    assert "latest/publish" in screen


def test_fish_offers_names_with_what_they_are(computer: Computer) -> None:
    fish = shell_of("fish")
    project, variables = prepared(computer)
    script = "runproj completion fish | source; complete -C 'runproj show latest/pu'"
    done = subprocess.run(
        [fish, "--no-config", "-c", script], cwd=project.folder, env=variables, text=True,
        capture_output=True, check=True,
    )  # fmt: skip
    assert done.stdout.startswith("latest/publish"), done
