"""Models in folders, without any library: files, pickles, and what is refused."""

import json
import os
import pickle
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

import runproj
from runproj import _models
from runproj._models import ModelError, UntrustedModel, load, read, save


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    file = tmp_path / "weights.rds"
    file.write_text("weights")
    return file


@pytest.fixture
def place(tmp_path: Path) -> str:
    return str(tmp_path / "saved" / "model")


def test_a_file_is_given_back_as_its_path(weights: Path, place: str) -> None:
    weights.chmod(0o755)
    about = {"name": "rf", "run": "r1", "step": "train"}
    save(weights, place, metadata={"auc": 0.5, "odd": {1, 2}, "nan": float("nan")}, about=about)
    found = load(place)
    assert (found.read_text(), found.name, os.access(found, os.X_OK)) == (
        "weights", "weights.rds", True,
    )  # fmt: skip
    card = read(place)
    assert (card["name"], card["run"], card["step"]) == ("rf", "r1", "train")
    assert (card["flavor"], card["form"], card["safe"]) == ("generic", "file", True)
    assert card["metadata"] == {"auc": 0.5, "odd": "{1, 2}", "nan": "NaN"}
    assert runproj.load_model(place) == found


def test_a_folder_is_given_back_with_what_its_links_lead_to(tmp_path: Path, place: str) -> None:
    blob = tmp_path / "blob"
    blob.write_text("big")
    folder = tmp_path / "hub"
    (folder / "sub").mkdir(parents=True)
    (folder / "sub" / "weights").symlink_to(blob)
    (folder / "dangling").symlink_to("nowhere")
    save(folder, place)
    blob.unlink()
    assert (load(place) / "sub" / "weights").read_text() == "big"
    assert read(place)["files"] == ["data/hub/sub/weights"]


def test_a_pickle_is_loaded_with_trust_only(tmp_path: Path, place: str) -> None:
    file = tmp_path / "model.pkl"
    file.write_bytes(pickle.dumps({"depth": 3}))
    save(file, place, flavor="sklearn")
    with pytest.raises(
        UntrustedModel, match=r"model\.pkl: it is a pickle, which may execute"
    ) as one:
        load(place)
    assert "trust=True" in (one.value.hint or "")
    assert load(place, trust=True) == {"depth": 3}
    with pytest.raises(ModelError, match="into is for PyTorch"):
        load(place, into=dict)


def test_what_a_folder_says_of_itself_gives_it_no_trust(tmp_path: Path, place: str) -> None:
    file = tmp_path / "model.pkl"
    file.write_bytes(pickle.dumps(1))
    save(file, place, flavor="sklearn")
    change(place, safe=True, flavor="generic")
    with pytest.raises(UntrustedModel):
        load(place)


def change(place: str, **fields: Any) -> None:  # noqa: ANN401 -- JSON
    card = Path(place, "model.json")
    card.write_text(json.dumps({**json.loads(card.read_text()), **fields}))


@pytest.mark.parametrize("path", ["../../weights.rds", "/etc/passwd", ".", "data/out", "nothing"])
def test_nothing_outside_of_its_folder_is_given(weights: Path, place: str, path: str) -> None:
    save(weights, place)
    Path(place, "data", "out").symlink_to(weights)
    change(place, rebuild={"path": path})
    with pytest.raises(ModelError, match=r"is not in it|is not there"):
        load(place)


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"format": 2}, "its format is 2, and 1 is known"),
        ({"name": None}, "it is not about a model"),
        ({"rebuild": []}, "it is not about a model"),
        ({"form": "tar"}, "a form that is not known: 'tar'"),
        ({"form": "booster", "rebuild": {"class": "system"}}, "there is no 'system' of generic"),
    ],
)
def test_what_is_no_model_is_told(
    weights: Path, place: str, fields: dict[str, Any], text: str
) -> None:
    save(weights, place)
    change(place, **fields)
    with pytest.raises(ModelError) as raised:
        load(place)
    assert text in str(raised.value)


def test_a_folder_without_a_card_is_told(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"there is no model\.json in it"):
        load(str(tmp_path))
    (tmp_path / "model.json").write_text("{")
    with pytest.raises(ModelError, match="it is no JSON"):
        load(str(tmp_path))


def test_what_cannot_be_saved_is_told_and_leaves_nothing(weights: Path, place: str) -> None:
    wrong: dict[str, tuple[Any, ...]] = {
        "no such file or folder": ("nowhere",),
        "builtins.int is of no flavor that is known": (3,),
        "there is no flavor 'keras'": (weights, "keras"),
        "it is no file of xgboost that is known, one of .ubj, .json": (weights, "xgboost"),
        "is the path of a file or folder, no int": (3, "generic"),
        "a signature has 'inputs' and 'outputs'": (weights, None, {"input": {}}),
        "a column of a signature has a type": (weights, None, {"inputs": [{"name": "a"}]}),
    }
    for text, arguments in wrong.items():
        given = dict(zip(("model", "flavor", "signature"), arguments, strict=False))
        with pytest.raises(ModelError) as raised:
            save(folder=place, **given)
        assert text in str(raised.value)
        assert not Path(place).exists()
    for name in ("a/b", "", ".x", "a:b"):
        with pytest.raises(ModelError, match="is no name of a model"):
            save(weights, place, about={"name": name or " "})
    save(weights, place)
    with pytest.raises(ModelError, match="it is there already"):
        save(weights, place)
    assert load(place).exists()


def test_what_is_missing_is_told_with_what_installs_it(tmp_path: Path, place: str) -> None:
    file = tmp_path / "model.ubj"
    file.write_bytes(b"x")
    save(file, place, flavor="xgboost")
    change(place, versions={"python": "3.11.0", "xgboost": "2.1.0"})
    with pytest.raises(ModelError, match="No module named 'xgboost'") as raised:
        load(place)
    assert raised.value.hint == "pip install 'xgboost==2.1.0'"


def test_a_class_that_cannot_be_imported_is_told(
    tmp_path: Path, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = ModuleType("their_code")
    monkeypatch.setitem(sys.modules, "their_code", module)
    Net = type("Net", (), {"__module__": "their_code"})  # noqa: N806 -- a class
    module.Net = Net  # type: ignore[attr-defined] # it is made here
    file = tmp_path / "model.pkl"
    file.write_bytes(pickle.dumps(Net()))
    save(file, place, flavor="sklearn")
    del module.Net
    with pytest.raises(ModelError, match="Can't get attribute 'Net'") as raised:
        load(place, trust=True)
    assert "it needs modules of the code that made it" in (raised.value.hint or "")


def test_the_flavor_of_an_object_is_that_of_its_class_or_one_above() -> None:
    booster = type("Booster", (), {"__module__": "lightgbm.basic"})
    mine = type("Mine", (type("XGBModel", (), {"__module__": "xgboost.sklearn"}),), {})
    assert [_models.flavor_of(one()) for one in (booster, mine)] == ["lightgbm", "xgboost"]
    with pytest.raises(ModelError, match="save it to a file or folder"):
        _models.flavor_of({})


class Table:
    """As much of a table as is looked at."""

    columns = ("a", "b", "c")
    dtypes = ("int64", "object", "str")
    shape = (2, 3)

    def __getitem__(self, name: str) -> "Column":
        return Column(self.dtypes[self.columns.index(name)], (2,))


class Column(list[object]):
    def __init__(self, dtype: str, shape: tuple[int, ...]) -> None:
        super().__init__([None, "x"])
        self.dtype, self.shape = dtype, shape


def test_a_signature_is_inferred_from_examples() -> None:
    row = SimpleNamespace(dtype="torch.float32", shape=(8, 3, 28))
    found = _models.infer_signature(Table(), row)
    assert [tuple(one.values()) for one in found["inputs"]] == [
        ("a", "int64", [-1]), ("b", "string", [-1]), ("c", "string", [-1]),
    ]  # fmt: skip
    assert found["outputs"] == [{"name": None, "type": "float32", "shape": [-1, 3, 28]}]
    lists = _models.infer_signature({"a": [[1.5, 2]], "b": True, "c": []})
    assert [tuple(one.values()) for one in lists["inputs"]] == [
        ("a", "float64", [-1, 2]), ("b", "bool", []), ("c", "null", [-1]),
    ]  # fmt: skip
    assert lists["outputs"] is None


def test_a_signature_may_be_written_by_hand(weights: Path, place: str) -> None:
    save(weights, place, signature={"inputs": {"a": "int64"}, "outputs": [{"type": "string"}]})
    assert read(place)["signature"] == {
        "inputs": [{"name": "a", "type": "int64", "shape": [-1]}],
        "outputs": [{"name": None, "type": "string", "shape": [-1]}],
    }
