"""The composition root: the only file that names adapters, and the home of lazy imports.

What it returns is ready to be used by the command line: an opened store, an opened project, and
the verbs of the engine with everything they need.
"""

import contextlib
import hashlib
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from runproj.adapters.host import platform_tag
from runproj.adapters.remembered import RememberedValues
from runproj.adapters.store.objects import FolderObjects
from runproj.adapters.store.runs import FolderRuns, make_store
from runproj.engine.lookup import Lookup
from runproj.errors import (
    CannotRerun,
    EnvironmentFailed,
    MissingSecret,
    NoSuchRun,
    NotSupported,
    Problem,
    ProjectError,
    StoreError,
    UsageError,
)
from runproj.model import EMPTY, digest_of
from runproj.spec.paths import is_own
from runproj.spec.suggest import did_you_mean
from runproj.version import VERSION

if TYPE_CHECKING:
    from runproj.adapters.environments.archives import FolderArchives
    from runproj.adapters.environments.built import BuiltEnvironments
    from runproj.adapters.environments.images import DockerBackend
    from runproj.adapters.perturbing import Arrange
    from runproj.adapters.source.git import GitSource
    from runproj.adapters.store.registry import FolderModels
    from runproj.engine.diff import Differ
    from runproj.engine.fsck import Fsck
    from runproj.engine.gc import Gc, ProjectRules
    from runproj.engine.models import Models
    from runproj.engine.organise import Organiser
    from runproj.engine.perturbation import Place, Trial
    from runproj.engine.pin import Pinner, Policy
    from runproj.engine.prepare import Prepared, Preparer, Request
    from runproj.engine.registry import Registry
    from runproj.engine.report import Collector
    from runproj.engine.rerun import Rerunner
    from runproj.engine.resources import Capacity
    from runproj.engine.run import Runner
    from runproj.engine.session import Session
    from runproj.engine.shell import Opener
    from runproj.engine.sweep import Trials
    from runproj.engine.together import Going, Together
    from runproj.engine.vary import Varier
    from runproj.lock.lock import Kind
    from runproj.ports import (
        Accesses,
        Claim,
        Confinement,
        Container,
        EnvironmentBackend,
        Executor,
        ProjectFiles,
        Reporter,
        Sampler,
        Stream,
        Watcher,
        Workspaces,
    )
    from runproj.record.artifact import Artifact
    from runproj.record.program import Program
    from runproj.record.run import Output, Run, StepRun
    from runproj.record.sweep import (
        Goal,
        SamplerName,
        Sweep,
        SweepResult,
        SweepTrial,
        TrialResult,
    )
    from runproj.record.verdict import Annotation, Verdict
    from runproj.spec import place
    from runproj.spec.project import Project
    from runproj.spec.settings import Settings

PROJECT_FILES = ("runproj.yaml", "runproj.yml")
STORE = ".runproj"
_MODELS = "models"
_WORKSPACES = "workspaces"
_REPEATS = "workspaces of repeats/in a longer path"
_CLOSED = frozenset({STORE, ".git"})
_ALPHABET = "abcdefghjkmnpqrstvwxyz0123456789"  # no letters that look like others


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


def new_id() -> str:
    """Return eight random characters."""
    return "".join(_ALPHABET[byte % len(_ALPHABET)] for byte in os.urandom(8))


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
        if any((folder / name).exists() for name in PROJECT_FILES) and _aside(folder).is_dir():
            return Store(_aside(folder))
    raise UsageError(
        "no runs are recorded here",
        where=str(here),
        hint="'runproj run' records one; -C DIR or --store DIR look elsewhere",
    )


def found_runs(
    store: Store, experiment: str | None, where: str | None = None
) -> "list[dict[str, Any]]":
    """Return what the index says of the runs that are asked for, the earliest first.

    Those that only repeat others to judge them are left out, and those that are put away.

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


def collector(store: Store) -> "Collector":
    """Return what collects all that a report tells of runs."""
    from runproj.engine.report import Collector, Tail  # noqa: PLC0415 -- lazy

    def tail(run: "Run", step: "StepRun", limit: int) -> Tail:
        return Tail(*store.end_of_log(run.id, step, limit))

    return Collector(store.objects, store.runs, tail)


def png(svg: str, fonts: str) -> bytes:
    """Return a drawing as a PNG, see :func:`runproj.adapters.raster.png`."""
    from runproj.adapters import raster  # noqa: PLC0415 -- lazy

    return raster.png(svg, fonts)


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


def _aside(folder: Path, name: str = "") -> Path:
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
    return Store(beside if writable else _aside(folder))


class OpenProject(NamedTuple):
    """A project that was read, with its store."""

    folder: Path
    file: str
    text: str
    project: "Project"
    store: Store
    default_name: str

    @property
    def name(self) -> str:
        """The project's name, or that of its folder."""
        return self.project.name or self.default_name

    def point(self, path: "place.Path", message: str, hint: str | None) -> Problem:
        """Return a problem that shows a place of the project file."""
        return _point_at(self.text, self.file)(path, message, hint)

    def preparer(
        self, caller: Mapping[str, str], reporter: "Reporter", policy: "Policy"
    ) -> "Preparer":
        """Return what prepares runs of this project."""
        from runproj.adapters.project_files import FolderFiles  # noqa: PLC0415 -- lazy
        from runproj.engine.prepare import Preparer  # noqa: PLC0415 -- lazy
        from runproj.engine.remember import PlanMemory  # noqa: PLC0415 -- lazy
        from runproj.plan.binding import Folders  # noqa: PLC0415 -- lazy

        store = self.store.share()
        return Preparer(
            self.project,
            self.file,
            self.point,
            self.name,
            Folders(str(self.folder), os.path.realpath(Path.cwd()), str(Path.home())),
            FolderFiles(str(self.folder)),
            store.source,
            store.objects,
            store.objects,
            store.runs,
            _pinner(store, caller, reporter, policy),
            caller,
            platform_tag(),
            store.look,
            memory=PlanMemory(_plans(), digest_of(self.text)),
        )  # fmt: skip


def _plans() -> RememberedValues:
    """Return where plans are remembered; those of ten thousand steps have 3 MB."""
    from runproj.plan import plan  # noqa: PLC0415 -- lazy

    parts = plan.PlannedStep, plan.PlannedInput, plan.PlannedOutput, plan.Retry, plan.Items
    return RememberedValues(cache_folder() / "plans", parts, 16)


def project_file(path: str) -> Path:
    """Return the project file that a user means by a folder or file.

    Raises:
        UsageError: there is none.
    """
    given = Path(path)
    if given.is_file():
        return given.resolve()
    if not given.exists():
        if path.endswith(".zip"):
            raise NotSupported(
                "a project in a zip file is not supported yet", where=path,
                hint="unpack it, and run the folder",
            )  # fmt: skip
        raise UsageError(
            "there is no such folder", where=path,
            hint="the first argument of run is the project's folder: runproj run . STEP",
        )  # fmt: skip
    for name in PROJECT_FILES:
        if (given / name).is_file():
            return (given / name).resolve()
    raise UsageError(
        "there is no runproj.yaml", where=str(given.resolve()), hint="'runproj init' writes one"
    )


def fetch_project(path: str, revision: str | None) -> Path | None:
    """Fetch a project that is named by a git URI, or by a revision of a repository.

    Returns:
        Its folder in the user's cache; None for a project that is a folder.
    """
    if revision is None and "://" not in path and "@" not in path:
        return None
    from runproj.adapters.source.remote import RemoteProjects, is_remote  # noqa: PLC0415 -- lazy

    if revision is None and not is_remote(path):
        return None
    offline = bool(os.environ.get("RUNPROJ_OFFLINE"))
    return RemoteProjects(cache_folder() / "repositories", offline).fetch(path, revision)


def open_project(path: str, store: str | None, revision: str | None = None) -> OpenProject:
    """Read a project file.

    Args:
        path: a folder, a project file, or a git URI (with ``#FOLDER`` for a folder in it).
        store: the store to use; default: the project's own, for a fetched project the user's.
        revision: the revision of the repository at ``path``; default: the folder as it is.

    Raises:
        UsageError: there is none.
        ProjectError: with everything that is wrong with it.
    """
    fetched = fetch_project(path, revision)
    file = project_file(str(fetched or path))
    try:
        text = file.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ProjectError(
            f"the project file is not UTF-8 text: byte {error.start} is no character",
            where=str(file), hint="save it as UTF-8",
        ) from error  # fmt: skip
    except OSError as error:
        raise ProjectError(
            f"the project file cannot be read: {error.strerror}", where=str(file)
        ) from error
    project = _parse(text, file.name)
    name = file.parent.name
    if fetched is not None:
        _check_root(file.parent, project.source.root)
        local = Path(path).resolve()
        local = local.parent if local.is_file() else local
        if local.is_dir():
            name, beside = local.name, project_store(local, None).folder
        else:
            name = (
                path.partition("#")[0].rstrip("/").rpartition("/")[2].removesuffix(".git") or name
            )
            beside = _aside(local, name)
        store = store or str(beside)
    return OpenProject(
        file.parent, file.name, text, project, project_store(file.parent, store), name
    )


def _parse(text: str, name: str) -> "Project":
    from runproj.spec.fields import Declared  # noqa: PLC0415 -- lazy
    from runproj.spec.project import Project  # noqa: PLC0415 -- lazy

    parsed = RememberedValues(cache_folder() / "parsed", Declared.__subclasses__(), 64)
    project = parsed.get(text)
    if not isinstance(project, Project):
        from runproj.spec.load import load  # noqa: PLC0415 -- lazy

        project, _ = load(text, name)
        parsed.put(text, project)
    return project


def _point_at(text: str, name: str) -> "place.Point":
    """Return what makes a problem that shows a place of a project file."""

    def point(path: "place.Path", message: str, hint: str | None) -> Problem:
        from runproj.spec.document import read  # noqa: PLC0415 -- lazy

        return read(text, name).problem(path, message, hint=hint)

    return point


def _check_root(folder: Path, root: str) -> None:
    """Make sure that the root of a fetched project is not outside of its repository.

    Raises:
        ProjectError: it is.
    """
    top = next(above for above in (folder, *folder.parents) if (above / ".git").exists())
    if not (folder / root).resolve().is_relative_to(top):
        raise ProjectError(
            f"source.root: {root!r} is outside of the repository", where=str(folder),
            hint="-v REV and URIs give what is in the repository, and nothing around it",
        )  # fmt: skip


def read_metrics(path: str, text: str) -> Mapping[str, float]:
    """Read the numbers of a metrics file, see :mod:`runproj.record.metrics`."""
    from runproj.record.metrics import parse_metrics  # noqa: PLC0415 -- lazy

    return parse_metrics(path, text)


def backends(
    caller: Mapping[str, str], store: Store | None = None, packages: "Sequence[Artifact]" = ()
) -> "Mapping[Kind, EnvironmentBackend]":
    """Return the kinds of environment that can be built.

    Args:
        caller: the caller's environment variables.
        store: may hold archives of packages that the user's folder of archives lacks.
        packages: the folders of archives that a run kept in it.
    """
    return _Backends(caller, store, packages)


def importing_backends(
    caller: Mapping[str, str], store: Store | None, file: str
) -> "Mapping[Kind, EnvironmentBackend]":
    """Return a backend that takes the lock of a conda environment from a file of another tool.

    Args:
        caller: the caller's environment variables.
        store: may hold archives of packages that the user's folder of archives lacks.
        file: an ``@EXPLICIT`` list, a ``pixi.lock`` or a ``conda-lock.yml``.
    """
    from runproj.adapters.environments.conda_importing import ImportingConda  # noqa: PLC0415 -- lazy

    archives = _Backends(caller, store)._archives()  # noqa: SLF001 -- of this module
    return {"conda": ImportingConda(str(cache_folder()), archives, caller, file)}


@dataclass(frozen=True)
class _Backends(Mapping["Kind", "EnvironmentBackend"]):
    """Makes a backend when it is first asked for."""

    caller: Mapping[str, str]
    store: Store | None = None
    packages: "Sequence[Artifact]" = ()
    made: dict[str, "EnvironmentBackend"] = field(default_factory=dict)

    def __getitem__(self, kind: "Kind") -> "EnvironmentBackend":
        if kind not in self.made:
            self.made[kind] = self._make(kind)
        return self.made[kind]

    def _make(self, kind: "Kind") -> "EnvironmentBackend":
        if kind == "system":
            from runproj.adapters.environments.system import SystemBackend  # noqa: PLC0415 -- lazy

            return SystemBackend(self.caller)
        if kind == "venv":
            from runproj.adapters.environments.venv import VenvBackend  # noqa: PLC0415 -- lazy

            source = None if self.store is None else self.store.source
            return VenvBackend(str(cache_folder()), self._archives(), self.caller, source)
        if kind == "conda":
            from runproj.adapters.environments.conda import CondaBackend  # noqa: PLC0415 -- lazy

            return CondaBackend(str(cache_folder()), self._archives(), self.caller)
        if kind == "docker":
            from runproj.adapters.environments.images import DockerBackend  # noqa: PLC0415 -- lazy

            source = None if self.store is None else self.store.source
            return DockerBackend(str(cache_folder()), source, self.caller)
        raise KeyError(kind)

    def _archives(self) -> "FolderArchives":
        from runproj.adapters.environments.archives import FolderArchives  # noqa: PLC0415 -- lazy

        objects = None if self.store is None else self.store.objects
        return FolderArchives(str(archive_folder()), objects, self.packages)

    def __iter__(self):  # type: ignore[no-untyped-def] # noqa: ANN204 -- Mapping's own
        return iter(("venv", "conda", "docker", "system"))

    def __len__(self) -> int:
        return 4


class _LazyWatcher(NamedTuple):
    """Makes the watcher when it is first asked: few steps are watched."""

    store: Store

    def check(self, confinement: "Confinement", *, trace: bool) -> None:
        self.store.watcher.check(confinement, trace=trace)

    def accesses(self, trace: str, directory: str) -> "Accesses":
        return self.store.watcher.accesses(trace, directory)

    def state(self, path: str) -> str | None:
        return self.store.watcher.state(path)


class Options(NamedTuple):
    """How to execute; see the command ``run``."""

    name: str | None = None
    experiment: str = "default"
    tags: Mapping[str, str] = EMPTY
    keep_going: bool = False
    keep_workspace: bool = False
    command: Sequence[str] = ()
    keep_packages: bool = False
    trial: "Trial | None" = None
    workspaces: "Workspaces | None" = None
    jobs: int | None = None
    resources: Mapping[str, float] = EMPTY
    sweep: "SweepTrial | None" = None
    branch: str | None = None


class Relation(NamedTuple):
    """How a run belongs to the one that it repeats, see :class:`runproj.record.run.Run`."""

    rerun_of: str | None = None
    variation: tuple[str, ...] = ()
    current_code: bool = False
    resume_of: str | None = None


_OF_ITS_OWN = Relation()


class _Stage(NamedTuple):
    """Where a run executes: by what, in which project folder, and with which other runs."""

    executor: "Executor"
    folder: str
    together: "Together | None" = None


class SweepPlan(NamedTuple):
    """What is asked of a sweep; without ``trials`` it makes all that there are."""

    sampler: "SamplerName"
    trials: int | None
    seed: int
    goal: "Goal | None"


class Sweeping(NamedTuple):
    """A sweep that is prepared, with the runs that it made before."""

    sweep: "Sweep"
    trials: "Trials"
    past: "Sequence[Run]" = ()


class SweepReporters(Protocol):
    """Tells somebody what happens in a sweep."""

    def tick(self) -> float | None:
        """Show what is due; return in how many seconds there is something to show again."""

    def of(self, trial: "SweepTrial") -> "Reporter":
        """Return who is told what happens in a trial."""

    def done(self, result: "TrialResult") -> None:
        """Show what came out of a trial."""


def execute(
    store: Store, prepared: "Prepared", caller: Mapping[str, str], reporter: "Reporter",
    options: Options, *, folder: str, relation: Relation = _OF_ITS_OWN,
) -> "Run":  # fmt: skip
    """Execute what was prepared; return the record.

    Args:
        store: where it is recorded.
        prepared: the plan with its decisions.
        caller: the caller's environment variables.
        reporter: told what happens.
        options: how.
        folder: the project folder; looked at to explain failures.
        relation: which run it repeats, and what differs from it.
    """
    stage = _Stage(local_executor(getattr(reporter, "tick", None)), folder)
    runner = _runner(store, prepared, caller, reporter, options, stage)
    return runner.execute(prepared, _header(prepared, options, relation))


def _runner(
    store: Store, prepared: "Prepared", caller: Mapping[str, str], reporter: "Reporter",
    options: Options, stage: _Stage,
) -> "Runner":  # fmt: skip
    from runproj.adapters.project_files import FolderFiles  # noqa: PLC0415 -- lazy
    from runproj.adapters.tracking import TrackingFolders  # noqa: PLC0415 -- lazy
    from runproj.adapters.workspaces import FolderWorkspaces  # noqa: PLC0415 -- lazy
    from runproj.engine.run import Runner  # noqa: PLC0415 -- lazy
    from runproj.engine.stability import Known  # noqa: PLC0415 -- lazy

    return Runner(
        objects=store.objects,
        runs=store.runs,
        workspaces=options.workspaces
        or FolderWorkspaces(str(cache_folder() / _WORKSPACES), store.source, store.objects),
        executor=stage.executor,
        watcher=_LazyWatcher(store),
        backends=backends(caller, store, tuple(prepared.packages.values())),
        files=FolderFiles(stage.folder),
        reporter=reporter,
        caller=caller,
        clock=time.time,
        parse_metrics=read_metrics,
        tracking=TrackingFolders(),
        keep_going=options.keep_going,
        keep_workspace=options.keep_workspace,
        trial=options.trial,
        unstable=Known(store.runs, store.runs.rerun_of).unstable,
        programs=_programs,
        keep_packages=options.keep_packages,
        capacity=_capacity(prepared, options, caller),
        durations=store.runs.durations,
        together=stage.together,
    )


def _capacity(prepared: "Prepared", options: Options, caller: Mapping[str, str]) -> "Capacity":
    """Return what there is for steps: what the user says, else what the machine has."""
    from runproj.adapters import machine  # noqa: PLC0415 -- lazy
    from runproj.engine.resources import Capacity  # noqa: PLC0415 -- lazy

    wanted = {name for step in prepared.plan.steps for name in step.resources}
    jobs = options.jobs or machine.usable_cpus()
    amounts: dict[str, float] = {"cpus": jobs}
    memory = machine.usable_memory() if "memory" in wanted else None
    if memory is not None:
        amounts["memory"] = memory
    gpus = machine.usable_gpus(caller) if "gpus" in wanted else ()
    if "gpus" in options.resources:  # more than are known: they are counted
        count = int(options.resources["gpus"])
        others = (str(number) for number in range(count + len(gpus)) if str(number) not in gpus)
        gpus = (*gpus, *others)[:count]
    amounts["gpus"] = len(gpus)
    return Capacity(jobs, {**amounts, **options.resources}, gpus)


def _programs(names: "Sequence[str]", path: str) -> "tuple[Program, ...]":
    from runproj.adapters.environments.programs import ProgramsOnPath  # noqa: PLC0415 -- lazy

    return ProgramsOnPath(cache_folder()).find(names, path)


def new_sweep(
    opened: OpenProject, preparer: "Preparer", request: "Request", plan: SweepPlan
) -> "Sweeping":
    """Return a sweep of a project: what it will do, before it does anything.

    Raises:
        UsageError: there is no such entry point, nothing is swept, or it has too few values.
        ParameterError: values do not fit.
    """
    from runproj.engine.sweep import OneSnapshot, Trials  # noqa: PLC0415 -- lazy
    from runproj.plan.axes import swept  # noqa: PLC0415 -- lazy
    from runproj.plan.space import size_of  # noqa: PLC0415 -- lazy
    from runproj.record.sweep import Sweep  # noqa: PLC0415 -- lazy

    preparer = preparer._replace(source=OneSnapshot(preparer.source))
    entry_point = preparer.entry_point(request.entry_point)
    parameters = opened.project.parameters_of(entry_point)
    axes, texts = swept(request.given.texts, parameters, grid=plan.sampler == "grid")
    trials = Trials(preparer, request._replace(given=request.given._replace(texts=texts)))
    trials.check(axes)
    size = size_of(axes)
    if not axes:
        raise UsageError(
            "nothing is swept: every parameter has one value",
            hint="-P lr=0.1,0.01 gives it two, -P depth=1..5 five",
        )
    count = size if plan.trials is None else plan.trials
    if plan.sampler == "random" and size is not None and plan.trials is not None:
        count = min(size, plan.trials)
    assert count is not None  # noqa: S101 -- for mypy: a grid is finite, the others have a number
    sweep = Sweep(
        id=new_id(), sampler=plan.sampler, axes=axes, trials=count, seed=plan.seed, goal=plan.goal
    )
    return Sweeping(sweep, trials)


def past_sweep(
    store: Store, name: str, caller: Mapping[str, str], reporter: "Reporter"
) -> "Sweeping":
    """Return a sweep that did not come to its end, as its runs have it.

    Args:
        store: where they are recorded.
        name: its id or the beginning of it, or its experiment; ``latest`` is the latest one.
        caller: the caller's environment variables.
        reporter: told what happens.

    Raises:
        NoSuchRun: there is no such sweep.
        CannotRerun: something that it needs is gone.
    """
    from runproj.engine.prepare import Request  # noqa: PLC0415 -- lazy
    from runproj.engine.sweep import OneSnapshot, Trials  # noqa: PLC0415 -- lazy
    from runproj.engine.vary import again  # noqa: PLC0415 -- lazy

    where = "sweep is not null"
    if name != "latest":
        where += " and (substr(sweep, 1, length(?1)) = ?1 or experiment = ?1)"
    rows = store.runs.summaries(where, () if name == "latest" else (name,), None)
    if not rows:
        raise NoSuchRun(
            f"there is no sweep {name!r}" if name != "latest" else "there is no sweep",
            where=str(store.folder), hint="the first line of a sweep has its name",
        )  # fmt: skip
    found = dict.fromkeys(row["sweep"] for row in rows)
    if len(found) > 1 and name != "latest":
        raise UsageError(f"{name!r} may be the sweep {' or '.join(found)}")
    ids = [row["id"] for row in rows if row["sweep"] == rows[0]["sweep"]]
    past = [store.runs.load(run_id) for run_id in reversed(ids)]
    first = past[0]
    assert first.sweep is not None  # noqa: S101 -- for mypy: the index says so
    varier = _varier(store, caller, reporter)
    project, point = _recorded_project(varier, first)
    preparer = varier.preparer(first, project, point, set(first.sweep.values))
    preparer = preparer._replace(source=OneSnapshot(preparer.source))
    trials = Trials(preparer, again(first, project, Request(first.entry_point)))
    return Sweeping(first.sweep.sweep, trials, past)


def sweep(
    store: Store, sweeping: Sweeping, caller: Mapping[str, str], reporters: "SweepReporters",
    options: Options, *, folder: str,
) -> "SweepResult":  # fmt: skip
    """Do the trials of a sweep that are left; return what came out of all.

    Args:
        store: where they are recorded.
        sweeping: the sweep.
        caller: the caller's environment variables.
        reporters: returns who is told what happens in a trial.
        options: how.
        folder: the project folder; looked at to explain failures.

    Raises:
        UsageError: the goal's metric is not there.
    """
    from runproj.adapters import machine  # noqa: PLC0415 -- lazy
    from runproj.engine.sweep import Sweeper  # noqa: PLC0415 -- lazy
    from runproj.engine.together import Conductor, Together  # noqa: PLC0415 -- lazy

    jobs = options.jobs or machine.usable_cpus()
    together = Together(jobs)
    stage = _Stage(local_executor(reporters.tick), folder, together)

    def start(prepared: "Prepared", trial: "SweepTrial") -> "tuple[str, Going]":
        how = options._replace(sweep=trial)
        reporter = reporters.of(trial)
        runner = _runner(store, prepared, caller, reporter, how, stage)
        header = _header(prepared, how, _OF_ITS_OWN)
        return header.id, runner.going(prepared, header)

    one = sweeping.sweep
    sweeper = Sweeper(one, _sampler(one), sweeping.trials.prepare, start, sweeping.past)
    Conductor(
        stage.executor, together, jobs, sweeper.begin, lambda run: reporters.done(sweeper.done(run))
    ).execute()
    return sweeper.result(options.experiment)


def points(sweep: "Sweep", most: int) -> "list[dict[str, str]]":
    """Return the points of a sweep, as far as they are known beforehand; at most so many."""
    sampler = _sampler(sweep)
    found: list[dict[str, str]] = []
    while sweep.sampler != "tpe" and len(found) < min(most, sweep.trials):
        point = sampler.ask()
        if point is None:
            break
        found.append(dict(point))
    return found


def _sampler(sweep: "Sweep") -> "Sampler":
    from runproj.engine.sweep import Listed  # noqa: PLC0415 -- lazy
    from runproj.plan import space  # noqa: PLC0415 -- lazy

    if sweep.sampler == "grid":
        return Listed(space.grid(sweep.axes))
    if sweep.sampler == "random":
        return Listed(space.random_points(sweep.axes, sweep.trials, sweep.seed))
    from runproj.adapters.tpe import TpeSampler  # noqa: PLC0415 -- lazy

    assert sweep.goal is not None  # noqa: S101 -- for mypy: the command line asks for it
    return TpeSampler(sweep.axes, sweep.goal, sweep.seed)


def rerun(
    store: Store, past: "Run", step: str | None, caller: Mapping[str, str], reporter: "Reporter",
    options: Options,
) -> "Run":  # fmt: skip
    """Do a past run again, or one step of it; return the record of the new run.

    Raises:
        CannotRerun: something that it needs is gone, or its environment can no longer be built.
    """
    if step is None and past.plan.open:  # its record does not hold the whole plan
        from runproj.engine.prepare import Request  # noqa: PLC0415 -- lazy

        varier = _varier(store, caller, reporter)
        project, point = _recorded_project(varier, past)
        prepared = varier.vary(past, project, point, Request(force=True)).prepared
    else:
        prepared = prepare_rerun(store, past, step)
    return _execute_again(store, prepared, caller, reporter, options, Relation(past.id))


def resume(
    store: Store, past: "Run", caller: Mapping[str, str], reporter: "Reporter", options: Options
) -> "Run":
    """Go on with a run that did not come to its end; return the record of the new run.

    Raises:
        UsageError: it goes on, or it cannot be resumed.
        CannotRerun: something that it needs is gone, or its environment can no longer be built.
    """
    store.share()
    if past.plan.open:  # its record does not hold the whole plan
        varier = _varier(store, caller, reporter)
        prepared = varier.go_on(past, *_recorded_project(varier, past))
    else:
        prepared = _rerunner(store).resume(past)
    relation = Relation(past.rerun_of, past.variation, past.current_code, past.id)
    return _execute_again(store, prepared, caller, reporter, options, relation)


def _rerunner(store: Store) -> "Rerunner":
    from runproj.engine.rerun import Rerunner  # noqa: PLC0415 -- lazy

    return Rerunner(store.source, store.objects, store.runs, platform_tag(), store.look)


def _execute_again(
    store: Store, prepared: "Prepared", caller: Mapping[str, str], reporter: "Reporter",
    options: Options, relation: Relation, folder: str | None = None,
) -> "Run":  # fmt: skip
    where = folder or str(store.folder.parent)
    try:
        return execute(store, prepared, caller, reporter, options, folder=where, relation=relation)
    except (EnvironmentFailed, MissingSecret) as error:
        raise CannotRerun.of(error.problems) from error


def opener(store: Store, run: "Run", caller: Mapping[str, str]) -> "Opener":
    """Return what opens the workspaces of a past run, for a person."""
    from runproj.adapters import workspaces  # noqa: PLC0415 -- lazy
    from runproj.adapters.tracking import TrackingFolders  # noqa: PLC0415 -- lazy
    from runproj.engine.shell import Opener  # noqa: PLC0415 -- lazy

    store.share()
    folder = str(cache_folder() / _WORKSPACES)
    return Opener(
        _rerunner(store),
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

        locks = cache_folder() / "containers"
        return run_attached(argv, directory, variables, container, locks)
    from runproj.adapters.executors.foreground import run_in_foreground  # noqa: PLC0415 -- lazy

    return run_in_foreground(argv, directory, variables)


def vary(
    store: Store, past: "Run", request: "Request", caller: Mapping[str, str], reporter: "Reporter",
    options: Options,
) -> "Run":  # fmt: skip
    """Do a past run again with other values; return the record of the new run.

    Args:
        store: where both runs are recorded.
        past: the past run.
        request: what is given anew, see :meth:`runproj.engine.vary.Varier.vary`.
        caller: the caller's environment variables.
        reporter: told what happens.
        options: how.

    Raises:
        ParameterError: values do not fit; with every mistake.
        ProjectError: with these values, the recorded project cannot be planned.
        CannotRerun: something that it needs is gone or was never recorded.
    """
    from runproj.record.events import Progress  # noqa: PLC0415 -- lazy
    from runproj.record.relation import changes  # noqa: PLC0415 -- lazy

    varier = _varier(store, caller, reporter)
    project, point = _recorded_project(varier, past)
    prepared, names = varier.vary(past, project, point, request)
    said = changes(names, past.plan, prepared.plan) or "with the same values"
    reporter.report(Progress(f"{'variation' if names else 'rerun'} of {past.id}", said))
    relation = Relation(past.id, names)
    return _execute_again(store, prepared, caller, reporter, options, relation)


def rerun_with_current_code(
    store: Store, past: "Run", opened: OpenProject, caller: Mapping[str, str],
    reporter: "Reporter", options: Options,
) -> "Verdict":  # fmt: skip
    """Do a past run again with the code of today, and judge what comes out.

    The verdict is not kept with the run: it is about other code.

    Raises:
        UsageError: the run did not succeed, or its values do not fit today's project.
        ProjectError: today's project cannot be planned.
    """
    from runproj.engine.run import timestamp  # noqa: PLC0415 -- lazy
    from runproj.engine.verify import Verifier  # noqa: PLC0415 -- lazy

    notes: list[str] = []

    def again(run: "Run") -> "Run":
        varier = _varier(store, caller, reporter)
        try:
            then = _recorded_project(varier, run)[0]
        except CannotRerun:
            then = None  # it only says more exactly what the run was
        preparer = opened.preparer(caller, reporter, "auto")
        prepared = varier.with_current_code(run, then, preparer, notes)
        relation = Relation(run.id, current_code=True)
        return _execute_again(
            store, prepared, caller, reporter, options, relation, str(opened.folder)
        )

    verifier = Verifier(store.objects, store.runs, again, lambda: timestamp(time.time()), VERSION)
    verdict = verifier.verdict(past)
    return verdict.replace(notes=(*verdict.notes, *notes))


def _varier(store: Store, caller: Mapping[str, str], reporter: "Reporter") -> "Varier":
    from runproj.engine.vary import Varier  # noqa: PLC0415 -- lazy
    from runproj.plan.binding import Folders  # noqa: PLC0415 -- lazy

    here = os.path.realpath(Path.cwd())
    store.share()
    return Varier(
        _rerunner(store),
        store.objects,
        _pinner(store, caller, reporter, "auto"),
        Folders(here, here, str(Path.home())),
        caller,
    )


def _pinner(
    store: Store, caller: Mapping[str, str], reporter: "Reporter", policy: "Policy"
) -> "Pinner":
    from runproj.adapters.store.locks import FolderLocks  # noqa: PLC0415 -- lazy
    from runproj.engine.pin import Pinner  # noqa: PLC0415 -- lazy

    shelf = FolderLocks(str(store.folder / "locks"))
    return Pinner(backends(caller, store), shelf, store.objects, reporter, policy)


def _recorded_project(varier: "Varier", run: "Run") -> "tuple[Project, place.Point]":
    """Return the project of a past run, and what shows places of its file.

    Raises:
        CannotRerun: it is gone, or this version cannot read it.
    """
    text, name = varier.project_file(run), f"{run.id}:{run.project_file}"
    try:
        return _parse(text, name), _point_at(text, name)
    except ProjectError as error:
        raise CannotRerun.of(error.problems) from error


def current_project(store: Store, run: "Run", given: str | None) -> OpenProject:
    """Open the project of a past run as it is today; its runs are recorded in the same store.

    Args:
        store: the store; the project is the folder beside it, or the nearest one upwards that
            has the name of the run's project.
        run: the past run.
        given: the project's folder, where the user names it.

    Raises:
        UsageError: it is not there.
    """
    if given is not None:
        return open_project(given, str(store.folder))
    here = Path.cwd().resolve()
    beside = (store.folder.parent,) if store.folder.name == STORE else ()
    for folder in (*beside, here, *here.parents):
        for name in dict.fromkeys((run.project_file, *PROJECT_FILES)):
            if (folder / name).is_file():
                opened = open_project(str(folder / name), str(store.folder))
                if folder in beside or opened.name == run.project:
                    return opened
    raise UsageError(
        f"the project {run.project!r} is not there: no {run.project_file}",
        where=str((*beside, here)[0]), hint="--project DIR says where it is today",
    )  # fmt: skip


def verify(
    store: Store, past: "Run", caller: Mapping[str, str], reporter: "Reporter", options: Options
) -> "Verdict":
    """Do a past run again, and return the verdict, which is kept with the run.

    Raises:
        UsageError: the run did not succeed.
    """
    from runproj.engine.run import timestamp  # noqa: PLC0415 -- lazy
    from runproj.engine.verify import Verifier  # noqa: PLC0415 -- lazy

    verifier = Verifier(
        store.objects, store.runs,
        lambda run: rerun(store, run, None, caller, reporter, options),
        lambda: timestamp(time.time()), VERSION,
    )  # fmt: skip
    return verifier.verify(past)


def fsck(store: Store, progress: "Callable[[int, int], None]") -> "Fsck":
    """Return what checks a store; ``progress`` is told bytes that were read, of how many."""
    from runproj.adapters.source.checks import GitChecks  # noqa: PLC0415 -- lazy
    from runproj.adapters.store.checked_objects import CheckedObjects  # noqa: PLC0415 -- lazy
    from runproj.adapters.store.checked_records import CheckedRecords  # noqa: PLC0415 -- lazy
    from runproj.engine.fsck import Fsck  # noqa: PLC0415 -- lazy

    source = GitChecks(str(store.folder / "source.git"))
    checks, records = CheckedObjects(store.objects), CheckedRecords(store.runs)
    return Fsck(checks, source, records, store.shelf, progress)


def claims(store: Store) -> "Sequence[Claim]":
    """Return what is kept beside the runs of a store, and needs some of them: registered models.

    Raises:
        StoreError: the history of one cannot be read.
    """
    from runproj.engine.models import held_versions  # noqa: PLC0415 -- lazy
    from runproj.ports import Claim  # noqa: PLC0415 -- lazy
    from runproj.record.artifact import Artifact  # noqa: PLC0415 -- lazy

    found = []
    for one in held_versions(store.shelf):
        origin = one.origin
        kept: list[Artifact] = [origin.model]
        if origin.environment is not None:  # should its run be gone, removed by hand
            kept.append(Artifact(path="lock", sha256=origin.environment.lock, size=0))
        found.append(Claim(f"the registered model {one.reference}", (origin.run,), tuple(kept)))
    return found


@cache
def _author(folder: str) -> str | None:
    """Return who is at the keyboard, as git knows them; the trials of a sweep ask once."""
    from runproj.adapters.source.author import author_of  # noqa: PLC0415 -- lazy

    return author_of(folder, os.environ)


def organiser(store: Store) -> "Organiser":
    """Return what says something of the runs of a store, on behalf of who is at the keyboard."""
    from runproj.adapters.host import user  # noqa: PLC0415 -- lazy
    from runproj.engine.organise import Organiser  # noqa: PLC0415 -- lazy
    from runproj.engine.run import timestamp  # noqa: PLC0415 -- lazy

    return Organiser(
        store.runs, store.runs, _author(str(Path.cwd())) or user(),
        lambda: timestamp(time.time()), lambda: claims(store),
    )  # fmt: skip


def _project_folder(store: Store) -> Path | None:
    """Return the folder of the project that a store belongs to: beside it, or where we are."""
    here = Path.cwd().resolve()
    places = (store.folder.parent,) if store.folder.name == STORE else (here, *here.parents)
    known = (one for one in places if any((one / name).is_file() for name in PROJECT_FILES))
    return next(known, None)


def rules_of(store: Store) -> "tuple[ProjectRules | None, str | None]":
    """Return which of its runs the project of a store wants to keep; or why nobody knows that."""
    from runproj.engine.gc import ProjectRules  # noqa: PLC0415 -- lazy

    folder = _project_folder(store)
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
    folder = _project_folder(store)
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
    source = GitChecks(git)
    working = [cache_folder() / name for name in (_WORKSPACES, _REPEATS)]
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
        models=PathHoldings(
            str(cache_folder() / _MODELS), lambda: sorted((cache_folder() / _MODELS).glob("*"))
        ),
        archives=HeldArchives(str(archive_folder())),
    )
    return Gc(
        FolderUse(store.folder), records, objects, objects.read, GitHoldings(git), places,
        time.time(), lambda: claims(store), lambda: _lockfiles(store),
    )  # fmt: skip


def verify_times(
    store: Store, past: "Run", times: int, caller: Mapping[str, str], reporter: "Reporter",
    options: Options,
) -> "Annotation":  # fmt: skip
    """Repeat a past run while what must not matter is perturbed; return what is kept with it.

    Raises:
        UsageError: the run did not succeed.
    """
    from runproj.engine import perturbation  # noqa: PLC0415 -- lazy
    from runproj.engine.repeat import Repeater  # noqa: PLC0415 -- lazy
    from runproj.engine.run import timestamp  # noqa: PLC0415 -- lazy
    from runproj.engine.verify import Verifier, checked  # noqa: PLC0415 -- lazy
    from runproj.record.events import Progress  # noqa: PLC0415 -- lazy

    lab = Lab(store, checked(past))

    def repeat(run: "Run", step: str | None, trial: "Trial") -> "Run":
        places = {one.place for one in trial}
        how = options._replace(trial=trial, workspaces=lab.workspaces(places))
        return rerun(store, run, step, caller, reporter, how)

    verifier = Verifier(
        store.objects, store.runs, lambda run: repeat(run, None, ()),
        lambda: timestamp(time.time()), VERSION,
    )  # fmt: skip
    known = perturbation.perturbations(lab.machine)
    repeater = Repeater(
        verifier, repeat, known,
        perturbation.unperturbed(lab.machine, known, past.plan.steps)
        + perturbation.spared(past.plan),
        lambda at: perturbation.stopped_clock(lab.machine, at),
        perturbation.right_clock(lab.machine),
        lambda text: reporter.report(Progress("verify", text)),
    )  # fmt: skip
    try:
        return repeater.verify(past, times)
    finally:
        lab.close()


class Lab:
    """What this machine can perturb while a run is repeated."""

    def __init__(self, store: Store, past: "Run") -> None:
        """Look at the machine."""
        from runproj.adapters import perturbing  # noqa: PLC0415 -- lazy
        from runproj.engine.perturbation import Machine  # noqa: PLC0415 -- lazy

        self.store = store
        self.held = f"held-{new_id()}"
        library, no_library = perturbing.faketime()
        slowest = max((step.duration_s for step in past.steps), default=0.0)
        folders = ("/dev/shm", os.environ.get("XDG_RUNTIME_DIR") or "/run/shm", str(cache_folder()))  # noqa: S108 -- in memory
        self.ordered, orderless = perturbing.ordered_folder(_room(store, past), folders)
        binds = hasattr(os, "sched_setaffinity")
        self.machine = Machine(
            locale=perturbing.installed_locale(),
            cpus=len(os.sched_getaffinity(0)) if binds else os.cpu_count() or 1,
            binds=binds,
            faketime=library,
            no_faketime=no_library,
            orderless=None if self.ordered else orderless,
            timeout_s=60 + 10 * slowest,
        )

    def workspaces(self, places: "set[Place | None]") -> "Workspaces":
        """Return workspaces for a trial."""
        from runproj.adapters.perturbing import ReorderedWorkspaces  # noqa: PLC0415 -- lazy
        from runproj.adapters.workspaces import FolderWorkspaces  # noqa: PLC0415 -- lazy

        source, objects = self.store.source, self.store.objects
        usual = cache_folder() / _WORKSPACES
        folder = Path(self.ordered or "", "workspaces") if "reordered" in places else usual
        if "elsewhere" in places:
            folder = folder.parent / _REPEATS

        def make(arrange: "Arrange | None" = None) -> FolderWorkspaces:
            own = self.held if "held" in places else None
            return FolderWorkspaces(str(folder), source, objects, own=own, arrange=arrange)

        if "reordered" not in places:
            return make()
        return ReorderedWorkspaces(make, FolderWorkspaces(str(usual), source, objects))

    def close(self) -> None:
        """Remove what is left of it."""
        from runproj.adapters.perturbing import sweep_faketime  # noqa: PLC0415 -- lazy

        if self.machine.faketime is not None:
            sweep_faketime()


def _room(store: Store, past: "Run") -> int:
    """Return how many bytes the workspaces of a run may take at most."""
    source = 0
    with contextlib.suppress(StoreError):  # when it is gone, the run cannot be done again
        source = store.source.size(past.source.tree)
    source *= len({step.sources for step in past.plan.steps})
    files = sum(one.size for step in past.steps for one in (*step.inputs, *step.outputs))
    return source + files + sum(step.outcome.written for step in past.steps if step.outcome)


def registry(store: Store) -> "Registry":
    """Return what registers models, and moves them."""
    from runproj.adapters.host import user  # noqa: PLC0415 -- lazy
    from runproj.engine.registry import Registry  # noqa: PLC0415 -- lazy
    from runproj.engine.run import timestamp  # noqa: PLC0415 -- lazy

    def facts(run_id: str) -> dict[str, Any] | None:
        return next(iter(store.runs.summaries("id = ?", (run_id,), 1, deleted=True)), None)

    return Registry(store.share().models, facts, lambda: timestamp(time.time()), user())


def is_trusted(store: Store, run_id: str) -> bool:
    """Tell whether this user made a store, and executed this run."""
    from runproj.adapters.store import own  # noqa: PLC0415 -- lazy

    return run_id.isalnum() and own.is_own(store.folder, state_folder(), run_id)


def is_trusted_model(store: Store, run_id: str, folder: str) -> bool:
    """Tell whether a folder holds a model as a run of this user's own store logged it.

    Args:
        store: the store.
        run_id: the run that the folder claims to be from.
        folder: the folder. Whatever else is in it does not matter.
    """
    if not is_trusted(store, run_id):
        return False
    digest = store.objects.digest
    try:
        for model in (one for step in store.runs.load(run_id).steps for one in step.models):
            wanted = {one.path: one.sha256 for one in store.objects.members(model.sha256)}
            found = {path: digest(str(Path(folder, path)), path) for path in wanted}
            if wanted == {path: one and one.sha256 for path, one in found.items()}:
                return True
    except (NoSuchRun, StoreError, UsageError):
        pass  # nobody can tell
    return False


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


def give_model(store: Store, model: "Artifact", folder: str) -> None:
    """Copy a model out of a store: the content of a folder, or a file, into a folder.

    Raises:
        StoreError: it is gone or damaged.
    """
    target = Path(folder).resolve()
    name = Path(model.path).name
    if model.kind == "file":
        store.objects.give(model.replace(path=name), str(target))
    else:
        store.objects.give(model.replace(path=target.name), str(target.parent))


def taken_model(store: Store, model: "Artifact") -> Path:
    """Take a model out of a store; return where it stands in the user's cache."""
    from runproj.adapters.taken_models import TakenModels  # noqa: PLC0415 -- lazy

    return TakenModels(cache_folder() / _MODELS, store.objects, store.objects).take(model)


def differ(store: Store) -> "Differ":
    """Return what compares runs of a store."""
    from runproj.engine.diff import Differ  # noqa: PLC0415 -- lazy

    return Differ(store.source, store.objects, store.runs)


def local_executor(tick: "Callable[[], float | None] | None" = None) -> "Executor":
    """Return what runs processes on this machine; ``tick`` is called while it waits."""
    from runproj.adapters.executors.local import LocalExecutor  # noqa: PLC0415 -- lazy

    gpus = shutil.which("nvidia-smi")
    return LocalExecutor(containers=str(cache_folder() / "containers"), tick=tick, gpus=gpus)


def start_session(  # noqa: PLR0913 -- a run is made of so much
    folder: str, text: str, caller: Mapping[str, str], options: Options, *,
    temporary: str, store: str | None, variables: Mapping[str, str], interactive: bool,
) -> "Session":  # fmt: skip
    """Record a run that this process does itself, from here on.

    Args:
        folder: of its code.
        text: the project file that it would have.
        caller: this process's variables.
        options: its name, experiment and tags.
        temporary: a folder for what it tells.
        store: the store that takes it; default: beside the code.
        variables: those that are recorded.
        interactive: whether it has no command line by which it can be done again.
    """
    from runproj.adapters.tracking import TrackingFolders  # noqa: PLC0415 -- lazy
    from runproj.engine.furnish import Room  # noqa: PLC0415 -- lazy
    from runproj.engine.prepare import Request  # noqa: PLC0415 -- lazy
    from runproj.engine.session import start  # noqa: PLC0415 -- lazy

    place = Path(folder)
    project = OpenProject(
        place, PROJECT_FILES[0], text, _parse(text, PROJECT_FILES[0]),
        project_store(place, store), place.name,
    )  # fmt: skip
    prepared = project.preparer(caller, _Silent(), "auto").prepare(Request(), keep=True)
    header = _header(prepared, options, _OF_ITS_OWN).replace(interactive=interactive)
    return start(
        prepared, header, Room(folder, folder, temporary),
        objects=project.store.objects, runs=project.store.runs, tracking=TrackingFolders(),
        variables=variables, now=time.time,
    )  # fmt: skip


class _Silent:
    """Tells nobody what happens."""

    def report(self, event: object) -> None:
        """Do nothing."""


def _header(prepared: "Prepared", options: Options, relation: Relation) -> "Run":
    from runproj.adapters.host import this_host  # noqa: PLC0415 -- lazy
    from runproj.engine.run import timestamp  # noqa: PLC0415 -- lazy
    from runproj.record.run import Run  # noqa: PLC0415 -- lazy

    source = prepared.snapshot
    if source.branch is None and options.branch is not None:
        source = source.replace(branch=options.branch)
    return Run(
        id=new_id(),
        name=options.name,
        project=prepared.project,
        entry_point=prepared.plan.entry_point,
        experiment=options.experiment,
        tags=dict(options.tags),
        started_at=timestamp(time.time()),
        rerun_of=relation.rerun_of,
        variation=relation.variation,
        current_code=relation.current_code,
        resume_of=relation.resume_of,
        sweep=options.sweep,
        perturbed=()
        if options.trial is None
        else tuple(one.name for one in options.trial) or ("nothing",),
        command=tuple(options.command),
        author=_author(str(Path.cwd())),
        runproj_version=VERSION,
        python_version=".".join(map(str, sys.version_info[:3])),
        host=this_host(RememberedValues(cache_folder() / "machine", (), 4)),
        source=source,
        project_file=prepared.project_file,
        plan=prepared.plan,
        inputs=tuple(dict(prepared.files).values()),
        audit=prepared.decider.audit,
        packages=dict(prepared.packages),
    )


class KeptPackages(NamedTuple):
    """The archives from which a run's environments are installed: how many there are, and where.

    ``size`` is in bytes. ``in_store`` tells whether they are kept with the run.
    """

    archives: int
    size: int
    folder: str
    in_store: bool


def kept_packages(store: Store, run: "Run") -> KeptPackages | None:
    """Return which archives of a run's packages are kept; None when it needs none."""
    try:
        return _packages_in_store(store, run) if run.packages else _packages_of_user(store, run)
    except (StoreError, EnvironmentFailed):
        return None  # a list or a lock is damaged: rerun tells about it


def _packages_in_store(store: Store, run: "Run") -> KeptPackages:
    kept = {
        member.path: member.size
        for folder in run.packages.values()
        for member in store.objects.members(folder.sha256)
        if not member.path.endswith(".json")
    }
    return KeptPackages(len(kept), sum(kept.values()), str(store.folder), in_store=True)


def _packages_of_user(store: Store, run: "Run") -> KeptPackages | None:
    from runproj.adapters.environments.archives import kept  # noqa: PLC0415 -- lazy
    from runproj.lock.formats import format_of  # noqa: PLC0415 -- lazy

    locks = {(pin.kind, pin.lock) for pin in run.plan.environments}
    digests = {
        one
        for kind, lock in locks
        if (known := format_of(kind)) is not None
        for one in known.archives(store.objects.read(lock).decode())
    }
    if not digests:
        return None
    folder = str(archive_folder())
    return KeptPackages(*kept(folder, tuple(digests)), folder, in_store=False)


def prepare_rerun(store: Store, run: "Run", step: str | None = None) -> "Prepared":
    """Prepare to do a past run again, or one step, see :class:`runproj.engine.rerun.Rerunner`."""
    store.share()
    return _rerunner(store).prepare(run, step)


def project_files(project: OpenProject) -> "ProjectFiles":
    """Return what reads the files of a project."""
    from runproj.adapters.project_files import FolderFiles  # noqa: PLC0415 -- lazy

    return FolderFiles(str(project.folder))


def write_lockfile(project: OpenProject, path: str, content: str) -> None:
    """Write a lockfile into a project; one that has this content already is left alone."""
    from runproj.adapters.disk import write_atomically  # noqa: PLC0415 -- lazy

    place = project.folder / path
    try:
        if place.exists() and place.read_bytes() == content.encode():
            return
        place.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(place, content.encode())
    except OSError as error:
        raise UsageError(
            f"the lockfile cannot be written: {error.strerror}", where=str(place)
        ) from error


def exported_lock(content: str, form: str, caller: Mapping[str, str]) -> str:
    """Return the lock of a conda environment in the form of another tool.

    Args:
        content: the lockfile.
        form: ``explicit``, a list for conda; ``environment``, an environment file; ``pixi``, the
            text of a ``pixi.lock``.
        caller: the caller's environment variables.

    Raises:
        NotSupported: the form has no place for what is in the lock.
        EnvironmentFailed: the lockfile is damaged, or py-rattler is missing.
    """
    from runproj.lock import conda  # noqa: PLC0415 -- lazy

    lock = conda.read(content)
    if form == "explicit":
        return conda.explicit(lock)
    if form == "environment":
        return conda.environment_file(lock)
    from runproj.adapters.environments.rattler import pixi_lock  # noqa: PLC0415 -- lazy

    return pixi_lock(lock, caller)


def built_environments() -> "BuiltEnvironments":
    """Return the environments that are built on this machine."""
    from runproj.adapters.environments.built import BuiltEnvironments  # noqa: PLC0415 -- lazy

    return BuiltEnvironments(cache_folder() / "environments")


def used_images(caller: Mapping[str, str]) -> "DockerBackend":
    """Return what knows the images that were used on this machine."""
    from runproj.adapters.environments.images import DockerBackend  # noqa: PLC0415 -- lazy

    return DockerBackend(str(cache_folder()), None, caller)


def lock_problems(project: OpenProject) -> list[Problem]:
    """Return what is wrong with the lockfiles that a project has; a missing one is not."""
    from runproj.engine.pin import check_lockfiles  # noqa: PLC0415 -- lazy

    return check_lockfiles(project.project.environments, project_files(project).read, project.point)
