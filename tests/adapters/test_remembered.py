"""Values that are remembered in a folder."""

import os
from pathlib import Path

from runproj.adapters.remembered import RememberedValues
from runproj.plan.plan import Items, Retry


def test_only_the_last_ones_that_were_used_stay(tmp_path: Path) -> None:
    kept = RememberedValues(tmp_path, [], 2)
    kept.put("a", 1)
    kept.put("b", 2)
    for place in tmp_path.iterdir():
        os.utime(place, (0, 0))
    assert kept.get("a") == 1
    kept.put("c", 3)
    assert [kept.get(key) for key in "abc"] == [1, None, 3]


def test_what_is_damaged_or_has_other_fields_is_as_good_as_nothing(tmp_path: Path) -> None:
    kept = RememberedValues(tmp_path, [Items], 9)
    kept.put("a", 1)
    assert RememberedValues(tmp_path, [Retry], 9).get("a") is None
    for place in tmp_path.iterdir():
        place.write_bytes(place.read_bytes()[:-2])
    assert kept.get("a") is None


def test_a_folder_that_cannot_be_made_is_done_without(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    kept = RememberedValues(tmp_path / "file" / "kept", [], 9)
    kept.put("a", 1)
    assert kept.get("a") is None
