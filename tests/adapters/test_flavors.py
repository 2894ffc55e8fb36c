"""Models of each flavor, saved and loaded by the real libraries, each in a process of its own."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from tests.cli.commandline import SOURCES
from uv import find_uv_bin

HERE = Path(__file__).parent
XGBOOST = "xgboost-cpu" if sys.platform == "linux" else "xgboost"  # without code for GPUs
PACKAGES = ["scikit-learn", "skops", XGBOOST, "lightgbm", "onnx", "safetensors"]
FORMS = {
    "sklearn pipeline": "skops", "sklearn forest": "skops", "sklearn function": "skops",
    "xgboost booster": "booster", "xgboost classifier": "booster", "xgboost regressor": "booster",
    "lightgbm booster": "booster", "lightgbm classifier": "booster",
    "lightgbm regressor": "booster", "lightgbm own objective": "joblib", "onnx": "onnx",
}  # fmt: skip
ASK = {"sklearn forest", "sklearn function", "lightgbm own objective"}
TORCH_FORMS = {
    "pytorch parts": "safetensors", "pytorch tied": "safetensors",
    "pytorch arguments": "safetensors", "pytorch local class": "safetensors",
    "pytorch weights": "safetensors", "pytorch script": "torchscript",
}  # fmt: skip


def small_torch() -> list[str]:
    """Return what installs PyTorch for CPUs, where it is at hand; the usual one has gigabytes."""
    python = f"cp{sys.version_info.major}{sys.version_info.minor}"
    for place in os.environ.get("PIP_FIND_LINKS", "").split():
        found = sorted(Path(place).glob(f"torch-*+cpu-{python}-*.whl"))
        if found:
            return ["--find-links", place, f"torch=={found[-1].name.split('-')[1]}"]
    return []


TORCH = small_torch()


class Models(NamedTuple):
    """What models said when they were saved, and what when they were loaded."""

    folder: Path
    saved: dict[str, Any]
    loaded: dict[str, Any]

    def card(self, name: str) -> Any:  # noqa: ANN401 -- JSON
        return json.loads((self.folder / name / "model.json").read_text())


def told(python: Path, doing: str, folder: Path) -> Any:  # noqa: ANN401 -- JSON
    done = subprocess.run(
        [python, HERE / "flavored.py", doing, folder],
        env={**os.environ, "PYTHONPATH": f"{SOURCES}:{HERE}"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Models:
    folder = tmp_path_factory.mktemp("flavors")
    python = folder / "venv" / "bin" / "python"
    uv = find_uv_bin()
    subprocess.run([uv, "venv", "-q", "--python", sys.executable, folder / "venv"], check=True)
    subprocess.run([uv, "pip", "install", "-q", "--python", python, *PACKAGES, *TORCH], check=True)
    place = folder / "models"
    return Models(place, told(python, "save", place), told(python, "load", place))


def test_each_model_is_given_back_as_it_was(models: Models) -> None:
    expected = {**FORMS, **(TORCH_FORMS if TORCH else {})}
    assert set(models.saved) == set(expected)
    assert {name: models.card(name)["form"] for name in models.saved} == expected
    for name, saved in models.saved.items():
        if name != "pytorch local class":
            loaded = models.loaded[name]
            assert {key: loaded[key] for key in saved} == saved, name


def test_what_executes_something_is_not_loaded_without_trust(models: Models) -> None:
    asks = {name for name in FORMS if models.loaded[name]["untrusted"]}
    assert asks == ASK
    assert {name for name in FORMS if not models.card(name)["safe"]} == ASK
    forest = models.loaded["sklearn forest"]["untrusted"]
    assert "holds types that skops does not trust: sklearn.tree._tree.Tree" in forest
    assert "model.joblib: it is a pickle" in models.loaded["lightgbm own objective"]["untrusted"]


def test_a_model_says_what_it_is(models: Models) -> None:
    card = models.card("sklearn pipeline")
    assert (card["flavor"], card["files"]) == ("sklearn", ["model.skops"])
    assert {"python", "scikit-learn", "skops", "numpy"} <= set(card["versions"])
    assert card["signature"] == {
        "inputs": [{"name": None, "type": "float64", "shape": [-1, 4]}],
        "outputs": [{"name": None, "type": "float64", "shape": [-1]}],
    }


@pytest.mark.skipif(not TORCH, reason="PyTorch for CPUs is not at hand")
def test_weights_can_be_had_without_trust(models: Models) -> None:
    untrusted = {name: models.loaded[name].get("untrusted") for name in TORCH_FORMS}
    assert "structure.pkl: it is a pickle" in untrusted["pytorch parts"]
    assert "names the class torch.nn.modules.linear:Linear" in untrusted["pytorch arguments"]
    assert "it is a program in TorchScript" in untrusted["pytorch script"]
    assert untrusted["pytorch weights"] is None
    local = models.loaded["pytorch local class"]
    assert "only the weights of" in local["error"]
    assert local["weights"] == ["bias", "weight"]
