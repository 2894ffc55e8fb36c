"""What tests of many kinds share."""

import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.cli.commandline import Computer, Files, Project

if TYPE_CHECKING:
    from tests.containers import Engine, Registry

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


@pytest.fixture(scope="session")
def engine() -> "Iterator[Engine]":
    """The container engine of this machine; without one the test is skipped."""
    from tests.containers import running  # noqa: PLC0415 -- few tests need the SDK

    yield from running()


@pytest.fixture(scope="session")
def registry(engine: "Engine", tmp_path_factory: pytest.TempPathFactory) -> "Iterator[Registry]":
    """A registry of images, with nothing in it; without the program the test is skipped."""
    from tests.containers import serving  # noqa: PLC0415 -- as above

    yield from serving(engine, tmp_path_factory.mktemp("registry"))
