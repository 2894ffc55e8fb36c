"""The objects and runs of a store as what takes room."""

from collections.abc import Sequence

from runproj.adapters.disk import is_locked
from runproj.adapters.holdings import size_of, used_at
from runproj.adapters.store.objects import FolderObjects
from runproj.adapters.store.runs import FolderRuns
from runproj.errors import StoreError
from runproj.ports import Held


class HeldObjects:
    """All objects, by sha256, see :class:`~runproj.ports.Holdings`."""

    def __init__(self, objects: FolderObjects) -> None:
        """Look at what ``objects`` keeps."""
        self.place = str(objects.folder)
        self._objects = objects

    def all(self) -> Sequence[Held]:
        """Return what is there."""
        found = []
        for sha256, place in self._objects.all():
            try:
                status = place.stat()
            except FileNotFoundError:
                continue  # it was just set aside
            found.append(Held(sha256, status.st_size, status.st_mtime))
        return found

    def remove(self, one: Held) -> bool:
        """Remove an object."""
        place = self._objects.place(one.name)
        try:
            place.unlink(missing_ok=True)
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise StoreError(f"it cannot be removed: {reason}", where=str(place)) from error
        return True


class HeldRuns:
    """All runs, by id, see :class:`~runproj.ports.Holdings`."""

    def __init__(self, runs: FolderRuns) -> None:
        """Look at what ``runs`` remembers."""
        self.place = str(runs.runs)
        self._runs = runs

    def all(self) -> Sequence[Held]:
        """Return what is there."""
        folders = sorted(self._runs.runs.iterdir()) if self._runs.runs.is_dir() else []
        return [Held(one.name, size_of(one), used_at(one)) for one in folders if one.is_dir()]

    def remove(self, one: Held) -> bool:
        """Remove a run with its logs, unless it goes on."""
        if is_locked(self._runs.runs / one.name / "lock"):
            return False
        self._runs.remove(one.name)
        return True
