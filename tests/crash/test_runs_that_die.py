"""Runs that are ended from outside: they say so, leave nothing behind, and harm nothing."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.cli.commandline import Computer, Project, until

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")

FAMILY = """\
import os, signal, sys, time
place = sys.argv[1]
def note(name):
    with open(f"{place}/{name}.part", "w") as file:
        file.write(str(os.getpid()))
    os.rename(f"{place}/{name}.part", f"{place}/{name}.pid")
if not os.fork():
    note("child")
    time.sleep(1000)
if not os.fork():
    os.setsid()
    if not os.fork():
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        os.closerange(0, 3)
        note("daemon")
        time.sleep(1000)
    os._exit(0)
note("main")
print("the step has begun", flush=True)
while not os.path.exists(f"{place}/go"):
    time.sleep(0.02)
"""
"""A step with a child, and a daemon in a session of its own that is deaf to polite signals."""

PROJECT = """\
runproj: 1
name: mortal
entry_points:
  main:
    parameters: {place: {type: string}}
    steps:
      before: {command: echo before, stdout: before.txt}
      long: {command: [python3, family.py, "{place}"], inputs: [before.txt]}
      after: {command: echo after, needs: [long], stdout: after.txt}
"""


class Scene:
    """A run under way, and the processes of its step."""

    def __init__(self, computer: Computer) -> None:
        self.project = computer.project({"runproj.yaml": PROJECT, "family.py": FAMILY})
        self.place = computer.root / "place"
        self.place.mkdir()
        self.arguments = ("run", ".", "-P", f"place={self.place}")
        self.process = self.project.start(*self.arguments)

    def begin(self) -> list[int]:
        """Wait until the whole family is there; return its processes."""
        files = [self.place / f"{name}.pid" for name in ("main", "child", "daemon")]
        until(lambda: all(file.exists() for file in files), "the step has begun")
        return [int(file.read_text()) for file in files]

    def end(self, number: int) -> tuple[int, str]:
        """Send a signal to runproj alone; return how it ended and what it said."""
        self.process.send_signal(number)
        _, said = self.process.communicate(timeout=60)
        return self.process.returncode, said.decode()

    def repeat(self) -> None:
        """Make sure that the project can be run and the run be repeated."""
        for name in ("main", "child", "daemon"):
            (self.place / f"{name}.pid").unlink()
        (self.place / "go").touch()
        done = self.project.run(*self.arguments, "--json").ok()
        assert done.steps() == {"before": "cached", "long": "succeeded", "after": "succeeded"}
        self.project.run("rerun", "latest~1", "--json").ok()


@pytest.fixture
def scene(computer: Computer) -> Iterator[Scene]:
    """A run under way; nothing of it is left after the test."""
    made = Scene(computer)
    yield made
    for process in made.place.glob("*.pid"):
        if lives(int(process.read_text())):
            os.kill(int(process.read_text()), signal.SIGKILL)
    if made.process.poll() is None:
        made.process.kill()
    made.process.communicate()


def lives(pid: int) -> bool:
    """Tell whether a process is there and is no zombie."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return status.rpartition(")")[2].split()[0] != "Z"


def none_left(family: list[int]) -> None:
    """Make sure that the processes end within a few seconds."""
    until(lambda: not any(lives(pid) for pid in family), "no process of the step is left", 10)


def last_run(project: Project) -> tuple[str, dict[str, str]]:
    """Return status of the latest run and of its steps, as ``list`` and ``show`` agree on."""
    listed = project.run("list", "--json").ok().json["runs"][0]["status"]
    done = project.run("show", "latest", "--json").ok()
    assert done.run["status"] == listed
    return listed, done.steps()


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
def test_a_signal_ends_the_whole_tree_and_leaves_the_run_interrupted(
    scene: Scene, number: int, code: int
) -> None:
    family = scene.begin()

    ended, said = scene.end(number)

    assert ended == code
    assert "Traceback" not in said
    none_left(family)
    assert last_run(scene.project) == (
        "interrupted", {"before": "succeeded", "long": "interrupted"},
    )  # fmt: skip
    run = scene.project.run("show", "--json").ok().run
    assert run["exit_code"] == code
    assert scene.project.run("logs", "latest/long").ok().out == "the step has begun\n"
    scene.repeat()


def test_ctrl_c_in_a_terminal_reaches_runproj_and_step_at_once(computer: Computer) -> None:
    scene = Scene(computer)
    scene.process.kill()
    scene.process.communicate()
    computer.root.joinpath("place2").mkdir()
    scene.place = computer.root / "place2"
    scene.process = subprocess.Popen(
        [sys.executable, "-m", "runproj", "run", ".", "-P", f"place={scene.place}"],
        cwd=scene.project.folder, env=computer.variables, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
    )  # fmt: skip
    family = scene.begin()
    os.killpg(scene.process.pid, signal.SIGINT)
    scene.process.communicate(timeout=60)
    assert scene.process.returncode == 130
    none_left(family)
    assert last_run(scene.project)[0] == "interrupted"


def test_a_killed_runproj_leaves_an_interrupted_run_and_no_process(scene: Scene) -> None:
    family = scene.begin()

    ended, _ = scene.end(signal.SIGKILL)

    assert ended == -signal.SIGKILL
    none_left(family)
    assert last_run(scene.project) == (
        "interrupted", {"before": "succeeded", "long": "interrupted"},
    )  # fmt: skip
    assert "runproj itself was ended from outside" in scene.project.run("show").ok().out
    assert scene.project.run("logs", "latest/long").ok().out == "the step has begun\n"
    scene.repeat()


def test_a_run_that_was_killed_before_its_first_step_can_be_shown(computer: Computer) -> None:
    """Kill at many moments: whatever is there, every command can read it."""
    project = computer.project(
        {"runproj.yaml": "runproj: 1\nentry_points: {main: {command: sleep 1000}}\n"}
    )
    store = project.folder / ".runproj"
    moments = [store / "source.git", store / "runs", store / "index.db"]
    for moment in moments:
        process = project.start("run", ".")
        until(moment.exists, f"{moment.name} is there")
        process.kill()
        process.communicate()
        done = project.run("list", "--json").ok()
        assert {run["status"] for run in done.json["runs"]} <= {"interrupted"}
        if done.json["runs"]:
            assert last_run(project)[0] == "interrupted"
    assert project.run("status", ".", "--json").ok().json["plan"]["steps"][0]["action"] == "run"


def test_a_step_is_ended_after_its_timeout(computer: Computer) -> None:
    limited = PROJECT.replace('"{place}"]', '"{place}"], timeout: 1s')
    project = computer.project({"runproj.yaml": limited, "family.py": FAMILY})
    done = project.run("run", ".", "-P", f"place={computer.root}", "--json").ok(1)
    assert done.steps() == {"before": "succeeded", "long": "failed", "after": "skipped"}
    assert "timeout of 1 s" in done.step("long")["error"]
    assert "timeout of 1 s" in done.err
    none_left([int(file.read_text()) for file in computer.root.glob("*.pid")])


def test_a_step_that_is_killed_is_told_with_the_name_of_the_signal(computer: Computer) -> None:
    project = computer.project(
        {"runproj.yaml": "runproj: 1\nentry_points: {main: {command: 'kill -9 $$'}}\n"}
    )
    done = project.run("run", ".", "--json").ok(1)
    assert done.step("main")["signal"] == "SIGKILL"
    assert "SIGKILL" in done.err


MANY = """\
runproj: 1
name: many
environments: {default: {kind: venv}}
entry_points:
  main:
    parameters: {n: {type: int}}
    steps:
      shared: {command: echo shared, stdout: shared.txt}
      own: {command: "cat shared.txt; echo {n}", inputs: [shared.txt], stdout: own.txt}
"""


def test_many_at_once_share_a_fresh_store_and_project(computer: Computer) -> None:
    project = computer.project({"runproj.yaml": MANY}, git=True)
    numbers = range(4)
    started = [project.start("run", ".", "-P", f"n={number}", "--json") for number in numbers]
    ended = [(process.communicate(timeout=120), process.returncode) for process in started]

    assert [code for _, code in ended] == [0] * len(numbers), [said for (_, said), _ in ended]
    runs = [json.loads(out)["run"] for (out, _), _ in ended]
    assert [run["params"]["n"] for run in runs] == list(numbers)
    listed = project.run("list", "--json").ok().json["runs"]
    assert sorted(run["id"] for run in listed) == sorted(run["id"] for run in runs)
    assert {run["status"] for run in listed} == {"succeeded"}
    assert len({step["sha256"] for run in runs for step in run["steps"][0]["outputs"]}) == 1
    assert len({step["sha256"] for run in runs for step in run["steps"][1]["outputs"]}) == 4
    assert len(project.run("env", "list", "--json").ok().json["environments"]) == 1
    with sqlite3.connect(project.folder / ".runproj/index.db") as connection:
        assert connection.execute("pragma integrity_check").fetchone() == ("ok",)
    connection.close()
    again = [project.run("run", ".", "-P", f"n={number}", "--json").ok() for number in numbers]
    assert all(set(done.steps().values()) == {"cached"} for done in again)


def test_an_index_that_is_lost_is_made_anew_from_the_records(computer: Computer) -> None:
    project = computer.project({"runproj.yaml": MANY})
    project.run("run", ".", "-P", "n=1").ok()
    before = project.run("list", "--json").ok().json
    for file in (project.folder / ".runproj").glob("index.db*"):
        file.unlink()
    assert project.run("list", "--json").ok().json == before
    (project.folder / ".runproj/index.db").write_bytes(b"damaged" * 1000)
    assert project.run("list", "--json").ok().json == before
    assert set(project.run("run", ".", "-P", "n=1", "--json").ok().steps().values()) == {"cached"}
