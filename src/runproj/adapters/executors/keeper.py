"""Runs the steps that have a container, and leaves no container behind: a program of its own.

One keeper serves one runproj process, over a socket, with the messages of the supervisor (see
:mod:`runproj.adapters.executors.supervisor`). It is a session leader, so that a terminal's Ctrl-C
does not reach it; when the socket closes, whatever killed runproj, it ends and removes its
containers. What ends the keeper itself is seen to by the next one: each container has a label with
the path of a file that its keeper holds a lock on, so that the containers of the dead are known.

Each step has a thread that talks with the engine; the main thread takes orders, keeps time, sends
signals and reports.
"""

import contextlib
import errno
import fcntl
import os
import queue
import select
import signal
import socket
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import Any, TypeAlias

import docker
import requests
from docker.errors import APIError, DockerException, ImageNotFound, NotFound
from docker.types import DeviceRequest, Mount
from docker.utils import kwargs_from_env
from docker.utils.socket import frames_iter

from runproj.adapters.executors import supervisor
from runproj.adapters.executors.supervisor import CannotStartError, frame, unframe

Client: TypeAlias = docker.APIClient
Fields: TypeAlias = dict[str, Any]

KEEPER = "io.runproj.keeper"
"""The label with the file that the keeper of a container holds a lock on."""

STEP = "io.runproj.step"
"""The label with the name of the step."""

HOSTNAME = "runproj"
"""The name of the machine in a container: the same each time."""

SHELL = "/bin/sh"
"""What hands secrets over in a container, for the engine shows what it is told itself."""

PIPE = ".secrets"
READING_S = 0.005

SETTLING_S = 0.3
"""A process that was just started may not have got so far that a signal ends it."""

LOOK_S = 0.5
"""After this time it is worth asking what a container uses."""

INIT_FAILED = b"[FATAL tini ("
"""How the first process of a container says that it could not start the program."""
LONGEST_HELD = 64 * 1024

NOT_STARTED = {126: "not executable", 127: "command not found"}
RUNNING, TERMINATING, KILLING = range(3)
SIGNALS = {TERMINATING: "SIGTERM", KILLING: "SIGKILL"}
STDOUT = 1
SIGNALED = 128
"""Above this, an exit code of a container is that of a signal."""

FATAL = frozenset(
    getattr(signal, f"SIG{name}")
    for name in ("HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "SEGV", "PIPE",
                 "ALRM", "TERM", "XCPU", "XFSZ", "SYS", "USR1", "USR2")
)  # fmt: skip


@dataclass
class Step:
    """A step in a container, and how far its end has come."""

    number: int
    order: Mapping[str, Any]
    pipes: list[int]
    stage: int = RUNNING
    sent: int = RUNNING
    deadline: float = float("inf")
    container: str | None = None
    began: float = field(default_factory=monotonic)
    started: float | None = None
    timed_out: bool = False
    removed: bool = True
    over: threading.Event = field(default_factory=threading.Event)
    used: Fields = field(default_factory=dict)
    samples: supervisor.Samples = field(default_factory=lambda: supervisor.Samples(monotonic()))

    def terminate(self, grace_s: float) -> None:
        """Begin to end it; what was begun before is only hastened."""
        due = monotonic() + grace_s
        if self.stage == RUNNING:
            self.stage, self.deadline = TERMINATING, due
        self.deadline = min(self.deadline, due)

    def escalate(self) -> None:
        """Go on to what follows when the time of this stage is over."""
        if self.stage == RUNNING:
            self.timed_out = True
            self.terminate(self.order["grace_s"])
        else:
            self.stage, self.deadline = KILLING, float("inf")

    def sample(self, memory: int) -> None:
        """Keep what it used until now, when it is time for that; ``memory`` is what it has."""
        now, used = monotonic(), self.used
        if now >= self.samples.due and memory:  # an engine ends with zeros
            moved = int(used["read"]), int(used["written"])
            self.samples.add(now, (now - self.began, used["cpu_s"], memory, *moved))

    def begin(self) -> None:
        """Count the time from now."""
        self.started = monotonic()
        timeout_s = self.order["timeout_s"]
        if timeout_s is not None:
            self.deadline = min(self.deadline, self.started + timeout_s)


class Engine:
    """A connection to the engine, made when it is first needed."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._version: str | None = None
        self.rootless = False
        self.remapped = False

    def client(self) -> Client:
        """Return a client of its own for a thread.

        Raises:
            CannotStartError: there is no engine that answers.
        """
        try:
            with self._lock:
                if self._version is None:
                    client = Client(version="auto", **kwargs_from_env())
                    options = client.info().get("SecurityOptions") or []
                    self.rootless = any("name=rootless" in one for one in options)
                    self.remapped = any("name=userns" in one for one in options)
                    self._version = client.api_version
            return Client(version=self._version, **kwargs_from_env())
        except (DockerException, requests.RequestException) as error:
            raise CannotStartError(f"the container engine does not answer: {error}") from error


class Keeper:
    """Runs containers as it is told, and ends them: as told, in time, or when nobody listens."""

    def __init__(self, number: int, folder: str) -> None:
        self._socket = socket.socket(fileno=number)
        os.set_inheritable(number, False)
        self._inbox = bytearray()
        self._pipes: list[int] = []
        self._steps: dict[int, Step] = {}
        self._reports: queue.SimpleQueue[tuple[Step, Fields]] = queue.SimpleQueue()
        self._closed = False
        self._clean = True
        self._engine = Engine()
        self._client: Client | None = None
        self._folder = Path(folder)
        self._file: Path | None = None
        self._woken, self._waker = os.pipe()
        for end in (self._woken, self._waker):
            os.set_blocking(end, False)
        signal.set_wakeup_fd(self._waker, warn_on_full_buffer=False)
        for ignored in (signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGPIPE):
            signal.signal(ignored, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, lambda *_: self._close())

    def serve(self) -> None:
        """Do what is asked for until the socket closes and no step is left."""
        poll = select.poll()
        poll.register(self._socket, select.POLLIN)
        poll.register(self._woken, select.POLLIN)
        listening = True
        while self._steps or not self._closed:
            events = [number for number, _ in poll.poll(self._patience())]
            if self._woken in events:
                os.read(self._woken, 4096)
            if self._socket.fileno() in events:
                self._listen()
            if self._closed and listening:
                poll.unregister(self._socket)
                listening = False
            for step in list(self._steps.values()):
                self._advance(step)
            self._report()
        if self._clean and self._file is not None:
            self._file.unlink(missing_ok=True)

    def _wake(self) -> None:
        with contextlib.suppress(BlockingIOError):
            os.write(self._waker, b"\0")

    def _patience(self) -> float | None:
        """Return for how long nothing needs to be done, in milliseconds; None: for ever."""
        now = monotonic()
        due = [step.deadline for step in self._steps.values()]
        due += [
            step.started + SETTLING_S
            for step in self._steps.values()
            if step.stage > step.sent and step.started is not None
        ]
        first = min(due, default=float("inf"))
        return None if first == float("inf") else max(0.0, min(first - now, 3600.0) * 1000 + 1)

    def _listen(self) -> None:
        """Take what runproj sends."""
        try:
            data, pipes, _, _ = socket.recv_fds(self._socket, 1 << 16, 64)
        except ConnectionError:
            data, pipes = b"", []
        for pipe in pipes:
            os.set_inheritable(pipe, False)
        self._pipes += pipes
        if not data:
            self._close()
        self._inbox += data
        for order, *arguments in unframe(self._inbox):
            (self._start if order == "start" else self._cancel)(*arguments)

    def _cancel(self, grace_s: float) -> None:
        for step in self._steps.values():
            step.terminate(grace_s)

    def _close(self) -> None:
        """Listen no more, and end all steps."""
        self._closed = True
        self._cancel(supervisor.CLOSE_GRACE_S)

    def _start(self, number: int, order: dict[str, Any]) -> None:
        count = 2 if order["stdout"] is None else 1
        pipes, self._pipes = self._pipes[:count], self._pipes[count:]
        if self._file is None:
            self._file = take_lock(self._folder)
            threading.Thread(target=self._sweep, daemon=True).start()
        self._steps[number] = step = Step(number, order, pipes)
        threading.Thread(target=self._run, args=(step,), daemon=True).start()

    def _advance(self, step: Step) -> None:
        """Bring a step nearer to its end, if it has begun to end."""
        now = monotonic()
        if now >= step.deadline:
            step.escalate()
        if step.stage <= step.sent or step.started is None or step.container is None:
            return
        if step.stage == TERMINATING and now < step.started + SETTLING_S:
            return
        step.sent = step.stage
        with contextlib.suppress(DockerException, requests.RequestException, CannotStartError):
            self._client = self._client or self._engine.client()  # it has ended, or will be swept
            self._client.kill(step.container, SIGNALS[step.stage])

    def _report(self) -> None:
        """Tell how steps ended; nobody may be there to hear it."""
        while not self._reports.empty():
            step, fields = self._reports.get()
            del self._steps[step.number]
            self._clean = self._clean and step.removed
            with contextlib.suppress(OSError):
                self._socket.sendall(frame((step.number, None, fields)))

    def _run(self, step: Step) -> None:
        """Run a step from its beginning to its end: what its thread does."""
        try:
            fields = self._in_container(step)
        except CannotStartError as error:
            fields = {"start_error": str(error)}
        except (DockerException, requests.RequestException, OSError) as error:
            fields = {"start_error": words(error)}
        step.over.set()
        for pipe in step.pipes:
            os.close(pipe)
        fields = {**step.used, **step.samples.told({}), **fields}
        fields |= {"timed_out": step.timed_out, "duration_s": monotonic() - step.began}
        self._reports.put((step, fields))
        self._wake()

    def _in_container(self, step: Step) -> Fields:
        with streams(step) as (given, outputs), secretly(step):
            client = self._engine.client()
            with contextlib.closing(client):
                self._create(client, step)
                try:
                    return self._watch(client, step, given, outputs)
                finally:
                    step.removed = remove(client, str(step.container))

    def _create(self, client: Client, step: Step) -> None:
        order = step.order
        labels = {KEEPER: str(self._file), STEP: order["name"]}
        wanted = configuration(client, order, labels, self._engine)
        step.removed = False  # until it is known; else the next keeper looks
        try:
            step.container = client.create_container_from_config(wanted)["Id"]
        except APIError:
            step.removed = True  # there never was one
            raise

    def _watch(
        self, client: Client, step: Step, given: int | None, outputs: Sequence[int]
    ) -> Fields:
        """Run a container to its end; return how it ended."""
        container = str(step.container)
        wanted = {"stream": 1, "stdout": 1, "stderr": 1, "stdin": int(given is not None)}
        connection = client.attach_socket(container, params=wanted)
        raw = connection._sock  # noqa: SLF001 -- the SDK has no other way to end the input
        raw.settimeout(None)
        if step.stage != RUNNING:
            return {"signal": SIGNALS[TERMINATING]}
        client.start(container)
        step.begin()
        self._wake()
        if step.order["secrets"]:
            threading.Thread(target=tell, args=(step,), daemon=True).start()
        if given is not None:
            # of its own: it may still wait for a pipe when all else has ended
            threading.Thread(target=feed, args=(raw, os.dup(given)), daemon=True).start()
        threading.Thread(target=self._look, args=(step, container), daemon=True).start()
        held = copy(connection, outputs)
        client.wait(container)
        step.over.set()
        state = client.inspect_container(container)["State"]
        code = state["ExitCode"]
        if held and code in NOT_STARTED:
            if step.order["secrets"]:
                return {"start_error": f"{SHELL} is not in its image, and hands secrets over"}
            return {"start_error": f"{NOT_STARTED[code]}: {step.order['argv'][0]}"}
        if held:
            write(outputs[-1], held)
        return ended(state, step)

    def _look(self, step: Step, container: str) -> None:
        """Keep what a container uses, as the engine tells it every second."""
        if step.over.wait(LOOK_S):
            return
        with (
            contextlib.suppress(
                DockerException, requests.RequestException, CannotStartError, OSError, ValueError
            ),
            contextlib.closing(self._engine.client()) as client,
        ):
            for told in client.stats(container, decode=True):
                if step.over.is_set():
                    return
                now = used(told)
                step.used = most(step.used, now)
                step.sample(int(now["peak_memory"]))

    def _sweep(self) -> None:
        """Remove the containers of keepers that are dead."""
        with contextlib.suppress(
            DockerException, requests.RequestException, CannotStartError, OSError
        ):
            client = self._engine.client()
            gone: dict[Path, bool] = {}
            for one in client.containers(all=True, filters={"label": KEEPER}):
                owner = Path(one["Labels"][KEEPER])
                if owner != self._file and is_dead(owner):
                    gone[owner] = remove(client, one["Id"]) and gone.get(owner, True)
            for owner, entirely in gone.items():
                if entirely:
                    owner.unlink(missing_ok=True)


def used(told: Mapping[str, Any]) -> Fields:
    """Return what a container used, from what the engine says of it (``GET …/stats``).

    Memory is without the files that the kernel could forget.
    """
    memory = told.get("memory_stats") or {}
    details = memory.get("stats") or {}
    forgettable = details.get("inactive_file", details.get("total_inactive_file", 0))
    cpu = (told.get("cpu_stats") or {}).get("cpu_usage") or {}
    moved = {"read": 0, "write": 0}
    for one in (told.get("blkio_stats") or {}).get("io_service_bytes_recursive") or ():
        operation = str(one.get("op")).lower()
        if operation in moved:
            moved[operation] += int(one.get("value", 0))
    return {
        "cpu_s": cpu.get("total_usage", 0) / 1e9,
        "peak_memory": max(0, int(memory.get("usage", 0)) - int(forgettable)),
        "read": moved["read"],
        "written": moved["write"],
    }


def most(before: Fields, now: Fields) -> Fields:
    """Return the largest of each: all grow, but memory, and an engine ends with zeros."""
    return {name: max(value, before.get(name, 0)) for name, value in now.items()}


def take_lock(folder: Path) -> Path:
    """Make the file that tells others that the keeper of containers lives."""
    folder.mkdir(parents=True, exist_ok=True)
    new = folder / f"{os.urandom(8).hex()}.new"
    file = os.open(new, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    fcntl.flock(file, fcntl.LOCK_EX)  # held until this process ends
    return new.rename(new.with_suffix(".lock"))


def is_dead(owner: Path) -> bool:
    """Tell whether nobody holds the lock of a file; who cannot be asked may live."""
    try:
        file = os.open(owner, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    finally:
        os.close(file)
    return True


def remove(client: Client, container: str) -> bool:
    """Remove a container, whatever it does; return whether it is gone."""
    try:
        client.remove_container(container, force=True, v=True)
    except NotFound:
        return True
    except (DockerException, requests.RequestException):
        return False
    return True


def configuration(
    client: Client, order: Mapping[str, Any], labels: dict[str, str], engine: Engine
) -> dict[str, Any]:
    """Return what the engine is told about a container."""
    limits: dict[str, Any] = {}
    if order["cpus"] is not None and hasattr(os, "sched_getaffinity"):
        chosen = sorted(os.sched_getaffinity(0))[: order["cpus"]]
        limits["cpuset_cpus"] = ",".join(map(str, chosen))
    if order["cores"] is not None:  # the engine refuses more than there are
        limits["nano_cpus"] = int(min(max(order["cores"], 0.01), os.cpu_count() or 1) * 1e9)
    if order["devices"]:
        names = list(order["devices"])
        limits["device_requests"] = [DeviceRequest(device_ids=names, capabilities=[["gpu"]])]
    elif order["gpus"] is not None and order["devices"] is None:
        count = -1 if order["gpus"] == "all" else order["gpus"]
        if count:
            limits["device_requests"] = [DeviceRequest(count=count, capabilities=[["gpu"]])]
    if engine.remapped:
        limits["userns_mode"] = "host"
    # the root of an engine without root is who started it
    user = "0:0" if engine.rootless else f"{os.getuid()}:{os.getgid()}"
    if not engine.rootless:
        limits["group_add"] = [str(group) for group in os.getgroups() if group != os.getgid()]
    argv = order["argv"]
    if order["secrets"]:
        argv = [SHELL, "-c", '. "$0"; exec "$@"', pipe_of(order), *argv]
    mounts = [Mount(place, place, type="bind") for place in order["folders"]]
    mounts += [
        Mount(place, host, type="bind", read_only=not writable)
        for host, place, writable in order["volumes"]
    ]
    # there a container has the name of another one, or of its host
    own_name = (order["network"] or "").partition(":")[0] in ("host", "container")
    host = client.create_host_config(
        mounts=mounts, network_mode=order["network"], shm_size=order["shm_size"],
        mem_limit=order["memory"], memswap_limit=order["memory"], init=True,
        security_opt=["label=disable"],  # else SELinux keeps it from its workspace
        **limits,
    )  # fmt: skip
    return dict(client.create_container_config(
        order["image"], argv[1:], entrypoint=argv[:1], user=user,
        environment=order["variables"], working_dir=order["directory"], labels=labels,
        stdin_open=order["stdin"] is not None, host_config=host,
        hostname=None if own_name else HOSTNAME,
    )) | {"StdinOnce": order["stdin"] is not None, "Healthcheck": {"Test": ["NONE"]}}  # fmt: skip


@contextlib.contextmanager
def streams(step: Step) -> Iterator[tuple[int | None, list[int]]]:
    """Open the files of a step; yield what it reads, and where its two streams go.

    Raises:
        CannotStartError: a file cannot be opened, or the step's folder is not there.
    """
    order = step.order
    if not order["argv"]:
        raise CannotStartError("no command")
    if not os.path.isdir(order["directory"]):  # noqa: PTH112 -- the engine would make it as root
        raise CannotStartError(f"directory missing: {order['directory']}")
    files: list[int] = []
    try:
        given = None
        if order["stdin"] is not None:
            given = supervisor.opened("standard input", os.fsencode(order["stdin"]), os.O_RDONLY)
            files.append(given)
        *to_stdout, to_stderr = step.pipes
        if order["stdout"] is not None:
            flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
            path = os.fsencode(order["stdout"])
            to_stdout = [supervisor.opened("standard output", path, flags)]
            files += to_stdout
        yield given, [*to_stdout, to_stderr]
    finally:
        for file in files:
            os.close(file)


def pipe_of(order: Mapping[str, Any]) -> str:
    """Return the named pipe through which secrets reach a container: no disk ever holds them."""
    return f"{order['folders'][-1]}/{PIPE}"


@contextlib.contextmanager
def secretly(step: Step) -> Iterator[None]:
    """Let a container get its secrets through a named pipe."""
    if not step.order["secrets"]:
        yield
        return
    pipe = Path(pipe_of(step.order))
    os.mkfifo(pipe, 0o600)
    try:
        yield
    finally:
        step.over.set()
        pipe.unlink(missing_ok=True)


def tell(step: Step) -> None:
    """Write the secrets into the pipe when the container reads it; nobody else may have it open."""
    pipe = pipe_of(step.order)
    while not step.over.is_set():
        try:
            file = os.open(pipe, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            if error.errno != errno.ENXIO:  # it is gone
                return
            step.over.wait(READING_S)
            continue
        with contextlib.suppress(OSError):
            os.unlink(pipe)  # noqa: PTH108 -- who reads has it open
            os.set_blocking(file, True)
            write(file, as_shell(step.order["secrets"]))
        os.close(file)
        return


def as_shell(variables: Mapping[str, str]) -> bytes:
    """Return commands of a shell that set variables."""
    lines = (f"export {name}={_quoted(value)}\n" for name, value in variables.items())
    return "".join(lines).encode()


def _quoted(value: str) -> str:
    return "'" + value.replace("'", "'\\''") + "'"


def feed(connection: socket.socket, given: int) -> None:
    """Send a file to the standard input of a container, and its end."""
    try:
        while chunk := os.read(given, supervisor.ANSWER * 16):
            connection.sendall(chunk)
        connection.shutdown(socket.SHUT_WR)
    except OSError:
        pass  # it has ended, or listens no more
    finally:
        os.close(given)


def copy(connection: Any, outputs: Sequence[int]) -> bytes:  # noqa: ANN401 -- what the SDK gives
    """Copy the output of a container to its end; return what the first process said and is held."""
    held, first = b"", True
    for stream, chunk in frames_iter(connection, tty=False):
        if stream == STDOUT:
            write(outputs[0], chunk)
        elif held or (first and chunk.startswith(INIT_FAILED)):
            held += chunk  # it may come in parts, and nothing comes after it
            if len(held) > LONGEST_HELD:  # somebody else begins in the same way
                write(outputs[1], held)
                held = b""
        else:
            write(outputs[1], chunk)
        first = first and stream == STDOUT
    return held


def write(file: int, data: bytes) -> None:
    """Write all of it; when nobody reads any more, it is lost."""
    rest = memoryview(data)
    with contextlib.suppress(BrokenPipeError):
        while rest:
            rest = rest[os.write(file, rest) :]


def ended(state: Mapping[str, Any], step: Step) -> Fields:
    """Return how a container ended, from what the engine says of it.

    A signal is an exit code over 128 there, as in a shell.
    """
    code = state["ExitCode"]
    if state.get("OOMKilled"):
        return {"signal": "SIGKILL", "out_of_memory": True}
    if step.sent == KILLING and code == SIGNALED + signal.SIGKILL:
        return {"signal": "SIGKILL"}
    if code - SIGNALED in FATAL:
        return {"signal": signal.Signals(code - SIGNALED).name}
    return {"exit_code": code}


def words(error: Exception) -> str:
    """Return why the engine did not do something."""
    if isinstance(error, ImageNotFound):
        return "its image is not there any more"
    if isinstance(error, APIError):
        return f"the container engine refuses: {error.explanation or error}".strip()
    return f"the container engine does not answer: {error}"


def main(number: int, folder: str) -> None:
    """Serve the runproj process at the other end of a socket, given as a number."""
    Keeper(number, folder).serve()
