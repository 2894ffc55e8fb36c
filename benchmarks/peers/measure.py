"""What a command costs, with all processes that it starts and leaves behind."""

import contextlib
import ctypes
import os
import re
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

_PR_SET_CHILD_SUBREAPER = 36
_GRACE = 5.0  # seconds for what a command leaves behind to end by itself


class Cost(NamedTuple):
    """CPU seconds of all processes, wall seconds, and megabytes of the largest process.

    The least that can be told of memory is what this process itself has, about 25 MB: the kernel
    counts what a process had before it became another program.
    """

    cpu: float
    wall: float
    memory: float


class Failed(Exception):
    """A command failed; the message says how, in a few words."""


class TimedOut(Failed):
    """A command was ended at its time limit."""


def adopt_orphans() -> None:
    """Become the parent of processes whose parents end, so that daemons count as well."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def measured(
    command: Sequence[str], folder: Path, variables: Mapping[str, str], limit: float, log: Path
) -> Cost:
    """Run a command in a folder; return what it cost.

    Args:
        command: the arguments.
        folder: where it runs.
        variables: its whole environment.
        limit: it is ended after so many seconds.
        log: a file that takes what it prints.

    Raises:
        TimedOut: it was ended at the limit.
        Failed: its exit code is not 0.
    """
    ended = threading.Event()
    with log.open("wb") as file:
        began = time.perf_counter()
        process = subprocess.Popen(
            command, cwd=folder, env=variables, stdin=subprocess.DEVNULL, stdout=file,
            stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip

        def end() -> None:
            ended.set()
            _end(process.pid)

        timer = threading.Timer(limit, end)
        timer.start()
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - began
        timer.cancel()
        process.returncode = os.waitstatus_to_exitcode(status)
    cpu, memory = usage.ru_utime + usage.ru_stime, usage.ru_maxrss
    for left in _left(0 if ended.is_set() else _GRACE):
        cpu += left.ru_utime + left.ru_stime
        memory = max(memory, left.ru_maxrss)
    if ended.is_set():
        raise TimedOut(f"> {limit:.0f} s")
    if process.returncode:
        raise Failed(_why(log) or f"exit code {process.returncode}, and not a word")
    return Cost(cpu, wall, memory * (1024 if sys.platform == "linux" else 1) / 1e6)


def _left(grace: float) -> list["resource.struct_rusage"]:
    """Wait for processes that were left to this one, then end them; return what they used."""
    used = []
    until = time.monotonic() + grace
    with contextlib.suppress(ChildProcessError):
        while True:
            pid, _, usage = os.wait4(-1, os.WNOHANG)
            if pid:
                used.append(usage)
            elif time.monotonic() < until:
                time.sleep(0.01)
            else:
                for child in _children():
                    _end(child)
                time.sleep(0.01)
    return used


def _children() -> list[int]:
    places = Path("/proc/self/task").glob("*/children")
    return [int(pid) for place in places for pid in place.read_text(encoding="ascii").split()]


def _end(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if os.getpgid(pid) == os.getpgrp():
            os.kill(pid, signal.SIGKILL)
        else:
            os.killpg(os.getpgid(pid), signal.SIGKILL)


def _why(log: Path) -> str:
    """Return the line of a log that tells best why something failed; nothing, if it is empty."""
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines() or [""]
    raised = [line for line in lines if re.match(r"[\w.]*(Error|Exception)\b", line)]
    telling = [line for line in lines if "Error" in line or "error:" in line]
    return (raised or telling or lines)[-1].strip()[:80]
