"""Runs the processes of steps on this machine, through a supervisor that outlives ``kill -9``."""

import importlib.util
import itertools
import os
import selectors
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from runproj.adapters.executors import supervisor
from runproj.adapters.executors.gpus import GpuWatch
from runproj.adapters.executors.supervisor import SAMPLE_FROM_S
from runproj.errors import RunprojError
from runproj.ports import Confinement, Execution, Stream
from runproj.record.outcome import Outcome
from runproj.record.usage import GpuSample, Sample

CHUNK = 65536  # what a pipe holds
_SUPERVISOR, _KEEPER = "supervisor", "keeper"
HELD = (
    signal.SIGINT,
    signal.SIGTERM,
    signal.SIGHUP,
    signal.SIGQUIT,
    signal.SIGALRM,
    signal.SIGUSR1,
    signal.SIGUSR2,
)


class LocalExecutor:
    """Runs processes on this machine; several may run side by side.

    The supervisor (see :mod:`runproj.adapters.executors.supervisor`) is started with the first
    process. It adds one variable to the environment of a process: ``RUNPROJ_SUPERVISED``, with the
    name of the execution, which therefore must differ from those that run at the same time.

    After SIGTERM ``cancel`` waits for ``grace_s`` seconds before SIGKILL, and a timeout for
    ``timeout_grace_s``. ``portable`` does without what only Linux has, to test that elsewhere.

    A process with a container is run by a keeper (see :mod:`runproj.adapters.executors.keeper`),
    a second program that takes the same messages; it is started with the first container, and
    keeps a file in the folder ``containers`` while it lives.

    ``gpus`` is the program ``nvidia-smi``, which is asked about GPUs while a process runs that has
    run for a few seconds.

    While it waits, ``tick`` is called between what happens; it says in how many seconds it is to be
    called again at the latest (None: any time).

    It belongs to one thread. An exception that a signal handler raises may leave any method; every
    method can then be called again, and ``cancel`` after an interrupted ``cancel`` kills at once.
    """

    def __init__(
        self, *, grace_s: float = 10.0, timeout_grace_s: float = 5.0, portable: bool = False,
        containers: str | None = None, tick: Callable[[], float | None] | None = None,
        gpus: str | None = None,
    ) -> None:  # fmt: skip
        self._grace_s = grace_s
        self._timeout_grace_s = timeout_grace_s
        self._commands = {
            _SUPERVISOR: lambda socket: supervisor_command(socket, portable=portable),
            _KEEPER: lambda socket: keeper_command(socket, containers or tempfile.gettempdir()),
        }
        self._tick = tick
        self._gpus = None if gpus is None else GpuWatch(gpus)
        self._numbers = itertools.count()
        self._running: dict[int, _Running] = {}
        self._selector = selectors.PollSelector()  # holds no file of its own
        self._links: dict[str, _Link] = {}
        self._canceling = False

    def start(self, execution: Execution) -> None:
        """Start a process; returns at once.

        What keeps the process from starting is no error here but the ``start_error`` of its
        outcome.

        Raises:
            RunprojError: the supervisor was ended, or the system is out of files or processes.
        """
        running = _Running(execution)
        with signals_held():
            number = next(self._numbers)
            try:
                message = start_message(number, execution, self._timeout_grace_s)
                if execution.container is not None:
                    message = container_message(number, execution, self._timeout_grace_s)
            except UnicodeEncodeError as error:
                running.outcome = Outcome(start_error=f"cannot be given to a process: {error}")
            else:
                self._start(message, running)
            self._running[number] = running

    def wait(self) -> tuple[str, Outcome]:
        """Stream output until a process has ended with all its descendants; return its name.

        After ``cancel`` it returns, one by one, the processes that were canceled.

        Raises:
            RunprojError: nothing was started; or the supervisor was ended from outside, and the
                processes with it.
        """
        while self._running:
            ended = self._ended()
            if ended is not None:
                return ended
            self._pump()
        raise RunprojError("no process was started that could be waited for")

    def wait_for(self, timeout_s: float) -> tuple[str, Outcome] | None:
        """Do the same, for a time at most; None: it is over. Nothing has to be running.

        Raises:
            RunprojError: the supervisor was ended from outside, and the processes with it.
        """
        until = time.monotonic() + timeout_s
        while True:
            ended = self._ended()
            left_s = until - time.monotonic()
            if ended is not None or left_s <= 0:
                return ended
            self._pump(left_s)

    def _ended(self) -> tuple[str, Outcome] | None:
        for number, running in self._running.items():
            if running.outcome is not None:
                self._drain(running)
                del self._running[number]
                self._tell_samples(running)
                return running.execution.name, running.outcome
        return None

    def _tell_samples(self, running: "_Running") -> None:
        """Tell what a process used over time."""
        for sample in running.samples:
            running.execution.on_sample(sample)
        if self._gpus is not None:
            for one in self._gpus.told(running.began, gpus_of(running.execution)):
                at_s = one.at - running.began
                running.execution.on_sample(GpuSample(at_s, one.gpu, one.busy, one.memory))
            if not self._running:
                self._forget_gpus()

    def cancel(self) -> None:
        """End all processes: SIGTERM, a grace time, SIGKILL; returns when they are gone.

        Raises:
            RunprojError: the supervisor was ended from outside, and the processes with it.
        """
        if self._links:
            with signals_held():
                for link in list(self._links.values()):
                    self._send(link, ("cancel", 0.0 if self._canceling else self._grace_s))
                self._canceling = True
            while any(running.outcome is None for running in self._running.values()):
                self._pump()
            self._canceling = False
        for running in self._running.values():
            self._drain(running)
        self._forget_gpus()

    def close(self) -> None:
        """End what is left, at once; its outcomes and output are lost."""
        for link in list(self._links.values()):
            with signals_held(), suppress(OSError):
                link.send(("cancel", 0.0))
            self._forget(link)
        self._running.clear()
        self._forget_gpus()

    def _start(self, message: tuple[Any, ...], running: "_Running") -> None:
        """Have the supervisor start a process, with new pipes for its output."""
        try:
            link = self._links.get(running.server) or self._launch(running.server)
            writing = [self._open_pipe(running, stream) for stream in running.streams]
        except OSError as error:
            self._close_pipes(running)
            reason = str(error.strerror).lower()
            raise RunprojError(f"cannot start {running.execution.name}: {reason}") from error
        try:
            self._send(link, message, writing)
        except RunprojError:
            self._close_pipes(running)
            raise
        finally:
            for pipe in writing:
                os.close(pipe)

    def _launch(self, server: str) -> "_Link":
        """Start the supervisor, or the keeper."""
        self._links[server] = link = _Link(self._commands[server])
        self._selector.register(link.socket, selectors.EVENT_READ, link)
        return link

    def _open_pipe(self, running: "_Running", stream: Stream) -> int:
        """Make the pipe of a stream; return its writing end."""
        reading, writing = os.pipe()
        os.set_blocking(reading, False)
        running.pipes[reading] = stream
        self._selector.register(reading, selectors.EVENT_READ, running)
        return writing

    def _send(self, link: "_Link", message: tuple[Any, ...], pipes: Sequence[int] = ()) -> None:
        """Send an order to the supervisor."""
        try:
            link.send(message, pipes)
        except OSError as error:
            raise self._lost(link) from error

    def _pump(self, limit_s: float | None = None) -> None:
        """Wait until something comes, be it output or the end of a process, and take it."""
        due_s = None if self._tick is None else self._tick()
        limits = [limit for limit in (due_s, limit_s, self._watch_gpus()) if limit is not None]
        for key, _ in self._selector.select(min(limits, default=None)):
            if isinstance(key.data, _Running):
                self._read(key.data, key.fd)
            elif key.data is self._gpus and self._gpus is not None:
                if not self._gpus.read(key.fd, time.monotonic()):
                    self._selector.unregister(key.fd)  # it has no more to say
            elif key.data in self._links.values():
                self._take_reports(key.data)

    def _watch_gpus(self) -> float | None:
        """Begin to watch GPUs, or return in how many seconds that is to begin; None: not at all."""
        if self._gpus is None or self._gpus.running or not self._running:
            return None
        due_s = min(one.began for one in self._running.values()) + SAMPLE_FROM_S - time.monotonic()
        if due_s > 0:
            return due_s
        file = self._gpus.start()
        if file is None:
            self._gpus = None  # there is no such program after all
        else:
            self._selector.register(file, selectors.EVENT_READ, self._gpus)
        return None

    def _forget_gpus(self) -> None:
        """Watch GPUs no more, until something else runs for a few seconds."""
        if self._gpus is not None:
            for key in list(self._selector.get_map().values()):
                if key.data is self._gpus:
                    self._selector.unregister(key.fd)
            self._gpus.stop()

    def _take_reports(self, link: "_Link") -> None:
        """Keep the outcomes of the processes that have ended."""
        try:
            with signals_held():
                for number, status, fields in link.receive():
                    running = self._running[number]
                    running.samples = [Sample(*row) for row in fields.pop("samples", ())]
                    running.outcome = outcome_of(status, fields)
        except OSError as error:
            raise self._lost(link) from error

    def _read(self, running: "_Running", pipe: int) -> bool:
        """Pass on a chunk of output; return whether there may be more of it now."""
        try:
            chunk = os.read(pipe, CHUNK)
        except BlockingIOError:
            return False
        if chunk:
            running.execution.on_output(running.pipes[pipe], chunk)
        else:
            self._close_pipe(running, pipe)
        return bool(chunk)

    def _drain(self, running: "_Running") -> None:
        """Take the rest of the output of a process that has ended.

        It does not wait for the end of the stream: somebody else may hold the other end, such as a
        service that was handed it.
        """
        for pipe in list(running.pipes):
            while self._read(running, pipe):
                pass
        self._close_pipes(running)

    def _close_pipes(self, running: "_Running") -> None:
        """Close what is still open of the pipes of a process."""
        for pipe in list(running.pipes):
            self._close_pipe(running, pipe)

    def _close_pipe(self, running: "_Running", pipe: int) -> None:
        """Close the reading end of a pipe."""
        with suppress(KeyError):  # when a signal came between these lines before
            self._selector.unregister(pipe)
        del running.pipes[pipe]
        os.close(pipe)

    def _lost(self, link: "_Link") -> RunprojError:
        """Return the error for a supervisor that is gone, and forget what ran."""
        of_containers = self._links.get(_KEEPER) is link
        for one in list(self._links.values()):
            self._forget(one)
        self._running.clear()
        how = exit_words(link.process.returncode)
        if of_containers:
            return RunprojError(
                f"the keeper of the containers {how}",
                hint="something outside of runproj did that; the next run that has containers "
                "removes those that are left",
            )
        return RunprojError(
            f"the supervisor of the steps {how}, and the steps that ran were ended with it",
            hint="something outside of runproj did that, such as the system when memory runs out",
        )

    def _forget(self, link: "_Link") -> None:
        """Let go of a supervisor, which ends all that is left, and wait for that."""
        for running in self._running.values():
            self._close_pipes(running)
        with suppress(KeyError):
            self._selector.unregister(link.socket)
        link.close()
        self._links = {name: one for name, one in self._links.items() if one is not link}
        self._canceling = False


@dataclass(slots=True, eq=False)
class _Running:
    """A process that was started; its outcome, once it and its descendants have ended."""

    execution: Execution
    pipes: dict[int, Stream] = field(default_factory=dict)
    outcome: Outcome | None = None
    samples: Sequence[Sample] = ()
    began: float = field(default_factory=time.monotonic)

    @property
    def server(self) -> str:
        """Which program runs it."""
        return _SUPERVISOR if self.execution.container is None else _KEEPER

    @property
    def streams(self) -> tuple[Stream, ...]:
        """The streams that need a pipe."""
        return ("stdout", "stderr") if self.execution.stdout is None else ("stderr",)


class _Link:
    """This end of the connection to the supervisor process.

    Raises:
        OSError: the supervisor cannot be started, or is gone.
    """

    def __init__(self, command: Callable[[str], list[str]]) -> None:
        self.socket, other = socket.socketpair()
        self._inbox = bytearray()
        with other:
            number = other.fileno()
            self.process = subprocess.Popen(
                command(str(number)),
                pass_fds=[number],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                start_new_session=True,
                cwd="/",
            )

    def send(self, message: tuple[Any, ...], pipes: Sequence[int] = ()) -> None:
        """Send a message, and open files with it."""
        data = supervisor.frame(message)
        sent = socket.send_fds(self.socket, [data], list(pipes)) if pipes else 0
        self.socket.sendall(memoryview(data)[sent:])

    def receive(self) -> Iterator[tuple[int, int | None, dict[str, Any]]]:
        """Return the messages that have come; call it when there is something to read."""
        data = self.socket.recv(CHUNK)
        if not data:
            raise ConnectionResetError
        self._inbox += data
        return supervisor.unframe(self._inbox)

    def close(self) -> None:
        """Close the connection and wait for the supervisor to end; can be called again."""
        self.socket.close()
        self.process.wait()


def program() -> str:
    """Return the file of the supervisor, compiled if that is known to be current: it starts sooner.

    Python compiled it when it was imported here, unless it is told not to.
    """
    compiled = importlib.util.cache_from_source(supervisor.__file__)
    current = not sys.dont_write_bytecode and Path(compiled).exists()
    return compiled if current else supervisor.__file__


def supervisor_command(socket: str, *, portable: bool) -> list[str]:
    """Return the command line of the supervisor; ``socket`` is the number of its socket."""
    options = ["portable"] if portable else []
    return [sys.executable, "-I", "-S", "-E", program(), socket, *options]


def keeper_command(socket: str, folder: str) -> list[str]:
    """Return that of the keeper, which finds what it imports where it is found here."""
    code = (
        "import sys; sys.path[:] = sys.argv[3:]; "
        "from runproj.adapters.executors.keeper import main; main(int(sys.argv[1]), sys.argv[2])"
    )
    places = [os.path.abspath(place) for place in sys.path]  # noqa: PTH100 -- strings
    return [sys.executable, "-I", "-S", "-E", "-c", code, socket, folder, *places]


def start_message(number: int, execution: Execution, timeout_grace_s: float) -> tuple[Any, ...]:
    """Return the message that starts a process.

    Raises:
        UnicodeEncodeError: a text has characters that no argument can have here.
    """
    return (
        "start",
        number,
        os.fsencode(execution.name),
        [os.fsencode(argument) for argument in execution.argv],
        {
            os.fsencode(name): os.fsencode(value)
            for name, value in {**execution.variables, **execution.secrets}.items()
        },
        tuple(
            path and os.fsencode(path)
            for path in (execution.directory, execution.stdin, execution.stdout)
        ),
        (execution.timeout_s, timeout_grace_s, execution.cpus),
        watch_of(execution),
    )


def container_message(number: int, execution: Execution, timeout_grace_s: float) -> tuple[Any, ...]:
    """Return the message that starts a process in a container.

    Raises:
        UnicodeEncodeError: a text is none that the engine can be told.
    """
    order = {
        "name": execution.name,
        "argv": list(execution.argv),
        "directory": execution.directory,
        "variables": dict(execution.variables),
        "stdin": execution.stdin,
        "stdout": execution.stdout,
        "timeout_s": execution.timeout_s,
        "grace_s": timeout_grace_s,
        "cpus": execution.cpus,
    }
    made = execution.container._asdict() if execution.container is not None else {}
    made["volumes"] = [tuple(volume) for volume in made["volumes"]]
    order["secrets"] = dict(execution.secrets)
    for text in (*execution.argv, *execution.variables.values(), *execution.secrets.values()):
        text.encode()
    return "start", number, order | made


def watch_of(execution: Execution) -> tuple[Any, Any]:
    """Return the command line of the tracer, and where and how to confine; None for none.

    Raises:
        Refused: this machine cannot do it.
    """
    confinement = execution.confinement
    if execution.trace is None and confinement == Confinement():
        return None, None
    from runproj.adapters.executors import confinement as limits  # noqa: PLC0415 -- lazy: for few
    from runproj.adapters.executors import tracing, watching  # noqa: PLC0415 -- steps

    means = limits.PORTABLE if confinement.network else watching.network_means()
    tracer = None
    if execution.trace is not None:
        filtered = means == limits.FILTER
        command = tracing.traced(execution.trace, network=confinement.network, filtered=filtered)
        whole = [watching.tracer(), *command[1:], *watching.bond()]
        tracer = [os.fsencode(part) for part in whole]
    if confinement == Confinement():
        return tracer, None
    places = tuple(
        paths and [os.fsencode(path) for path in paths]
        for paths in (confinement.readable, confinement.writable)
    )
    return tracer, (os.fsencode(Path(limits.__file__).parent), (*places, means))


def gpus_of(execution: Execution) -> frozenset[str] | None:
    """Return the numbers of the GPUs that a process may use; None: nobody knows, or all."""
    container = execution.container
    if container is None:
        chosen = execution.variables.get("CUDA_VISIBLE_DEVICES")
        names = None if chosen is None else [one.strip() for one in chosen.split(",")]
    elif container.devices is not None:
        names = list(container.devices)
    else:
        names = None if container.gpus else []
    if names is None or any(name and not name.isdecimal() for name in names if name != "-1"):
        return None  # by an identity, or a part of one
    return frozenset(names)


def outcome_of(status: int | None, fields: dict[str, Any]) -> Outcome:
    """Return the outcome of a process from its wait status; None: it was not started."""
    if status is None:
        return Outcome(**fields)
    code = os.waitstatus_to_exitcode(status)
    if code >= 0:
        return Outcome(exit_code=code, **fields)
    return Outcome(signal=signal_name(-code), **fields)


def signal_name(number: int) -> str:
    """Return the name of a signal; most real-time signals have none."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"SIGRTMIN+{number - signal.SIGRTMIN}"


def exit_words(code: int) -> str:
    """Say how a process ended, from the return code as subprocess has it."""
    return f"was ended by {signal_name(-code)}" if code < 0 else f"ended with exit code {code}"


@contextmanager
def signals_held() -> Iterator[None]:
    """Hold signals back for some lines, so that an exception of a handler cannot split them."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    try:  # around the blocking too: it may raise for a signal that came before it
        signal.pthread_sigmask(signal.SIG_BLOCK, HELD)
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
