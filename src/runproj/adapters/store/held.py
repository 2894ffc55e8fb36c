"""The objects of a store as what takes room."""

from collections.abc import Sequence

from runproj.adapters.store.objects import FolderObjects
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
