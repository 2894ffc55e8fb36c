"""Where things of this user and this machine are kept: settings, caches, archives, state."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from runproj.errors import StoreError

if TYPE_CHECKING:
    from runproj.spec.settings import Settings

PROJECT_FILES = ("runproj.yaml", "runproj.yml")
STORE = ".runproj"
MODELS = "models"
WORKSPACES = "workspaces"
REPEATS = "workspaces of repeats/in a longer path"


def settings(start: str | None, variables: Mapping[str, str]) -> "Settings":
    """Return what holds for a command that is started in a folder, and where it is from.

    A variable goes before the project's file, and that before the user's. ``start`` is None for a
    project that is not here.

    Raises:
        UsageError: a file, or a variable, is wrong.
    """
    from runproj.adapters import settings as files  # noqa: PLC0415 -- after the options

    user = files.user_file(variables)
    project = None if start is None else files.project_file(start, (*PROJECT_FILES, STORE))
    own = files.text_of(user)
    shared = None if project is None else files.text_of(project)
    from runproj.spec import settings as known  # noqa: PLC0415 -- as above

    found = known.defaults()
    if own:
        found |= known.from_file(own, user, "user", user)
    if project is not None and shared and "runproj" in shared:  # else there is no such table
        found |= known.from_file(shared, project, "project", user)
    return found | known.from_variables(variables)


def settings_file(variables: Mapping[str, str]) -> str:
    """Return where the user's own settings stand, or would."""
    from runproj.adapters.settings import user_file  # noqa: PLC0415 -- lazy

    return user_file(variables)


def cache_folder() -> Path:
    """Return the user's folder for what can be made again."""
    import platformdirs  # noqa: PLC0415 -- lazy

    return Path(platformdirs.user_cache_dir("runproj"))


def working_folder() -> Path:
    """Return the user's folder for what processes need while they go on.

    It is the cache, or where that can only be read, a folder among temporary files.

    Raises:
        StoreError: that folder cannot be made, or is somebody else's.
    """
    cache = cache_folder()
    there = next(one for one in (cache, *cache.parents) if one.exists())
    if os.access(there, os.W_OK | os.X_OK):
        return cache
    import tempfile  # noqa: PLC0415 -- lazy

    hint = "set XDG_CACHE_HOME, or TMPDIR, to a folder of yours"
    try:
        folder = Path(tempfile.gettempdir(), f"runproj-{os.getuid()}")
        folder.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise StoreError(
            f"there is no place for workspaces: {error.strerror}",
            where=str(error.filename or cache), hint=hint,
        ) from error  # fmt: skip
    if folder.is_symlink() or folder.stat().st_uid != os.getuid():
        raise StoreError(
            "the folder for workspaces belongs to somebody else", where=str(folder), hint=hint
        )
    return folder


def archive_folder() -> Path:
    """Return the user's folder of package archives, which all projects share."""
    import platformdirs  # noqa: PLC0415 -- lazy

    return Path(platformdirs.user_data_dir("runproj")) / "archives"


def state_folder() -> Path:
    """Return the user's folder for what cannot be made again."""
    import platformdirs  # noqa: PLC0415 -- lazy

    return Path(platformdirs.user_state_dir("runproj"))
