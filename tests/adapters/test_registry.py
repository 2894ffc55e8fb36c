"""Histories of registered models as files: many processes, torn lines, damage."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.cli.commandline import SOURCES

from runproj.adapters.store.registry import FolderModels
from runproj.errors import StoreError, UsageError
from runproj.record.registry import Move

WRITER = """
import sys
from runproj.adapters.store.registry import FolderModels
from runproj.record.registry import Move
shelf = FolderModels(sys.argv[1], lambda: None)
for _ in range(int(sys.argv[3])):
    shelf.add("wine", lambda history: [
        Move(number=len(history) + 1, kind="describe", at="", by=sys.argv[2], description="x" * 5000)
    ])
"""


def move(number: int) -> Move:
    return Move(number=number, kind="describe", at="", by="ann")


@pytest.fixture
def shelf(tmp_path: Path) -> FolderModels:
    made = FolderModels(str(tmp_path / "models"), lambda: None)
    made.add("wine", lambda _: [move(1)])
    return made


@pytest.fixture
def file(shelf: FolderModels) -> Path:
    return shelf.folder / "wine" / "history.jsonl"


def test_processes_that_write_at_once_lose_nothing(tmp_path: Path) -> None:
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, tmp_path, name, "60"],
            env={**os.environ, "PYTHONPATH": str(SOURCES)},
        )
        for name in ("a", "b", "c")
    ]
    assert [one.wait() for one in writers] == [0, 0, 0]
    history = FolderModels(str(tmp_path), lambda: None).history("wine")
    assert [one.number for one in history] == list(range(1, 181))
    assert sorted(one.by for one in history) == ["a"] * 60 + ["b"] * 60 + ["c"] * 60


def test_a_torn_line_was_never_said(shelf: FolderModels, file: Path) -> None:
    with file.open("ab") as torn:
        torn.write(b'{"number":2,"kind":"des')
    assert list(shelf.history("wine")) == [move(1)]
    shelf.add("wine", lambda history: [move(len(history) + 1)])
    assert list(shelf.history("wine")) == [move(1), move(2)]
    assert file.read_bytes().count(b"\n") == 2


def test_a_damaged_line_is_told(shelf: FolderModels, file: Path) -> None:
    file.write_bytes(b"{}\n" + file.read_bytes())
    text = "line 1 is damaged: the key 'number' is missing"
    with pytest.raises(StoreError, match=text) as raised:
        shelf.history("wine")
    assert raised.value.problems[0].where == str(file)
    with pytest.raises(StoreError, match=text):
        shelf.add("wine", lambda _: [move(2)])


def test_names_that_differ_in_the_size_of_letters_only_are_refused(shelf: FolderModels) -> None:
    with pytest.raises(UsageError, match="there is a model 'wine'"):
        shelf.add("Wine", lambda _: [move(1)])
    assert list(shelf.names()) == ["wine"]


def test_what_is_no_model_is_left_alone(shelf: FolderModels) -> None:
    (shelf.folder / ".hidden").mkdir()
    (shelf.folder / "file").touch()
    (shelf.folder / "empty").mkdir()
    assert list(shelf.names()) == ["wine"]
    assert list(shelf.history("file")) == []


def test_what_the_system_refuses_is_told(shelf: FolderModels, file: Path) -> None:
    file.unlink()
    file.mkdir()
    with pytest.raises(StoreError, match="the history of wine cannot be read: is a directory"):
        shelf.history("wine")
    with pytest.raises(StoreError, match="the history of wine cannot be written: is a directory"):
        shelf.add("wine", lambda _: [move(1)])
