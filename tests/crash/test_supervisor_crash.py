"""Whatever is killed, and however: no process of a step is left, and nobody hangs."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from runproj.adapters.executors import local
from runproj.adapters.executors.local import LocalExecutor
from runproj.errors import RunprojError
from runproj.ports import Execution

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs /proc and subreapers")

DEADLINE_S = 15.0

RUNNER = """
import sys
from runproj.adapters.executors.local import LocalExecutor
from runproj.ports import Execution
folder, *argv = sys.argv[1:]
executor = LocalExecutor()
executor.start(Execution("step", tuple(argv), folder, {"PATH": "/usr/bin:/bin"}, print))
executor.wait()
"""
"""A program that runs one step, in the place of runproj."""

FAMILY = """
import os, signal, time
def note(name):
    with open(name + ".part", "w") as file:
        file.write(f"{os.getpid()}\\n")
    os.rename(name + ".part", name)
    time.sleep(1000)
if not os.fork():
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    note("child.pid")
if not os.fork():
    os.setsid()
    if not os.fork():
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        os.setsid()
        os.closerange(0, 3)
        note("daemon.pid")
    os._exit(0)
note("main.pid")
"""
"""A step with a child, and a daemon by the book: own session, forked twice; both ignore SIGTERM."""

FAMILY_ARGV = (sys.executable, "-I", "-S", "-c", FAMILY)


def until(is_so: Callable[[], bool], what: str) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + DEADLINE_S
    while not is_so():
        assert time.monotonic() < deadline, f"not in {DEADLINE_S} s: {what}"
        time.sleep(0.01)


def lives(pid: int) -> bool:
    """Tell whether a process is there and is no zombie."""
    try:
        return state_of(pid) != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def state_of(pid: int) -> str:
    """Return the letter of a process's state, as proc(5) has it."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def children_of(pid: int) -> list[int]:
    """Return the children of a process, zombies among them."""
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def family(folder: Path) -> list[int]:
    """Return the processes of a :data:`FAMILY` that runs in a folder."""
    files = [folder / f"{name}.pid" for name in ("main", "child", "daemon")]
    until(lambda: all(file.exists() for file in files), "the step has started")
    return [int(file.read_text()) for file in files]


def execution(folder: Path, *argv: str) -> Execution:
    return Execution("step", argv, str(folder), {"PATH": "/usr/bin:/bin"}, lambda *_: None)


@pytest.fixture
def executor() -> Iterator[LocalExecutor]:
    made = LocalExecutor(grace_s=0.2)
    yield made
    made.close()


@pytest.fixture
def runner(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A runproj process in the middle of a step, in a process group of its own."""
    src = Path(local.__file__).parents[3]
    command = [sys.executable, "-c", RUNNER, str(tmp_path), *FAMILY_ARGV]
    with subprocess.Popen(
        command, env={"PYTHONPATH": str(src), "PATH": "/usr/bin:/bin"}, process_group=0
    ) as process:
        yield process
        process.kill()


def test_kill_9_of_runproj_leaves_no_process_behind(
    runner: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    pids = family(tmp_path)
    pids += children_of(runner.pid)
    assert len(pids) == 4
    assert all(map(lives, pids))
    runner.kill()
    until(lambda: not any(map(lives, pids)), "step, daemon and supervisor are gone")


def test_ctrl_c_in_a_terminal_does_not_reach_the_steps(
    runner: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    pids = family(tmp_path)
    groups = {os.getpgid(pid) for pid in (*pids, *children_of(runner.pid))}
    sessions = {os.getsid(pid) for pid in (*pids, *children_of(runner.pid))}
    assert os.getpgid(runner.pid) not in groups
    assert os.getsid(runner.pid) not in sessions


def test_sigterm_to_the_supervisor_ends_its_steps(
    runner: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    pids = family(tmp_path)
    (supervisor,) = children_of(runner.pid)
    os.kill(supervisor, signal.SIGTERM)
    until(lambda: not any(map(lives, pids)), "all of the step is gone")
    assert runner.wait(DEADLINE_S) == 0


def test_cancel_leaves_no_process_behind(executor: LocalExecutor, tmp_path: Path) -> None:
    executor.start(execution(tmp_path, *FAMILY_ARGV))
    pids = family(tmp_path)
    executor.cancel()
    assert not any(map(lives, pids))
    assert executor.wait()[1].signal == "SIGTERM"


def test_a_killed_supervisor_is_an_error_and_takes_its_steps_along(
    executor: LocalExecutor, tmp_path: Path
) -> None:
    executor.start(execution(tmp_path, "/bin/sh", "-c", "echo $$ > pid; exec sleep 1000"))
    until(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").stat().st_size > 0, "start")
    (supervisor,) = supervisors()
    os.kill(supervisor, signal.SIGKILL)
    with pytest.raises(RunprojError, match="was ended by SIGKILL"):
        executor.wait()
    step = int((tmp_path / "pid").read_text())
    until(lambda: not lives(step), "the step is gone")


def test_an_executor_can_be_used_after_its_supervisor_was_killed(
    executor: LocalExecutor, tmp_path: Path
) -> None:
    executor.start(execution(tmp_path, "/bin/true"))
    executor.wait()
    (supervisor,) = supervisors()
    os.kill(supervisor, signal.SIGKILL)
    with pytest.raises(RunprojError, match="was ended by SIGKILL"):
        run_for_ever(executor, tmp_path)
    executor.start(execution(tmp_path, "/bin/true"))
    assert executor.wait()[1].succeeded


def test_fifty_steps_leave_neither_zombies_nor_open_files(
    executor: LocalExecutor, tmp_path: Path
) -> None:
    def run(count: int) -> None:
        for _ in range(count):
            executor.start(execution(tmp_path, "/bin/sh", "-c", "setsid true & exit 0"))
            assert executor.wait()[1].succeeded
            executor.start(execution(tmp_path, "no-such-command"))
            executor.wait()

    run(1)
    (supervisor,) = supervisors()
    before = open_files(os.getpid()), open_files(supervisor)
    run(25)
    assert (open_files(os.getpid()), open_files(supervisor)) == before
    assert children_of(supervisor) == []
    executor.close()
    assert supervisors() == []


def run_for_ever(executor: LocalExecutor, folder: Path) -> None:
    """Run one step after another."""
    while True:
        executor.start(execution(folder, "/bin/true"))
        executor.wait()


def supervisors() -> list[int]:
    """Return the supervisors that this process has started."""
    return [
        pid
        for pid in children_of(os.getpid())
        if b"supervisor" in Path(f"/proc/{pid}/cmdline").read_bytes()
    ]


def open_files(pid: int) -> int:
    """Return how many files a process has open."""
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))
