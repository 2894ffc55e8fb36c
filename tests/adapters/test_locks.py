"""What is special about locks that are files."""

from pathlib import Path

import pytest

from runproj.adapters.store.locks import FolderLocks
from runproj.errors import StoreError


def test_a_lock_that_cannot_be_read_is_an_error_with_a_hint(tmp_path: Path) -> None:
    (tmp_path / "d1").write_bytes(b"\xff")
    (tmp_path / "d2").mkdir()
    for declaration in ("d1", "d2"):
        with pytest.raises(StoreError, match="cannot be read") as raised:
            FolderLocks(str(tmp_path)).get(declaration)
        problem = raised.value.problems[0]
        assert (problem.where, problem.hint) == (str(tmp_path / declaration), "remove that file")


def test_a_lock_that_cannot_be_kept_is_an_error_in_words(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="a lock cannot be kept: not a directory"):
        FolderLocks(str(tmp_path / "file" / "locks")).put("d1", "")
