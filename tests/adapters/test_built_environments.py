"""The cache of environments: what counts as built, and what tells damage. Nothing is installed."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from runproj.adapters.environments.built import (
    BuildLock,
    BuiltEnvironments,
    Slot,
    add_bytecode_folders,
    damage,
    survey,
)
from runproj.adapters.environments.interpreters import Interpreter
from runproj.errors import EnvironmentFailed

KEY = "ab" * 32


@pytest.fixture
def slot(tmp_path: Path) -> Slot:
    """An environment that is finished, with a package of two files."""
    python = tmp_path / "python"
    python.write_text("an interpreter")
    slot = Slot(tmp_path / "environments", KEY)
    library = slot.content / "lib" / "tiny"
    library.mkdir(parents=True)
    (library / "__init__.py").write_text("x = 1\n")
    (library / "words.txt").write_text("words\n")
    (slot.content / "bin").mkdir()
    (slot.content / "bin" / "python").symlink_to(python)
    add_bytecode_folders(slot.content)
    slot.finish(Interpreter(str(python), "3.12.1", "CPython", "linux-x86_64"), 1)
    return slot


def what_changed(slot: Slot) -> str | None:
    marker = slot.marker()
    assert marker is not None
    return damage(slot, marker)


def contents(slot: Slot) -> bool:
    """Tell whether every file is as it was."""
    marker = slot.marker()
    assert marker is not None
    return survey(slot.content)[0] == marker.files


def test_what_is_finished_says_what_it_is(slot: Slot) -> None:
    marker = slot.marker()

    assert marker is not None
    assert marker.interpreter is not None
    assert (marker.key, marker.interpreter.version, marker.packages) == (KEY, "3.12.1", 1)
    assert what_changed(slot) is None
    assert contents(slot)


def test_what_was_never_finished_does_not_count(tmp_path: Path) -> None:
    slot = Slot(tmp_path, KEY)
    slot.content.mkdir(parents=True)

    assert slot.marker() is None
    assert BuiltEnvironments(tmp_path).all() == []


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", "{}", '{"format": 99}', '{"format": 2}', "\x00"]
)
def test_a_damaged_marker_does_not_count(slot: Slot, text: str) -> None:
    (slot.folder / "ready.json").write_text(text)

    assert slot.marker() is None
    assert BuiltEnvironments(slot.root).all() == []


def test_another_key_with_the_same_first_digits_is_another_environment(slot: Slot) -> None:
    other = Slot(slot.root, KEY[:-1] + "c")

    assert other.folder == slot.folder
    assert other.marker() is None


def _new_file(venv: Path) -> None:
    (venv / "lib" / "foreign.py").touch()


def _new_distribution(venv: Path) -> None:
    (venv / "lib" / "foreign-1.0.dist-info").mkdir()


def _file_gone(venv: Path) -> None:
    (venv / "lib" / "tiny" / "words.txt").unlink()


def _file_replaced(venv: Path) -> None:
    new = venv / "lib" / "tiny" / "new"
    new.write_text("words\n")
    new.replace(venv / "lib" / "tiny" / "words.txt")


def _package_gone(venv: Path) -> None:
    shutil.rmtree(venv / "lib" / "tiny")


def _all_gone(venv: Path) -> None:
    shutil.rmtree(venv)


def _a_file_in_its_place(venv: Path) -> None:
    shutil.rmtree(venv)
    venv.write_text("")


def _interpreter_gone(venv: Path) -> None:
    (venv / "bin" / "python").resolve().unlink()


def _interpreter_replaced(venv: Path) -> None:
    (venv / "bin" / "python").resolve().write_text("a newer interpreter")


Change = Callable[[Path], None]


@pytest.mark.parametrize(
    "change",
    [_new_file, _new_distribution, _file_gone, _file_replaced, _package_gone, _all_gone,
     _a_file_in_its_place, _interpreter_gone, _interpreter_replaced],
)  # fmt: skip
def test_what_comes_goes_or_is_replaced_is_seen_at_a_glance(slot: Slot, change: Change) -> None:
    change(slot.content)

    assert what_changed(slot) is not None


def test_what_was_moved_or_copied_is_another(slot: Slot) -> None:
    here = slot.root.parent
    linked = Slot(here / "linked", KEY)
    linked.root.symlink_to(slot.root)
    assert what_changed(linked) is None  # another name of the same folder

    copied = Slot(here / "copied", KEY)
    shutil.copytree(slot.root, copied.root, symlinks=True)
    said = what_changed(copied)
    assert said == f"{copied.content} is a copy of {slot.content}"
    moved = Slot(here / "moved", KEY)
    slot.root.rename(moved.root)
    said = what_changed(moved)
    assert said == f"{moved.content} was built as {slot.content}, and moved"


def _longer(venv: Path) -> None:
    with (venv / "lib" / "tiny" / "__init__.py").open("a") as file:
        file.write("y = 2\n")


def _same_length(venv: Path) -> None:
    with (venv / "lib" / "tiny" / "__init__.py").open("r+") as file:
        file.write("x = 2\n")
    os.utime(venv / "lib" / "tiny" / "__init__.py", (1, 1))


@pytest.mark.parametrize("change", [_longer, _same_length])
def test_what_is_written_over_in_place_is_seen_by_looking_at_every_file(
    slot: Slot, change: Change
) -> None:
    change(slot.content)

    assert what_changed(slot) is None
    assert not contents(slot)


def test_a_link_that_leads_elsewhere_is_seen(slot: Slot) -> None:
    (slot.content / "bin" / "python").unlink()
    (slot.content / "bin" / "python").symlink_to(sys.executable)

    assert not contents(slot)


def test_bytecode_is_no_damage(slot: Slot) -> None:
    cached = slot.content / "lib" / "tiny" / "__pycache__"
    (cached / "__init__.cpython-312.pyc").write_bytes(b"x")

    assert what_changed(slot) is None
    assert contents(slot)


def test_what_is_forgotten_is_no_longer_listed(slot: Slot) -> None:
    slot.forget()
    slot.forget()

    assert slot.marker() is None
    assert BuiltEnvironments(slot.root).all() == []


def test_the_list_tells_size_and_interpreter(slot: Slot) -> None:
    found = BuiltEnvironments(slot.root).all()

    assert [(one.key, one.python, one.packages) for one in found] == [(KEY, "3.12.1", 1)]
    assert found[0].path == str(slot.content)
    assert found[0].size >= len("x = 1\nwords\n")


def test_a_folder_without_environments_is_an_empty_list(tmp_path: Path) -> None:
    assert BuiltEnvironments(tmp_path / "nowhere").all() == []


def test_removing_leaves_the_others_alone(slot: Slot) -> None:
    other = Slot(slot.root, "cd" * 32)
    other.content.mkdir(parents=True)

    BuiltEnvironments(slot.root).remove(KEY)

    assert not slot.folder.exists()
    assert other.content.exists()


def test_what_a_killed_builder_left_can_be_removed(slot: Slot) -> None:
    slot.forget()

    BuiltEnvironments(slot.root).remove(KEY)

    assert not slot.folder.exists()


def test_a_folder_that_cannot_be_removed_is_told_with_its_path(slot: Slot) -> None:
    shutil.rmtree(slot.folder)
    slot.folder.write_text("a file")

    with pytest.raises(EnvironmentFailed, match="cannot be removed") as raised:
        BuiltEnvironments(slot.root).remove(KEY)

    assert str(slot.folder) in (raised.value.problems[0].where or "")


HOLDER = """
import subprocess, sys
from pathlib import Path
from runproj.adapters.environments.built import BuildLock, Slot
lock = BuildLock(Slot(Path(sys.argv[1]), sys.argv[2]), lambda: None)
command = ["/bin/sh", "-c", "echo held; read line"]
subprocess.run(command, pass_fds=(lock.descriptor,) if sys.argv[3] == "yes" else ())
"""


def hold(slot: Slot, *, inherited: bool) -> "subprocess.Popen[str]":
    """Start a builder, and a program of it that waits for a line; it may hold the lock too."""
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(slot.root), KEY, "yes" if inherited else "no"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )  # fmt: skip
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    return holder


class StillHeld(Exception):
    """Somebody holds the lock."""


def refuse() -> None:
    raise StillHeld


def test_a_lock_goes_with_its_holder_whatever_ended_it(tmp_path: Path) -> None:
    slot = Slot(tmp_path, KEY)
    holder = hold(slot, inherited=False)
    with pytest.raises(StillHeld):
        BuildLock(slot, refuse)
    holder.send_signal(signal.SIGKILL)
    holder.communicate()

    with BuildLock(slot, refuse):
        pass


def test_a_lock_lasts_as_long_as_a_program_that_a_killed_builder_left(tmp_path: Path) -> None:
    slot = Slot(tmp_path, KEY)
    holder = hold(slot, inherited=True)
    assert holder.stdin is not None
    assert holder.stdout is not None
    holder.send_signal(signal.SIGKILL)
    holder.wait()

    with pytest.raises(StillHeld):
        BuildLock(slot, refuse)
    holder.stdin.close()
    assert holder.stdout.read() == ""  # the program has ended
    holder.stdout.close()
    with BuildLock(slot, lambda: None):
        pass
