"""Models as folders: files that the model's own library reads, and ``model.json`` about them.

Standard library only, Python 3.8 and newer: this file is put beside steps with the client, and
imports nothing of runproj but :mod:`runproj._flavors` and :mod:`runproj._schema`. A library is
imported when a model of it is saved or loaded.

``model.json`` is an object with these keys::

    format     1
    name       of the model
    flavor     the library that it is of: sklearn, xgboost, lightgbm, pytorch, onnx or generic
    form       how it is written: skops, joblib, pickle, booster, safetensors, torchscript, torch,
               onnx, file or folder
    files      paths of all files beside model.json, relative to the folder
    rebuild    what else is needed to have the object again; depends on the form
    safe       whether it can be loaded without executing what its maker wished
    signature  null, or {"inputs": …, "outputs": …}: null, or columns with name, type and shape; -1
               in a shape is any length
    metadata   an object
    versions   of Python, and of the libraries
    run, step  in which it was logged; null outside of a run
    created    ISO 8601 in UTC

Nobody has to believe ``safe``: whatever a folder says of itself, only what executes nothing that
its maker chose is loaded without ``trust``.
"""

from __future__ import annotations

import json
import math
import os
import re
import sys

from runproj._flavors import (
    LIBRARIES,
    LOADERS,
    SAVERS,
    ModelError,
    Saved,
    UntrustedModel,
    Wish,
    save_path,
    short,
    suffix_of,
)
from runproj._schema import infer_signature
from runproj._schema import signature as signature_of

TYPE_CHECKING = False  # importing typing takes a while
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

__all__ = (
    "CARD",
    "FLAVORS",
    "ModelError",
    "UntrustedModel",
    "flavor_of",
    "infer_signature",
    "load",
    "load_model",
    "read",
    "save",
)

FORMAT = 1
CARD = "model.json"
FLAVORS = tuple(SAVERS)
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_PACKAGES = {"sklearn": "scikit-learn"}
_MODULES = {
    "xgboost": "xgboost", "lightgbm": "lightgbm", "sklearn": "sklearn", "torch": "pytorch",
    "onnx": "onnx",
}  # fmt: skip
_SUFFIXES = {".onnx": "onnx", ".skops": "sklearn"}


def save(
    model: Any,
    folder: str,
    flavor: str | None = None,
    signature: Any = None,
    metadata: Mapping[str, Any] | None = None,
    about: Mapping[str, Any] | None = None,
) -> None:
    """Write a model into a new folder.

    Args:
        model: an object of a library that is known, or the path of a file or folder.
        folder: where to; it must not be there yet.
        flavor: which library it is of; without it, what the object, or the file, says.
        signature: what :func:`infer_signature` returns, or the same by hand; columns may be written
            as names and types.
        metadata: what else should be known of it, as JSON. ``arguments`` of a PyTorch module are
            those that its class was called with: then it needs no pickle.
        about: its name, and the run and step in which it is logged.

    Raises:
        ModelError: it cannot be saved like this; nothing is left then.
        OSError: the disk is full.
    """
    known = dict(about or {})
    name = known.get("name") or "model"
    if not _NAME.fullmatch(name):
        raise ModelError(f"{name!r} is no name of a model", "letters, digits and . _ - can be used")
    written = {"signature": _given_signature(signature), "metadata": _plain(metadata or {})}
    path = os.fspath(model) if isinstance(model, (str, os.PathLike)) else None
    if path is not None and not os.path.exists(path):
        raise ModelError(f"there is no model {path!r}: no such file or folder")
    chosen = flavor or (flavor_of(model) if path is None else _flavor_of_path(path))
    if chosen not in FLAVORS:
        raise ModelError(f"there is no flavor {chosen!r}", f"one of {', '.join(FLAVORS)}")
    _new_folder(folder)
    try:
        if path is not None:
            made = save_path(path, folder, chosen)
        else:
            made = SAVERS[chosen](Wish(model, folder, written["metadata"].get("arguments")))
        card = {
            "format": FORMAT,
            "name": name,
            "flavor": chosen,
            "form": made.form,
            "files": sorted(_files(folder)),
            "rebuild": made.rebuild,
            "safe": made.safe,
            **written,
            "versions": _versions(chosen),
            "run": known.get("run"),
            "step": known.get("step"),
            "created": _now(),
        }
        with open(os.path.join(folder, CARD), "w", encoding="utf-8") as file:
            json.dump(card, file, indent=1)
    except BaseException:
        import shutil

        shutil.rmtree(folder, ignore_errors=True)
        raise


def load(folder: str, trust: bool = False, into: Any = None) -> Any:
    """Return the model that a folder holds; of the flavor ``generic`` its path.

    Args:
        folder: as :func:`save` wrote it.
        trust: it may execute what its maker wished, as a pickle does.
        into: a PyTorch module that takes the weights, or ``dict``, which is given them by name.

    Raises:
        UntrustedModel: it needs ``trust``.
        ModelError: it cannot be loaded.
    """
    card = read(folder)
    if into is not None and card["flavor"] != "pytorch":
        raise ModelError(f"into is for PyTorch, and this is a model of {card['flavor']}")
    loader = LOADERS.get(card["form"])
    if loader is None:
        raise ModelError(f"the model is written in a form that is not known: {card['form']!r}")
    try:
        return loader(Saved(folder, card, trust=trust, into=into))
    except ModelError:
        raise
    except Exception as error:
        message = f"the model {card['name']!r} cannot be loaded: {short(error)}"
        raise ModelError(message, _remedy(card, error)) from error


def read(folder: str) -> dict[str, Any]:
    """Return what ``model.json`` says.

    Raises:
        ModelError: the folder holds no model.
    """
    place = os.path.join(folder, CARD)
    try:
        with open(place, encoding="utf-8") as file:
            card = json.load(file)
    except FileNotFoundError:
        raise ModelError(
            f"{folder}: there is no {CARD} in it", "log_model makes such a folder"
        ) from None
    except ValueError as error:  # UnicodeDecodeError is one, too
        raise ModelError(f"{place}: it is no JSON: {error}") from error
    if not isinstance(card, dict) or not _is_card(card):
        raise ModelError(f"{place}: it is not about a model")
    if card["format"] != FORMAT:
        raise ModelError(f"{place}: its format is {card['format']!r}, and {FORMAT} is known")
    return card


def _is_card(card: Mapping[str, Any]) -> bool:
    texts = all(isinstance(card.get(key), str) for key in ("name", "flavor", "form"))
    rebuild = card.get("rebuild")
    return texts and "format" in card and isinstance(rebuild, (dict, type(None)))


def flavor_of(model: Any) -> str:
    """Return the flavor of an object, by the modules of its class and those above it.

    Raises:
        ModelError: it is of none that is known.
    """
    for kind in type(model).__mro__:
        flavor = _MODULES.get(kind.__module__.partition(".")[0])
        if flavor is not None:
            return flavor
    if isinstance(model, dict) and model and all(map(_is_tensor, model.values())):
        return "pytorch"
    kind = type(model)
    raise ModelError(
        f"{kind.__module__}.{kind.__qualname__} is of no flavor that is known",
        "save it to a file or folder, and log that by its path",
    )


def _is_tensor(value: Any) -> bool:
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(value, torch.Tensor)


def _flavor_of_path(path: str) -> str:
    return "generic" if os.path.isdir(path) else _SUFFIXES.get(suffix_of(path), "generic")


def _given_signature(given: Any) -> dict[str, Any] | None:
    try:
        return signature_of(given)
    except ValueError as error:
        raise ModelError(str(error)) from error


def _plain(data: Any) -> Any:
    """Return data as JSON can say it; of what it cannot, the text."""
    item = getattr(data, "item", None)
    if callable(item) and getattr(data, "ndim", None) == 0:
        data = item()
    if isinstance(data, dict):
        return {str(key): _plain(value) for key, value in data.items()}
    if isinstance(data, (list, tuple)):
        return [_plain(one) for one in data]
    if isinstance(data, float) and not math.isfinite(data):
        return "NaN" if math.isnan(data) else "Infinity" if data > 0 else "-Infinity"
    return data if isinstance(data, (str, int, float, bool, type(None))) else str(data)


def _versions(flavor: str) -> dict[str, str]:
    """Return the versions of Python, and of the libraries that are imported by now."""
    found = {"python": ".".join(map(str, sys.version_info[:3]))}
    for name in LIBRARIES[flavor]:
        version = getattr(sys.modules.get(name), "__version__", None)
        if isinstance(version, str):
            found[_PACKAGES.get(name, name)] = version
    return found


def _remedy(card: Mapping[str, Any], error: Exception) -> str | None:
    """Return what can be done when a model cannot be loaded."""
    missing = getattr(error, "name", None) if isinstance(error, ImportError) else None
    if missing and str(missing).partition(".")[0] in LIBRARIES.get(card["flavor"], ()):
        pins = {**dict(card.get("versions") or {})}
        pins.pop("python", None)
        return "pip install " + " ".join(f"'{name}=={pins[name]}'" for name in pins)
    if missing or isinstance(error, AttributeError):
        return (
            "it needs modules of the code that made it: put its classes into a module of their "
            "own, and that on the path"
        )
    return None


def _new_folder(folder: str) -> None:
    os.makedirs(os.path.dirname(os.path.abspath(folder)), exist_ok=True)
    try:
        os.mkdir(folder)
    except FileExistsError:
        hint = "a model is saved into a new folder"
        raise ModelError(f"{folder}: it is there already", hint) from None


def _files(folder: str) -> Iterable[str]:
    for parent, _, names in os.walk(folder):
        for name in names:
            yield os.path.relpath(os.path.join(parent, name), folder).replace(os.sep, "/")


def _now() -> str:
    from datetime import datetime, timezone

    now = datetime.now(timezone.utc)
    return now.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def load_model(
    reference: Any,
    trust: bool = False,
    store: str | None = None,
    into: Any = None,
) -> Any:
    """Return a model: that of a run, a version of a registered one, or what a folder holds.

    Args:
        reference: ``RUN:MODEL``, ``RUN/STEP:MODEL``, ``models:NAME@ALIAS``, ``models:NAME/3``, or a
            folder.
        trust: it may execute what its maker wished, as a pickle does. What this user's own store
            has is trusted without it.
        store: the store to look into; without it the nearest one, here or in a folder above.
        into: a PyTorch module that takes the weights, or ``dict``, which is given them by name.

    Raises:
        UntrustedModel: it needs ``trust``.
        ModelError: it cannot be loaded.
        ModuleNotFoundError: runproj itself is needed, and not there.
    """
    text = os.fspath(reference)
    if os.path.isdir(text):
        try:
            return load(text, trust, into)
        except UntrustedModel:
            if not _is_whole():  # nobody here knows whether it is the user's own
                raise
    elif not _is_whole():
        message = "a model of a store needs runproj in this environment: pip install runproj"
        raise ModuleNotFoundError(message)
    from importlib import import_module

    return import_module("runproj.loading").load_model(text, trust, store, into)


def _is_whole() -> bool:
    """Tell whether all of runproj is here, or only what is put beside a step."""
    from importlib.util import find_spec

    return find_spec("runproj.loading") is not None
