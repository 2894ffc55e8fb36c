"""The local executor: what a process gets, what it gives, and how its tree ends."""

import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import TypedDict, Unpack

import pytest

from runproj.adapters.executors.local import LocalExecutor
from runproj.ports import Execution, Stream
from runproj.record.outcome import Outcome

DEADLINE_S = 15.0
PATH = "/usr/bin:/bin"
linux = pytest.mark.skipif(sys.platform != "linux", reason="needs /proc and subreapers")


class InterruptedByTestError(BaseException):
    """What the signal handler of a test raises, as a handler of SIGINT raises KeyboardInterrupt."""


class Given(TypedDict, total=False):
    """What a test says of an execution, where it is not the usual."""

    name: str
    env: dict[str, str]
    directory: str
    stdin: str
    stdout: str
    timeout_s: float


class Bench:
    """Makes executions in a folder, runs them, and keeps what they print."""

    def __init__(self, executor: LocalExecutor, folder: Path) -> None:
        self.executor = executor
        self.folder = folder
        self.heard: dict[Stream, bytearray] = {"stdout": bytearray(), "stderr": bytearray()}

    def listen(self, stream: Stream, chunk: bytes) -> None:
        self.heard[stream] += chunk

    @property
    def stdout(self) -> bytes:
        return bytes(self.heard["stdout"])

    def start(self, *argv: str, **given: Unpack[Given]) -> None:
        execution = Execution(
            name=given.get("name", "step"),
            argv=argv,
            directory=given.get("directory", str(self.folder)),
            variables=given.get("env", {"PATH": PATH}),
            on_output=self.listen,
            stdin=given.get("stdin"),
            stdout=given.get("stdout"),
            timeout_s=given.get("timeout_s"),
        )
        self.executor.start(execution)

    def run(self, *argv: str, **given: Unpack[Given]) -> Outcome:
        self.start(*argv, **given)
        return self.executor.wait()[1]

    def shell(self, script: str, **given: Unpack[Given]) -> Outcome:
        return self.run("/bin/sh", "-c", script, **given)

    def start_shell(self, script: str, **given: Unpack[Given]) -> None:
        self.start("/bin/sh", "-c", script, **given)

    def script(self, name: str, text: str, mode: int = 0o755) -> Path:
        path = self.folder / name
        path.write_text(text)
        path.chmod(mode)
        return path


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    executor = LocalExecutor(timeout_grace_s=0.1)
    yield Bench(executor, tmp_path)
    executor.close()


@pytest.fixture
def portable_bench(tmp_path: Path) -> Iterator[Bench]:
    executor = LocalExecutor(timeout_grace_s=0.1, portable=True)
    yield Bench(executor, tmp_path)
    executor.close()


@pytest.fixture
def usr1_raises() -> Iterator[None]:
    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise InterruptedByTestError

    before = signal.signal(signal.SIGUSR1, interrupt)
    yield
    signal.signal(signal.SIGUSR1, before)


def lives(pid: int) -> bool:
    """Tell whether a process is there and is no zombie."""
    try:
        os.kill(pid, 0)
        stat = Path(f"/proc/{pid}/stat")
        return not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] != "Z"
    except (ProcessLookupError, FileNotFoundError):
        return False


def read_when_there(path: Path) -> str:
    """Return the text of a file as soon as it has a whole line."""
    deadline = time.monotonic() + DEADLINE_S
    while time.monotonic() < deadline:
        if path.exists() and (text := path.read_text()).endswith("\n"):
            return text
        time.sleep(0.005)
    raise AssertionError(f"{path.name} was not written")


def test_megabytes_of_output_come_whole(bench: Bench) -> None:
    outcome = bench.shell("head -c 20000000 /dev/zero; head -c 3000000 /dev/zero >&2")
    assert outcome.succeeded
    assert [len(heard) for heard in bench.heard.values()] == [20_000_000, 3_000_000]


def test_a_process_that_closes_its_output_goes_on(bench: Bench) -> None:
    outcome = bench.shell("echo before; exec >&- 2>&-; touch after; exit 4")
    assert outcome.exit_code == 4
    assert bench.stdout == b"before\n"
    assert (bench.folder / "after").exists()


def test_a_process_has_exactly_the_variables_it_is_given_and_a_mark(bench: Bench) -> None:
    env = {
        "PATH": PATH,
        "EMPTY": "",
        "LINES": "one\ntwo\n",
        "BYTES": os.fsdecode(b"\xff\xfe=\x80"),
        "GRÜSSE": "日本",
        "LONG": "x" * 100_000,
    }
    bench.run("/usr/bin/env", "-0", env=env, name="train")
    seen = dict(pair.split(b"=", 1) for pair in bench.stdout.split(b"\0")[:-1])
    wanted = {os.fsencode(name): os.fsencode(value) for name, value in env.items()}
    assert seen == {**wanted, b"RUNPROJ_SUPERVISED": b"train"}


def test_arguments_arrive_as_they_are(bench: Bench) -> None:
    arguments = ["", "-x", "--", "two\nlines", os.fsdecode(b"\xff"), "$HOME *", "y" * 100_000]
    bench.run("/bin/sh", "-c", 'printf "%s\\0" "$@"', "sh", *arguments)
    assert bench.stdout.split(b"\0")[:-1] == [os.fsencode(argument) for argument in arguments]


def test_a_command_is_sought_in_the_path_of_the_process(bench: Bench) -> None:
    (bench.folder / "bin").mkdir()
    bench.script("bin/own-command", "#!/bin/sh\necho found\n")
    env = {"PATH": f"/nowhere::{bench.folder}/bin:/bin"}
    assert bench.run("own-command", env=env).succeeded
    assert bench.stdout == b"found\n"


def test_an_empty_part_of_the_path_is_the_directory_of_the_process(bench: Bench) -> None:
    bench.script("own-command", "#!/bin/sh\nexit 7\n")
    assert bench.run("own-command", env={"PATH": "/bin:"}).exit_code == 7
    assert bench.run("./own-command", env={"PATH": "/bin"}).exit_code == 7


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (("no-such-command",), "command not found: no-such-command"),
        (("./missing",), "command not found: ./missing"),
        (("",), "command not found: ''"),
        ((), "no command"),
        (("./not-executable",), "not executable: ./not-executable"),
        (("/",), "not executable: /"),
        (("./no-interpreter",), "interpreter missing (the #! line, or the loader)"),
        (("./no-shebang",), "neither a program nor a script with a #! line: ./no-shebang"),
        (("/bin/true", "x" * 200_000), "are too long for the system: 200,"),
        (("/bin/true", "a\0b"), "embedded null byte"),
        (("/bin/true", "\ud800"), "cannot be given to a process"),
    ],
)
def test_what_keeps_a_process_from_starting_is_said_in_words(
    bench: Bench, argv: tuple[str, ...], words: str
) -> None:
    bench.script("not-executable", "#!/bin/sh\n", 0o644)
    bench.script("no-interpreter", "#!/no/such/interpreter\n")
    bench.script("no-shebang", "echo\n")
    outcome = bench.run(*argv)
    assert words in str(outcome.start_error)
    assert (outcome.exit_code, outcome.signal) == (None, None)
    assert bench.run("/bin/true").succeeded


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"directory": "/no/such/folder"}, "directory missing: /no/such/folder"),
        ({"directory": "/dev/null"}, "cannot enter directory: not a directory: /dev/null"),
        ({"stdin": "/no/in"}, "standard input: no such file or directory: /no/in"),
        ({"stdout": "/no/out"}, "standard output: no such file or directory: /no/out"),
    ],
)
def test_a_folder_or_file_that_is_missing_is_a_start_error(
    bench: Bench, given: Given, words: str
) -> None:
    assert bench.run("/bin/true", **given).start_error == words


def test_standard_output_to_a_file_leaves_errors_streamed(bench: Bench) -> None:
    target = bench.folder / "out"
    bench.shell("echo kept; echo heard >&2", stdout=str(target))
    assert target.read_text() == "kept\n"
    assert bench.heard == {"stdout": b"", "stderr": b"heard\n"}


@linux
def test_a_process_inherits_no_open_file_and_no_signal_setting(bench: Bench) -> None:
    leak = os.open(os.devnull, os.O_RDONLY)
    os.set_inheritable(leak, True)
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        bench.shell("ls /proc/$$/fd; grep -E 'Sig(Ign|Blk)' /proc/self/status")
    finally:
        signal.signal(signal.SIGHUP, before)
        os.close(leak)
    words = bench.stdout.split()
    assert words == [b"0", b"1", b"2", b"SigBlk:", b"0" * 16, b"SigIgn:", b"0" * 16]


@linux
def test_a_process_leads_a_session_of_its_own(bench: Bench) -> None:
    bench.shell("cat /proc/$$/stat")
    pid, _, _, _, group, session = bench.stdout.split()[:6]
    assert group == session == pid


def test_use_of_time_and_memory_is_measured(bench: Bench) -> None:
    script = "x = b'x' * 60_000_000; sum(range(1_000_000))"
    outcome = bench.run(sys.executable, "-I", "-S", "-c", script)
    assert outcome.peak_memory > 60_000_000
    assert outcome.cpu_s > 0
    assert 0 < outcome.duration_s < DEADLINE_S


@linux
def test_memory_is_that_of_all_processes_at_the_same_time(bench: Bench) -> None:
    hold = (
        "import os, sys, time; x = b'x' * 60_000_000; os.mkdir(sys.argv[1])\n"
        "while not (os.path.exists('a') and os.path.exists('b')): time.sleep(0.01)\n"
        "time.sleep(1)"
    )
    script = f'"{sys.executable}" -I -S -c "$0" a & "{sys.executable}" -I -S -c "$0" b; wait'
    outcome = bench.run("/bin/sh", "-c", script, hold)
    assert outcome.peak_memory > 120_000_000


@linux
def test_memory_that_processes_share_counts_once(bench: Bench) -> None:
    script = (
        "import os, time; x = b'x' * 90_000_000\n"
        "children = [p for p in (os.fork() for _ in range(3))]\n"
        "time.sleep(0.6)"
    )
    outcome = bench.run(sys.executable, "-I", "-S", "-c", script)
    assert 90_000_000 < outcome.peak_memory < 180_000_000


@linux
def test_what_was_read_and_written_counts_for_all_that_was_waited_for(bench: Bench) -> None:
    outcome = bench.shell("head -c 1000000 /dev/zero | cat > /dev/null; true")
    assert outcome.rchar > 2_000_000
    assert outcome.wchar > 1_000_000


def test_a_timeout_ends_a_process_that_ignores_sigterm(bench: Bench) -> None:
    outcome = bench.shell("trap '' TERM; while :; do sleep 0.01; done", timeout_s=0.1)
    assert outcome.timed_out
    assert outcome.signal == "SIGKILL"


def test_a_process_may_end_in_its_own_way_at_a_timeout(bench: Bench) -> None:
    outcome = bench.shell("trap 'echo bye; exit 5' TERM; while :; do sleep 0.01; done", timeout_s=1)
    assert outcome.timed_out
    assert outcome.exit_code == 5
    assert bench.stdout == b"bye\n"


def test_a_stopped_process_is_ended_too(bench: Bench) -> None:
    outcome = bench.shell("kill -STOP $$", timeout_s=0.1)
    assert outcome.signal == "SIGTERM"


def test_what_a_process_leaves_behind_may_finish_by_itself(bench: Bench) -> None:
    outcome = bench.shell("(sleep 0.05; echo late) & echo early")
    assert outcome.succeeded
    assert bench.stdout == b"early\nlate\n"


@linux
def test_a_daemon_does_not_outlive_its_step(bench: Bench) -> None:
    outcome = bench.shell("setsid sh -c 'echo $$; exec sleep 1000' & exit 0")
    assert outcome.succeeded
    assert not lives(int(bench.stdout))


@linux
def test_a_daemon_that_hides_whose_it_is_does_not_outlive_its_step(bench: Bench) -> None:
    bench.shell("setsid env -i /bin/sh -c 'echo $$; exec sleep 1000' & exit 0")
    assert not lives(int(bench.stdout))


@linux
def test_steps_side_by_side_end_with_their_own_descendants_only(bench: Bench) -> None:
    daemon = "setsid sh -c 'echo $$ > {}; exec sleep 1000' & "
    bench.start_shell(daemon.format("one.pid") + "while [ ! -s two.pid ]; do :; done", name="one")
    bench.start_shell(daemon.format("two.pid") + "sleep 1000", name="two")
    name, outcome = bench.executor.wait()
    one, two = (int(read_when_there(bench.folder / file)) for file in ("one.pid", "two.pid"))
    assert (name, outcome.exit_code) == ("one", 0)
    assert (lives(one), lives(two)) == (False, True)
    bench.executor.cancel()
    assert not lives(two)


@linux
def test_an_orphan_that_nobody_owns_ends_with_the_last_step(bench: Bench) -> None:
    daemon = "setsid env -i /bin/sh -c 'echo $$ > pid; exec sleep 1000' & "
    bench.start_shell(daemon + "while [ ! -s pid ]; do :; done", name="one")
    bench.start_shell("while [ ! -e go ]; do sleep 0.01; done", name="two")
    assert bench.executor.wait()[0] == "one"
    (bench.folder / "go").touch()
    assert bench.executor.wait()[0] == "two"
    assert not lives(int(read_when_there(bench.folder / "pid")))


def test_a_named_pipe_as_input_does_not_stop_everything(bench: Bench) -> None:
    os.mkfifo(bench.folder / "fifo")
    assert bench.shell("cat; echo end", stdin=str(bench.folder / "fifo")).succeeded
    assert bench.stdout == b"end\n"


@linux
def test_a_process_that_forks_without_end_is_caught(bench: Bench) -> None:
    comet = """
import os
for generation in range(100_000):
    if os.fork():
        os._exit(0)
    os.setsid()
open("escaped", "w").close()
"""
    bench.executor = LocalExecutor(grace_s=0)
    bench.start(sys.executable, "-I", "-S", "-c", comet)
    bench.start_shell("echo")
    bench.executor.cancel()
    bench.executor.close()
    assert not (bench.folder / "escaped").exists()


def test_cancel_ends_even_who_ignores_sigterm(bench: Bench) -> None:
    bench.executor = LocalExecutor(grace_s=0.1)
    bench.start_shell("trap '' TERM; (setsid sleep 1000 & echo $!) > pid; sleep 1000")
    pid = int(read_when_there(bench.folder / "pid"))
    bench.executor.cancel()
    assert bench.executor.wait()[1].signal == "SIGKILL"
    bench.executor.close()
    assert not lives(pid)


def test_last_words_are_heard_after_a_cancel(bench: Bench) -> None:
    bench.start_shell("trap 'echo bye; exit 5' TERM; echo > up; while :; do sleep 0.01; done")
    read_when_there(bench.folder / "up")
    bench.executor.cancel()
    assert bench.stdout == b"bye\n"
    assert bench.executor.wait()[1].exit_code == 5


@pytest.mark.usefixtures("usr1_raises")
def test_an_exception_of_a_signal_handler_leaves_wait_and_cancel_works(bench: Bench) -> None:
    bench.start_shell(f"echo first; kill -USR1 {os.getpid()}; sleep 1000")
    with pytest.raises(InterruptedByTestError):
        bench.executor.wait()
    bench.executor.cancel()
    assert bench.executor.wait()[1].signal == "SIGTERM"
    assert bench.stdout == b"first\n"


@pytest.mark.usefixtures("usr1_raises")
def test_a_second_cancel_does_not_wait(bench: Bench) -> None:
    bench.executor = LocalExecutor(grace_s=1000)
    poke = f"kill -USR1 {os.getpid()}"
    bench.start_shell(f"trap '{poke}' TERM; {poke}; while :; do sleep 0.01; done")
    with pytest.raises(InterruptedByTestError):
        bench.executor.wait()
    with pytest.raises(InterruptedByTestError):
        bench.executor.cancel()
    bench.executor.cancel()
    assert bench.executor.wait()[1].signal == "SIGKILL"
    bench.executor.close()


def test_close_does_not_wait_for_who_ignores_sigterm(bench: Bench) -> None:
    bench.executor = LocalExecutor(grace_s=1000)
    bench.start_shell("trap '' TERM; echo $$ > pid; while :; do sleep 0.01; done")
    pid = int(read_when_there(bench.folder / "pid"))
    bench.executor.close()
    assert not lives(pid)


def test_without_a_subreaper_a_process_group_ends_with_its_step(portable_bench: Bench) -> None:
    outcome = portable_bench.shell("sleep 1000 & echo $!")
    assert outcome.succeeded
    assert not lives(int(portable_bench.stdout))


def test_without_a_subreaper_a_cancel_reaches_children_that_left_the_group(
    portable_bench: Bench,
) -> None:
    script = "trap '' TERM; (setsid sh -c 'echo $$ > pid; sleep 1000'; true); true"
    portable_bench.executor = LocalExecutor(grace_s=0.1, portable=True)
    portable_bench.start_shell(script)
    pid = int(read_when_there(portable_bench.folder / "pid"))
    portable_bench.executor.cancel()
    assert portable_bench.executor.wait()[1].signal == "SIGKILL"
    portable_bench.executor.close()
    assert not lives(pid)
