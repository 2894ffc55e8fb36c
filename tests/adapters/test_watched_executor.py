"""The local executor with a tracer: it is as if the step were alone, and nothing hangs."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from runproj.adapters.executors.local import LocalExecutor
from runproj.adapters.executors.watching import LocalWatcher
from runproj.ports import Confinement, Execution, Stream
from runproj.record.outcome import Outcome

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or shutil.which("strace") is None, reason="needs strace"
)
DEADLINE_S = 20.0
NO_LIMITS = Confinement()


class Bench:
    """Runs shell scripts under the tracer, in a folder of their own."""

    def __init__(self, folder: Path) -> None:
        self.executor = LocalExecutor(timeout_grace_s=0.2)
        self.folder = folder / "own"
        self.folder.mkdir()
        self.log = folder / "log"
        self.heard: dict[Stream, bytes] = {"stdout": b"", "stderr": b""}

    def listen(self, stream: Stream, chunk: bytes) -> None:
        self.heard[stream] += chunk

    def start(
        self, *argv: str, timeout_s: float | None = None, stdin: str | None = None,
        stdout: str | None = None, confinement: Confinement = NO_LIMITS,
    ) -> None:  # fmt: skip
        self.executor.start(
            Execution(
                name="step", argv=argv, directory=str(self.folder),
                variables={"PATH": "/usr/bin:/bin"}, on_output=self.listen, stdin=stdin,
                stdout=stdout, timeout_s=timeout_s, trace=str(self.log), confinement=confinement,
            )
        )  # fmt: skip

    def shell(self, script: str, *, timeout_s: float | None = None) -> Outcome:
        self.start("/bin/sh", "-c", script, timeout_s=timeout_s)
        return self.executor.wait()[1]

    @property
    def gap(self) -> str | None:
        return LocalWatcher(str).accesses(str(self.log), str(self.folder)).gap

    def number(self, name: str) -> int:
        """Return the process that a script wrote into a file."""
        path = self.folder / name
        until(lambda: path.exists() and path.read_text().endswith("\n"))
        return int(path.read_text())


def until(is_so: object, deadline_s: float = DEADLINE_S) -> None:
    assert callable(is_so)
    end = time.monotonic() + deadline_s
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.02)


def lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path)
    yield made
    made.executor.close()


@pytest.mark.parametrize("code", [0, 1, 3, 127, 255])
def test_an_exit_code_is_that_of_the_step(bench: Bench, code: int) -> None:
    assert bench.shell(f"exit {code}").exit_code == code
    assert bench.gap is None


@pytest.mark.parametrize("name", ["SIGKILL", "SIGTERM", "SIGSEGV"])
def test_a_signal_is_that_of_the_step(bench: Bench, name: str) -> None:
    assert bench.shell(f"kill -{name.removeprefix('SIG')} $$").signal == name


def test_output_is_that_of_the_step_alone(bench: Bench) -> None:
    bench.shell("echo out; echo err >&2; cat missing 2>/dev/null; exec 2>&-; echo more")
    assert bench.heard == {"stdout": b"out\nmore\n", "stderr": b"err\n"}


def test_streams_can_be_files(bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "in").write_text("words\n")
    bench.start("/bin/cat", stdin=str(tmp_path / "in"), stdout=str(tmp_path / "out"))
    assert bench.executor.wait()[1].exit_code == 0
    assert (tmp_path / "out").read_text() == "words\n"


@pytest.mark.parametrize(
    ("text", "mode", "words"),
    [
        (None, 0o755, "command not found"),
        ("#!/bin/sh\n", 0o644, "not executable"),
        ("#!/none\n", 0o755, "interpreter missing"),
        ("words\n", 0o755, "neither a program"),
    ],
)
def test_what_cannot_start_is_told(bench: Bench, text: str | None, mode: int, words: str) -> None:
    if text is not None:
        (bench.folder / "program").write_text(text)
        (bench.folder / "program").chmod(mode)
    bench.start("./program")
    outcome = bench.executor.wait()[1]
    assert not outcome.succeeded
    assert words in (outcome.start_error or "") + bench.heard["stderr"].decode()


def test_a_timeout_ends_the_step(bench: Bench) -> None:
    began = time.monotonic()
    outcome = bench.shell("echo $$ > pid; sleep 1000", timeout_s=0.5)
    assert outcome.timed_out
    assert not lives(bench.number("pid"))
    assert time.monotonic() - began < DEADLINE_S / 2


def test_a_step_can_tidy_up_when_it_is_told_to_end(bench: Bench) -> None:
    bench.start(
        "/bin/sh", "-c",
        "trap 'cat /etc/hostname > tidied 2>&1; echo x >> tidied; exit 4' TERM; echo $$ > pid; "
        "while :; do sleep 0.05; done",
    )  # fmt: skip
    bench.number("pid")
    bench.executor.cancel()
    assert not bench.executor.wait()[1].succeeded
    assert (bench.folder / "tidied").read_text().endswith("x\n")


def test_who_takes_no_hint_is_killed(bench: Bench) -> None:
    outcome = bench.shell("trap '' TERM; echo $$ > pid; sleep 1000", timeout_s=0.4)
    assert not outcome.succeeded
    assert not lives(bench.number("pid"))


def test_a_stopped_step_is_ended(bench: Bench) -> None:
    outcome = bench.shell("echo $$ > pid; kill -STOP $$", timeout_s=0.5)
    assert outcome.timed_out
    assert not lives(bench.number("pid"))


def test_a_daemon_that_is_left_behind_is_ended(bench: Bench) -> None:
    began = time.monotonic()
    outcome = bench.shell("setsid sh -c 'echo $$ > pid; exec sleep 1000' & sleep 0.2; exit 3")
    assert outcome.exit_code == 3
    assert not lives(bench.number("pid"))
    assert time.monotonic() - began < DEADLINE_S / 2


def test_a_tracer_that_is_killed_fails_the_step(bench: Bench) -> None:
    outcome = bench.shell("echo $$ > pid; kill -KILL $PPID; sleep 1000")
    assert not outcome.succeeded
    assert not lives(bench.number("pid"))
    assert bench.gap is not None


def test_many_processes_are_traced(bench: Bench) -> None:
    script = "i=0; while [ $i -lt 200 ]; do /bin/true & i=$((i+1)); done; wait"
    assert bench.shell(script).exit_code == 0
    assert bench.gap is None


def test_two_steps_are_traced_at_once(bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "second").mkdir()
    other = Bench(tmp_path / "second")
    other.executor.close()
    other.executor = bench.executor
    bench.start("/bin/sh", "-c", "sleep 0.3; exit 1")
    other.start("/bin/sh", "-c", "sleep 0.3; exit 2")
    codes = {bench.executor.wait()[1].exit_code, bench.executor.wait()[1].exit_code}
    assert codes == {1, 2}
    assert (bench.gap, other.gap) == (None, None)


def test_a_supervisor_that_is_killed_leaves_nothing(tmp_path: Path) -> None:
    script = f"""
import os, sys
sys.path[:0] = {sys.path!r}
from pathlib import Path
from tests.adapters.test_watched_executor import Bench
bench = Bench(Path({str(tmp_path)!r}))
bench.start("/bin/sh", "-c", "echo $$ > pid; cut -d' ' -f4 /proc/$PPID/stat > parent; sleep 1000")
bench.executor.wait()
"""
    process = subprocess.Popen([sys.executable, "-c", script], stderr=subprocess.DEVNULL)
    try:
        places = [tmp_path / "own/pid", tmp_path / "own/parent"]
        until(lambda: all(one.exists() and one.read_text().endswith("\n") for one in places))
        step, parent = (int(one.read_text()) for one in places)
        os.kill(parent, signal.SIGKILL)
        until(lambda: not lives(step))
    finally:
        process.kill()
        process.wait()


def test_limits_and_tracer_go_together(bench: Bench) -> None:
    system = ("/usr", "/bin", "/lib", "/lib64", "/etc", "/proc")
    own = (str(bench.folder), str(bench.folder.parent), "/dev/null")
    (bench.folder / "a").write_text("words\n")
    limits = Confinement(system, own, network=False)
    bench.start("/bin/sh", "-c", "cat a; cat /root/x /var/log/* 2>/dev/null", confinement=limits)
    bench.executor.wait()
    assert bench.heard["stdout"] == b"words\n"
    assert bench.gap is None


def test_limits_do_without_a_tracer(tmp_path: Path) -> None:
    heard: list[bytes] = []
    executor = LocalExecutor()
    executor.start(
        Execution(
            name="step", argv=("/bin/sh", "-c", "cat /proc/net/dev; exec 3<>/dev/tcp/192.0.2.1/1"),
            directory=str(tmp_path), variables={"PATH": "/usr/bin:/bin"},
            on_output=lambda _, chunk: heard.append(chunk),
            confinement=Confinement(network=False),
        )
    )  # fmt: skip
    assert executor.wait()[1].exit_code != 0
    assert b"eth0" not in b"".join(heard)
    executor.close()
