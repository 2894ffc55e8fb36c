"""Keeping a store in order: what goes, what stays, whether all is whole."""

import os
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from runproj.app.building import used_images
from runproj.app.places import (
    MODELS,
    REPEATS,
    WORKSPACES,
    archive_folder,
    cache_folder,
    working_folder,
)
from runproj.app.projects import author_of, open_project, project_folder_of
from runproj.app.stores import Store
from runproj.errors import ProjectError, StoreError

if TYPE_CHECKING:
    from runproj.engine.fsck import Fsck
    from runproj.engine.gc import Gc, ProjectRules
    from runproj.engine.organise import Organiser
    from runproj.ports import Claim


def fsck(store: Store, progress: "Callable[[int, int], None]") -> "Fsck":
    """Return what checks a store; ``progress`` is told bytes that were read, of how many."""
    from runproj.adapters.source.checks import GitChecks  # noqa: PLC0415 -- lazy
    from runproj.adapters.store.checked_objects import CheckedObjects  # noqa: PLC0415 -- lazy
    from runproj.adapters.store.checked_records import CheckedRecords  # noqa: PLC0415 -- lazy
    from runproj.engine.fsck import Fsck  # noqa: PLC0415 -- lazy

    source = GitChecks(str(store.folder / "source.git"))
    checks, records = CheckedObjects(store.objects), CheckedRecords(store.runs)
    return Fsck(checks, source, records, store.shelf, progress)


def _claims(store: Store) -> "Sequence[Claim]":
    """Return what is kept beside the runs of a store, and needs some of them: registered models.

    Raises:
        StoreError: the history of one cannot be read.
    """
    from runproj.engine.models import held_versions  # noqa: PLC0415 -- lazy
    from runproj.ports import Claim  # noqa: PLC0415 -- lazy

    return [
        Claim(
            f"the registered model {version.reference}",
            (version.origin.run,),
            (version.origin.model,),
            () if version.origin.environment is None else (version.origin.environment,),
        )
        for version in held_versions(store.shelf)
    ]


def organiser(store: Store) -> "Organiser":
    """Return what says something of the runs of a store, on behalf of who is at the keyboard."""
    from runproj.adapters.host import user  # noqa: PLC0415 -- lazy
    from runproj.engine.organise import Organiser  # noqa: PLC0415 -- lazy
    from runproj.engine.run import timestamp  # noqa: PLC0415 -- lazy

    return Organiser(
        store.runs, store.runs, author_of(str(Path.cwd())) or user(),
        lambda: timestamp(time.time()), lambda: _claims(store),
    )  # fmt: skip


def rules_of(store: Store) -> "tuple[ProjectRules | None, str | None]":
    """Return which of its runs the project of a store wants to keep; or why nobody knows that."""
    from runproj.engine.gc import ProjectRules  # noqa: PLC0415 -- lazy

    folder = project_folder_of(store)
    if folder is None:
        return None, None
    try:
        opened = open_project(str(folder), str(store.folder))
    except ProjectError:
        return None, (
            "what 'retention' may say is not known: the project file has mistakes, see "
            "'runproj check'"
        )
    found = opened.project.retention
    return None if found is None else ProjectRules(opened.name, found), None


def _lockfiles(store: Store) -> Iterator[str]:
    """Yield the texts of all lockfiles beside the runs: those of the store and of its project.

    Raises:
        StoreError: one cannot be read.
    """
    folder = project_folder_of(store)
    places = [*(store.folder / "locks").glob("[0-9a-f]" * 64)]
    for pattern in ("pylock.*.toml", "conda.*.json", "docker.*.json") if folder else ():
        places += (folder or Path()).joinpath("locks").glob(pattern)
    for place in sorted(places):
        try:
            yield place.read_bytes().decode()
        except (OSError, UnicodeDecodeError) as error:
            raise StoreError(f"it cannot be read: {error}", where=str(place)) from error


def gc(store: Store) -> "Gc":
    """Return what makes room in a store, and in the user's folders."""
    from runproj.adapters import workspaces  # noqa: PLC0415 -- lazy
    from runproj.adapters.environments.archives import HeldArchives  # noqa: PLC0415 -- lazy
    from runproj.adapters.environments.built import HeldEnvironments  # noqa: PLC0415 -- lazy
    from runproj.adapters.environments.images import HeldImages  # noqa: PLC0415 -- lazy
    from runproj.adapters.holdings import PathHoldings  # noqa: PLC0415 -- lazy
    from runproj.adapters.source.checks import GitChecks  # noqa: PLC0415 -- lazy
    from runproj.adapters.source.holdings import GitHoldings  # noqa: PLC0415 -- lazy
    from runproj.adapters.store.checked_objects import CheckedObjects  # noqa: PLC0415 -- lazy
    from runproj.adapters.store.checked_records import CheckedRecords  # noqa: PLC0415 -- lazy
    from runproj.adapters.store.held import HeldObjects, HeldRuns  # noqa: PLC0415 -- lazy
    from runproj.adapters.store.use import FolderUse  # noqa: PLC0415 -- lazy
    from runproj.engine.gc import Gc, Places  # noqa: PLC0415 -- lazy

    objects, records = CheckedObjects(store.objects), CheckedRecords(store.runs)
    git = str(store.folder / "source.git")
    source, user = GitChecks(git), working_folder()
    working, models = [user / name for name in (WORKSPACES, REPEATS)], user / MODELS
    place, runs, cache = str(store.folder), store.folder / "runs", str(working[0])

    def damaged() -> list[Path]:
        return [*store.objects.set_aside_before(), *source.set_aside_before()]

    def left() -> list[Path]:
        dead = [one for folder in working for one in workspaces.left(folder)]
        return [*objects.left(), *records.left(), *source.left(), *dead]

    places = Places(
        runs=HeldRuns(store.runs),
        objects=HeldObjects(store.objects),
        logs=PathHoldings(str(runs), lambda: sorted(runs.glob("*/steps/*"))),
        damaged=PathHoldings(place, damaged),
        leftovers=PathHoldings(place, left),
        environments=HeldEnvironments(cache_folder() / "environments"),
        images=HeldImages(used_images(os.environ)),
        workspaces=PathHoldings(
            cache, lambda: [one for folder in working for one in workspaces.kept(folder)]
        ),
        models=PathHoldings(str(models), lambda: sorted(models.glob("*"))),
        archives=HeldArchives(str(archive_folder())),
    )
    return Gc(
        FolderUse(store.folder), records, objects, objects.read, GitHoldings(git), places,
        time.time(), lambda: _claims(store), lambda: _lockfiles(store),
    )  # fmt: skip
