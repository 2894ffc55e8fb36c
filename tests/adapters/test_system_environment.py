"""The system as an environment: what is on PATH."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from runproj.adapters.environments.system import SystemBackend, SystemPrograms
from runproj.lock.lock import Declaration, lockfile_path

SYSTEM = Declaration(kind="system")
Look = Callable[[], SystemPrograms]


def quiet(_: str) -> None:
    """Say nothing."""


def put_python(folder: Path, text: str = "#!/bin/sh\n", name: str = "python3") -> Path:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(text)
    (folder / name).chmod(0o755)
    return folder / name


@pytest.fixture
def look(tmp_path: Path) -> Look:
    """Take the system with ``first`` and ``second`` on PATH; ``second`` has a Python."""
    put_python(tmp_path / "second")
    caller = {"PATH": f"{tmp_path / 'first'}:{tmp_path / 'second'}"}

    def prepared() -> SystemPrograms:
        backend = SystemBackend(caller)
        return backend.prepare(SYSTEM, backend.lock(SYSTEM, None, quiet), quiet)

    return prepared


def test_it_has_no_lockfile() -> None:
    assert lockfile_path("default", "system") is None


def test_a_step_gets_the_path_of_the_caller_and_nothing_else_of_him() -> None:
    caller = {"PATH": "/a:/b", "VIRTUAL_ENV": "/a/venv", "HOME": "/home/me", "TOKEN": "secret"}
    backend = SystemBackend(caller)
    ready = backend.prepare(SYSTEM, backend.lock(SYSTEM, None, quiet), quiet)

    assert ready.variables("/project") == {"PATH": "/a:/b", "VIRTUAL_ENV": "/a/venv"}


def test_it_says_that_it_is_not_reproducible(look: Look) -> None:
    assert "not reproducible" in look().description


def test_a_python_that_comes_first_now_is_another_environment(look: Look, tmp_path: Path) -> None:
    before = look()
    put_python(tmp_path / "first")

    assert not before.is_intact()
    assert look().key != before.key


def test_a_python_that_was_replaced_is_another_environment(look: Look, tmp_path: Path) -> None:
    before = look()
    put_python(tmp_path / "second", "#!/bin/sh\n# newer\n")

    assert not before.is_intact()
    assert look().key != before.key


def test_a_python_behind_the_first_does_not_count(look: Look, tmp_path: Path) -> None:
    before = look()
    put_python(tmp_path / "second", name="python")

    assert before.is_intact()
    assert look().key == before.key


@pytest.mark.parametrize("name", ["python", "python3"])
def test_a_folder_called_python_is_no_interpreter(look: Look, tmp_path: Path, name: str) -> None:
    before = look()
    (tmp_path / "first" / name).mkdir(parents=True)

    assert look().key == before.key
    (tmp_path / "first" / name / "x").touch()
    assert before.is_intact()


def test_a_file_that_cannot_be_executed_is_no_interpreter(look: Look, tmp_path: Path) -> None:
    before = look()
    put_python(tmp_path / "first").chmod(0o644)

    assert look().key == before.key


@pytest.mark.parametrize("caller", [{}, {"PATH": ""}, {"PATH": "/nowhere::/dev/null"}])
def test_without_any_python_there_is_a_key_all_the_same(caller: dict[str, str]) -> None:
    backend = SystemBackend(caller)
    lock = backend.lock(SYSTEM, None, quiet)

    assert backend.key(SYSTEM, lock) == backend.prepare(SYSTEM, lock, quiet).key


def test_nothing_is_started_to_know_it(look: Look, tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    put_python(tmp_path / "first", f"#!/bin/sh\ntouch {os.fspath(trace)}\n")

    assert look().is_intact()
    assert not trace.exists()
