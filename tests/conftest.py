"""What tests of many kinds share."""

import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.cli.commandline import Computer, Files, Project

if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:  # a shell starts its background jobs so
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def computer(tmp_path: Path) -> Computer:
    """A computer of a person who has never run anything."""
    return Computer(tmp_path)


@pytest.fixture
def project(computer: Computer) -> Callable[[Files], Project]:
    """Makes a project folder from its files."""
    return computer.project
