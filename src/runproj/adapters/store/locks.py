"""Locks that were made without being asked for."""

from pathlib import Path

from runproj.adapters.disk import write_atomically
from runproj.errors import StoreError


class FolderLocks:
    """Locks as files by the digest of their declaration."""

    def __init__(self, folder: str) -> None:
        """Keep them below ``folder``."""
        self.folder = Path(folder)

    def get(self, declaration: str) -> str | None:
        """Return the lockfile's text."""
        place = self.folder / declaration
        try:
            return place.read_bytes().decode()
        except FileNotFoundError:
            return None
        except (OSError, UnicodeDecodeError) as error:
            raise StoreError(
                "a lock that was kept cannot be read", where=str(place), hint="remove that file"
            ) from error

    def put(self, declaration: str, content: str) -> None:
        """Keep a lockfile's text."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            write_atomically(self.folder / declaration, content.encode())
        except OSError as error:
            raise StoreError(
                f"a lock cannot be kept: {(error.strerror or str(error)).lower()}",
                where=str(self.folder),
            ) from error
