"""What all Tracking promises."""

import json
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.fakes.disk import Disk, FakeDisk, RealDisk
from tests.fakes.tracking import FakeTracking

from runproj.adapters.tracking import TrackingFolders
from runproj.ports import Told, Tracking


@dataclass
class World:
    """Tracking, the disk on which it works, and a folder on it."""

    tracking: Tracking
    disk: Disk
    folder: str


@pytest.fixture(params=["fake", "folders"])
def w(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    if request.param == "fake":
        disk = FakeDisk()
        yield World(FakeTracking(disk), disk, "/w1.tmp/.tracking")
    else:
        yield World(TrackingFolders(), RealDisk(), str(tmp_path / ".tracking"))


def block(name: bytes, *values: float) -> bytes:
    points = b"".join(struct.pack("<qdd", at, value, 9.0) for at, value in enumerate(values))
    return struct.pack("<IIQ8s", 0x31505052, len(name), len(values), name) + points


def test_who_tells_nothing_told_nothing(w: World) -> None:
    w.tracking.begin(w.folder, {"params": {}}, None)
    assert w.tracking.end(w.folder) == Told()


def test_a_folder_that_is_gone_told_nothing(w: World) -> None:
    assert w.tracking.end(w.folder) == Told()


def test_the_context_is_there(w: World) -> None:
    w.tracking.begin(w.folder, {"params": {"lr": 0.1}}, None)
    assert json.loads(w.disk.show(w.folder)["context.json"].content) == {"params": {"lr": 0.1}}


def test_events_are_what_was_written(w: World) -> None:
    w.tracking.begin(w.folder, {}, None)
    w.disk.write(f"{w.folder}/events.jsonl", b'{"tag": "a"}\n{"torn')
    assert w.tracking.end(w.folder).events == b'{"tag": "a"}\n{"torn'


def test_points_of_all_processes_are_together(w: World) -> None:
    w.tracking.begin(w.folder, {}, None)
    w.disk.write(f"{w.folder}/points-1-0", block(b"a", 1, 2) + block(b"b", 3) + bytes(50))
    w.disk.write(f"{w.folder}/points-2-0", block(b"a", 4))
    w.disk.write(f"{w.folder}/points-3-0", b"")
    told = w.tracking.end(w.folder)
    assert {name: list(one.values) for name, one in told.points.items()} == {
        "a": [1, 2, 4], "b": [3],
    }  # fmt: skip


def test_artifacts_and_models_are_what_stands_there(w: World) -> None:
    w.tracking.begin(w.folder, {}, None)
    w.disk.write(f"{w.folder}/artifacts/b/c.png", b"c")
    w.disk.write(f"{w.folder}/artifacts/a.txt", b"a")
    w.disk.write(f"{w.folder}/models/best/model.json", b'{"flavor": "onnx"}')
    told = w.tracking.end(w.folder)
    assert told.artifacts == (
        ("a.txt", f"{w.folder}/artifacts/a.txt"), ("b", f"{w.folder}/artifacts/b"),
    )  # fmt: skip
    assert told.models == (("best", "onnx", f"{w.folder}/models/best"),)


def test_a_file_is_written_into_the_folder(w: World) -> None:
    w.tracking.begin(w.folder, {}, None)
    place = w.tracking.write(w.folder, [b"a", b"b"])
    assert place.startswith(f"{w.folder}/")
    assert w.disk.show(w.folder)[place.removeprefix(f"{w.folder}/")].content == b"ab"


def test_what_steps_have_in_common_is_made_once_it_is_asked_for(w: World) -> None:
    client = w.folder.replace(".tracking", "client")
    w.tracking.begin(w.folder, {}, None)
    assert not w.disk.exists(client)
    for _ in range(2):
        w.tracking.begin(w.folder, {}, client)
    assert w.disk.exists(f"{client}/python")
    assert w.disk.exists(f"{client}/bin")
