"""Files that are replaced as a whole, and locks that die with their holder."""

import errno
import os
import signal
from io import FileIO
from pathlib import Path

import pytest
from tests.fakes.processes import at_once, start
from typing_extensions import Buffer

from runproj.adapters.disk import FolderLock, append, is_locked, taking_turns, write_atomically

HOLD = """
import sys
from pathlib import Path
from runproj.adapters.disk import FolderLock
lock = FolderLock(Path(sys.argv[1]))
print("held", flush=True)
sys.stdin.readline()
"""
COUNT = """
import sys
from pathlib import Path
from runproj.adapters.disk import taking_turns
folder = Path(sys.argv[1])
for _ in range(50):
    with taking_turns(folder / "turn"):
        number = int((folder / "number").read_text())
        (folder / "number").write_text(str(number + 1))
"""
WRITE = """
import sys
from pathlib import Path
from runproj.adapters.disk import write_atomically
for _ in range(50):
    write_atomically(Path(sys.argv[1]), sys.argv[2].encode() * 100_000)
"""


def test_a_file_is_replaced_as_a_whole(tmp_path: Path) -> None:
    file = tmp_path / "run.json"
    write_atomically(file, b"old and long")
    write_atomically(file, b"new")
    assert file.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [file]


def test_a_file_that_cannot_be_replaced_stays_and_nothing_is_left_beside_it(tmp_path: Path) -> None:
    (tmp_path / "run.json").mkdir()
    with pytest.raises(OSError, match=r"run\.json"):
        write_atomically(tmp_path / "run.json", b"new")
    assert [path.name for path in tmp_path.iterdir()] == ["run.json"]


def test_many_processes_can_replace_one_file(tmp_path: Path) -> None:
    at_once(4, WRITE, str(tmp_path / "file"))
    content = (tmp_path / "file").read_bytes()
    assert content in {digit * 100_000 for digit in (b"0", b"1", b"2", b"3")}
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_all_bytes_are_appended_even_when_the_system_takes_few_at_a_time() -> None:
    class Narrow(FileIO):
        """Takes three bytes at a time, as a full pipe or disk may."""

        def write(self, data: Buffer) -> int:
            return super().write(memoryview(data)[:3])

    reader, writer = os.pipe()
    with Narrow(writer, "wb") as file:
        append(file, b"0123456789")
    with open(reader, "rb") as read:  # noqa: PTH123 -- a descriptor, no path
        assert read.read() == b"0123456789"


def test_a_full_disk_is_no_endless_loop() -> None:
    with Path("/dev/full").open("wb", buffering=0) as file, pytest.raises(OSError) as raised:  # noqa: PT011 -- the number says it
        append(file, b"x")
    assert raised.value.errno == errno.ENOSPC


def test_a_lock_is_held_once(tmp_path: Path) -> None:
    lock = FolderLock(tmp_path / "lock")
    with pytest.raises(BlockingIOError):
        FolderLock(tmp_path / "lock")
    lock.close()
    FolderLock(tmp_path / "lock").close()


def test_a_lock_is_seen_and_asking_does_not_free_it(tmp_path: Path) -> None:
    assert not is_locked(tmp_path / "lock")
    lock = FolderLock(tmp_path / "lock")
    assert is_locked(tmp_path / "lock")
    assert is_locked(tmp_path / "lock")
    lock.close()
    assert not is_locked(tmp_path / "lock")


def test_a_lock_ends_with_its_holder_whatever_ended_it(tmp_path: Path) -> None:
    process = start(HOLD, str(tmp_path / "lock"))
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    assert is_locked(tmp_path / "lock")
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert not is_locked(tmp_path / "lock")


def test_a_program_that_is_started_does_not_inherit_a_lock(tmp_path: Path) -> None:
    lock = FolderLock(tmp_path / "lock")
    process = start("import sys; print('up', flush=True); sys.stdin.readline()")
    assert process.stdout is not None
    process.stdout.readline()
    lock.close()
    assert not is_locked(tmp_path / "lock")
    process.communicate("\n")


def test_processes_that_take_turns_do_not_disturb_each_other(tmp_path: Path) -> None:
    (tmp_path / "number").write_text("0")
    at_once(4, COUNT, str(tmp_path))
    assert (tmp_path / "number").read_text() == "200"


def test_a_turn_ends_when_its_block_fails(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), taking_turns(tmp_path / "turn"):
        raise ZeroDivisionError
    assert not is_locked(tmp_path / "turn")
