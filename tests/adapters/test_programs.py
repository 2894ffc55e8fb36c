"""What programs of the machine are: found on PATH, remembered, and only asked where that is safe."""

import hashlib
import os
import re
import shutil
import sys
from pathlib import Path

import pytest

from runproj.adapters.environments.programs import ProgramsOnPath
from runproj.record.program import Program


@pytest.fixture
def found(tmp_path: Path) -> ProgramsOnPath:
    return ProgramsOnPath(tmp_path / "cache")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "bin").mkdir()
    return tmp_path / "bin"


def program(folder: Path, name: str, text: str) -> Path:
    place = folder / name
    place.write_text(text)
    place.chmod(0o755)
    return place


def only(found: ProgramsOnPath, name: str, folder: Path) -> Program:
    (one,) = found.find([name], str(folder))
    return one


def test_a_program_is_known_by_its_file(found: ProgramsOnPath, folder: Path) -> None:
    place = program(folder, "tool", "#!/bin/sh\n")
    digest = hashlib.sha256(b"#!/bin/sh\n").hexdigest()
    expected = Program(name="tool", path=str(place), sha256=digest)
    assert only(found, "tool", folder) == expected
    assert only(found, "tool", folder) == expected
    assert only(found, str(place), folder) == expected.replace(name=str(place))
    assert found.find(["nothing", "tool"], "/nowhere") == ()
    assert found.find(["tool"], os.path.relpath(folder)) == ()


def test_another_file_in_its_place_is_noticed(found: ProgramsOnPath, folder: Path) -> None:
    program(folder, "tool", "a")
    before = only(found, "tool", folder)
    program(folder, "tool", "bc")
    assert only(found, "tool", folder).sha256 != before.sha256


def test_a_damaged_memory_is_made_anew(found: ProgramsOnPath, folder: Path, tmp_path: Path) -> None:
    program(folder, "tool", "a")
    before = only(found, "tool", folder)
    (note,) = (tmp_path / "cache/programs").iterdir()
    note.write_text("[]")
    assert only(found, "tool", folder) == before
    assert note.read_text() != "[]"


def test_a_memory_that_cannot_be_kept_stops_nobody(folder: Path, tmp_path: Path) -> None:
    program(folder, "tool", "a")
    (tmp_path / "file").touch()
    assert only(ProgramsOnPath(tmp_path / "file"), "tool", folder).version is None


def test_an_interpreter_is_asked_for_its_version(found: ProgramsOnPath) -> None:
    real = os.path.realpath(sys.executable)
    (one,) = found.find([real], "")
    assert one.version == ".".join(map(str, sys.version_info[:3]))
    perl = shutil.which("perl")
    if perl is not None:
        (one,) = found.find([perl], "")
        assert re.fullmatch(r"5(\.\d+)+", str(one.version))


def test_a_script_is_not_started_whatever_its_name_is(
    found: ProgramsOnPath, folder: Path, tmp_path: Path
) -> None:
    program(folder, "python3", f"#!/bin/sh\ntouch {tmp_path}/started; echo Python 3.12.1\n")
    assert only(found, "python3", folder).version is None
    assert not (tmp_path / "started").exists()


def test_an_interpreter_that_does_not_answer_has_no_version(
    found: ProgramsOnPath, folder: Path
) -> None:
    program(folder, "perl", "\x7fELF is all there is")
    shutil.copy("/bin/false", folder / "node")
    assert only(found, "perl", folder).version is None
    assert only(found, "node", folder).version is None


def test_what_cannot_be_read_is_left_out(found: ProgramsOnPath, folder: Path) -> None:
    program(folder, "tool", "a").chmod(0o111)
    if os.geteuid() != 0:
        assert found.find(["tool"], str(folder)) == ()
