"""Runs a container that has the caller's terminal, for a person who looks around."""

import contextlib
import os
import shutil
import signal
import sys
import termios
import threading
import tty
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import requests
from docker.errors import APIError, DockerException

from runproj.adapters.executors import keeper
from runproj.adapters.executors.supervisor import CannotStartError
from runproj.errors import EnvironmentFailed, UsageError
from runproj.ports import Container

_CHUNK = 65536
_NAME = "shell"


def run_attached(
    argv: Sequence[str], directory: str, variables: Mapping[str, str], container: Container,
    locks: Path,
) -> int:  # fmt: skip
    """Run a process in a container to its end; return its exit code.

    The container is removed whatever happens: what dies here is swept by the next keeper, which
    knows it by the file below ``locks``.

    Raises:
        UsageError: it cannot be started.
        EnvironmentFailed: the engine does not answer.
    """
    order = container._asdict() | {
        "argv": list(argv), "directory": directory, "variables": dict(variables),
        "stdin": "", "cpus": None, "secrets": {},
    }  # fmt: skip
    terminal = sys.stdin.isatty() and sys.stdout.isatty()
    engine = keeper.Engine()
    owner = keeper.take_lock(locks)
    try:
        client = engine.client()
        labels = {keeper.KEEPER: str(owner), keeper.STEP: _NAME}
        wanted = keeper.configuration(client, order, labels, engine) | {"Tty": terminal}
        made = client.create_container_from_config(wanted)["Id"]
        try:
            _attach(client, made, terminal=terminal)
            return _exit_code(client, made, argv[0])
        finally:
            if keeper.remove(client, made):
                owner.unlink(missing_ok=True)
    except CannotStartError as error:
        raise EnvironmentFailed(str(error)) from error
    except (DockerException, requests.RequestException) as error:
        raise EnvironmentFailed(keeper.words(error)) from error


def _exit_code(client: keeper.Client, made: str, program: str) -> int:
    code = int(client.wait(made)["StatusCode"])
    if code in keeper.NOT_STARTED and client.logs(made).startswith(keeper.INIT_FAILED):
        raise UsageError(f"{keeper.NOT_STARTED[code]}: {program}")
    return code


def _attach(client: keeper.Client, made: str, *, terminal: bool) -> None:
    """Connect the standard streams of this process with those of a container, to its end."""
    wanted = {"stream": 1, "stdin": 1, "stdout": 1, "stderr": 1}
    connection = client.attach_socket(made, params=wanted)
    raw = connection._sock  # noqa: SLF001 -- the SDK has no other way to end the input
    raw.settimeout(None)
    with _raw(client, made) if terminal else contextlib.nullcontext():
        try:
            client.start(made)
        except APIError as error:
            raise UsageError(keeper.words(error)) from error
        if terminal:
            _resize(client, made)
        feeder = threading.Thread(target=keeper.feed, args=(raw, os.dup(0)), daemon=True)
        feeder.start()
        if terminal:
            _copy(raw)
        else:
            keeper.write(2, keeper.copy(connection, (1, 2)))


def _copy(raw: Any) -> None:  # noqa: ANN401 -- what the SDK gives
    while chunk := raw.recv(_CHUNK):
        keeper.write(1, chunk)


@contextlib.contextmanager
def _raw(client: keeper.Client, made: str) -> Iterator[None]:
    """Give every key to the container, and tell it when the window changes its size."""
    before = termios.tcgetattr(0)
    resized = signal.signal(signal.SIGWINCH, lambda *_: _resize(client, made))
    tty.setraw(0)
    try:
        yield
    finally:
        termios.tcsetattr(0, termios.TCSADRAIN, before)
        signal.signal(signal.SIGWINCH, resized)


def _resize(client: keeper.Client, made: str) -> None:
    size = shutil.get_terminal_size()
    with contextlib.suppress(DockerException, requests.RequestException):  # it may have ended
        client.resize(made, size.lines, size.columns)
