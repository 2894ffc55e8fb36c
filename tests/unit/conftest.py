"""Unit tests are pure: a test that opens a file or a socket here is in the wrong folder."""

import builtins
import io
import socket
from typing import Any, NoReturn

import hypothesis
import pytest

# The database of examples is a folder of files.
hypothesis.settings.register_profile("unit", database=None, deadline=None)
hypothesis.settings.load_profile("unit")


_OPEN = io.open


class TouchesTheWorld(AssertionError):
    """A unit test opened a file or a socket."""


@pytest.fixture(autouse=True)
def _closed_world(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Block files and sockets, unless the module says that it runs programs."""
    if getattr(request.module, "RUNS_PROGRAMS", False):
        return

    def no_file(file: Any, *rest: Any, **named: Any) -> Any:  # noqa: ANN401 -- as of open
        imported = str(file).endswith((".py", ".pyc", "entry_points.txt"))
        if imported or "__pycache__" in str(file):  # pytest writes bytecode too
            return _OPEN(file, *rest, **named)
        raise TouchesTheWorld(f"unit tests open no files: {file}")

    def no_socket(*_: object, **__: object) -> NoReturn:
        raise TouchesTheWorld("unit tests open no sockets")

    monkeypatch.setattr(builtins, "open", no_file)
    monkeypatch.setattr(io, "open", no_file)
    monkeypatch.setattr(socket, "socket", no_socket)
