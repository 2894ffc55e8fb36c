"""Secrets, with real processes: the step gets them, no file of ours does."""

import os
import signal
from pathlib import Path

import pytest
from tests.cli.commandline import Computer, Project, until

TOKEN = "hunter2-hunter2-\"'$x"
YAML = """
runproj: 1
environments:
  default: {kind: system}
entry_points:
  main:
    steps:
      use:
        command: [python, use.py]
        outputs: [length.txt]
        secrets: [API_TOKEN]
"""
USE = """
import os, sys, time
token = os.environ["API_TOKEN"]
open("length.txt", "w").write(str(len(token)))
for letter in f"the token is {token}\\n":
    sys.stdout.write(letter); sys.stdout.flush()
print("and again:", token, file=sys.stderr)
if os.environ["API_TOKEN"].startswith("bad"):
    sys.exit(f"no access with {token}")
if token.startswith("slow"):
    time.sleep(60)
"""


@pytest.fixture
def demo(computer: Computer) -> Project:
    return computer.project({"runproj.yaml": YAML, "use.py": USE})


def found(text: str, *folders: Path) -> list[Path]:
    """Return the files that hold a text."""
    return [
        file
        for folder in folders
        for file in folder.rglob("*")
        if file.is_file() and not file.is_symlink() and text.encode() in file.read_bytes()
    ]


def test_a_secret_reaches_the_step_and_nothing_that_is_kept_or_shown(demo: Project) -> None:
    env = {"API_TOKEN": TOKEN}
    done = demo.run("run", ".", "--json", "--keep-workspace", env=env).ok()
    assert "the token is ***\n" in done.err
    assert "and again: ***\n" in done.err
    folder = demo.computer.root / "got"
    demo.run("get", "latest", "length.txt", "--to", str(folder)).ok()
    assert (folder / "length.txt").read_text() == str(len(TOKEN))
    for command in (
        ("show", "latest"),
        ("show", "latest/use"),
        ("logs", "latest"),
        ("show", "latest", "--json"),
    ):
        assert "hunter2" not in demo.run(*command).ok().out
    assert not found("hunter2", demo.computer.root)

    other = {"API_TOKEN": "another-secret"}
    assert demo.run("run", ".", "--json", env=other).ok().steps() == {"use": "cached"}
    demo.run("verify", "latest", env=env).ok()
    demo.run("verify", "latest", env=other).ok(6)  # the length differs


def test_a_secret_that_is_missing_is_said_at_once(demo: Project) -> None:
    said = demo.run("run", ".").ok(2).err
    assert "error: the secret API_TOKEN is not there; the step 'use' needs it" in said
    assert "hint: set the variable API_TOKEN for runproj" in said
    demo.run("status", ".").ok()
    demo.run("run", ".", env={"API_TOKEN": ""}).ok(2)
    demo.run("run", ".", "-q", env={"API_TOKEN": TOKEN}).ok()
    assert "the secret API_TOKEN is not there" in demo.run("rerun", "latest").ok(7).err
    assert "the secret API_TOKEN is not there" in demo.run("verify", "latest").ok(7).out


def test_a_failure_does_not_tell_the_secret(demo: Project) -> None:
    done = demo.run("run", ".", env={"API_TOKEN": "bad-secret"}).ok(1)
    assert "| no access with ***" in done.err
    assert "bad-secret" not in done.err + done.out
    assert not found("bad-secret", demo.computer.root)


def test_a_secret_stands_in_no_command_line_and_is_gone_after_a_kill(demo: Project) -> None:
    process = demo.start("run", ".", env={"API_TOKEN": "slow-secret"})
    assert process.stderr is not None
    until(lambda: b"and again" in process.stderr.readline(), "the step executes")  # type: ignore[union-attr] # it is there
    lines = [file.read_bytes() for file in Path("/proc").glob("[0-9]*/cmdline") if readable(file)]
    assert any(b"use.py" in line for line in lines)
    assert not any(b"slow-secret" in line for line in lines)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    assert not found("slow-secret", demo.computer.root)


def readable(file: Path) -> bool:
    try:
        return bool(file.read_bytes())
    except OSError:
        return False
