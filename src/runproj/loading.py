"""Loading models: those of runs, registered ones, and what stands in a folder."""

import contextlib
import os
from pathlib import Path
from typing import Any

from runproj import _models
from runproj.app import modelling, stores
from runproj.errors import RunprojError


def load_model(
    reference: str,
    trust: bool = False,  # noqa: FBT001, FBT002 -- trust=True is what users write
    store: str | None = None,
    into: Any = None,  # noqa: ANN401 -- a module of PyTorch
) -> Any:  # noqa: ANN401 -- whatever was logged
    """Return a model, see :func:`runproj._models.load_model`.

    Raises:
        ModelError: there is no such model, or it cannot be loaded.
    """
    try:
        find = _from_folder if Path(reference).is_dir() else _from_store
        place, own = find(reference, store)
    except RunprojError as error:
        problem = error.problems[0]
        raise _models.ModelError(problem.message, problem.hint) from error
    if not (place / _models.CARD).is_file():
        return place  # an output: nothing is said of it
    return _models.load(str(place), trust or own, into)


def _from_store(reference: str, store: str | None) -> tuple[Path, bool]:
    """Take a model out of a store; tell whether it is the user's own."""
    opened = _store(store)
    _, origin = opened.models.origin(reference)
    return modelling.taken_model(opened, origin.model), modelling.is_trusted(opened, origin.run)


def _from_folder(folder: str, store: str | None) -> tuple[Path, bool]:
    """Tell whether what a folder holds was logged by a run of the user's own store."""
    run = _models.read(folder).get("run")
    own = False
    with contextlib.suppress(RunprojError):  # there is no store here
        own = isinstance(run, str) and modelling.is_trusted_model(_store(store), run, folder)
    return Path(folder), own


def _store(given: str | None) -> stores.Store:
    return stores.find_store(".", given or os.environ.get("RUNPROJ_STORE"))
