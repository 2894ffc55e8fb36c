"""What every Remembered promises."""

from pathlib import Path

import pytest
from tests.fakes.remembered import FakeRemembered

from runproj.adapters.remembered import RememberedValues
from runproj.plan.plan import Items
from runproj.ports import Remembered


@pytest.fixture(params=["fake", "folder"])
def remembered(request: pytest.FixtureRequest, tmp_path: Path) -> Remembered:
    if request.param == "fake":
        return FakeRemembered()
    return RememberedValues(tmp_path / "kept", [Items], 2)


def test_what_was_kept_is_there(remembered: Remembered) -> None:
    items = Items(step="a", path="b")
    assert remembered.get("k") is None
    remembered.put("k", items)
    assert remembered.get("k") == items
    remembered.put("k", (1, items))
    assert remembered.get("k") == (1, items)
    assert remembered.get("other") is None
