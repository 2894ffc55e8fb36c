"""How models of each flavor are written and read.

Standard library only, Python 3.8 and newer: this file is put beside steps with
:mod:`runproj._models`. A library is imported when a model of it is saved or loaded.
"""

from __future__ import annotations

import json
import os

TYPE_CHECKING = False  # importing typing takes a while
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Any

LIBRARIES = {
    "sklearn": ("sklearn", "skops", "joblib", "numpy"),
    "xgboost": ("xgboost", "numpy"),
    "lightgbm": ("lightgbm", "numpy"),
    "pytorch": ("torch", "safetensors"),
    "onnx": ("onnx",),
    "generic": (),
}
"""The modules that models of a flavor need."""

_XGBOOST = (
    "Booster", "XGBModel", "XGBClassifier", "XGBRegressor", "XGBRanker", "XGBRFClassifier",
    "XGBRFRegressor",
)  # fmt: skip
_UBJSON = (1, 6)  # the first version of XGBoost that has it
_LIGHTGBM = ("LGBMModel", "LGBMClassifier", "LGBMRegressor", "LGBMRanker")
_LARGE = 2_000_000_000  # bytes; a file of ONNX may have 2 GiB
_DATA = "data"
_STRUCTURE = "structure.pkl"
_WEIGHTS = "weights.safetensors"
_MODULE = "module.pt"
_SHOWN = 5  # names that are shown of many

_PICKLE = "it is a pickle, which may execute anything when it is loaded"
_SAFER = {
    "skops": "these types are what to look at",
    "joblib": "logged where skops is installed, or as ONNX, a model needs no pickle",
    "pickle": "logged where skops is installed, or as ONNX, a model needs no pickle",
    "safetensors": "into=Net() takes the weights alone, into=dict gives them by name",
    "torch": "logged where safetensors is installed, or as ONNX, a model needs no pickle",
    "torchscript": "logged as a module where safetensors is installed, or as ONNX, it needs none",
}


class ModelError(ValueError):
    """A model cannot be saved or loaded; ``hint`` says what to do."""

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(f"{message}; {hint}" if hint else message)
        self.message = message
        self.hint = hint


class UntrustedModel(ModelError):
    """Loading a model would execute what its maker wished, and nobody said that this may be."""


class Made:
    """How a model was written into its folder: see ``form``, ``safe`` and ``rebuild`` of a card."""

    def __init__(self, form: str, *, safe: bool, rebuild: Mapping[str, Any] | None = None) -> None:
        self.form = form
        self.safe = safe
        self.rebuild = rebuild


class Wish:
    """An object that is to be written into a folder; ``arguments`` are what its class takes."""

    def __init__(self, model: Any, folder: str, arguments: Any = None) -> None:
        self.model = model
        self.folder = folder
        self.arguments = arguments

    def place(self, name: str) -> str:
        """Return where a file of it is written."""
        return os.path.join(self.folder, name)

    def failed(self, why: BaseException | str, hint: str | None = None) -> ModelError:
        """Return that it cannot be saved."""
        text = why if isinstance(why, str) else short(why)
        return ModelError(f"{type(self.model).__name__} cannot be saved: {text}", hint)


class Saved:
    """A folder that is to be loaded."""

    def __init__(self, folder: str, card: Mapping[str, Any], *, trust: bool, into: Any) -> None:
        self.folder = folder
        self.flavor = card["flavor"]
        self.form = card["form"]
        self.rebuild: dict[str, Any] = card["rebuild"] or {}
        self.trust = trust
        self.into = into

    def place(self, path: str) -> str:
        """Return where a file or folder of it stands.

        Raises:
            ModelError: it is not there, or somewhere else.
        """
        root = os.path.realpath(self.folder)
        place = os.path.realpath(os.path.join(root, path))
        if os.path.commonpath([root, place]) != root or place == root:
            raise ModelError(f"{self.folder}: {path} is not in it")
        if not os.path.exists(place):
            raise ModelError(f"{self.folder}: {path} is not there")
        return place

    def ask_trust(self, path: str, why: str) -> None:
        """Make sure that the model may execute what its maker wished.

        Raises:
            UntrustedModel: nobody said so.
        """
        if not self.trust:
            raise UntrustedModel(
                f"{os.path.join(self.folder, path)}: {why}",
                f"trust=True (--trust) if you know who made it; {_SAFER[self.form]}",
            )


# What was written before, by its path


def save_path(path: str, folder: str, flavor: str) -> Made:
    """Copy a file or folder that a library wrote before.

    Raises:
        ModelError: it is none of this flavor.
    """
    if flavor == "generic":
        form = "folder" if os.path.isdir(path) else "file"
        return Made(form, safe=True, rebuild={"path": _copied(path, folder)})
    if flavor == "onnx":
        return Made("onnx", safe=True, rebuild={"path": _copied_onnx(path, folder)})
    made = _WRITTEN.get((flavor, suffix_of(path)))
    if made is None or os.path.isdir(path):
        known = [suffix for of, suffix in _WRITTEN if of == flavor]
        raise ModelError(
            f"{path}: it is no file of {flavor} that is known, one of {', '.join(known)}",
            "flavor='generic' keeps any file or folder",
        )
    import shutil

    form, name, safe, rebuild = made
    place = os.path.join(folder, name)
    shutil.copyfile(path, place)
    return _checked_skops(place) if form == "skops" else Made(form, safe=safe, rebuild=rebuild)


_WRITTEN: dict[tuple[str, str], tuple[str, str, bool, dict[str, Any] | None]] = {
    ("sklearn", ".skops"): ("skops", "model.skops", False, None),
    ("sklearn", ".joblib"): ("joblib", "model.joblib", False, None),
    ("sklearn", ".pkl"): ("pickle", "model.pkl", False, None),
    ("sklearn", ".pickle"): ("pickle", "model.pkl", False, None),
    ("xgboost", ".ubj"): ("booster", "booster.ubj", True, {"class": "Booster"}),
    ("xgboost", ".json"): ("booster", "booster.json", True, {"class": "Booster"}),
    ("lightgbm", ".txt"): ("booster", "booster.txt", True, {"class": "Booster"}),
    ("pytorch", ".safetensors"): ("safetensors", _WEIGHTS, True, {"weights": True}),
    ("pytorch", ".pt"): ("torch", _MODULE, False, None),
    ("pytorch", ".pth"): ("torch", _MODULE, False, None),
}
"""Flavor and suffix → form, name in the folder, whether it is safe, how it is made again."""


def suffix_of(path: str) -> str:
    """Return how a name ends, ``.onnx``, in small letters."""
    return os.path.splitext(path)[1].lower()


def _copied(path: str, folder: str) -> str:
    """Copy a file or folder, what links in it lead to included; return where it is now."""
    import shutil

    name = os.path.basename(os.path.abspath(path))
    place = os.path.join(folder, _DATA, name)
    os.mkdir(os.path.dirname(place))
    if os.path.isdir(path):
        shutil.copytree(path, place, ignore_dangling_symlinks=True)
    else:
        shutil.copyfile(path, place)
        shutil.copymode(path, place)
    return f"{_DATA}/{name}"


def _copied_onnx(path: str, folder: str) -> str:
    if not os.path.isdir(path):
        return _copied(path, folder)
    found = [name for name in os.listdir(path) if suffix_of(name) == ".onnx"]
    if len(found) != 1:
        raise ModelError(f"{path}: {len(found)} files in it end with .onnx, and one must")
    return f"{_copied(path, folder)}/{found[0]}"


def _save_generic(wish: Wish) -> Made:
    kind = type(wish.model).__name__
    raise ModelError(f"a model of the flavor 'generic' is the path of a file or folder, no {kind}")


def _load_path(saved: Saved) -> Any:
    from pathlib import Path

    return Path(saved.place(str(saved.rebuild.get("path"))))


# scikit-learn, and what only a pickle can hold


def _save_sklearn(wish: Wish) -> Made:
    place = wish.place("model.skops")
    skops = _optional("skops.io")
    if skops is not None:
        try:
            skops.dump(wish.model, place)
            return _checked_skops(place)
        except OSError:
            raise
        except Exception:  # what skops cannot write, a pickle may
            if os.path.exists(place):
                os.remove(place)
    return _pickled(wish)


def _checked_skops(place: str) -> Made:
    """Return what a file of skops is: one that names types of others is not safe."""
    skops = _optional("skops.io")
    if skops is None:
        return Made("skops", safe=False)
    types = sorted(skops.get_untrusted_types(file=place))
    return Made("skops", safe=not types, rebuild={"types": types} if types else None)


def _load_skops(saved: Saved) -> Any:
    import skops.io

    place = saved.place("model.skops")
    types = skops.io.get_untrusted_types(file=place)
    if types:
        saved.ask_trust("model.skops", f"it holds types that skops does not trust: {_some(types)}")
    return skops.io.load(place, trusted=types)


def _pickled(wish: Wish) -> Made:
    joblib = _optional("joblib")
    try:
        if joblib is not None:
            joblib.dump(wish.model, wish.place("model.joblib"))
            return Made("joblib", safe=False)
        import pickle

        with open(wish.place("model.pkl"), "wb") as file:
            pickle.dump(wish.model, file)
    except OSError:
        raise
    except Exception as error:
        raise wish.failed(error, "save it to a file yourself, and log that by its path") from error
    return Made("pickle", safe=False)


def _load_joblib(saved: Saved) -> Any:
    saved.ask_trust("model.joblib", _PICKLE)
    import joblib

    return joblib.load(saved.place("model.joblib"))


def _load_pickle(saved: Saved) -> Any:
    saved.ask_trust("model.pkl", _PICKLE)
    import pickle

    with open(saved.place("model.pkl"), "rb") as file:
        return pickle.load(file)


# XGBoost and LightGBM


def _save_xgboost(wish: Wish) -> Made:
    import xgboost

    name = _known_class(wish.model, xgboost, _XGBOOST)
    if name is None:
        return _pickled(wish)
    new = tuple(int(part) for part in xgboost.__version__.split(".")[:2]) >= _UBJSON
    try:
        wish.model.save_model(wish.place("booster.ubj" if new else "booster.json"))
    except OSError:
        raise
    except Exception as error:  # it is not fitted
        raise wish.failed(error) from error
    return Made("booster", safe=True, rebuild={"class": name})


def _save_lightgbm(wish: Wish) -> Made:
    import lightgbm

    name = _known_class(wish.model, lightgbm, ("Booster", *_LIGHTGBM))
    rebuild: dict[str, Any] | None = {"class": "Booster"}
    booster = wish.model
    if name in _LIGHTGBM:
        rebuild = _estimator(wish, str(name))
        booster = wish.model.booster_
    if name is None or rebuild is None:
        return _pickled(wish)
    booster.save_model(wish.place("booster.txt"))
    return Made("booster", safe=True, rebuild=rebuild)


def _estimator(wish: Wish, name: str) -> dict[str, Any] | None:
    """Return what makes an estimator of a booster again; None: JSON cannot say it."""
    model = wish.model
    if not getattr(model, "fitted_", False):
        raise wish.failed("it is not fitted")
    labels = model.classes_ if name == "LGBMClassifier" else None
    rebuild = {
        "class": name,
        "params": model.get_params(),
        "features": model.n_features_in_,
        "classes": None if labels is None else labels.tolist(),
        "classes_type": None if labels is None else str(labels.dtype),
    }
    try:
        same: bool = json.loads(json.dumps(rebuild, allow_nan=False)) == rebuild
    except (TypeError, ValueError):
        return None
    return rebuild if same else None


def _load_booster(saved: Saved) -> Any:
    name = saved.rebuild.get("class")
    if saved.flavor == "xgboost" and name in _XGBOOST:
        import xgboost

        model = getattr(xgboost, name)()
        there = os.path.exists(os.path.join(saved.folder, "booster.json"))
        model.load_model(saved.place("booster.json" if there else "booster.ubj"))
        return model
    if saved.flavor == "lightgbm" and name in ("Booster", *_LIGHTGBM):
        import lightgbm

        booster = lightgbm.Booster(model_file=saved.place("booster.txt"))
        return booster if name == "Booster" else _with_booster(saved.rebuild, booster)
    raise ModelError(f"{saved.folder}: there is no {name!r} of {saved.flavor}")


def _with_booster(rebuild: Mapping[str, Any], booster: Any) -> Any:
    """Return an estimator that predicts with a booster; LightGBM itself has no way to make one."""
    import lightgbm

    model = getattr(lightgbm, rebuild["class"])(**rebuild["params"])
    model._Booster = booster
    model._n_features = model._n_features_in = rebuild["features"]
    model.fitted_ = True
    if rebuild["class"] == "LGBMClassifier":
        import numpy
        from lightgbm.compat import _LGBMLabelEncoder

        classes = numpy.array(rebuild["classes"], dtype=rebuild["classes_type"])
        model._le = _LGBMLabelEncoder().fit(classes)
        model._classes = model._le.classes_
        model._n_classes = len(classes)
        model._class_map = dict(zip(classes.tolist(), range(len(classes))))
    return model


# ONNX


def _save_onnx(wish: Wish) -> Made:
    import onnx

    path = f"{_DATA}/model.onnx"
    os.mkdir(wish.place(_DATA))
    onnx.save_model(
        wish.model,
        wish.place(path),
        save_as_external_data=wish.model.ByteSize() >= _LARGE,
        location="model.onnx.data",
    )
    return Made("onnx", safe=True, rebuild={"path": path})


def _load_onnx(saved: Saved) -> Any:
    import onnx

    return onnx.load_model(saved.place(str(saved.rebuild.get("path"))))


# PyTorch


def _save_pytorch(wish: Wish) -> Made:
    import torch

    model = _unwrapped(wish.model)
    if isinstance(model, torch.jit.ScriptModule):
        torch.jit.save(model, wish.place(_MODULE))
        return Made("torchscript", safe=False)
    try:
        if _write_weights(model, wish.place(_WEIGHTS)):
            return _rebuilt(model, wish)
    except OSError:
        raise
    except Exception:  # what is no tensor among the weights
        if os.path.exists(wish.place(_WEIGHTS)):
            os.remove(wish.place(_WEIGHTS))
    try:
        torch.save(model, wish.place(_MODULE))
    except OSError:
        raise
    except Exception as error:
        hint = "install safetensors beside PyTorch, or log its state_dict()"
        raise wish.failed(error, hint) from error
    return Made("torch", safe=False)


def _unwrapped(model: Any) -> Any:
    """Return the module itself, where it is compiled or on several devices."""
    model = getattr(model, "_orig_mod", model)
    if type(model).__name__ in ("DataParallel", "DistributedDataParallel"):
        return model.module
    return model


def _write_weights(model: Any, place: str) -> bool:
    """Write weights by safetensors; tell whether that is possible."""
    safetensors = _optional("safetensors.torch")
    if safetensors is None:
        return False
    if isinstance(model, dict):
        safetensors.save_file(_apart(model), place)
    else:
        safetensors.save_model(model, place)
    return True


def _apart(weights: Mapping[str, Any]) -> dict[str, Any]:
    """Return weights of which no two share memory."""
    apart, seen = {}, set()
    for name, tensor in weights.items():
        memory = tensor.untyped_storage()
        whole = tensor.numel() * tensor.element_size() == memory.nbytes()
        own = whole and memory.data_ptr() not in seen
        apart[name] = tensor.detach().contiguous() if own else tensor.detach().clone().contiguous()
        seen.add(memory.data_ptr())
    return apart


def _rebuilt(module: Any, wish: Wish) -> Made:
    """Return how a module is made again for the weights that were written."""
    if isinstance(module, dict):
        return Made("safetensors", safe=True, rebuild={"weights": True})
    kind = type(module)
    rebuild = {"class": f"{kind.__module__}:{kind.__qualname__}", "training": module.training}
    if isinstance(wish.arguments, dict):
        return Made("safetensors", safe=True, rebuild={**rebuild, "arguments": wish.arguments})
    place = wish.place(_STRUCTURE)
    try:
        _write_structure(module, place)
    except OSError:
        raise
    except Exception:  # a class in a function, a lambda: only the weights can be had
        os.remove(place)
        return Made("safetensors", safe=True, rebuild=rebuild)
    return Made("safetensors", safe=False, rebuild={**rebuild, "structure": _STRUCTURE})


def _write_structure(module: Any, place: str) -> None:
    """Pickle a module without its weights: what each of them is stands there instead."""
    import pickle

    import torch

    weights = {}
    for name, one in module.state_dict(keep_vars=True).items():
        is_parameter = isinstance(one, torch.nn.Parameter)
        kind = str(one.dtype).rpartition(".")[2]
        weights[id(one)] = name, is_parameter, one.requires_grad, kind, tuple(one.shape)

    class Pickler(pickle.Pickler):
        def persistent_id(self, obj: Any) -> Any:
            return weights.get(id(obj))

    with open(place, "wb") as file:
        Pickler(file).dump(module)


def _read_structure(place: str) -> Any:
    """Return a module whose weights are any."""
    import pickle

    import torch

    made: dict[str, Any] = {}

    class Unpickler(pickle.Unpickler):
        def persistent_load(self, pid: Any) -> Any:
            name, is_parameter, trained, kind, shape = pid
            if name not in made:
                tensor = torch.empty(shape, dtype=getattr(torch, kind))
                made[name] = torch.nn.Parameter(tensor, trained) if is_parameter else tensor
            return made[name]

    with open(place, "rb") as file:
        return Unpickler(file).load()


def _load_safetensors(saved: Saved) -> Any:
    from safetensors.torch import load_file, load_model

    place = saved.place(_WEIGHTS)
    if saved.into is dict or (saved.into is None and saved.rebuild.get("weights") is True):
        return load_file(place)
    module = _module_of(saved) if saved.into is None else saved.into
    load_model(module, place)
    return module


def _module_of(saved: Saved) -> Any:
    """Return a module for the weights of a model, as the model says that it is made."""
    name = str(saved.rebuild.get("class"))
    if "structure" in saved.rebuild:
        saved.ask_trust(_STRUCTURE, _PICKLE)
        return _read_structure(saved.place(_STRUCTURE))
    saved.ask_trust("model.json", f"it names the class {name}, which would be imported and called")
    if "arguments" not in saved.rebuild:
        raise ModelError(f"only the weights of {name} were kept", "into= takes a module for them")
    from importlib import import_module

    module, _, path = name.partition(":")
    kind: Any = import_module(module)
    for part in path.split("."):
        kind = getattr(kind, part)
    return kind(**saved.rebuild["arguments"]).train(saved.rebuild.get("training") is True)


def _load_torch(saved: Saved) -> Any:
    saved.ask_trust(_MODULE, _PICKLE)
    import torch

    found = torch.load(saved.place(_MODULE), map_location="cpu", weights_only=False)
    if saved.into is None:
        return found
    weights = found if isinstance(found, dict) else found.state_dict()
    if saved.into is dict:
        return dict(weights)
    saved.into.load_state_dict(weights)
    return saved.into


def _load_torchscript(saved: Saved) -> Any:
    saved.ask_trust(_MODULE, "it is a program in TorchScript, which may do anything")
    import torch

    return torch.jit.load(saved.place(_MODULE), map_location="cpu")


# What they share


def _optional(name: str) -> Any:
    """Return a module, None where it is not installed."""
    from importlib import import_module

    try:
        return import_module(name)
    except ImportError:
        return None


def _known_class(model: Any, library: Any, names: Iterable[str]) -> str | None:
    """Return which of the classes of a library an object is of; None: one of somebody else's."""
    return next((one for one in names if type(model) is getattr(library, one, None)), None)


def short(error: BaseException) -> str:
    """Return what an error says in its first line."""
    text = str(error).strip() or type(error).__name__
    return text.splitlines()[0]


def _some(names: Iterable[str]) -> str:
    known = list(names)
    more = f" and {len(known) - _SHOWN} more" if len(known) > _SHOWN else ""
    return ", ".join(known[:_SHOWN]) + more


SAVERS: dict[str, Callable[[Wish], Made]] = {
    "sklearn": _save_sklearn,
    "xgboost": _save_xgboost,
    "lightgbm": _save_lightgbm,
    "pytorch": _save_pytorch,
    "onnx": _save_onnx,
    "generic": _save_generic,
}
LOADERS: dict[str, Callable[[Saved], Any]] = {
    "skops": _load_skops,
    "joblib": _load_joblib,
    "pickle": _load_pickle,
    "booster": _load_booster,
    "safetensors": _load_safetensors,
    "torchscript": _load_torchscript,
    "torch": _load_torch,
    "onnx": _load_onnx,
    "file": _load_path,
    "folder": _load_path,
}
