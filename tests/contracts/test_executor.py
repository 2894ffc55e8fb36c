"""What every executor promises, the fake one included."""

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from tests.fakes.executor import FakeExecutor

from runproj.adapters.executors.local import LocalExecutor
from runproj.errors import RunprojError
from runproj.ports import Container, Execution, Executor, Stream
from runproj.record.outcome import Outcome


class StoppedError(BaseException):
    """What a signal handler raises."""


def ends(code: int) -> Callable[[Execution], Outcome]:
    return lambda _: Outcome(exit_code=code)


def speaks(execution: Execution) -> Outcome:
    execution.on_output("stdout", b"to stdout \xff\n")
    execution.on_output("stderr", b"to stderr\n")
    return Outcome(exit_code=0)


def makes_a_file(execution: Execution) -> Outcome:
    Path(execution.directory, "made").write_text(execution.variables["WORD"])
    return Outcome(exit_code=0)


def copies_stdin(execution: Execution) -> Outcome:
    given = Path(execution.stdin).read_bytes() if execution.stdin else b""
    if execution.stdout:
        Path(execution.stdout).write_bytes(given)
    elif given:
        execution.on_output("stdout", given)
    return Outcome(exit_code=0)


PROGRAMS: dict[str, Callable[[Execution], Outcome]] = {
    "exit 0": ends(0),
    "exit 3": ends(3),
    "kill -KILL $$": lambda _: Outcome(signal="SIGKILL"),
    r"printf 'to stdout \377\n'; echo to stderr >&2": speaks,
    'printf %s "$WORD" > made': makes_a_file,
    "cat": copies_stdin,
}
"""Shell scripts, and what the fake does in their place."""


def play(execution: Execution) -> Outcome:
    if execution.argv[0] != "/bin/sh":
        return Outcome(start_error=f"command not found: {execution.argv[0]}")
    if execution.argv[-1] == "sleep 1000":
        return Outcome(signal="SIGTERM", timed_out=True)
    return PROGRAMS[execution.argv[-1]](execution)


class InContainers(LocalExecutor):
    """Runs everything in containers of one image."""

    image = ""

    def start(self, execution: Execution) -> None:
        container = Container(self.image, (execution.directory,), network="none")
        super().start(execution._replace(container=container))


@pytest.fixture(params=["fake", "local", "portable", "container"])
def executor(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Executor]:
    if request.param == "container":
        engine = request.getfixturevalue("engine")
        contained = InContainers(containers=str(tmp_path_factory.mktemp("containers")))
        contained.image = engine.busybox
        yield contained
        contained.close()
        return
    kinds: dict[str, Callable[[], Executor]] = {
        "fake": lambda: FakeExecutor(play),
        "local": LocalExecutor,
        "portable": lambda: LocalExecutor(portable=True),
    }
    made = kinds[request.param]()
    yield made
    made.close()


@dataclass
class Listener:
    """Keeps what a process prints."""

    heard: dict[Stream, bytes] = field(default_factory=lambda: {"stdout": b"", "stderr": b""})

    def __call__(self, stream: Stream, chunk: bytes) -> None:
        self.heard[stream] += chunk


@dataclass
class Shell:
    """Makes executions of shell scripts in a folder."""

    folder: Path
    listener: Listener = field(default_factory=Listener)

    def __call__(
        self,
        script: str,
        *,
        name: str = "step",
        stdin: Path | None = None,
        stdout: Path | None = None,
        timeout_s: float | None = None,
    ) -> Execution:
        return Execution(
            name=name,
            argv=("/bin/sh", "-c", script),
            directory=str(self.folder),
            variables={"PATH": "/usr/bin:/bin", "WORD": "grüße"},
            on_output=self.listener,
            stdin=None if stdin is None else str(stdin),
            stdout=None if stdout is None else str(stdout),
            timeout_s=timeout_s,
        )


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    return Shell(tmp_path)


def test_a_process_that_ends_well_has_exit_code_0(executor: Executor, shell: Shell) -> None:
    executor.start(shell("exit 0"))
    name, outcome = executor.wait()
    assert name == "step"
    assert outcome.succeeded


def test_a_process_that_fails_is_a_value_and_no_error(executor: Executor, shell: Shell) -> None:
    executor.start(shell("exit 3"))
    outcome = executor.wait()[1]
    assert (outcome.exit_code, outcome.signal, outcome.start_error) == (3, None, None)


def test_a_signal_that_ended_a_process_is_named(executor: Executor, shell: Shell) -> None:
    executor.start(shell("kill -KILL $$"))
    outcome = executor.wait()[1]
    assert (outcome.exit_code, outcome.signal) == (None, "SIGKILL")


def test_a_command_that_is_not_there_is_a_start_error(executor: Executor, tmp_path: Path) -> None:
    execution = Execution("step", ("no-such-command",), str(tmp_path), {}, Listener())
    executor.start(execution)
    outcome = executor.wait()[1]
    assert outcome.start_error == "command not found: no-such-command"
    assert (outcome.exit_code, outcome.signal) == (None, None)


def test_all_output_has_come_when_wait_returns(executor: Executor, shell: Shell) -> None:
    executor.start(shell(r"printf 'to stdout \377\n'; echo to stderr >&2"))
    executor.wait()
    assert shell.listener.heard == {"stdout": b"to stdout \xff\n", "stderr": b"to stderr\n"}


def test_a_process_has_its_directory_and_its_variables(executor: Executor, shell: Shell) -> None:
    executor.start(shell('printf %s "$WORD" > made'))
    executor.wait()
    assert (shell.folder / "made").read_text() == "grüße"


def test_standard_input_is_empty_where_none_is_given(executor: Executor, shell: Shell) -> None:
    executor.start(shell("cat"))
    assert executor.wait()[1].succeeded
    assert shell.listener.heard["stdout"] == b""


def test_standard_input_and_output_can_be_files(executor: Executor, shell: Shell) -> None:
    source, target = shell.folder / "in", shell.folder / "out"
    source.write_bytes(b"some\0bytes\xff")
    target.write_bytes(b"something longer that was there before")
    executor.start(shell("cat", stdin=source, stdout=target))
    assert executor.wait()[1].succeeded
    assert target.read_bytes() == source.read_bytes()
    assert shell.listener.heard["stdout"] == b""


def test_a_process_that_takes_too_long_has_timed_out(executor: Executor, shell: Shell) -> None:
    executor.start(shell("sleep 1000", timeout_s=0.05))
    outcome = executor.wait()[1]
    assert outcome.timed_out
    assert not outcome.succeeded


def test_several_processes_can_be_started_before_one_is_waited_for(
    executor: Executor, shell: Shell
) -> None:
    executor.start(shell("exit 0", name="one"))
    executor.start(shell("exit 3", name="two"))
    outcomes = dict([executor.wait(), executor.wait()])
    assert {name: outcome.exit_code for name, outcome in outcomes.items()} == {"one": 0, "two": 3}


def test_what_was_canceled_is_waited_for_like_the_rest(executor: Executor, shell: Shell) -> None:
    executor.start(shell("sleep 1000", name="one"))
    executor.start(shell("sleep 1000", name="two"))
    executor.cancel()
    ended = [executor.wait(), executor.wait()]
    assert [(name, outcome.signal) for name, outcome in ended] == [
        ("one", "SIGTERM"),
        ("two", "SIGTERM"),
    ]


def test_an_executor_can_be_used_after_a_cancel(executor: Executor, shell: Shell) -> None:
    executor.cancel()
    executor.start(shell("sleep 1000"))
    executor.cancel()
    executor.wait()
    executor.start(shell("exit 0"))
    assert executor.wait()[1].succeeded


def test_waiting_for_nothing_is_an_error(executor: Executor) -> None:
    with pytest.raises(RunprojError, match="no process was started"):
        executor.wait()


def test_waiting_for_a_time_ends_with_a_process_or_with_the_time(
    executor: Executor, shell: Shell
) -> None:
    assert executor.wait_for(0.01) is None
    executor.start(shell("exit 3", name="one"))
    ended = executor.wait_for(60)
    assert ended is not None
    assert (ended[0], ended[1].exit_code) == ("one", 3)
    assert executor.wait_for(0.0) is None


def test_close_ends_what_is_left_and_can_be_repeated(executor: Executor, shell: Shell) -> None:
    executor.start(shell("sleep 1000"))
    executor.close()
    executor.close()
    with pytest.raises(RunprojError, match="no process was started"):
        executor.wait()


def test_an_exception_of_who_listens_passes_through_and_leaves_a_process_to_be_canceled(
    executor: Executor, tmp_path: Path
) -> None:
    def stop(_stream: Stream, _chunk: bytes) -> None:
        raise StoppedError

    script = r"printf 'to stdout \377\n'; echo to stderr >&2"
    executor.start(Execution("step", ("/bin/sh", "-c", script), str(tmp_path), {}, stop))
    with pytest.raises(StoppedError):
        executor.wait()
    executor.close()


def test_the_interpreter_of_the_tests_can_be_a_step(tmp_path: Path) -> None:
    executor = LocalExecutor()
    argv = (sys.executable, "-c", "print('hello')")
    listener = Listener()
    executor.start(Execution("step", argv, str(tmp_path), {}, listener))
    assert executor.wait()[1].succeeded
    executor.close()
    assert listener.heard["stdout"] == b"hello\n"
