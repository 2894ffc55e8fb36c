"""Opened stores: what a command can ask one for, and what it can take out of it."""

import hashlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runproj.adapters.store.objects import FolderObjects
from runproj.adapters.store.runs import FolderRuns, make_store
from runproj.app.places import PROJECT_FILES, STORE, state_folder
from runproj.engine.lookup import Lookup
from runproj.errors import NoSuchRun, UsageError
from runproj.spec.paths import is_own
from runproj.spec.suggest import did_you_mean

if TYPE_CHECKING:
    from runproj.adapters.source.git import GitSource
    from runproj.adapters.store.registry import FolderModels
    from runproj.engine.models import Models
    from runproj.ports import Stream, Watcher
    from runproj.record.artifact import Artifact
    from runproj.record.run import Output, StepRun

_CLOSED = frozenset({STORE, ".git"})


@dataclass(frozen=True)
class Store:
    """A store that was opened."""

    folder: Path

    @cached_property
    def runs(self) -> FolderRuns:
        """The memory of runs."""
        return FolderRuns(str(self.folder), _make_store)

    @cached_property
    def objects(self) -> FolderObjects:
        """Content by digest."""
        return FolderObjects(str(self.folder / "objects"))

    @cached_property
    def shared(self) -> int | None:
        """Use the store together with others until this process ends: ``gc`` does not begin."""
        from runproj.adapters.store.use import shared  # noqa: PLC0415 -- lazy

        return shared(self.folder)

    def share(self) -> "Store":
        """Use it, see :attr:`shared`: what a run is prepared from must not go meanwhile."""
        self.shared  # noqa: B018 -- once is enough
        return self

    @cached_property
    def source(self) -> "GitSource":
        """The source snapshots."""
        from runproj.adapters.source.git import GitSource  # noqa: PLC0415 -- lazy

        return GitSource(
            str(self.folder / "source.git"), make_parent=lambda: _make_store(self.folder)
        )

    @cached_property
    def watcher(self) -> "Watcher":
        """Watches processes; knows files of the machine by their content."""
        from runproj.adapters.executors.watching import LocalWatcher  # noqa: PLC0415 -- lazy

        return LocalWatcher(self._digest_of)

    def look(self, path: str) -> str | None:
        """Return what stands at a path of the machine, see :meth:`runproj.ports.Watcher.state`."""
        return self.watcher.state(path)  # made when it is first needed

    def _digest_of(self, path: str) -> str:
        artifact = self.objects.digest(path, path)
        return "" if artifact is None else artifact.sha256

    @cached_property
    def shelf(self) -> "FolderModels":
        """The histories of registered models."""
        from runproj.adapters.store.registry import FolderModels  # noqa: PLC0415 -- lazy

        return FolderModels(str(self.folder / "models"), lambda: _make_store(self.folder))

    @property
    def models(self) -> "Models":
        """Finds models of runs, and registered ones."""
        from runproj.engine.models import Models  # noqa: PLC0415 -- lazy

        return Models(self.shelf, self.lookup, self.runs, self.objects)

    def pieces(self, run_id: str, step: "StepRun") -> "Iterator[tuple[float, Stream, bytes]]":
        """Yield seconds since the start, stream and bytes of a step's log.

        A cached step has the log of the step run whose outputs it took.
        """
        from runproj.adapters.store.log import pieces  # noqa: PLC0415 -- lazy

        return pieces(self._logged(run_id, step))

    def end_of_log(self, run_id: str, step: "StepRun", limit: int) -> tuple[bytes, int]:
        """Return the last bytes of a step's log, and how many it has, see :meth:`pieces`."""
        from runproj.adapters.store.log import end_of  # noqa: PLC0415 -- lazy

        return end_of(self._logged(run_id, step), limit)

    def _logged(self, run_id: str, step: "StepRun") -> Path:
        """Return the folder with the log of a step."""
        from runproj.adapters.store.runs import step_folder  # noqa: PLC0415 -- lazy

        name = step.name
        if step.cached_from:
            run_id, _, name = step.cached_from.partition("/")
        return step_folder(self.runs.runs / run_id, name)

    @property
    def lookup(self) -> Lookup:
        """Finds past runs by name."""
        return Lookup(self.runs)


def _make_store(folder: Path) -> None:
    """Make a store's folder, and remember it as one of this user's own."""
    if make_store(folder):
        from runproj.adapters.store.own import claim  # noqa: PLC0415 -- once for each store

        claim(folder, state_folder())


def find_store(start: str, given: str | None) -> Store:
    """Open the store that is named, or the nearest one upwards of a folder.

    Raises:
        UsageError: there is none.
    """
    if given:
        folder = Path(given)
        if not folder.is_dir():
            raise UsageError(
                "there is no store", where=given, hint="'runproj run' with --store makes one"
            )
        return Store(folder.resolve())
    here = Path(start).resolve()
    for folder in (here, *here.parents):
        if (folder / STORE).is_dir():
            return Store(folder / STORE)
    for folder in (here, *here.parents):
        if any((folder / name).exists() for name in PROJECT_FILES) and aside(folder).is_dir():
            return Store(aside(folder))
    raise UsageError(
        "no runs are recorded here",
        where=str(here),
        hint="'runproj run' records one; -C DIR or --store DIR look elsewhere",
    )


def found_runs(
    store: Store, experiment: str | None, where: str | None = None
) -> "list[dict[str, Any]]":
    """Return what the index says of the runs that are asked for, the earliest first.

    Those that only repeat others to judge them, and those that were put away, are left out.

    Raises:
        NoSuchRun: there are none.
        UsageError: ``where`` is no query.
    """
    from runproj.record.query import ALL, parse  # noqa: PLC0415 -- lazy

    condition, values = "perturbed = '[]' and archived_at is null", []
    if experiment is not None:
        condition, values = f"{condition} and experiment = ?", [experiment]
    found = store.runs.search(condition, values, parse(where) if where else ALL, (), None)
    if not found:
        rows = store.runs.summaries("1", (), None)
        known = sorted({row["experiment"] for row in rows})
        if experiment is not None and experiment not in known:
            raise NoSuchRun(
                f"there is no experiment {experiment!r}", hint=did_you_mean(experiment, known)
            )
        raise NoSuchRun("there are no such runs", hint="'runproj list' shows all runs")
    return found[::-1]


def check_destination(path: str) -> None:
    """Make sure, before anything is done, that outputs can be put into a folder.

    Raises:
        UsageError: it cannot be made or written, or is (in) a store or a repository's own folder.
    """
    inside = next((part for part in Path(path).resolve().parts if part.casefold() in _CLOSED), None)
    if inside is not None:
        raise UsageError(
            f"outputs are not put into {inside}", where=path, hint="choose another folder"
        )
    _check_place(path, "the folder")


def _check_place(path: str, what: str) -> None:
    """Make sure that a folder is there or can be made."""
    place = Path(path).absolute()
    above = place
    while not os.path.lexists(above) and above != above.parent:
        above = above.parent
    if not above.is_dir():
        raise UsageError(f"{what} cannot be made: {above} is a file", where=path)
    if not os.access(above, os.W_OK | os.X_OK):
        raise UsageError(
            f"{what} cannot be written: permission denied", where=str(above),
            hint="choose a folder of your own",
        )  # fmt: skip


def give(store: Store, outputs: "Sequence[Output]", folder: str) -> None:
    """Copy outputs out of a store into a folder.

    Raises:
        UsageError: an output would overwrite the project file, a store or a repository; nothing is
            copied then.
        StoreError: an output is gone or damaged.
    """
    target = Path(folder)
    for output in outputs:
        if is_own(output.path) and os.path.lexists(target / output.path):
            raise UsageError(
                f"the output {output.path} would overwrite what is the project's own",
                where=str(target / output.path), hint="choose another folder",
            )  # fmt: skip
    for output in outputs:
        store.objects.give(output, folder)


def aside(folder: Path, name: str = "") -> Path:
    """Return the store of a project whose folder cannot be written, or is not the user's."""
    digest = hashlib.sha256(str(folder).encode()).hexdigest()[:16]
    return state_folder() / "projects" / f"{name or folder.name}-{digest}"


def project_store(folder: Path, given: str | None) -> Store:
    """Return the store of a project; it may not exist yet."""
    if given:
        _check_place(given, "the store")
        return Store(Path(given).absolute())
    beside = folder / STORE
    writable = os.access(beside if beside.exists() else folder, os.W_OK)
    return Store(beside if writable else aside(folder))


def members_of(store: Store, artifact: "Artifact") -> "list[Artifact]":
    """Return the files of an artifact by their paths in it; a file has its name.

    Raises:
        StoreError: it is gone.
    """
    from runproj.record.artifact import Artifact  # noqa: PLC0415 -- lazy

    if artifact.kind == "file":
        return [artifact.replace(path=Path(artifact.path).name)]
    members = store.objects.members(artifact.sha256)
    return [
        Artifact(path=one.path, sha256=one.sha256, size=one.size, executable=one.executable)
        for one in members
        if one.sha256 is not None
    ]
