"""Starts the processes of the steps and leaves nothing of them behind: a program of its own.

One supervisor serves one runproj process, over a socket. It is a session leader, so that a
terminal's Ctrl-C reaches neither it nor the steps; and when the socket closes, whatever killed
runproj, it ends every step's process tree.

Messages are a length (4 bytes, big endian) and a marshalled tuple. Orders: ``("start", …)`` as
:meth:`Supervisor.start` takes it, with the write ends of the step's pipes passed along, and
``("cancel", grace_s)``. Reports: ``(number, wait status or None, fields of an Outcome)``.

Linux: it is a subreaper, so that a process that left its session, or lost its parent, is still
found among its children; and the kernel ends a step's main process when the supervisor is killed.
Elsewhere a tree is the process group and the descendants that are known by their parents: a process
that leaves its group and loses its parent is missed.

It imports little, since it starts with every run: ``signal``, ``socket`` and ``json`` would triple
the time that takes, and what is in memory here is copied for every step.
"""

# ruff: noqa: PTH110, PTH118, PTH123, PTH208 -- pathlib takes longer to import than all the rest

from __future__ import annotations

import _socket
import marshal
import os
import select
import sys
from errno import E2BIG, ENOEXEC
from time import monotonic, sleep

TYPE_CHECKING = False  # as typing has it, which is too slow to import
if TYPE_CHECKING:
    import signal
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from typing import Any, NoReturn
else:
    import _signal as signal  # signal without its enums

MARK = b"RUNPROJ_SUPERVISED"
"""The variable, added to a step's environment, by which a process is known to belong to it."""

CLOSE_GRACE_S = 2.0
"""Between SIGTERM and SIGKILL when runproj is gone, and for what a step left behind."""

LINGER_S = 0.5
"""What a step leaves behind may end by itself in this time, as ``> >(tee log)`` does."""

TICK_S = 0.05
"""How often to look for new processes in a tree that is being ended."""

FORMAT, REGULAR = 0o170000, 0o100000
"""The part of a file's mode that says what it is, and a regular file's (inode(7))."""

SHEBANG = 256
"""How many bytes of a script tell its interpreter."""

TRACER_S = 1.0
"""After this time a tracer has started its program."""

LOOK_S, LOOK_SHARE, LOOK_MOST_S, LOOK_COST = 0.1, 0.1, 2.0, 200
"""When to look what a tree has: first after so many seconds, then after this share of
the time that it has run, at most so many seconds; and always 200 times what a look takes."""

SAMPLE_FROM_S, SAMPLE_S, SAMPLES = 2.0, 1.0, 1000
"""When to keep for the first time what a tree used, and how long to wait then, in seconds. When
there are so many samples, of two one stays, and from then on there is twice as much time between
them. They are taken when it is time to look."""

ANSWER = 4096  # bytes that a pipe takes or gives as a whole
LENGTH = 4  # bytes of a message's length
RUNNING, LINGERING, TERMINATING, KILLING = range(4)
HANDLED = (
    signal.SIGCHLD,
    signal.SIGTERM,
    signal.SIGINT,
    signal.SIGHUP,
    signal.SIGQUIT,
    signal.SIGPIPE,
    signal.SIGXFSZ,
)
BLOCK = 512 if sys.platform == "linux" else 0  # elsewhere operations are counted, not blocks
MEMORY_UNIT = 1024 if sys.platform == "linux" else 1


def frame(message: tuple[Any, ...]) -> bytes:
    """Return a message as it goes over the socket."""
    payload = marshal.dumps(message)
    return len(payload).to_bytes(LENGTH, "big") + payload


def unframe(buffer: bytearray) -> Iterator[Any]:
    """Take the messages that are complete off the buffer."""
    while len(buffer) >= LENGTH:
        end = LENGTH + int.from_bytes(buffer[:LENGTH], "big")
        if len(buffer) < end:
            return
        payload = bytes(buffer[LENGTH:end])
        del buffer[:end]
        yield marshal.loads(payload)  # noqa: S302 -- from the other half of this program


class Samples:
    """What something used over time: few enough to be kept, however long it runs.

    A sample is a tuple: seconds since the start, CPU seconds, bytes of memory, bytes read, written.
    """

    __slots__ = ("due", "rows", "wait_s")

    def __init__(self, began: float) -> None:
        self.rows: list[tuple[float, float, int, int, int]] = []
        self.wait_s = SAMPLE_S
        self.due = began + SAMPLE_FROM_S

    def add(self, now: float, row: tuple[float, float, int, int, int]) -> None:
        """Keep a sample; of what it used besides memory, each has all since the start."""
        self.rows.append(row)
        if len(self.rows) >= SAMPLES:
            pairs = zip(self.rows[::2], self.rows[1::2])  # noqa: B905 -- as quick as can be
            self.rows = [(*b[:2], max(a[2], b[2]), *b[3:]) for a, b in pairs]
            self.wait_s *= 2
        self.due = now + self.wait_s

    def told(self, used: Mapping[str, Any]) -> dict[str, object]:
        """Return what is reported of them, with what was ``used`` at the end.

        Of a few seconds that is nothing.
        """
        if len(self.rows) <= 1:
            return {}
        rows = self.rows
        if used and used["duration_s"] > rows[-1][0]:
            end = (used["duration_s"], used["cpu_s"], rows[-1][2], used["read"], used["written"])
            rows = [*rows, end]
        return {"samples": rows}


class Step:
    """A process that was started, and how far its end has come."""

    __slots__ = (
        "began",
        "cpu_s",
        "deadline",
        "fields",
        "grace_s",
        "look_at",
        "mark",
        "number",
        "peak",
        "pid",
        "samples",
        "seen",
        "stage",
        "status",
        "timed_out",
        "traced",
        "traced_main",
        "warned",
    )

    def __init__(self, number: int, mark: bytes, timeout_s: float | None, grace_s: float) -> None:
        self.number = number
        self.mark = mark
        self.pid = 0
        self.stage = RUNNING
        self.began = monotonic()
        self.look_at = self.began + LOOK_S
        self.samples = Samples(self.began)
        self.peak = 0
        self.cpu_s = 0.0
        self.seen: set[int] = set()
        self.deadline = float("inf") if timeout_s is None else self.began + timeout_s
        self.grace_s = grace_s
        self.timed_out = False
        self.status: int | None = None
        self.fields: dict[str, float] = {}
        self.warned: set[int] = set()
        self.traced = False
        self.traced_main = False

    def terminate(self, grace_s: float) -> None:
        """Begin to end the tree; what was begun before is only hastened."""
        due = monotonic() + grace_s
        if self.stage < TERMINATING:
            self.stage, self.deadline = TERMINATING, due
        self.deadline = min(self.deadline, due)

    def escalate(self) -> None:
        """Go on to what follows when the time of this stage is over."""
        if self.stage == RUNNING:
            self.timed_out = True
            self.terminate(self.grace_s)
        elif self.stage == LINGERING:
            self.terminate(CLOSE_GRACE_S)
        else:
            self.stage, self.deadline = KILLING, float("inf")

    def left_by(self, usage: Any) -> None:  # noqa: ANN401 -- its module is not imported
        """Count what a process used that the main process did not wait for."""
        self.cpu_s += usage.ru_utime + usage.ru_stime
        self.peak = max(self.peak, usage.ru_maxrss * MEMORY_UNIT)

    def ended(self, status: int, usage: Any, called: tuple[int, int]) -> None:  # noqa: ANN401 -- its module is not imported
        """Keep how the main process ended and what it used (a ``resource.struct_rusage``)."""
        self.status = status
        self.fields = {
            "duration_s": monotonic() - self.began,
            "cpu_s": usage.ru_utime + usage.ru_stime,
            "peak_memory": usage.ru_maxrss * MEMORY_UNIT,
            "read": usage.ru_inblock * BLOCK,
            "written": usage.ru_oublock * BLOCK,
            "rchar": called[0],
            "wchar": called[1],
        }

    @property
    def used(self) -> dict[str, float]:
        """What the whole tree used."""
        if not self.fields:
            return {}
        return {
            **self.fields,
            "cpu_s": self.fields["cpu_s"] + self.cpu_s,
            "peak_memory": max(self.fields["peak_memory"], self.peak),
        }


class SubreaperTrees:
    """The process trees of the steps on Linux: all that descends from the supervisor."""

    def __init__(self) -> None:
        import ctypes  # noqa: PLC0415 -- only this program needs it, not who imports its messages

        self._prctl = ctypes.CDLL(None).prctl
        self._prctl(36, 1, 0, 0, 0)  # PR_SET_CHILD_SUBREAPER
        self._pid = os.getpid()

    def bind(self) -> None:
        """Make the calling process, a new child, end with the supervisor."""
        self._prctl(1, signal.SIGKILL, 0, 0, 0)  # PR_SET_PDEATHSIG
        if os.getppid() != self._pid:
            os._exit(1)

    def outlived(self, step: Step) -> bool:
        """Tell whether a tracer waits for what the main process of its step left behind.

        Its only child is the main process. It is spared from then on: it ends as that did.
        """
        if not step.traced:
            return False
        try:
            children = content(b"/proc/%d/task/%d/children" % (step.pid, step.pid)).split()
        except OSError:
            return False
        began = step.traced_main or monotonic() > step.began + TRACER_S
        step.traced_main = began or bool(children)
        return began and not children

    def members(self, step: Step, steps: Iterable[Step], *, childless: bool) -> Iterator[int]:
        """Yield the processes of a step's tree; ``steps`` are all that are not over.

        Those that are cheap to find come first, so that they can be ended at once: a process may
        live for less time than it takes to look at all.
        """
        if childless:
            return
        roots = self._roots(step, steps)
        yield from roots
        if roots:
            yield from descendants(roots, parents())

    def look(self, step: Step, steps: Iterable[Step]) -> tuple[int, list[int]]:
        """Return how much memory a step's tree has now, in bytes, and its processes.

        Shared memory counts once. Who shares it costs time to find out: only a peak is worth that.
        """
        found = self._roots(step, steps)
        for pid in found:  # it grows meanwhile
            found += children_of(pid)
        step.seen.update(found)
        total = sum(map(resident, found))
        if len(found) > 1 and total > step.peak:
            total = sum(map(proportional, found))
        return total, found

    def _roots(self, step: Step, steps: Iterable[Step]) -> list[int]:
        others = {other.pid for other in steps if other is not step}
        return [
            pid
            for pid in self._children()
            if pid not in others and (not others or self._belongs(pid, step))
        ]

    def _children(self) -> list[int]:
        """Return the children of the supervisor, which is exact: nobody else takes one away."""
        try:
            return [int(pid) for pid in content(b"/proc/thread-self/children").split()]
        except FileNotFoundError:  # a kernel built without it
            return [pid for pid, parent in parents().items() if parent == self._pid]

    def _belongs(self, pid: int, step: Step) -> bool:
        """Tell whether a child is of this step; who hides it is taken by the last step."""
        if pid == step.pid or os.getsid(pid) == step.pid:
            return True
        try:
            variables = variables_of(pid)
        except PermissionError:
            return False
        if variables is None:  # it may have left orphans: look again when it is reaped
            return True
        return b"\0%s=%s\0" % (MARK, step.mark) in variables


class GroupTrees:
    """The process trees of the steps where there is no subreaper: process groups."""

    def outlived(self, step: Step) -> bool:  # noqa: ARG002 -- there is no tracer elsewhere
        """Return False."""
        return False

    def bind(self) -> None:
        """Do nothing: only Linux ends a process with its parent."""

    def look(self, step: Step, steps: Iterable[Step]) -> tuple[int, list[int]]:  # noqa: ARG002 -- as above
        """Return nothing: asking ps so often would cost more than it is worth."""
        return 0, []

    def members(
        self,
        step: Step,
        steps: Iterable[Step],  # noqa: ARG002 -- only orphans raise the question of whose they are
        *,
        childless: bool,  # noqa: ARG002 -- orphans are children of another process
    ) -> Iterator[int]:
        """Yield the processes of a step's group, and their descendants."""
        try:
            os.killpg(step.pid, 0)
        except ProcessLookupError:
            if not step.warned:
                return
        except PermissionError:  # what macOS says of a group of zombies
            pass
        table = {pid: (parent, group) for pid, parent, group in process_list()}
        roots = [pid for pid in table if table[pid][1] == step.pid or pid in step.warned]
        yield from roots
        yield from descendants(roots, {pid: parent for pid, (parent, _) in table.items()})


def children_of(pid: int) -> list[int]:
    """Return the children of a process, on Linux; none of one that has ended."""
    found = []
    try:
        for thread in os.listdir(b"/proc/%d/task" % pid):
            found += content(b"/proc/%d/task/%s/children" % (pid, thread)).split()
    except OSError:
        pass
    return [int(child) for child in found]


def resident(pid: int) -> int:
    """Return the resident set of a process in bytes; 0 when it has ended."""
    try:
        return int(content(b"/proc/%d/statm" % pid).split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0


def proportional(pid: int) -> int:
    """Return the proportional set of a process in bytes, or else its resident set."""
    try:
        rollup = content(b"/proc/%d/smaps_rollup" % pid)
        return int(rollup[rollup.index(b"\nPss:") + 5 :].split(None, 1)[0]) * 1024
    except (OSError, ValueError):
        return resident(pid)


def counted(pid: int) -> tuple[float, int, int]:
    """Return the CPU seconds of a process and of what it waited for, and its bytes of devices.

    They are those that it read and wrote, again with what it waited for (proc(5)); zeros of one
    that has ended.
    """
    try:
        stat = content(b"/proc/%d/stat" % pid)
        ticks = sum(map(int, stat[stat.rindex(b")") + 2 :].split()[11:15]))
    except OSError:
        return 0.0, 0, 0
    try:
        counts = content(b"/proc/%d/io" % pid).split()
        read, written = int(counts[9]), int(counts[11])
    except (OSError, IndexError):  # not there, or not for us
        read = written = 0
    return ticks / os.sysconf("SC_CLK_TCK"), read, written


def called(pid: int) -> tuple[int, int]:
    """Return how many bytes a process that ended, and all that it waited for, read and wrote.

    These are those of system calls, whether a device had anything to do or not (proc(5)).
    """
    try:
        counts = content(b"/proc/%d/io" % pid).split()
        return int(counts[1]), int(counts[3])
    except (OSError, IndexError):  # not there, or not for us
        return 0, 0


def content(path: bytes) -> bytes:
    """Return the content of a file of /proc, whose size cannot be known before."""
    file = os.open(path, os.O_RDONLY)
    try:
        chunks = []
        while chunk := os.read(file, 65536):
            chunks.append(chunk)
        return b"".join(chunks)
    finally:
        os.close(file)


def variables_of(pid: int) -> bytes | None:
    """Return the environment of a child, a NUL around each variable; None when it has just ended.

    Raises:
        PermissionError: it runs as somebody else.
    """
    try:
        while not (variables := content(b"/proc/%d/environ" % pid)):
            if content(b"/proc/%d/cmdline" % pid):
                break
            if state_and_parent(b"%d" % pid)[0] in b"ZX":
                return None
            sleep(0.001)  # in the middle of execve(2) it seems to have neither
    except ProcessLookupError:  # what some kernels say of a zombie
        return None
    return b"\0" + variables


def state_and_parent(pid: bytes) -> list[bytes]:
    """Return the state and the parent of a process (proc(5))."""
    stat = content(b"/proc/%s/stat" % pid)
    return stat[stat.rindex(b")") + 1 :].split()[:2]


def parents() -> dict[int, int]:
    """Return the parent of each process of the system, on Linux."""
    found = {}
    for name in os.listdir(b"/proc"):
        if name.isdigit():
            try:
                found[int(name)] = int(state_and_parent(name)[1])
            except OSError:  # it has ended
                continue
    return found


def process_list() -> Iterator[tuple[int, int, int]]:
    """Yield process, parent and group of each process that lives, as ps(1) has them."""
    sleep(TICK_S)  # the end of ps wakes this program, which would ask again at once
    reading, writing = os.pipe()
    ps = os.posix_spawn(
        "/bin/ps",
        ["ps", "-axo", "pid=,ppid=,pgid=,stat="],
        os.environ,
        file_actions=[(os.POSIX_SPAWN_DUP2, writing, 1)],
    )
    os.close(writing)
    with open(reading, "rb") as listing:
        lines = listing.read().splitlines()
    os.waitpid(ps, 0)
    for line in lines:
        *numbers, state = line.split()
        if not state.startswith(b"Z"):
            pid, parent, group = map(int, numbers)
            yield pid, parent, group


def descendants(roots: Sequence[int], parent_of: Mapping[int, int]) -> list[int]:
    """Return all that descends from some processes."""
    children: dict[int, list[int]] = {}
    for pid, parent in parent_of.items():
        children.setdefault(parent, []).append(pid)
    found = []
    waiting = list(roots)
    while waiting:
        new = children.pop(waiting.pop(), [])
        found += new
        waiting += new
    return found


class CannotStartError(Exception):
    """The words for why a step cannot be started."""


def shown(path: bytes) -> str:
    """Return a path or name for a message."""
    return path.decode("utf-8", "backslashreplace") or "''"


def redirect(pipes: Sequence[int], stdin: bytes | None, stdout: bytes | None) -> None:
    """Make the three standard streams of this process those of the step.

    Raises:
        CannotStartError: a file cannot be opened.
    """
    *to_stdout, to_stderr = pipes
    if stdout is not None:
        to_stdout = [opened("standard output", stdout, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)]
    if stdin is not None:  # else that of the supervisor, which is /dev/null
        os.dup2(opened("standard input", stdin, os.O_RDONLY), 0)
    os.dup2(to_stdout[0], 1)
    os.dup2(to_stderr, 2)


def opened(stream: str, path: bytes, flags: int) -> int:
    """Return an open file for a standard stream; a named pipe does not keep all others waiting."""
    try:
        file = os.open(path, flags | os.O_NONBLOCK, 0o666)
    except OSError as error:
        reason = str(error.strerror).lower()
        raise CannotStartError(f"{stream}: {reason}: {shown(path)}") from error
    os.set_blocking(file, True)
    return file


def enter(directory: bytes) -> None:
    """Change into the folder of the step."""
    try:
        os.chdir(directory)
    except FileNotFoundError as error:
        raise CannotStartError(f"directory missing: {shown(directory)}") from error
    except OSError as error:
        reason = str(error.strerror).lower()
        raise CannotStartError(f"cannot enter directory: {reason}: {shown(directory)}") from error


def confine(folder: bytes, arguments: tuple[Any, ...]) -> None:
    """Put this process under limits, see the module ``confinement``."""
    sys.path.insert(0, os.fsdecode(folder))
    import confinement  # type: ignore[import-not-found] # noqa: PLC0415 -- only a step that is confined needs it

    confinement.confine(*arguments)


def bind_to(cpus: int | None) -> None:
    """Let this process, and what it starts, run on some of the CPUs only, where that can be had."""
    if cpus is not None and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:cpus])


def candidates(command: bytes, variables: Mapping[bytes, bytes]) -> list[bytes]:
    """Return where a command may be, by the PATH of the step and not that of the supervisor."""
    if b"/" in command:
        return [command]
    folders = variables.get(b"PATH", os.fsencode(os.defpath)).split(b":") if command else []
    return [os.path.join(folder or b".", command) for folder in folders]


def execute(
    argv: list[bytes], variables: Mapping[bytes, bytes], tracer: list[bytes] | None
) -> NoReturn:
    """Become the program of the step, as execvp(3) finds it, or a tracer that starts it.

    Raises:
        CannotStartError: there is no such program, or the system refuses it.
    """
    reason = f"command not found: {shown(argv[0])}" if argv else "no command"
    for path in candidates(argv[0], variables) if argv else ():
        try:
            if tracer is None:
                os.execve(path, argv, variables)  # noqa: S606 -- no shell is what is wanted
            elif can_start(path):
                os.execve(tracer[0], tracer + argv, variables)  # noqa: S606 -- the same
        except (FileNotFoundError, NotADirectoryError):
            if os.path.exists(path):
                reason = f"interpreter missing (the #! line, or the loader): {shown(path)}"
                break
        except PermissionError:
            reason = f"not executable: {shown(path)}"
        except OSError as error:
            raise CannotStartError(refusal(error, path, argv, variables)) from error
    raise CannotStartError(reason)


def can_start(path: bytes) -> bool:
    """Tell whether a tracer will be able to start a program.

    Raises:
        FileNotFoundError: it is not there.
        PermissionError: it may not be executed.
        OSError: it is text, and does not say who understands it.
    """
    mode = os.stat(path).st_mode  # noqa: PTH116 -- pathlib is not here
    if mode & FORMAT != REGULAR or not os.access(path, os.X_OK):
        raise PermissionError
    try:
        file = os.open(path, os.O_RDONLY)
    except PermissionError:  # who may execute it need not be able to read it
        return True
    first = os.read(file, SHEBANG)
    os.close(file)
    words = first.removeprefix(b"#!").split(b"\n")[0].split()
    if first.startswith(b"#!") and words and not os.path.exists(words[0]):
        raise FileNotFoundError
    if not first.startswith(b"#!") and b"\0" not in first:
        raise OSError(ENOEXEC, os.strerror(ENOEXEC))
    return True


def refusal(
    error: OSError, path: bytes, argv: Sequence[bytes], variables: Mapping[bytes, bytes]
) -> str:
    """Return the words for why the system does not take a program that is there."""
    if error.errno == ENOEXEC:
        return f"neither a program nor a script with a #! line: {shown(path)}"
    if error.errno != E2BIG:
        return f"{str(error.strerror).lower()}: {shown(path)}"
    sizes = [len(part) for part in argv]
    sizes += [len(name) + 1 + len(value) for name, value in variables.items()]
    return (
        f"arguments and variables are too long for the system: {sum(sizes):,} bytes, "
        f"the longest {max(sizes):,} (one may usually have 131,071)"
    )


class Supervisor:
    """Starts steps as it is told, and ends them: as told, in time, or when nobody listens."""

    def __init__(self, socket: int, trees: SubreaperTrees | GroupTrees) -> None:
        self._socket = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM, 0, socket)
        os.set_inheritable(socket, False)
        self._trees = trees
        self._steps: dict[int, Step] = {}
        self._inbox = bytearray()
        self._pipes: list[int] = []
        self._untouchable: set[int] = set()
        self._childless = True
        self._closed = False
        self._signals = watched_signals()
        self._poll = select.poll()
        self._poll.register(self._socket.fileno(), select.POLLIN)
        self._poll.register(self._signals, select.POLLIN)

    def serve(self) -> None:
        """Do what is asked for until the socket closes and no step is left."""
        while self._steps or not self._closed:
            events = [fd for fd, _ in self._poll.poll(self._patience())]
            if self._signals in events:
                self._hear()
            if self._socket.fileno() in events:
                self._listen()
            self._reap()
            for step in list(self._steps.values()):
                self._advance(step)

    def start(
        self,
        number: int,
        mark: bytes,
        argv: list[bytes],
        variables: dict[bytes, bytes],
        places: tuple[bytes, bytes | None, bytes | None],
        limits: tuple[float | None, float, int | None],
        watch: tuple[list[bytes] | None, tuple[bytes, tuple[Any, ...]] | None],
    ) -> None:
        """Start a step, as a message asks for it.

        ``number`` names it in its report, ``mark`` in its environment. ``places`` are its folder,
        its stdin (None: ``/dev/null``) and its stdout (None: a pipe); the pipes for stdout and
        stderr came along with the message. ``limits`` are the timeout, counted from now, the time
        from SIGTERM to SIGKILL after it, in seconds, and on how many CPUs it may run (None: on
        all). ``watch`` is the command line of a
        tracer, and the folder of the module ``confinement`` with the arguments of its ``confine``.
        """
        count = 2 if places[2] is None else 1
        pipes, self._pipes = self._pipes[:count], self._pipes[count:]
        timeout_s, grace_s, cpus = limits
        step = self._steps[number] = Step(number, mark, timeout_s, grace_s)
        step.traced = watch[0] is not None
        reading, writing = os.pipe()
        try:
            step.pid = os.fork()
            if step.pid == 0:
                variables[MARK] = mark
                self._become(writing, argv, variables, (pipes, places), (cpus, *watch))
        except OSError as error:  # too many processes
            os.write(writing, f"cannot start a process: {error.strerror}".encode())
        for pipe in (*pipes, writing):
            os.close(pipe)
        reason = os.read(reading, ANSWER)  # the end of the pipe, if the step was started
        os.close(reading)
        if reason:
            if step.pid:
                os.waitpid(step.pid, 0)
            self._report(step, {"start_error": reason.decode("utf-8", "replace")})

    def cancel(self, grace_s: float) -> None:
        """End all steps: SIGTERM, and after a grace time SIGKILL."""
        for step in self._steps.values():
            step.terminate(grace_s)

    def kill(self) -> None:
        """End all steps at once, however broken this program is."""
        self.cancel(0)
        self._closed = True
        while self._steps:
            self._reap()
            for step in list(self._steps.values()):
                self._advance(step)
            sleep(TICK_S)

    def _become(
        self,
        report: int,
        argv: list[bytes],
        variables: dict[bytes, bytes],
        streams: tuple[list[int], tuple[bytes, bytes | None, bytes | None]],
        limits: tuple[int | None, list[bytes] | None, tuple[bytes, tuple[Any, ...]] | None],
    ) -> NoReturn:
        """Turn this process, a new child, into the step; say why if that fails."""
        try:
            os.setsid()
            self._trees.bind()
            pipes, (directory, stdin, stdout) = streams
            redirect(pipes, stdin, stdout)
            enter(directory)
            cpus, tracer, confinement = limits
            bind_to(cpus)
            if confinement is not None:
                confine(*confinement)
            execute(argv, variables, tracer)
        except BaseException as error:  # noqa: BLE001 -- nothing may get out of a forked process
            os.write(report, str(error).encode("utf-8", "replace")[:ANSWER])
        finally:
            os._exit(127)

    def _patience(self) -> float | None:
        """Return for how long nothing needs to be done, in milliseconds; None: for ever."""
        now = monotonic()
        due = min((step.deadline for step in self._steps.values()), default=float("inf"))
        for step in self._steps.values():
            if step.stage == RUNNING:
                due = min(due, step.look_at)
            if step.stage >= TERMINATING or (step.traced and step.stage == RUNNING):
                due = min(due, now + TICK_S)
        if due == float("inf"):
            return None
        return max(0.0, min(due - now, 3600.0) * 1000 + 1)  # poll has an end, and rounds down

    def _hear(self) -> None:
        """Take the signals that came; a system that shuts down sends SIGTERM to everyone."""
        if signal.SIGTERM in os.read(self._signals, 4096):
            self._close()

    def _listen(self) -> None:
        """Take what runproj sends."""
        try:
            data, ancillary, _, _ = self._socket.recvmsg(1 << 16, _socket.CMSG_SPACE(4 * 64))
        except ConnectionError:
            data, ancillary = b"", []
        for _, _, numbers in ancillary:
            for at in range(0, len(numbers), 4):
                self._pipes.append(int.from_bytes(numbers[at : at + 4], sys.byteorder))
                os.set_inheritable(self._pipes[-1], False)
        if not data:
            self._close()
        self._inbox += data
        for order, *arguments in unframe(self._inbox):
            (self.start if order == "start" else self.cancel)(*arguments)

    def _close(self) -> None:
        """Listen no more, and end all steps."""
        if not self._closed:
            self._poll.unregister(self._socket.fileno())
        self._closed = True
        self.cancel(CLOSE_GRACE_S)

    def _reap(self) -> None:
        """Take the status of every child that has ended: steps, and orphans from their trees."""
        by_pid = {step.pid: step for step in self._steps.values()}
        self._childless = False
        while True:
            try:
                pid = zombie()
                calls = called(pid) if pid in by_pid else (0, 0)
                pid, status, usage = os.wait4(pid, os.WNOHANG)
            except ChildProcessError:
                self._childless = True
                return
            if pid == 0:
                return
            self._untouchable.discard(pid)
            if pid in by_pid:
                by_pid[pid].ended(status, usage, calls)
                continue
            for step in self._steps.values():
                if pid in step.seen:
                    step.left_by(usage)

    def _advance(self, step: Step) -> None:
        """Bring a step nearer to its end, if it has begun to end."""
        if step.stage == RUNNING and (step.status is not None or self._trees.outlived(step)):
            step.stage, step.deadline = LINGERING, monotonic() + LINGER_S
        now = monotonic()
        if now >= step.deadline:
            step.escalate()
        if step.stage == RUNNING:
            if now >= step.look_at:
                self._look(step, now)
            return
        members = self._trees.members(step, self._steps.values(), childless=self._childless)
        left = 0
        for pid in members:
            if pid not in self._untouchable:
                left += 1
                if not (step.traced_main and pid == step.pid):
                    self._strike(step, pid)
        if step.status is not None and not left:
            fields = {**step.used, "timed_out": step.timed_out, **step.samples.told(step.used)}
            self._report(step, fields)

    def _look(self, step: Step, now: float) -> None:
        """Look what the tree of a step has and used, and say when to look again."""
        memory, members = self._trees.look(step, self._steps.values())
        step.peak = max(step.peak, memory)
        if now >= step.samples.due and members:
            counts = [counted(pid) for pid in members]
            cpu_s = step.cpu_s + sum(one[0] for one in counts)
            read, written = sum(one[1] for one in counts), sum(one[2] for one in counts)
            step.samples.add(now, (now - step.began, cpu_s, memory, read, written))
        wait_s = min(max(LOOK_S, (now - step.began) * LOOK_SHARE), LOOK_MOST_S)
        step.look_at = now + max(wait_s, (monotonic() - now) * LOOK_COST)

    def _strike(self, step: Step, pid: int) -> None:
        """Send the signal of the step's stage; a stopped process must go on to take SIGTERM."""
        if step.stage == KILLING:
            self._send(pid, signal.SIGKILL)
        elif step.stage == TERMINATING and pid not in step.warned:
            step.warned.add(pid)
            self._send(pid, signal.SIGTERM)
            self._send(pid, signal.SIGCONT)

    def _send(self, pid: int, number: int) -> None:
        """Send a signal; who may not be sent one (``sudo``) is left alone from then on."""
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            pass
        except PermissionError:
            self._untouchable.add(pid)

    def _report(self, step: Step, fields: Mapping[str, object]) -> None:
        """Tell how a step ended; nobody may be there to hear it."""
        del self._steps[step.number]
        try:
            self._socket.sendall(frame((step.number, step.status, dict(fields))))
        except OSError:
            self._close()


def zombie() -> int:
    """Return a child that has ended and was not waited for; -1: whichever there may be.

    Raises:
        ChildProcessError: there are no children.
    """
    if not hasattr(os, "waitid"):
        return -1
    found = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    return -1 if found is None else found.si_pid


def watched_signals() -> int:
    """Set what signals do; return a pipe that can be read when one came.

    None is ignored: execve(2) gives a step the default for what has a handler, and keeps what is
    ignored.
    """
    reading, writing = os.pipe()
    for end in (reading, writing):
        os.set_blocking(end, False)
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
        signal.signal(number, (lambda *_: None) if number in HANDLED else signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    return reading


def main(socket: str, *, portable: bool) -> None:
    """Serve the runproj process at the other end of a socket, given as a number."""
    while os.open(os.devnull, os.O_RDWR) <= 2:  # noqa: PLR2004 -- the standard streams, if closed
        pass
    use_groups = portable or sys.platform != "linux"
    supervisor = Supervisor(int(socket), GroupTrees() if use_groups else SubreaperTrees())
    try:
        supervisor.serve()
    finally:
        supervisor.kill()


if __name__ == "__main__":
    main(sys.argv[1], portable="portable" in sys.argv[2:])
