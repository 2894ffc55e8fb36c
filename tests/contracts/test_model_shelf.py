"""What every shelf of registered models promises."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from tests.fakes.registry import FakeModels

from runproj.adapters.store.registry import FolderModels
from runproj.ports import ModelShelf
from runproj.record.registry import Move


@pytest.fixture(params=["fake", "folder"])
def shelf(request: pytest.FixtureRequest, tmp_path: Path) -> ModelShelf:
    return FakeModels() if request.param == "fake" else FolderModels(str(tmp_path), lambda: None)


def move(history: Sequence[Move], description: str | None = None) -> Move:
    return Move(
        number=len(history) + 1, kind="describe", at="2026-01-01T00:00:00.000Z", by="Ånn\n",
        description=description,
    )  # fmt: skip


def test_what_was_added_is_there_in_its_order(shelf: ModelShelf) -> None:
    added = shelf.add("wine", lambda history: [move(history, description="a\n\x1b")])
    shelf.add("wine", lambda history: [move(history)])
    history = shelf.history("wine")
    assert list(added) == [history[0]]
    assert [one.number for one in history] == [1, 2]
    assert (history[0].description, history[0].by) == ("a\n\x1b", "Ånn\n")


def test_a_name_without_moves_is_none(shelf: ModelShelf) -> None:
    assert (list(shelf.names()), list(shelf.history("wine"))) == ([], [])
    assert list(shelf.add("wine", lambda _: [])) == []
    assert (list(shelf.names()), list(shelf.history("wine"))) == ([], [])
    for name in ("wine", "Beer"):
        shelf.add(name, lambda history: [move(history)])
    assert list(shelf.names()) == ["Beer", "wine"]


def test_nothing_is_added_when_it_cannot_be_decided(shelf: ModelShelf) -> None:
    def fail(_: Sequence[Move]) -> Sequence[Move]:
        raise LookupError

    with pytest.raises(LookupError):
        shelf.add("wine", fail)
    assert list(shelf.history("wine")) == []
