"""Shells in the workspace of a step, and in its environment."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from runproj.app.building import backends
from runproj.app.places import WORKSPACES, working_folder
from runproj.app.repeating import rerunner_of
from runproj.app.stores import Store

if TYPE_CHECKING:
    from runproj.engine.shell import Opener
    from runproj.ports import Container
    from runproj.record.run import Run


def opener(store: Store, run: "Run", caller: Mapping[str, str]) -> "Opener":
    """Return what opens the workspaces of a past run, for a person."""
    from runproj.adapters import workspaces  # noqa: PLC0415 -- lazy
    from runproj.adapters.tracking import TrackingFolders  # noqa: PLC0415 -- lazy
    from runproj.engine.shell import Opener  # noqa: PLC0415 -- lazy

    store.share()
    folder = str(working_folder() / WORKSPACES)
    return Opener(
        rerunner_of(store),
        workspaces.FolderWorkspaces(folder, store.source, store.objects),
        backends(caller, store, tuple(run.packages.values())),
        workspaces.revisited,
        caller,
        TrackingFolders(),
    )


def in_foreground(
    command: tuple[str, ...], directory: str, variables: Mapping[str, str],
    container: "Container | None" = None,
) -> int:  # fmt: skip
    """Run a command, or for none a shell, with the caller's terminal; return its exit code.

    Raises:
        UsageError: it cannot be started.
        EnvironmentFailed: the container engine does not do its part.
    """
    from runproj.engine.shell import process_of  # noqa: PLC0415 -- lazy

    argv = process_of(command)
    if container is not None:
        from runproj.adapters.executors.attached import run_attached  # noqa: PLC0415 -- lazy

        locks = working_folder() / "containers"
        return run_attached(argv, directory, variables, container, locks)
    from runproj.adapters.executors.foreground import run_in_foreground  # noqa: PLC0415 -- lazy

    return run_in_foreground(argv, directory, variables)
