"""The files of the user's project folder, read only."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from runproj.errors import ProjectError
from runproj.spec.paths import glob_matches, is_glob


class FolderFiles:
    """The files below a project folder."""

    def __init__(self, folder: str) -> None:
        """Read below ``folder``."""
        self.folder = Path(folder)

    def absolute(self, path: str) -> str:
        """Return where a path of the project is; an absolute one is itself."""
        return str(self.folder / path)

    def read(self, path: str) -> str | None:
        """Return the text of a file, see :class:`~runproj.ports.ProjectFiles`."""
        try:
            return (self.folder / path).read_bytes().decode("utf-8")
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            return None
        except UnicodeDecodeError as error:
            raise ProjectError(
                "the file is not UTF-8 text", where=str(self.folder / path),
                hint="save it as UTF-8",
            ) from error  # fmt: skip
        except OSError as error:
            raise ProjectError(
                f"the file cannot be read: {error.strerror}", where=str(self.folder / path)
            ) from error

    def find(self, pattern: str) -> Sequence[str]:
        """Return what a path or glob names, see :class:`~runproj.ports.ProjectFiles`."""
        if not is_glob(pattern):
            return [pattern] if _exists(self.folder / pattern) else []
        fixed = pattern.split("/")
        while fixed and (is_glob(fixed[-1]) or is_glob("/".join(fixed))):
            fixed.pop()
        found = sorted(path for path in self._below("/".join(fixed)) if glob_matches(pattern, path))
        for path in found:
            try:
                path.encode()
            except UnicodeEncodeError as error:
                shown = os.fsencode(self.folder / path).decode(errors="backslashreplace")
                raise ProjectError(
                    "the name of a file is not UTF-8", where=shown, hint="rename it"
                ) from error
        return found

    def _below(self, start: str) -> Iterator[str]:
        for folder, folders, files in os.walk(self.folder / start):
            folders[:] = [name for name in folders if name not in (".git", ".runproj")]
            below = Path(folder).relative_to(self.folder).as_posix()
            prefix = "" if below == "." else f"{below}/"
            yield from (f"{prefix}{name}" for name in (*files, *folders))


def _exists(place: Path) -> bool:
    try:
        return place.exists()
    except OSError:  # no name that a file can have, or behind what cannot be entered
        return False
