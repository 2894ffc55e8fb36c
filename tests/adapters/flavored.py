"""Models of the real libraries: ``save FOLDER`` writes them, ``load FOLDER`` reads them again.

It is executed in an environment that has these libraries, see :mod:`tests.adapters.test_flavors`;
what is loaded must say the same of the same data, and be of the same class.
"""

import importlib.util
import json
import sys
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

from runproj import _models

warnings.simplefilter("ignore")
DATA = np.random.default_rng(0).random((100, 4))
SUM = DATA.sum(axis=1)
LABEL = np.array(["low", "high"])[(SUM > 2).astype(int)]


class Case(NamedTuple):
    """A model with what it says of the data."""

    model: Any
    predict: Callable[[Any], Any]
    metadata: Mapping[str, Any] = MappingProxyType({})


def predict(model: Any) -> Any:  # noqa: ANN401 -- of any library
    return model.predict(DATA)


def sklearn() -> dict[str, Callable[[], Case]]:
    from sklearn.ensemble import RandomForestClassifier  # noqa: PLC0415 -- each library by itself
    from sklearn.linear_model import LogisticRegression  # noqa: PLC0415
    from sklearn.pipeline import make_pipeline  # noqa: PLC0415
    from sklearn.preprocessing import FunctionTransformer, StandardScaler  # noqa: PLC0415

    linear = make_pipeline(StandardScaler(), LogisticRegression())
    own = make_pipeline(FunctionTransformer(importable), LogisticRegression())
    return {
        "sklearn pipeline": lambda: Case(linear.fit(DATA, LABEL), predict),
        "sklearn forest": lambda: Case(RandomForestClassifier(5).fit(DATA, LABEL), predict),
        "sklearn function": lambda: Case(own.fit(DATA, LABEL), predict),
    }


def importable(data: Any) -> Any:  # noqa: ANN401 -- an array
    return data + 1


def xgboost() -> dict[str, Callable[[], Case]]:
    import xgboost as xgb  # noqa: PLC0415 -- as above

    def booster() -> Case:
        table = xgb.DMatrix(DATA, SUM)
        return Case(xgb.train({}, table, 3), lambda one: one.predict(xgb.DMatrix(DATA)))

    numbers = (LABEL == "high").astype(int)
    classifier = xgb.XGBClassifier(n_estimators=3)
    return {
        "xgboost booster": booster,
        "xgboost classifier": lambda: Case(classifier.fit(DATA, numbers), predict),
        "xgboost regressor": lambda: Case(xgb.XGBRegressor(n_estimators=3).fit(DATA, SUM), predict),
    }


def lightgbm() -> dict[str, Callable[[], Case]]:
    import lightgbm as lgb  # noqa: PLC0415 -- as above

    def booster() -> Case:
        return Case(lgb.train({"verbose": -1}, lgb.Dataset(DATA, SUM), 3), predict)

    few: dict[str, Any] = {"n_estimators": 3, "verbose": -1}
    both = lambda one: [predict(one), one.predict_proba(DATA).round(12).astype(str)]  # noqa: E731
    return {
        "lightgbm booster": booster,
        "lightgbm classifier": lambda: Case(lgb.LGBMClassifier(**few).fit(DATA, LABEL), both),
        "lightgbm regressor": lambda: Case(lgb.LGBMRegressor(**few).fit(DATA, SUM), predict),
        "lightgbm own objective": lambda: Case(
            lgb.LGBMRegressor(objective=squares, **few).fit(DATA, SUM), predict
        ),
    }


def squares(wanted: Any, said: Any) -> Any:  # noqa: ANN401 -- arrays
    return said - wanted, np.ones_like(said)


def onnx() -> dict[str, Callable[[], Case]]:
    from onnx import TensorProto, helper  # noqa: PLC0415 -- as above
    from onnx.reference import ReferenceEvaluator  # noqa: PLC0415

    def double() -> Case:
        places = [
            helper.make_tensor_value_info(name, TensorProto.DOUBLE, [None, 4]) for name in "xy"
        ]
        node = helper.make_node("Add", ["x", "x"], ["y"])
        graph = helper.make_graph([node], "double", places[:1], places[1:])
        opset = [helper.make_opsetid("", 18)]
        model = helper.make_model(graph, opset_imports=opset, ir_version=9)
        return Case(model, lambda one: ReferenceEvaluator(one).run(None, {"x": DATA})[0])

    return {"onnx": double}


def pytorch() -> dict[str, Callable[[], Case]]:
    import torch  # noqa: PLC0415 -- as above
    from torch import nn  # noqa: PLC0415

    torch.manual_seed(0)
    data = torch.tensor(DATA, dtype=torch.float32)

    def result(model: Any) -> Any:  # noqa: ANN401 -- a module
        return model(data).detach().numpy()

    def parts() -> Any:  # noqa: ANN401 -- a module
        return nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 1))

    def local() -> Any:  # noqa: ANN401 -- a module
        class Local(nn.Linear):  # type: ignore[misc] # no types are there
            pass

        return Local(4, 1)

    def tied() -> Any:  # noqa: ANN401 -- a module
        module = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4))
        module[1].weight = module[0].weight
        return module.train()

    linear = {"in_features": 4, "out_features": 1}
    return {
        "pytorch parts": lambda: Case(parts().eval(), result),
        "pytorch tied": lambda: Case(tied(), result),
        "pytorch arguments": lambda: Case(nn.Linear(4, 1), result, {"arguments": linear}),
        "pytorch local class": lambda: Case(local(), result),
        "pytorch weights": lambda: Case(
            dict(parts().state_dict()), lambda one: [one[key].numpy().sum() for key in sorted(one)]
        ),
        "pytorch script": lambda: Case(torch.jit.script(nn.Linear(4, 1)), result),
    }


LIBRARIES = {
    "sklearn": sklearn, "xgboost": xgboost, "lightgbm": lightgbm, "onnx": onnx, "torch": pytorch,
}  # fmt: skip


def cases() -> dict[str, Callable[[], Case]]:
    there = [make for name, make in LIBRARIES.items() if importlib.util.find_spec(name)]
    return {name: case for make in there for name, case in make().items()}


def as_list(found: Any) -> Any:  # noqa: ANN401 -- JSON
    parts = found if isinstance(found, list) else [found]
    return [np.asarray(one).tolist() for one in parts]


def save(folder: Path) -> dict[str, Any]:
    """Write all models, each into its folder; return what each says."""
    said = {}
    for name, make in cases().items():
        case = make()
        _models.save(
            case.model, str(folder / name), metadata=case.metadata,
            signature=_models.infer_signature(DATA, SUM),
        )  # fmt: skip
        said[name] = {
            "class": type(case.model).__name__, "said": as_list(case.predict(case.model)),
        }  # fmt: skip
    return said


def load(folder: Path) -> dict[str, Any]:
    """Read all models again; return what each says, and what is said where it is not trusted."""
    said: dict[str, Any] = {}
    for name, make in cases().items():
        untrusted = None
        try:
            model = _models.load(str(folder / name))
        except _models.UntrustedModel as error:
            untrusted = str(error)
            try:
                model = _models.load(str(folder / name), trust=True)
            except _models.ModelError as error:
                weights = weights_alone(folder / name)
                said[name] = {"error": str(error), "weights": weights}
                continue
        said[name] = {
            "class": type(model).__name__, "said": as_list(make().predict(model)),
            "untrusted": untrusted,
        }  # fmt: skip
    return said


def weights_alone(folder: Path) -> list[str]:
    """Take the weights of a module that nobody trusts; return their names."""
    from torch import nn  # noqa: PLC0415 -- as above

    module = nn.Linear(4, 1)
    assert _models.load(str(folder), into=module) is module
    weights = _models.load(str(folder), into=dict)
    assert (weights["weight"] == module.weight).all()
    return sorted(weights)


if __name__ == "__main__":
    sys.modules["flavored"] = sys.modules["__main__"]  # what is pickled stands in a module
    doing = {"save": save, "load": load}[sys.argv[1]]
    sys.stdout.write(json.dumps(doing(Path(sys.argv[2]))))
