"""The files of packages at paths of the project, out of the source snapshot."""

import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from runproj.errors import EnvironmentFailed, StoreError
from runproj.lock.libraries import Libraries, Library
from runproj.ports import SourceControl


def lay_out(
    source: SourceControl | None, libraries: Libraries, some: Sequence[Library], folder: Path
) -> None:
    """Write the files of some libraries below a folder, as they stand in the project.

    Raises:
        EnvironmentFailed: they are not in the store any more.
    """
    if not some:
        return
    if source is None:
        raise EnvironmentFailed("the project's code is not at hand", where=some[0].path)
    places = {one.path: libraries.place(one.path) + "/" * (not one.is_archive) for one in some}
    try:
        names = [
            name
            for name in source.manifest(libraries.tree)
            if name.startswith(tuple(places.values()))
        ]
        with tempfile.TemporaryDirectory(prefix="runproj-source-") as passing:
            source.checkout(libraries.tree, passing, names)
            for path, place in places.items():
                if not place.endswith("/"):
                    (folder / path).parent.mkdir(parents=True, exist_ok=True)
                    shutil.copyfile(Path(passing, place), folder / path)
                    continue
                shutil.copytree(
                    Path(passing, place), folder / path, symlinks=True, dirs_exist_ok=True
                )
    except StoreError as error:
        raise EnvironmentFailed(
            f"the code of {', '.join(places)} cannot be had: {error}", hint="runproj fsck"
        ) from error


def archive(source: SourceControl | None, libraries: Libraries, path: str) -> bytes:
    """Return the bytes of an archive of the project.

    Raises:
        EnvironmentFailed: it is not in the store any more, or was never there.
    """
    try:
        data = source.read(libraries.tree, libraries.place(path)) if source else None
    except StoreError as error:
        raise EnvironmentFailed(
            f"the archive {path} cannot be had: {error}", hint="runproj fsck"
        ) from error
    if data is None:
        raise EnvironmentFailed(f"the archive {path} is not in the recorded source", where=path)
    return data
