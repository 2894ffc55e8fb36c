"""Runs with containers that are ended from outside: no container is left."""

import json
import os
import signal
import subprocess
from pathlib import Path

import pytest
from tests.cli.commandline import Computer, Project, until
from tests.containers import Engine


def project(computer: Computer, engine: Engine, name: str, script: str, **more: object) -> Project:
    """Make a project with one step in a container; ``name`` is the step's."""
    environment = {"kind": "docker", "image": engine.busybox, "network": "none"}
    step = {"command": ["sh", "-c", script], **more}
    return computer.project({
        "runproj.yaml": json.dumps({
            "runproj": 1,
            "environments": {"default": environment},
            "entry_points": {"main": {"steps": {name: step}}},
        })
    })  # fmt: skip


def keepers(parent: int) -> list[int]:
    """Return the keepers that a process started."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            command = (folder / "cmdline").read_bytes()
            above = (folder / "stat").read_text().rpartition(")")[2].split()[1]
        except OSError:
            continue
        if b"executors.keeper" in command and int(above) == parent:
            found.append(int(folder.name))
    return found


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_no_container_is_left_when_runproj_is_ended(
    computer: Computer, engine: Engine, number: signal.Signals
) -> None:
    name = f"long-{os.getpid()}-{number.name}"
    mortal = project(computer, engine, name, "trap '' INT; sleep 1000")
    process = mortal.start("run", ".")
    until(lambda: name in engine.containers(), "the step runs in its container")

    process.send_signal(number)
    process.communicate(timeout=60)

    until(lambda: name not in engine.containers(), "no container is left")
    assert mortal.run("show", "latest", "--json").ok().run["status"] == "interrupted"
    left = computer.home / ".cache/runproj/containers"
    until(lambda: not list(left.iterdir()), "the keeper leaves nothing")


def test_a_deaf_container_is_killed_after_its_timeout(computer: Computer, engine: Engine) -> None:
    name = f"deaf-{os.getpid()}"
    mortal = project(computer, engine, name, "trap '' TERM; sleep 1000 & wait; wait", timeout="1s")

    done = mortal.run("run", ".").ok(1)

    assert "it was ended after its timeout of 1 s" in done.err
    assert name not in engine.containers()


def test_what_is_left_when_the_keeper_is_killed_too_goes_with_the_next_run(
    computer: Computer, engine: Engine
) -> None:
    name = f"orphan-{os.getpid()}"
    mortal = project(computer, engine, name, "sleep 1000")
    process = mortal.start("run", ".")
    until(lambda: name in engine.containers(), "the step runs in its container")
    (keeper,) = keepers(process.pid)

    os.kill(keeper, signal.SIGKILL)
    _, said = process.communicate(timeout=60)

    assert b"the keeper of the containers was ended by SIGKILL" in said
    assert name in engine.containers()
    text = (mortal.folder / "runproj.yaml").read_text()
    mortal.write({"runproj.yaml": text.replace("sleep 1000", "true").replace(name, "short")})
    mortal.run("run", ".").ok()
    until(lambda: name not in engine.containers(), "the container of the dead is gone")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_no_container_is_left_of_a_build_that_is_ended(
    computer: Computer, engine: Engine, number: signal.Signals
) -> None:
    mark = f"building-{os.getpid()}-{number.name}"
    base = f"runproj-test/{mark.lower()}:1"
    engine.named(base, {})
    mortal = project(computer, engine, "one", "true")
    text = (mortal.folder / "runproj.yaml").read_text()
    text = text.replace(f'"image": "{engine.busybox}"', '"build": {"context": "img"}')
    mortal.write({
        "runproj.yaml": text, "img/Dockerfile": f"FROM {base}\nRUN echo {mark}; sleep 1000\n",
    })  # fmt: skip
    process = mortal.start("run", ".")
    until(lambda: mark in engine.commands(), "the image is being built")

    process.send_signal(number)
    process.communicate(timeout=60)

    until(lambda: mark not in engine.commands(), "no container is left")
    assert isinstance(process, subprocess.Popen)
