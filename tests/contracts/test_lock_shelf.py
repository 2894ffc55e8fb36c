"""What every LockShelf promises."""

from pathlib import Path

import pytest
from tests.fakes.locks import FakeLocks

from runproj.adapters.store.locks import FolderLocks
from runproj.ports import LockShelf


@pytest.fixture(params=["fake", "folder"])
def shelf(request: pytest.FixtureRequest, tmp_path: Path) -> LockShelf:
    return FakeLocks() if request.param == "fake" else FolderLocks(str(tmp_path / "locks"))


def test_a_lock_that_was_put_is_got(shelf: LockShelf) -> None:
    shelf.put("d1", "text\r\n# ü\n")
    assert shelf.get("d1") == "text\r\n# ü\n"


def test_a_lock_that_was_not_put_is_none(shelf: LockShelf) -> None:
    assert shelf.get("d1") is None
    shelf.put("d1", "")
    assert shelf.get("d2") is None
    assert shelf.get("d1") == ""


def test_a_lock_can_be_put_again(shelf: LockShelf) -> None:
    shelf.put("d1", "old")
    shelf.put("d1", "new")
    assert shelf.get("d1") == "new"
