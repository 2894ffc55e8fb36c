"""What a step was seen to look at, and whether all of that is as it was."""

import posixpath
from collections.abc import Iterable, Mapping
from functools import cached_property

from runproj.model import Model, digest_of, field
from runproj.spec.paths import above

FOLDER = "folder"
_KIND = 3  # of the six digits of a mode, as git writes it


class Observation(Model):
    """What the processes of a step opened, looked for and listed.

    ``paths`` and ``listings`` (folders whose names were read) are relative to the project folder;
    what the step itself made is among them. ``seen`` is the digest of what the source held there,
    see :meth:`SeenSource.digest`. ``outside`` maps absolute paths outside of the workspace, the
    environment and the system to their content then: a sha256, ``folder``, None for nothing; a path
    that ends with ``/`` stands for the names in a folder. ``gap`` says why something may be
    missing: such an observation narrows nothing.
    """

    paths: tuple[str, ...] = ()
    listings: tuple[str, ...] = ()
    seen: str = ""
    outside: dict[str, str | None] = field(default_factory=dict)
    gap: str | None = None

    @property
    def undeclared(self) -> tuple[str, ...]:
        """What was read outside, and was there."""
        return tuple(
            path
            for path, content in self.outside.items()
            if content is not None and not content.startswith(FOLDER)
        )

    def covers(self, path: str, *, came_or_went: bool) -> bool:
        """Tell whether a change of a source file could have been noticed.

        >>> Observation(listings=("data",)).covers("data/new.csv", came_or_went=True)
        True
        """
        around = [*above(posixpath.dirname(path)), "."] if came_or_went else []
        return path in self.paths or any(folder in self.listings for folder in around)


class SeenSource:
    """The source as a step sees it, asked for what stands at a path."""

    def __init__(self, manifest: Mapping[str, str]) -> None:
        """Take path → mode and object id, relative to the project folder."""
        self._manifest = manifest

    @cached_property
    def _folders(self) -> dict[str, set[str]]:
        folders: dict[str, set[str]] = {".": set()}
        for path in self._manifest:
            below = path
            while below and not below.endswith(".."):
                parent, _, name = below.rpartition("/")
                names = folders.setdefault(parent or ".", set())
                if name in names:
                    break
                names.add(name)
                below = parent
        return folders

    def at(self, path: str) -> str:
        """Return what stands at a path: mode and object id of a file, ``folder``, or nothing.

        What stands behind a link is told by the link.
        """
        for place in above(path):
            entry = self._manifest.get(place)
            if entry is not None:
                return entry if place == path else f"behind {entry}"
        return FOLDER if path in self._folders else ""

    def digest(self, paths: Iterable[str], listings: Iterable[str]) -> str:
        """Return the digest of what stands at paths, and of names and kinds in listed folders."""
        return digest_of([
            [[path, self.at(path)] for path in paths],
            [[folder, self._listed(folder)] for folder in listings],
        ])  # fmt: skip

    def _listed(self, folder: str) -> list[tuple[str, str]]:
        """Return names and kinds (the mode, without what is executable) of what is in a folder."""
        prefix = "" if folder == "." else f"{folder}/"
        names = sorted(self._folders.get(folder, ()))
        return [(name, self._manifest.get(prefix + name, "")[:_KIND]) for name in names]
