"""Executing what was prepared: the runner with all that it needs."""

import os
import shutil
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from runproj.adapters.remembered import RememberedValues
from runproj.app.building import backends
from runproj.app.places import PROJECT_FILES, WORKSPACES, cache_folder, working_folder
from runproj.app.projects import OpenProject, author_of, parse_project
from runproj.app.stores import Store, project_store
from runproj.model import EMPTY
from runproj.version import VERSION

if TYPE_CHECKING:
    from runproj.engine.perturbation import Trial
    from runproj.engine.prepare import Prepared
    from runproj.engine.resources import Capacity
    from runproj.engine.run import Runner
    from runproj.engine.session import Session
    from runproj.engine.together import Together
    from runproj.ports import Accesses, Confinement, Executor, Reporter, Workspaces
    from runproj.record.program import Program
    from runproj.record.run import Run
    from runproj.record.sweep import SweepTrial

_ALPHABET = "abcdefghjkmnpqrstvwxyz0123456789"  # no letters that look like others


def new_id() -> str:
    """Return eight random characters."""
    return "".join(_ALPHABET[byte % len(_ALPHABET)] for byte in os.urandom(8))


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


OF_ITS_OWN = Relation()


class Stage(NamedTuple):
    """Where a run executes: by what, in which project folder, and with which other runs."""

    executor: "Executor"
    folder: str
    together: "Together | None" = None


def execute(
    store: Store, prepared: "Prepared", caller: Mapping[str, str], reporter: "Reporter",
    options: Options, *, folder: str, relation: Relation = OF_ITS_OWN,
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
    stage = Stage(local_executor(getattr(reporter, "tick", None)), folder)
    runner = runner_of(store, prepared, caller, reporter, options, stage)
    return runner.execute(prepared, header_of(prepared, options, relation))


def runner_of(
    store: Store, prepared: "Prepared", caller: Mapping[str, str], reporter: "Reporter",
    options: Options, stage: Stage,
) -> "Runner":  # fmt: skip
    """Return what executes, with all that it needs."""
    from runproj.adapters.project_files import FolderFiles  # noqa: PLC0415 -- lazy
    from runproj.adapters.tracking import TrackingFolders  # noqa: PLC0415 -- lazy
    from runproj.adapters.workspaces import FolderWorkspaces  # noqa: PLC0415 -- lazy
    from runproj.engine.run import Runner  # noqa: PLC0415 -- lazy
    from runproj.engine.stability import Known  # noqa: PLC0415 -- lazy

    return Runner(
        objects=store.objects,
        runs=store.runs,
        workspaces=options.workspaces
        or FolderWorkspaces(str(working_folder() / WORKSPACES), store.source, store.objects),
        executor=stage.executor,
        watcher=_LazyWatcher(store),
        backends=backends(caller, store, tuple(prepared.packages.values())),
        files=FolderFiles(stage.folder),
        reporter=reporter,
        caller=caller,
        clock=time.time,
        parse_metrics=_read_metrics,
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


def _read_metrics(path: str, text: str) -> Mapping[str, float]:
    """Read the numbers of a metrics file, see :mod:`runproj.record.metrics`."""
    from runproj.record.metrics import parse_metrics  # noqa: PLC0415 -- lazy

    return parse_metrics(path, text)


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


def local_executor(tick: "Callable[[], float | None] | None" = None) -> "Executor":
    """Return what runs processes on this machine; ``tick`` is called while it waits."""
    from runproj.adapters.executors.local import LocalExecutor  # noqa: PLC0415 -- lazy

    gpus = shutil.which("nvidia-smi")
    return LocalExecutor(containers=str(working_folder() / "containers"), tick=tick, gpus=gpus)


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
        place, PROJECT_FILES[0], text, parse_project(text, PROJECT_FILES[0]),
        project_store(place, store), place.name,
    )  # fmt: skip
    prepared = project.preparer(caller, _Silent(), "auto").prepare(Request(), keep=True)
    header = header_of(prepared, options, OF_ITS_OWN).replace(interactive=interactive)
    return start(
        prepared, header, Room(folder, folder, temporary),
        objects=project.store.objects, runs=project.store.runs, tracking=TrackingFolders(),
        variables=variables, now=time.time,
    )  # fmt: skip


class _Silent:
    """Tells nobody what happens."""

    def report(self, event: object) -> None:
        """Do nothing."""


def header_of(prepared: "Prepared", options: Options, relation: Relation) -> "Run":
    """Return the record of a run that begins now."""
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
        author=author_of(str(Path.cwd())),
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
