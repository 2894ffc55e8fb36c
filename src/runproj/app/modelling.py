"""Models: the registry, whom they are trusted from, and giving them out."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runproj.app.places import MODELS, state_folder, working_folder
from runproj.app.stores import Store
from runproj.errors import NoSuchRun, StoreError, UsageError

if TYPE_CHECKING:
    from runproj.engine.registry import Registry
    from runproj.record.artifact import Artifact


def registry(store: Store) -> "Registry":
    """Return what registers models, and moves them."""
    from runproj.adapters.host import user  # noqa: PLC0415 -- lazy
    from runproj.engine.registry import Registry  # noqa: PLC0415 -- lazy
    from runproj.engine.run import timestamp  # noqa: PLC0415 -- lazy

    def facts(run_id: str) -> dict[str, Any] | None:
        return next(iter(store.runs.summaries("id = ?", (run_id,), 1)), None)

    return Registry(store.share().models, facts, lambda: timestamp(time.time()), user())


def is_trusted(store: Store, run_id: str) -> bool:
    """Tell whether this user made a store, and executed this run."""
    from runproj.adapters.store import own  # noqa: PLC0415 -- lazy

    return run_id.isalnum() and own.is_own(store.folder, state_folder(), run_id)


def is_trusted_model(store: Store, run_id: str, folder: str) -> bool:
    """Tell whether a folder holds a model as a run of this user's own store logged it.

    Args:
        store: the store.
        run_id: the run that the folder claims to be from.
        folder: the folder. Whatever else is in it does not matter.
    """
    if not is_trusted(store, run_id):
        return False
    digest = store.objects.digest
    try:
        for model in (one for step in store.runs.load(run_id).steps for one in step.models):
            wanted = {one.path: one.sha256 for one in store.objects.members(model.sha256)}
            found = {path: digest(str(Path(folder, path)), path) for path in wanted}
            if wanted == {path: one and one.sha256 for path, one in found.items()}:
                return True
    except (NoSuchRun, StoreError, UsageError):
        pass  # nobody can tell
    return False


def give_model(store: Store, model: "Artifact", folder: str) -> None:
    """Copy a model out of a store: the content of a folder, or a file, into a folder.

    Raises:
        StoreError: it is gone or damaged.
    """
    from runproj.adapters.taken_models import name_of  # noqa: PLC0415 -- lazy

    target = Path(folder).resolve()
    if model.kind == "file":
        store.objects.give(model.replace(path=name_of(model)), str(target))
    else:
        store.objects.give(model.replace(path=target.name), str(target.parent))


def taken_model(store: Store, model: "Artifact") -> Path:
    """Take a model out of a store; return where it stands in the user's cache."""
    from runproj.adapters.taken_models import TakenModels  # noqa: PLC0415 -- lazy

    return TakenModels(working_folder() / MODELS, store.objects, store.objects).take(model)
