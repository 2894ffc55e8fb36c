"""Finding interpreters, and remembering where they were."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from runproj.adapters.environments.discovery import discover
from runproj.adapters.environments.interpreters import Interpreter, find
from runproj.errors import EnvironmentFailed


def put_python(home: Path, version: str, executable: Path) -> None:
    """Let pyenv have an interpreter."""
    folder = home / ".pyenv" / "versions" / version / "bin"
    folder.mkdir(parents=True)
    (folder / "python").symlink_to(executable)


def test_a_folder_of_a_version_manager_that_is_closed_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    machine = dict(os.environ) | {"PYENV_ROOT": str(tmp_path / "file"), "HOME": str(tmp_path)}
    assert discover(None, machine, tmp_path / "probe").version
    with pytest.raises(EnvironmentFailed, match=r"no Python 3\.99"):
        discover("3.99", machine, tmp_path / "probe")


def test_an_interpreter_that_only_pyenv_has_is_found(
    tmp_path: Path, other_python: Interpreter
) -> None:
    put_python(tmp_path, other_python.version, Path(other_python.executable))
    caller = {"PATH": str(tmp_path), "HOME": str(tmp_path)}

    found = discover(other_python.version, caller, tmp_path)

    assert found.version == other_python.version


@pytest.fixture
def other_python(tmp_path: Path) -> Interpreter:
    """An interpreter of this machine that is not the one of the tests."""
    machine = dict(os.environ)
    own = discover(None, machine, tmp_path / "probe")
    try:
        return discover(f">=3.8,!={own.version}", machine, tmp_path / "probe")
    except EnvironmentFailed:
        pytest.skip("this machine has one interpreter only")


def test_an_interpreter_that_does_not_work_is_as_if_it_were_not_there(tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    broken.write_text("#!/bin/sh\nexit 1\n")
    broken.chmod(0o755)
    put_python(tmp_path, "3.99.0", broken)
    caller = {"PATH": str(tmp_path), "HOME": str(tmp_path)}

    with pytest.raises(EnvironmentFailed, match=r"no Python 3\.99 on this machine; found: 3\."):
        discover("3.99", caller, tmp_path)


def test_a_half_installed_version_of_pyenv_is_passed_over(tmp_path: Path) -> None:
    put_python(tmp_path, "3.99.0", tmp_path / "nowhere")

    with pytest.raises(EnvironmentFailed, match="no Python"):
        discover("3.99", {"PATH": "", "HOME": str(tmp_path)}, tmp_path)


# Memory


@pytest.fixture
def asked() -> list[str]:
    """What was looked for because nobody remembered."""
    return []


@pytest.fixture
def look(tmp_path: Path, asked: list[str]) -> Callable[[str | None], Interpreter]:
    """Look for an interpreter as runproj does that is run by ``own``."""

    def discovered(spec: str | None, _: Mapping[str, str], __: Path) -> Interpreter:
        asked.append(str(spec))
        return Interpreter(str((tmp_path / "own").resolve()), "3.12.1", "CPython", "linux-x86_64")

    (tmp_path / "old").write_text("old")
    (tmp_path / "new").write_text("newer")
    (tmp_path / "own").symlink_to(tmp_path / "old")
    return lambda spec: find(
        spec, str(tmp_path / "own"), {"PATH": "/bin"}, tmp_path / "cache", discovered
    )


@pytest.mark.parametrize("spec", [None, "3.12"])
def test_an_answer_is_given_from_memory(
    look: Callable[[str | None], Interpreter], asked: list[str], spec: str | None
) -> None:
    assert look(spec) == look(spec)
    assert len(asked) == 1


@pytest.mark.parametrize("spec", [None, "3.12"])
def test_another_interpreter_under_runproj_is_noticed_though_the_old_one_is_still_there(
    look: Callable[[str | None], Interpreter], tmp_path: Path, spec: str | None
) -> None:
    look(spec)
    (tmp_path / "own").unlink()
    (tmp_path / "own").symlink_to(tmp_path / "new")

    assert look(spec).executable == str(tmp_path / "new")


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"interpreter": 1, "state": []}', "\x00"])
def test_a_damaged_memory_is_forgotten(
    look: Callable[[str | None], Interpreter], tmp_path: Path, text: str
) -> None:
    before = look("3.12")
    for file in (tmp_path / "cache" / "interpreters").iterdir():
        file.write_text(text)

    assert look("3.12") == before


def test_a_memory_that_cannot_be_written_stops_nobody(
    look: Callable[[str | None], Interpreter], tmp_path: Path, asked: list[str]
) -> None:
    (tmp_path / "cache").write_text("a file")

    assert look(None) == look(None)
    assert len(asked) == 2
