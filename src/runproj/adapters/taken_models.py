"""Models that were taken out of a store to be loaded: folders by digest, which are used again."""

import os
import posixpath
import tempfile
from pathlib import Path

from runproj.adapters.disk import remove_all
from runproj.errors import StoreError
from runproj.ports import Digests, ObjectStore
from runproj.record.artifact import Artifact


class TakenModels:
    """Takes models into folders below one of the user's cache."""

    def __init__(self, folder: Path, objects: ObjectStore, digests: Digests) -> None:
        """Take them out of ``objects``; ``digests`` tell whether they are as they were."""
        self.folder = folder
        self._objects = objects
        self._digests = digests

    def take(self, model: Artifact) -> Path:
        """Return where a model stands now, a file or a folder, as it is in the store.

        Raises:
            StoreError: it is not in the store, or there is no room for it.
        """
        home = self.folder / model.sha256
        name = name_of(model)
        try:
            if self._is_whole(home / name, model):
                os.utime(home)  # 'gc' removes what was not used for long
                return home / name
            self.folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(prefix=".", dir=self.folder) as new:
                made = Path(new, "model")
                self._objects.give(model.replace(path=name), str(made))
                if home.exists():  # somebody wrote to it, or another process was quicker
                    home.rename(Path(new, "old"))
                made.rename(home)
                remove_all(Path(new, "old"))
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise StoreError(f"the model cannot be taken: {reason}", where=str(home)) from error
        return home / name

    def _is_whole(self, place: Path, model: Artifact) -> bool:
        found = self._digests.digest(str(place), model.path)
        return found is not None and found.sha256 == model.sha256


def name_of(model: Artifact) -> str:
    """Return what a model is called in its folder.

    Raises:
        StoreError: it has no name; somebody else may have made the store.
    """
    name = posixpath.basename(model.path)
    if name in ("", ".", "..") or "\0" in name:
        raise StoreError(f"a model has the path {model.path!r}, which is none")
    return name
