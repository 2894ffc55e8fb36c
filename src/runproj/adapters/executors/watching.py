"""What this machine can watch and forbid, and what was seen."""

import functools
import hashlib
import os
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from runproj.adapters.executors import confinement as limits
from runproj.adapters.executors import tracing
from runproj.errors import Refused, RunprojError, StoreError
from runproj.ports import Accesses, Confinement
from runproj.record.observation import FOLDER

_INSTALL = "install strace: it is a package of that name on every Linux distribution"
_OLD = "Landlock needs Linux 6.2 or newer, and must not be turned off (lsm=…)"
_WITHOUT = "without it nothing could be promised; run without --hermetic"
_PROBE_S = 30


class LocalWatcher:
    """Watches processes of this machine, see :class:`runproj.ports.Watcher`.

    ``digest`` returns the sha256 of a file.
    """

    def __init__(self, digest: Callable[[str], str]) -> None:
        self._digest = digest

    def check(self, confinement: Confinement, *, trace: bool) -> None:
        """Try the tracer and the limits once on a process that does nothing."""
        if sys.platform != "linux":
            raise Refused("only Linux can trace and confine steps", hint="run without that option")
        if trace:
            tracer()
        if confinement.readable is not None and limits.landlock_version() == 0:
            raise Refused("the kernel has no Landlock, which --hermetic needs", hint=_OLD)
        means = limits.PORTABLE if confinement.network else network_means()
        if confinement.readable is not None:
            fault = _try(_probe(means))
            if fault:
                raise Refused(f"this system cannot confine a step: {fault}", hint=_WITHOUT)

    def accesses(self, trace: str, directory: str) -> Accesses:
        """Read the tracer's log."""
        try:
            return tracing.read(trace, directory)
        except OSError as error:
            raise StoreError(f"the trace cannot be read: {error.strerror}", where=trace) from error

    def state(self, path: str) -> str | None:
        """Return what stands at a path, see :class:`~runproj.ports.Watcher`."""
        try:
            if path.endswith("/"):
                names = "\0".join(sorted(os.listdir(path)))  # noqa: PTH208 -- the names alone
                return hashlib.sha256(names.encode("utf-8", "surrogateescape")).hexdigest()
            if os.path.islink(path):  # noqa: PTH114 -- one call
                target = os.readlink(path)  # noqa: PTH115 -- the same
                behind = self.state(os.path.realpath(path))
                return f"{FOLDER if behind == FOLDER else behind} by a link to {target}"
            mode = os.stat(path).st_mode  # noqa: PTH116 -- one call
        except OSError:
            return None
        if stat.S_ISDIR(mode):
            return FOLDER
        try:
            content = self._digest(path) if stat.S_ISREG(mode) else "no file"
        except (OSError, RunprojError):
            content = "unreadable"
        return f"{content} {stat.S_IMODE(mode):o}"


@functools.cache
def tracer() -> str:
    """Return the path of a tracer that works here.

    Raises:
        Refused: there is none, or it is not allowed to trace.
    """
    found = shutil.which("strace")
    if found is None:
        raise Refused("strace is missing, with which steps are watched", hint=_INSTALL)
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder, "log")
        command = tracing.traced(str(log), network=True, filtered=False)
        done = _run([found, *command[1:], "/bin/sh", "-c", ":"])
        if done.returncode != 0 or not log.exists() or b"execve(" not in log.read_bytes():
            said = done.stderr.decode(errors="replace").strip().splitlines()
            raise Refused(
                f"strace does not work here: {said[0] if said else 'it writes nothing'}",
                where=found,
                hint="it needs version 5.3, and the right to trace "
                "(/proc/sys/kernel/yama/ptrace_scope, a container's seccomp profile)",
            )
    return found


@functools.cache
def bond() -> list[str]:
    """Return the command line that lets a program end with its tracer; nothing where it is not.

    Whoever kills the supervisor kills the tracer, and what is traced would live on.
    """
    found = shutil.which("setpriv")
    command = [] if found is None else [os.path.realpath(found), "--pdeathsig", "KILL", "--"]
    return command if command and _run([*command, "/bin/sh", "-c", ":"]).returncode == 0 else []


@functools.cache
def network_means() -> str:
    """Return how this system can take the network from a process.

    Raises:
        Refused: in no way.
    """
    faults = []
    for means in (limits.NAMESPACE, limits.FILTER):
        fault = _try(_probe(means))
        if not fault:
            return means
        faults.append(fault)
    raise Refused(
        f"this system cannot take the network from a step: {'; '.join(faults)}", hint=_WITHOUT
    )


def _probe(means: str) -> list[str]:
    return [sys.executable, "-I", "-S", "-E", limits.__file__, means]


def _try(command: list[str]) -> str:
    """Run a probe; return what it says that fails."""
    done = _run(command)
    if done.returncode == 0:
        return ""
    said = (done.stdout or done.stderr).decode(errors="replace").strip()
    return said.splitlines()[-1] if said else f"it ended with exit code {done.returncode}"


def _run(command: list[str]) -> "subprocess.CompletedProcess[bytes]":
    try:
        return subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=_PROBE_S
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return subprocess.CompletedProcess(command, 1, b"", str(error).encode())
