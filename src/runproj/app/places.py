"""Where things of this user and this machine are kept: settings, caches, archives, state."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

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
    import platformdirs  # noqa: PLC0415 -- lazy, see the module docstring

    return Path(platformdirs.user_cache_dir("runproj"))


def archive_folder() -> Path:
    """Return the user's folder of package archives, which all projects share."""
    import platformdirs  # noqa: PLC0415 -- lazy, see the module docstring

    return Path(platformdirs.user_data_dir("runproj")) / "archives"


def state_folder() -> Path:
    """Return the user's folder for what cannot be made again."""
    import platformdirs  # noqa: PLC0415 -- lazy, see the module docstring

    return Path(platformdirs.user_state_dir("runproj"))
