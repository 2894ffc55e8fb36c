"""A world without processes and files, in which the engine does not notice the difference."""

import hashlib
import itertools
import posixpath
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from textwrap import dedent

from tests.fakes.disk import FakeDisk
from tests.fakes.executor import FakeExecutor, Play
from tests.fakes.files import FakeFiles
from tests.fakes.locks import FakeLocks
from tests.fakes.objects import FakeObjects
from tests.fakes.records import HOST
from tests.fakes.remembered import FakeRemembered
from tests.fakes.reporter import FakeReporter
from tests.fakes.runs import FakeJournal, FakeRuns
from tests.fakes.source import FakeFile, FakeSource
from tests.fakes.tracking import FakeTracking
from tests.fakes.watcher import FakeWatcher
from tests.fakes.workspaces import FakeWorkspaces

from runproj.engine.lookup import Lookup
from runproj.engine.perturbation import Trial
from runproj.engine.pin import Pinner, Policy
from runproj.engine.prepare import Prepared, Preparer, Request
from runproj.engine.remember import PlanMemory
from runproj.engine.rerun import Rerunner
from runproj.engine.resources import ONE_BY_ONE, Capacity
from runproj.engine.run import Runner, timestamp
from runproj.engine.stability import Known
from runproj.engine.sweep import Listed, OneSnapshot, Sweeper, Trials
from runproj.engine.together import Conductor, Going, Together
from runproj.engine.vary import Variation, Varier
from runproj.errors import EnvironmentFailed, LockStale
from runproj.lock import pylock
from runproj.lock.lock import Declaration, Kind, Lock
from runproj.model import digest_of
from runproj.plan.binding import Folders, Given
from runproj.plan.space import Axis, grid, size_of
from runproj.ports import Accesses, Archive, EnvironmentBackend, Execution, Sampler, Say
from runproj.record.audit import Audit
from runproj.record.events import Decision
from runproj.record.metrics import parse_metrics
from runproj.record.outcome import Outcome
from runproj.record.program import Program as MachineProgram
from runproj.record.run import Run
from runproj.record.sweep import Goal, SamplerName, Sweep, SweepResult, SweepTrial
from runproj.spec.load import load
from runproj.spec.place import Point
from runproj.spec.project import Project

HOME = "/home/user"
PROJECT = "/home/user/project"
PLATFORM = "linux-x86_64"


@dataclass
class FakePrepared:
    """An environment that is there; ``intact`` may be taken from it."""

    key: str
    description: str = "a fake environment"
    intact: bool = True
    folders: tuple[str, ...] = ("/env",)

    def variables(self, project_folder: str) -> Mapping[str, str]:
        return {"PATH": "/env/bin", "PROJECT": project_folder}

    def is_intact(self) -> bool:
        return self.intact


@dataclass
class FakeBackend:
    """Locks and builds nothing, and remembers how often.

    ``unlockable`` is why it cannot lock, ``outdated`` why a lock of another tool does not serve, ``keyless`` what is wrong with a lock,
    ``broken`` why it cannot build, ``vanished`` why it has no archives.
    """

    kind: Kind
    version: str = "1.0"
    locked: list[Declaration] = field(default_factory=list)
    previous: list[Lock | None] = field(default_factory=list)
    built: list[str] = field(default_factory=list)
    broken: str | None = None
    unlockable: str | None = None
    outdated: str | None = None
    keyless: str | None = None
    vanished: str | None = None
    python: str = "3.0"
    intact: bool = True

    def lock(self, declaration: Declaration, previous: Lock | None, say: Say) -> Lock:
        if self.unlockable is not None:
            raise EnvironmentFailed(self.unlockable)
        if self.outdated is not None:
            raise LockStale(self.outdated)
        self.locked.append(declaration)
        self.previous.append(previous)
        say("resolving")
        return self.lock_of(declaration)

    def lock_of(self, declaration: Declaration) -> Lock:
        """Return the lock that it makes, without remembering."""
        body = 'lock-version = "1.0"\ncreated-by = "fake"\n' + "".join(
            f'\n[[packages]]\nname = "{name}"\nversion = "{self.version}"\n'
            for name in declaration.packages
        )
        content = pylock.with_declaration(body, declaration.digest)
        return Lock(kind=self.kind, content=content, declaration=declaration.digest)

    def key(self, declaration: Declaration, lock: Lock) -> str:
        if self.keyless is not None:
            raise EnvironmentFailed(self.keyless)
        body = pylock.body_of(lock.content)
        return digest_of([self.kind, declaration.python, body])

    def facts(self, declaration: Declaration) -> Mapping[str, str]:
        return {"python": declaration.python or self.python}

    def prepare(self, declaration: Declaration, lock: Lock, say: Say) -> FakePrepared:
        if self.broken is not None:
            raise EnvironmentFailed(self.broken)
        say("building")
        self.built.append(self.key(declaration, lock))
        return FakePrepared(self.built[-1], intact=self.intact)

    def archives(self, declaration: Declaration, lock: Lock, say: Say) -> Sequence[Archive]:
        if self.vanished is not None:
            raise EnvironmentFailed(self.vanished)
        say("fetching packages")
        return [
            Archive(f"{name}.whl", f"/archives/{name}.whl", sha256)
            for name in declaration.packages
            for sha256 in (hashlib.sha256(f"archive of {name}".encode()).hexdigest(),)
            if lock.content
        ]


@dataclass
class Process:
    """What a step's process can do."""

    disk: FakeDisk
    execution: Execution
    watcher: FakeWatcher

    def is_seen(self, accesses: Accesses | Exception) -> None:
        """Let a tracer see what the process does; paths are relative to the project folder."""
        if self.execution.trace is None:
            return
        if isinstance(accesses, Accesses):
            present, absent, listed = (
                tuple(posixpath.join(self.project, path) for path in paths)
                for paths in (accesses.present, accesses.absent, accesses.listed)
            )
            accesses = accesses._replace(present=present, absent=absent, listed=listed)
        self.watcher.traces[self.execution.trace] = accesses

    @property
    def project(self) -> str:
        """The project folder in its workspace."""
        return self.execution.variables["PROJECT"]

    def write(self, path: str, text: str = "") -> None:
        self.disk.write(posixpath.join(self.project, path), text.encode())

    def read(self, path: str) -> str:
        node = self.disk.find(posixpath.join(self.project, path))
        if node is None:
            raise FileNotFoundError(path)
        return node.content.decode()

    def remove(self, path: str) -> None:
        self.disk.remove(posixpath.join(self.project, path))

    def print(self, text: str) -> None:
        self.execution.on_output("stderr", text.encode())


Program = Callable[[Process], Outcome | None]
OnPath = Callable[[Sequence[str], str], tuple[MachineProgram, ...]]


def writes(**files: str) -> Program:
    """Return a program that writes files; ``__`` stands for a slash, ``_`` for a dot."""

    def program(process: Process) -> None:
        for name, text in files.items():
            process.write(name.replace("__", "/").replace("_", "."), text)

    return program


def copies(source: str, target: str) -> Program:
    """Return a program that copies a file."""
    return lambda process: process.write(target, process.read(source))


def both(*programs: Program) -> Program:
    """Return a program that does one thing after another, and ends as the last one does."""

    def program(process: Process) -> Outcome | None:
        return [one(process) for one in programs][-1]

    return program


def raises(error: BaseException) -> Program:
    """Return a program while which something else happens."""

    def program(_: Process) -> None:
        raise error

    return program


def fails(text: str = "", code: int = 1) -> Program:
    """Return a program that prints something and fails."""

    def program(process: Process) -> Outcome:
        process.print(text)
        return Outcome(exit_code=code)

    return program


@dataclass
class World:
    """A project, what its steps do, and the memory of its runs.

    ``source`` are files that belong to the code, ``ignored`` such as git ignores.
    """

    yaml: str
    programs: dict[str, Program] = field(default_factory=dict)
    source: dict[str, bytes | FakeFile] = field(default_factory=dict)
    caller: dict[str, str] = field(default_factory=dict)
    policy: Policy = "auto"
    make_executor: Callable[[Play], FakeExecutor] = FakeExecutor

    def __post_init__(self) -> None:
        self.disk = FakeDisk()
        self.objects = FakeObjects(self.disk)
        self.control = FakeSource(self.source)
        self.runs = FakeRuns()
        self.shelf = FakeLocks()
        self.plans = FakeRemembered()
        self.files = FakeFiles(self.disk, PROJECT)
        self.reporter = FakeReporter()
        self.on_path: OnPath = lambda *_: ()
        self.venv, self.system = FakeBackend("venv"), FakeBackend("system")
        self.backends: dict[Kind, EnvironmentBackend] = {"venv": self.venv, "system": self.system}
        self.platform = PLATFORM
        self.rerun_of: dict[str, str] = {}
        self._seconds = itertools.count()
        self._ids = itertools.count(1)
        self.executor = FakeExecutor()
        self.durations: dict[str, float] = {}
        self.watcher = FakeWatcher(self.disk)
        self.tracking = FakeTracking(self.disk)

    @property
    def lookup(self) -> Lookup:
        return Lookup(self.runs)

    @property
    def journal(self) -> FakeJournal:
        """The record of the latest run."""
        return list(self.runs.journals.values())[-1]

    @property
    def rerunner(self) -> Rerunner:
        return Rerunner(self.control, self.objects, self.runs, self.platform, self.watcher.state)

    @property
    def varier(self) -> Varier:
        """What varies runs for somebody in their home folder."""
        pinner = Pinner(self.backends, self.shelf, self.objects, self.reporter, self.policy)
        folders = Folders(HOME, HOME, HOME)
        return Varier(self.rerunner, self.objects, pinner, folders, self.caller)

    def ignored(self, path: str, text: str) -> None:
        """Write a file that git ignores."""
        self.disk.write(f"{PROJECT}/{path}", text.encode())

    def prepare(
        self,
        *steps: str,
        force: bool = False,
        system: bool = False,
        keep: bool = True,
        entry_point: str = "main",
        trace: bool = False,
        hermetic: bool = False,
        audit: Audit | None = None,
        **values: object,
    ) -> Prepared:
        given = Given(texts=[(name, str(value)) for name, value in values.items()])
        request = Request(entry_point, given, steps, force, system, trace, hermetic, audit)
        return self.preparer().prepare(request, keep=keep)

    def preparer(self) -> Preparer:
        """Write the project, and return what prepares runs of it."""
        text = dedent(self.yaml)
        self.source["runproj.yaml"] = text.encode()
        for path, content in self.source.items():
            self.disk.write(
                f"{PROJECT}/{path}", content if isinstance(content, bytes) else content.content
            )
        project, document = load(text)
        return Preparer(
            project, "runproj.yaml",
            lambda path, message, hint: document.problem(path, message, hint=hint), "p",
            Folders(PROJECT, PROJECT, HOME), self.files, self.control, self.objects,
            self.objects, self.runs,
            Pinner(self.backends, self.shelf, self.objects, self.reporter, self.policy),
            self.caller, self.platform, self.watcher.state,
            memory=PlanMemory(self.plans, digest_of(text), least=1),
        )  # fmt: skip

    def execute(
        self,
        prepared: Prepared,
        *,
        keep_going: bool = False,
        keep_workspace: bool = False,
        trial: Trial | None = None,
        keep_packages: bool = False,
        capacity: Capacity = ONE_BY_ONE,
    ) -> Run:
        """Execute what was prepared; events are those of this run."""
        self.reporter = FakeReporter()
        self.executor = self.make_executor(self._play)
        self.workspaces = FakeWorkspaces(self.disk, self.control, self.objects)
        runner = Runner(
            self.objects, self.runs, self.workspaces, self.executor, self.watcher, self.backends,
            self.files, self.reporter, self.caller, self._clock, parse_metrics, self.tracking, keep_going,
            keep_workspace, capacity=capacity, durations=lambda *_: self.durations, keep_packages=keep_packages, trial=trial, unstable=Known(self.runs, self.rerun_of.get).unstable, programs=self.on_path,
        )  # fmt: skip
        return runner.execute(prepared, self._header(prepared, trial))

    def sweep(
        self,
        *axes: Axis,
        trials: int | None = None,
        goal: Goal | None = None,
        jobs: int = 2,
        sampler: Sampler | None = None,
        past: Sequence[Run] = (),
        steps: tuple[str, ...] = (),
    ) -> SweepResult:
        """Sweep a grid, or what a sampler chooses; events are those of all trials."""
        self.reporter, self.executor = FakeReporter(), self.make_executor(self._play)
        preparer = self.preparer()
        preparer = preparer._replace(source=OneSnapshot(preparer.source))
        ready = Trials(preparer, Request("main", Given(), steps))
        ready.check(axes)
        name: SamplerName = "grid" if sampler is None else "tpe"
        count = trials or size_of(axes) or 0
        sweep = Sweep(id="s", sampler=name, axes=axes, trials=count, goal=goal)
        together = Together(jobs)

        def start(prepared: Prepared, trial: SweepTrial) -> tuple[str, Going]:
            capacity = Capacity(jobs, {"cpus": jobs, "gpus": 2}, ("0", "1"))
            runner = Runner(
                self.objects, self.runs, FakeWorkspaces(
                    self.disk, self.control, self.objects, f"/workspaces/{trial.number}"
                ), self.executor, self.watcher,
                self.backends, self.files, self.reporter, self.caller, self._clock, parse_metrics, self.tracking,
                capacity=capacity, together=together,
            )  # fmt: skip
            header = self._header(prepared, None).replace(sweep=trial)
            return header.id, runner.going(prepared, header)

        self.sweeper = Sweeper(sweep, sampler or Listed(grid(axes)), ready.prepare, start, past)
        ended: list[int] = []
        Conductor(
            self.executor,
            together,
            jobs,
            self.sweeper.begin,
            lambda run: ended.append(self.sweeper.done(run).number),
        ).execute()
        return self.sweeper.result("default")

    def run(self, *steps: str, **values: object) -> Run:
        return self.execute(self.prepare(*steps, **values))  # type: ignore[arg-type] # values are free

    def rerun(self, run: Run, step: str | None = None, trial: Trial | None = None) -> Run:
        done = self.execute(
            self.rerunner.prepare(run, step), keep_going=trial is not None, trial=trial
        )
        self.rerun_of[done.id] = run.id
        return done

    def vary(self, run: Run, *steps: str, force: bool = False, **values: object) -> Variation:
        """Prepare a variation of a run."""
        project, point = self.recorded(run)
        given = Given(texts=[(name, str(value)) for name, value in values.items()])
        return self.varier.vary(run, project, point, Request("", given, steps, force))

    def recorded(self, run: Run) -> tuple[Project, Point]:
        """Return the project of a past run, and what shows places of its file."""
        project, document = load(self.varier.project_file(run))
        return project, lambda path, message, hint: document.problem(path, message, hint=hint)

    def today(self, run: Run, notes: list[str] | None = None) -> Prepared:
        """Prepare a past run with the code of today."""
        found = notes if notes is not None else []
        then = self.recorded(run)[0]
        return self.varier.with_current_code(run, then, self.preparer(), found)

    def _play(self, execution: Execution) -> Outcome | None:
        program = self.programs.get(execution.name.rpartition("/")[2])
        return None if program is None else program(Process(self.disk, execution, self.watcher))

    def _clock(self) -> float:
        return float(next(self._seconds))

    def _header(self, prepared: Prepared, trial: Trial | None) -> Run:
        return Run(
            id=f"r{next(self._ids)}", project=prepared.project,
            entry_point=prepared.plan.entry_point, started_at=timestamp(self._clock()),
            runproj_version="0", python_version="3.12.1", host=HOST, source=prepared.snapshot,
            plan=prepared.plan, inputs=tuple(dict(prepared.files).values()),
            packages=dict(prepared.packages), perturbed=() if trial is None else tuple(one.name for one in trial) or ("nothing",),
        )  # fmt: skip


def statuses(run: Run) -> dict[str, str]:
    return {step.name: step.status for step in run.steps}


def told(prepared: Prepared | Run) -> dict[str, str]:
    """Return what was decided about each step, as it is told to a person."""
    if isinstance(prepared, Run):
        return {
            step.name: f"{step.status}: {', '.join(reason.text for reason in step.reasons)}"
            for step in prepared.steps
        }
    return {one.step: _told(one) for one in prepared.decisions}


def _told(decision: Decision) -> str:
    return f"{decision.action}: {decision.text}"


THREE = """
    runproj: 1
    parameters:
      seed: {type: int, default: 1}
      lr: {type: float, default: 0.1}
    entry_points:
      main:
        steps:
          prepare:
            command: [python, prepare.py, "{seed}"]
            outputs: [data.csv]
          train:
            command: [python, train.py, --lr, "{lr}"]
            inputs: [data.csv]
            outputs: [model.bin]
          report:
            command: [python, report.py]
            inputs: [model.bin]
            outputs: {page: report.html}
"""


def prepare(process: Process) -> None:
    seed = process.execution.argv[-1]
    process.write("data.csv", "even" if int(seed) % 2 == 0 else "odd")


def train(process: Process) -> None:
    process.write("model.bin", f"{process.read('data.csv')} {process.execution.argv[-1]}")


def report(process: Process) -> None:
    process.write("report.html", process.read("model.bin"))


def training() -> World:
    """Return a project with three steps, each of which needs the one before it."""
    programs: dict[str, Program] = {"prepare": prepare, "train": train, "report": report}
    return World(THREE, programs, {"train.py": b"print(1)"})
