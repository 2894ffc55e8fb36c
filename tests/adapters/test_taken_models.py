"""Models that are taken out of a store: whole, once, and as they are there."""

from pathlib import Path

import pytest

from runproj.adapters.store.objects import FolderObjects
from runproj.adapters.taken_models import TakenModels
from runproj.errors import StoreError
from runproj.record.artifact import Artifact


@pytest.fixture
def objects(tmp_path: Path) -> FolderObjects:
    return FolderObjects(str(tmp_path / "objects"))


@pytest.fixture
def taken(tmp_path: Path, objects: FolderObjects) -> TakenModels:
    return TakenModels(tmp_path / "cache", objects, objects)


@pytest.fixture
def model(tmp_path: Path, objects: FolderObjects) -> Artifact:
    folder = tmp_path / "model"
    (folder / "data").mkdir(parents=True)
    (folder / "data" / "weights").write_text("weights")
    (folder / "run.sh").write_text("run")
    (folder / "run.sh").chmod(0o755)
    return objects.put(str(folder), "models/model")


def test_a_model_is_taken_once_and_again_when_somebody_changed_it(
    taken: TakenModels, model: Artifact
) -> None:
    place = taken.take(model)
    weights = place / "data" / "weights"
    assert (place.name, weights.read_text()) == ("model", "weights")
    began = weights.stat().st_ino
    assert taken.take(model) == place
    assert weights.stat().st_ino == began
    weights.write_text("changed")
    (place / "more").touch()
    assert taken.take(model) == place
    assert weights.read_text() == "weights"
    assert [one.name for one in sorted(place.iterdir())] == ["data", "run.sh"]
    assert [one.name for one in taken.folder.iterdir()] == [model.sha256]


def test_a_file_is_taken_by_its_name(
    taken: TakenModels, objects: FolderObjects, tmp_path: Path
) -> None:
    file = tmp_path / "rules.txt"
    file.write_text("rules")
    place = taken.take(objects.put(str(file), "build/rules.txt"))
    assert (place.name, place.read_text()) == ("rules.txt", "rules")


def test_a_model_that_is_damaged_is_not_taken(
    model: Artifact, objects: FolderObjects, tmp_path: Path
) -> None:
    [weights] = [place for sha256, place in objects.all() if place.read_bytes() == b"weights"]
    weights.chmod(0o644)
    weights.write_text("changed")
    fresh = FolderObjects(str(tmp_path / "objects"))
    with pytest.raises(StoreError, match="is damaged"):
        TakenModels(tmp_path / "cache", fresh, fresh).take(model)
    assert not list((tmp_path / "cache").iterdir())


def test_a_model_without_a_name_is_refused(taken: TakenModels, model: Artifact) -> None:
    for path in ("..", "a/..", ".", "", "a/", "a\0"):
        with pytest.raises(StoreError, match="which is none"):
            taken.take(model.replace(path=path))


def test_what_the_system_refuses_is_told(taken: TakenModels, model: Artifact) -> None:
    taken.folder.touch()
    with pytest.raises(StoreError, match="the model cannot be taken"):
        taken.take(model)
