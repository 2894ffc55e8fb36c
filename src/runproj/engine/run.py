"""Executing a plan: every step in its workspace, everything written down before and after."""

import contextlib
import posixpath
from collections.abc import Callable, Collection, Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import NamedTuple

from runproj.engine import furnish, persist, perturbation
from runproj.engine import secrets as hiding
from runproj.engine.decide import Judged
from runproj.engine.furnish import Room, joined
from runproj.engine.observe import (
    Surroundings,
    line_to_add,
    observation,
    shown,
    unused,
    violations,
    words,
)
from runproj.engine.persist import Left
from runproj.engine.perturbation import Trial
from runproj.engine.prepare import Prepared, items_of
from runproj.engine.resources import (
    DEVICES,
    ONE_BY_ONE,
    Capacity,
    Devices,
    forecast,
    ranks,
    room,
    side_by_side,
)
from runproj.engine.schedule import Room as Shared
from runproj.engine.schedule import Schedule
from runproj.engine.secrets import Redactor
from runproj.engine.together import Ended, Going, Together, alone
from runproj.engine.track import Ear, Heard, begin
from runproj.engine.undeclared import undeclared
from runproj.engine.usage import kept_usage
from runproj.errors import (
    EnvironmentFailed,
    ParameterError,
    ProjectError,
    Refused,
    RunprojError,
    StoreError,
    UsageError,
)
from runproj.lock.lock import Kind
from runproj.model import EMPTY, canonical, from_json
from runproj.plan.command import resolve_symbols
from runproj.plan.fingerprint import Fingerprint
from runproj.plan.items import WrongList
from runproj.plan.plan import Items, PlannedStep, Reason
from runproj.plan.programs import programs
from runproj.ports import (
    Accesses,
    Archive,
    Confinement,
    ContainedEnvironment,
    Container,
    Denial,
    EnvironmentBackend,
    Execution,
    Executor,
    Journal,
    ObjectStore,
    PreparedEnvironment,
    ProjectFiles,
    Reporter,
    RunStore,
    StepLog,
    Stream,
    Tracking,
    Watcher,
    Workspace,
    Workspaces,
)
from runproj.record.artifact import Artifact, FolderManifest, FolderMember
from runproj.record.audit import Audited
from runproj.record.events import (
    Grown,
    Planned,
    Progress,
    RunFinished,
    StepFinished,
    StepPrinted,
    StepStarted,
    Warned,
)
from runproj.record.outcome import Outcome
from runproj.record.program import Program
from runproj.record.run import EnvironmentUse, Output, Run, Status, StepRun, Trace
from runproj.record.usage import GpuSample, Sample
from runproj.spec.paths import is_glob

_STREAMS: tuple[Stream, ...] = ("stdout", "stderr")
_TAIL = 64 * 1024  # bytes of a log in which the reason of a failure is looked for
_SHOWN_TAIL = 4 * 1024
_NAMED = 3  # failed steps that are named
_TRACE = ".runproj-trace"
DIFFERENT = 6
"""The exit code of a run of which an audit says that the cache does not tell the truth."""


def timestamp(seconds: float) -> str:
    """Return seconds since the epoch as ISO 8601 in UTC with milliseconds.

    >>> timestamp(0)
    '1970-01-01T00:00:00.000Z'
    """
    return (
        datetime.fromtimestamp(seconds, UTC)
        .isoformat(timespec="milliseconds")
        .replace("+00:00", "Z")
    )


@dataclass
class _Running:
    """A step under way."""

    step: PlannedStep
    record: StepRun
    workspace: Workspace
    given: tuple[Artifact, ...]
    log: StepLog
    surroundings: Surroundings
    directory: str
    watch: str | None
    judged: Judged
    redactors: Mapping[Stream, Redactor]
    warnings: list[Warned] = field(default_factory=list)
    seen: "_Seen | None" = None
    samples: list[Sample | GpuSample] = field(default_factory=list)
    taken: list[Artifact] = field(default_factory=list)

    def redacted(self, text: str) -> str:
        """Return a text without secrets."""
        return self.redactors["stdout"].text(text) if self.redactors else text


class _Retry(NamedTuple):
    """A step that failed, and is tried again when its time has come."""

    due: float
    step: PlannedStep
    judged: Judged
    log: StepLog
    record: StepRun


class _Seen(NamedTuple):
    """What was observed of a step: its record, and what a hermetic step must not have done."""

    trace: Trace
    violations: list[Denial]


@dataclass
class Runner:
    """Executes one prepared plan; call :meth:`execute` or :meth:`going` once.

    ``clock`` returns seconds since 1970; ``parse_metrics`` reads numbers out of a file's text.
    Without ``keep_going`` the first failure ends the run. ``keep_workspace`` leaves the workspaces
    of steps that succeeded too. In a ``trial`` what must not matter is perturbed, and what comes
    out is taken by no other run. ``unstable`` returns what is said against the outputs of
    ``RUN/STEP``. ``programs`` returns what names stand for on a PATH of the machine.
    ``keep_packages`` keeps the archives of packages in the store. ``capacity`` is what there is for
    steps that execute side by side; ``durations`` returns how many seconds the steps of a project's
    entry point took before, as far as that is known. What goes on beside a step that fails may
    end. Runs that execute at the same time share what is ``together``, the executor, and its
    ``capacity``.
    """

    objects: ObjectStore
    runs: RunStore
    workspaces: Workspaces
    executor: Executor
    watcher: Watcher
    backends: Mapping[Kind, EnvironmentBackend]
    files: ProjectFiles
    reporter: Reporter
    caller: Mapping[str, str]
    clock: Callable[[], float]
    parse_metrics: Callable[[str, str], Mapping[str, float]]
    tracking: Tracking
    keep_going: bool = False
    keep_workspace: bool = False
    keep_packages: bool = False
    capacity: Capacity = ONE_BY_ONE
    trial: Trial | None = None
    unstable: Callable[[str], tuple[str, ...]] = lambda _: ()
    durations: Callable[[str, str, Collection[str]], Mapping[str, float]] = lambda *_: EMPTY
    programs: Callable[[Sequence[str], str], tuple[Program, ...]] = lambda *_: ()
    together: Together | None = None
    _at: str | None = None
    _secret: frozenset[str] = frozenset()
    _refused: bool = False
    _steps: dict[str, StepRun] = field(default_factory=dict)
    _running: dict[str, _Running] = field(default_factory=dict)
    _retries: dict[str, _Retry] = field(default_factory=dict)
    _again: dict[str, _Retry] = field(default_factory=dict)
    _waiting: dict[str, str] = field(default_factory=dict)
    _environments: dict[str, PreparedEnvironment] = field(default_factory=dict)
    _containers: dict[str, Container] = field(default_factory=dict)
    _facts: dict[str, dict[str, str]] = field(default_factory=dict)

    def execute(self, prepared: Prepared, header: Run) -> Run:
        """Run all steps, and return the record, which is in the store then; see :meth:`going`."""
        return alone(self.going(prepared, header), self.executor)

    def going(self, prepared: Prepared, header: Run) -> Going:
        """Run all steps, as far as nothing has to be waited for.

        Args:
            prepared: the plan with its decisions.
            header: the run as it is before anything happened.

        Raises:
            RunprojError: the run could not go on for a reason that is no step's; it is recorded
                as failed. Anything else that is raised leaves it recorded as interrupted.
        """
        self.prepared, self.header = prepared, header
        self.started = self.clock()
        self._check_watching()
        self._secret = frozenset(name for one in prepared.plan.steps for name in one.secrets)
        warnings = self._check_secrets()
        self._schedule = self._scheduled()
        self.journal: Journal = self.runs.create(header)
        try:
            self.reporter.report(self._planned)
            for warning in warnings:
                self.reporter.report(Warned(warning))
            self._build_environments()
            if self.keep_packages:
                self._keep_packages()
            yield from self._loop()
            self._check_environments()
        except RunprojError as error:
            with contextlib.suppress(RunprojError):  # the first error is the one to tell
                run = self._end_early("failed", error.exit_code, str(error), str(error))
                self.reporter.report(RunFinished(run))
            raise
        except Exception as error:  # a mistake in runproj; the record must not hide it
            with contextlib.suppress(RunprojError):
                self._end_early("failed", RunprojError.exit_code, repr(error), "runproj failed")
            raise
        except BaseException as error:
            code = getattr(error, "exit_code", 130)
            with contextlib.suppress(RunprojError):
                run = self._end_early("interrupted", code, "interrupted", "the run was interrupted")
                self.reporter.report(RunFinished(run))
            raise
        finally:
            self.workspaces.close()
        failed = any(step.status == "failed" for step in self._steps.values())
        denied = any(step.denied for step in self._steps.values())
        code = Refused.exit_code if denied or self._refused else int(failed)
        audited = [step.audited for step in self._steps.values() if step.audited is not None]
        if not code and any(one.differences for one in audited):
            code = DIFFERENT
        run = self._close("failed" if failed else "succeeded", code, None)
        self.reporter.report(RunFinished(run))
        return run

    def _check_watching(self) -> None:
        """Make sure that this machine can do what steps ask for, before anything is done."""
        executed = [
            step
            for step in self.prepared.plan.steps
            if self.prepared.judged[step.name].decision.action != "cached"
        ]
        contained = {name for name, one in self.prepared.pinned.items() if one.pin.kind == "docker"}
        for step in executed:
            if step.trace and step.environment in contained:
                raise Refused(
                    f"the step {step.name!r} cannot be traced: it runs in a container",
                    hint="a container sees nothing of this machine but what is declared, and "
                    "'hermetic: true' takes the network from it",
                )
        wanted = {
            (step.hermetic, step.networked, step.trace or step.hermetic)
            for step in executed
            if step.environment not in contained
        }
        for hermetic, network, trace in sorted(wanted):
            if hermetic or trace or not network:
                files = () if hermetic else None
                self.watcher.check(Confinement(files, files, network), trace=trace)

    def _check_secrets(self) -> list[str]:
        """Make sure that the caller has the secrets that may be needed; return warnings.

        Raises:
            MissingSecret: with every one that is missing.
            Refused: the plan, which is recorded, holds one.
        """
        judged, steps = self.prepared.judged, self.prepared.plan.steps
        executed = {step.name for step in steps if judged[step.name].decision.action != "cached"}
        warnings = hiding.check(steps, self.caller, executed)
        hiding.refuse_recorded(self.prepared.plan, self.caller)
        return warnings

    def _scheduled(self) -> Schedule:
        """Return the order of the steps, and prepare what is told of it.

        With one step at a time they keep the order of the plan: nothing is gained by another.

        Raises:
            UsageError: a step asks for more than there is.
        """
        self._devices = Devices(self.capacity.gpus)
        if self.together is not None:
            self._devices = self.together.devices(self.capacity.gpus)
        shared, rank = self._order()
        free = None if self.together is None else self.together.free
        return Schedule(self._after, keep_going=self.keep_going, room=shared, rank=rank, free=free)

    @property
    def _after(self) -> dict[str, tuple[str, ...]]:
        """The steps with those they wait for: of a list, for nothing but that."""
        return {
            step.name: step.after if step.foreach is None else (step.foreach.step,)
            for step in self.prepared.plan.steps
        }

    def _order(self) -> tuple[Shared, Mapping[str, int] | None]:
        """Return what the steps share and their ranks, and prepare what is told of it."""
        plan = self.prepared.plan
        executed = [
            step.name
            for step in plan.steps
            if self.prepared.judged[step.name].decision.action != "cached"
        ]
        shared = room(plan, frozenset(executed), self.capacity, self.trial)
        known: Mapping[str, float] = EMPTY
        if len(executed) > 1:
            known = self.durations(self.header.project, self.header.entry_point, executed)
        foreseen = forecast(plan, frozenset(executed), known)
        self._planned = Planned(
            self.prepared.decisions, shared.steps,
            side_by_side(plan, frozenset(executed), shared.steps),
            foreseen.seconds if known else EMPTY, foreseen.paths if known else EMPTY,
        )  # fmt: skip
        return shared, ranks(plan, foreseen) if self._planned.side_by_side else None

    def _build_environments(self) -> None:
        """Build what is needed before the first step starts, so that it fails early."""
        for step in self.prepared.plan.steps:
            decision = self.prepared.judged[step.name].decision
            if decision.action != "cached" and step.environment not in self._environments:
                built = self._environments[step.environment] = self._built(step.environment)
                if isinstance(built, ContainedEnvironment):  # asking takes time
                    self._containers[step.environment] = built.container
                pinned = self.prepared.pinned[step.environment]
                facts = self.backends[pinned.pin.kind].facts(pinned.declaration)
                self._facts[step.environment] = dict(facts)

    def _built(self, name: str) -> PreparedEnvironment:
        pinned = self.prepared.pinned[name]
        with _naming(name):
            return self.backends[pinned.pin.kind].prepare(
                pinned.declaration,
                pinned.lock,
                lambda text: self.reporter.report(Progress(name, text)),
            )

    def _keep_packages(self) -> None:
        """Keep what the environments are installed from, those of cached steps too."""
        packages = dict(self.header.packages)
        for name, pinned in self.prepared.pinned.items():
            with _naming(name):
                archives = self.backends[pinned.pin.kind].archives(
                    pinned.declaration,
                    pinned.lock,
                    lambda text, name=name: self.reporter.report(Progress(name, text)),  # type: ignore[misc] # a default binds the name now
                )
                members = tuple(self._keep_archive(archive) for archive in archives)
            if members:
                packages[name] = Artifact(
                    path=f"packages/{name}",
                    kind="folder",
                    sha256=self.objects.keep(canonical(FolderManifest(members=members))),
                    size=sum(member.size for member in members),
                )
        self.header = self.header.replace(packages=packages)

    def _keep_archive(self, archive: Archive) -> FolderMember:
        artifact = self.objects.put(archive.place, archive.path)
        if artifact.sha256 != archive.sha256:
            raise EnvironmentFailed(
                "the archive of a package was changed while it was kept", where=archive.place
            )
        return FolderMember(path=archive.path, sha256=artifact.sha256, size=artifact.size)

    def _check_environments(self) -> None:
        """Notice that somebody wrote into an environment: what ran in it is not used again."""
        for name, environment in self._environments.items():
            if environment.is_intact():
                continue
            warning = f"the environment {name!r} was changed since it was built"
            self.reporter.report(
                Warned(
                    warning,
                    hint="no other run takes the results of the steps that ran in it, and the next "
                    "run builds it again; let steps write into their workspace",
                )
            )
            for step in list(self._steps.values()):
                used = step.environment is not None and step.environment.name == name
                if used and (step.status == "succeeded" or step.persisted):
                    marked = step.replace(reusable=False, warnings=(*step.warnings, warning))
                    self._steps[step.name] = marked
                    self.journal.finished(marked)

    def _loop(self) -> Generator[float | None, Ended | None, None]:
        schedule = self._schedule
        self._by_name = {step.name: step for step in self.prepared.plan.steps}
        while True:
            self._try_again(schedule)
            while (name := schedule.next()) is not None:
                self._at = name
                self._begin(self._by_name[name])
                if name in self._waiting:
                    schedule.pauses(name)
                elif name not in self._running:
                    self._settle(name, schedule)
            if not (self._running or self._retries or self._waiting or schedule.is_short):
                break
            self._at = None
            due = min((one.due for one in self._retries.values()), default=None)
            ended = yield None if due is None else max(0.0, due - self.clock())
            if ended is None:
                continue
            name, outcome = ended
            self._at = name
            self._finish(self._running[name], outcome)
            if name in self._retries:
                schedule.pauses(name)
            else:
                self._settle(name, schedule)
        for name, one in self._again.items():  # no step starts any more
            one.log.close()
            self._steps[name] = one.record.replace(
                status="failed", finished_at=timestamp(self.clock()),
                error=f"{one.record.failures[-1]}; not tried again, for another step failed",
            )  # fmt: skip
            self.journal.finished(self._steps[name])
            self.reporter.report(StepFinished(self._steps[name], one.log.path, ""))
        self._skip([name for name in schedule.left if name not in self._again])

    def _skip(self, left: Collection[str]) -> None:
        """Write down of the steps that do not start any more which failure is the cause."""
        after, left = self._after, frozenset(left)
        failed = [
            name for name in after if name in self._steps and self._steps[name].status == "failed"
        ]
        causes: dict[str, frozenset[str]] = {name: frozenset([name]) for name in failed}
        for name in (name for name in after if name in left):  # each comes after those it waits for
            causes[name] = frozenset().union(*(causes.get(one, ()) for one in after[name]))
            before = [one for one in failed if one in causes[name]]
            self._steps[name] = StepRun(
                name=name, status="skipped",
                error=f"{failures(before)} before it failed" if before
                else f"it did not start, for {failures(failed)} failed",
                reasons=self.prepared.judged[name].decision.reasons,
            )  # fmt: skip

    def _try_again(self, schedule: Schedule) -> None:
        """Let the steps start again whose time has come."""
        now = self.clock() if self._retries else 0.0
        for name, one in list(self._retries.items()):
            if one.due <= now:
                self._again[name] = self._retries.pop(name)
                schedule.goes_on(name)
        for name, digest in list(self._waiting.items()):
            if self.together is not None and not self.together.is_under_way(digest):
                del self._waiting[name]
                schedule.goes_on(name)

    def _settle(self, name: str, schedule: Schedule) -> None:
        if name not in self._by_name:
            return  # its instances have its place
        self._devices.give_back(self._execution(name))
        if self.together is not None:
            self.together.ends(self.header.id, self._steps[name])
        if self._steps[name].done:
            schedule.done(name)
        else:
            schedule.failed(name)

    def _grow(self, step: PlannedStep, items: Items) -> None:
        """Let the instances of a step take its place, now that the list of its items is there."""
        assert self.prepared.grow is not None  # noqa: S101 -- for mypy: a record with such a step is planned anew
        try:
            found = items_of(step, self._steps[items.step], self.objects)
            hiding.refuse_items(items.path, found, self._secret, self.caller)
            prepared = self.prepared.grow(step.name, found, self.prepared.judged, self._steps)
        except (WrongList, ProjectError, ParameterError, UsageError, Refused) as error:
            hint = None if isinstance(error, WrongList) else error.problems[0].hint
            self._refused = self._refused or isinstance(error, Refused)
            told = Redactor(self.caller.get(name, "") for name in self._secret).text(str(error))
            failed = StepRun(
                name=step.name, status="failed", error=told, hint=hint,
                finished_at=timestamp(self.clock()),
            )  # fmt: skip
            self._steps[step.name] = failed
            self.journal.finished(failed)
            self.reporter.report(StepFinished(failed))
            return
        known = self._by_name
        self.prepared = prepared
        self.header = self.header.replace(
            plan=prepared.plan, inputs=tuple(dict(prepared.files).values())
        )
        self._by_name = {one.name: one for one in prepared.plan.steps}
        self._schedule.grow(step.name, self._after, *self._order())
        new = tuple(one for one in prepared.decisions if one.step not in known)
        self.reporter.report(Grown(step.name, new))

    def _begin(self, step: PlannedStep) -> None:
        if step.foreach is not None:
            self._grow(step, step.foreach)
            return
        again = self._again.pop(step.name, None)
        if again is not None:
            self._start(step, again.judged, again)
            return
        judged = self.prepared.judged[step.name]
        if judged.decision.action == "pending" or (
            judged.decision.action == "run" and self.together is not None
        ):
            judged = self.prepared.decider.decide(step, self._steps)
        if judged.decision.action == "cached" and judged.known is not None:
            self._take(step, judged.known, judged.decision.reasons)
        elif not self._is_left_to_another(step, judged):
            self._start(step, judged)

    def _is_left_to_another(self, step: PlannedStep, judged: Judged) -> bool:
        """Tell whether another run executes the same step now, or has done so in vain."""
        if self.together is None or judged.fingerprint is None or not step.cache:
            return False
        digest = judged.fingerprint.digest
        if self.together.is_under_way(digest):
            self._waiting[step.name] = digest
            return True
        failed = self.together.failed_in(digest)
        if failed is None:
            self.together.starts(self.header.id, digest)
            return False
        record = StepRun(
            name=step.name, status="failed", reasons=judged.decision.reasons,
            fingerprint=judged.fingerprint, error=f"it failed as {failed}",
            hint=f"runproj show {failed}",
        )  # fmt: skip
        self._steps[step.name] = record
        self.journal.finished(record)
        self.reporter.report(StepFinished(record))
        return True

    def _execution(self, step: str) -> str:
        """Return the name of the execution of a step: another one than in other runs."""
        return step if self.together is None else f"{self.header.id}/{step}"

    def _take(self, step: PlannedStep, known: StepRun, reasons: tuple[Reason, ...]) -> None:
        """Answer a step by an earlier step run."""
        taken = known.replace(name=step.name, status="cached", reasons=reasons)
        if self.trial is None:
            taken = self._warned(taken)
        self._steps[step.name] = taken
        self.journal.finished(taken)
        self.reporter.report(StepFinished(taken))

    def _warned(self, taken: StepRun) -> StepRun:
        """Tell that outputs that are taken are known to be unstable."""
        said = self.unstable(taken.cached_from or "")
        for warning in said:
            self.reporter.report(Warned(f"{taken.name}: {warning}"))
        return taken.replace(warnings=(*taken.warnings, *said)) if said else taken

    def _start(self, step: PlannedStep, judged: Judged, again: _Retry | None = None) -> None:
        reasons = judged.decision.reasons
        given = self.prepared.decider.supply.artifacts(step, self._steps)
        fingerprint = judged.fingerprint or self.prepared.decider.fingerprint(step, self._steps)
        workspace, left = self._opened(step, given, self._left_before(step, fingerprint, again))
        pin = self.prepared.pinned[step.environment].pin
        room = Room(workspace.root, workspace.project, workspace.temporary)
        own = self._variables(step, room)
        variables = begin(self.tracking, step, self.prepared.plan, room, own)
        environment = self._environments[step.environment]
        container = furnish.container(self._containers.get(step.environment), room, step)
        devices = self._devices.take(step, self._execution(step.name))
        if devices is not None and container is not None:
            container = container._replace(devices=devices)
        elif devices is not None:
            variables = {DEVICES: ",".join(devices), **variables}
        watch, unwatched = None, None
        if container is None:
            watch, unwatched = self._watch(step, workspace, audited=judged.known is not None)
        surroundings = Surroundings(
            workspace.root, workspace.project, workspace.temporary,
            () if watch is None else (*environment.folders, room.client), self.files.absolute("."),
        )  # fmt: skip
        directory = joined(workspace.project, step.working_directory)
        argv = tuple(resolve_symbols(text, self.header.id, workspace.root) for text in step.argv)
        record = StepRun(
            name=step.name,
            status="running",
            reasons=reasons,
            argv=argv,
            variables=variables,
            fingerprint=fingerprint,
            environment=EnvironmentUse(
                name=pin.name,
                kind=pin.kind,
                key=self._environments[step.environment].key,
                lock=pin.lock,
                facts=self._facts[step.environment],
                programs=self.programs(programs(argv), own.get("PATH", ""))
                if pin.kind == "system"
                else (),
            ),
            inputs=(*given, *self._source_inputs(step, workspace)),
            started_at=timestamp(self.clock()),
            reusable=unwatched is None and environment.key == pin.key,
            hermetic=step.hermetic,
            network=step.networked,
            failures=() if again is None else again.record.failures,
            persisted=() if left is None else left.artifacts,
            resumed_from=None if left is None else left.origin,
        )
        self.journal.started(_findable(record, step, workspace))
        log = self.journal.log(step.name) if again is None else again.log
        secrets = hiding.of(step, self.caller)
        redactors: Mapping[Stream, Redactor] = {
            stream: Redactor(secrets.values()) for stream in _STREAMS if secrets
        }
        self._running[step.name] = running = _Running(
            step, record, workspace, given, log, surroundings, directory, watch, judged, redactors
        )
        if unwatched is not None:
            running.warnings.append(unwatched)
        self.reporter.report(StepStarted(step.name, reasons))
        if left is not None:
            self.reporter.report(Progress(step.name, f"begins with what {left.origin} left"))
        self.executor.start(
            Execution(
                name=self._execution(step.name),
                argv=argv,
                directory=directory,
                variables=variables,
                on_output=self._listener(step.name, log, redactors),
                stdin=None if step.stdin is None else joined(workspace.project, step.stdin),
                stdout=None if step.stdout is None else joined(workspace.project, step.stdout),
                timeout_s=perturbation.timeout_s(self.trial, step),
                cpus=perturbation.cpus(self.trial, step),
                trace=watch,
                confinement=surroundings.confinement(hermetic=step.hermetic, network=step.networked)
                if container is None
                else Confinement(),
                container=container,
                secrets=secrets,
                on_sample=running.samples.append,
            )
        )

    def _left_before(
        self, step: PlannedStep, fingerprint: Fingerprint, again: _Retry | None
    ) -> Left | None:
        """Return what an earlier attempt of a step left, if this one may begin with it."""
        if again is not None:
            return Left(f"attempt {len(again.record.failures)}", again.record.persisted)
        left = self.prepared.left.get(step.name)
        if left is None or not step.persist:
            return None
        if left.fingerprint != fingerprint.digest:
            self._anew(step, left, "it is made of other things now")
            return None
        if left.place is None:
            return left
        try:
            return left._replace(artifacts=persist.keep(self.objects, left.place, step.persist))
        except (UsageError, StoreError) as error:
            if not left.artifacts:
                self._anew(step, left, str(error))
            return left

    def _opened(
        self, step: PlannedStep, given: tuple[Artifact, ...], left: Left | None
    ) -> tuple[Workspace, Left | None]:
        """Open the workspace of a step; without what was left before, where that is damaged."""
        if left is not None and left.artifacts:
            wanted = furnish.furnishing(self.prepared, step, given, left.artifacts)
            try:
                return self.workspaces.open(wanted), left
            except StoreError as error:
                self._anew(step, left, str(error))
        return self.workspaces.open(furnish.furnishing(self.prepared, step, given)), None

    def _anew(self, step: PlannedStep, left: Left, why: str) -> None:
        text = f"{step.name}: it begins anew, without what {left.origin} left: {why}"
        self.reporter.report(Warned(text))

    def _leaves(self, running: _Running) -> tuple[Artifact, ...]:
        """Keep what a step that did not succeed leaves for its next attempt."""
        step = running.step
        if not step.persist or self.trial is not None:
            return ()
        try:
            kept = persist.keep(self.objects, running.workspace.project, step.persist)
        except (UsageError, StoreError) as error:
            text = f"{step.name}: what it leaves for its next attempt cannot be kept: {error}"
            self.reporter.report(Warned(text, error.problems[0].hint))
            return running.record.persisted
        for warning in self._searched(step, kept, "what persists"):
            self.reporter.report(Warned(f"{step.name}: {warning.text}", warning.hint))
        return kept

    def _watch(
        self, step: PlannedStep, workspace: Workspace, *, audited: bool
    ) -> tuple[str | None, Warned | None]:
        """Return where the trace of a step goes, and a warning when it cannot be watched.

        A step that looked at something undeclared before is watched without being asked to: else a
        change of that would no longer be noticed. So is one that is audited, if it can be.
        """
        place = joined(workspace.temporary, _TRACE)
        if step.trace or step.hermetic:
            return place, None
        undeclared = self.prepared.decider.looked_outside(step)
        if not undeclared and not audited:
            return None, None
        try:
            self.watcher.check(Confinement(), trace=True)
        except Refused as error:
            return None, None if not undeclared else Warned(
                f"its undeclared inputs cannot be watched ({error}), so its results are not used "
                "again", hint=error.problems[0].hint,
            )  # fmt: skip
        return place, None

    def _listener(
        self, name: str, log: StepLog, redactors: Mapping[Stream, Redactor]
    ) -> Callable[[Stream, bytes], None]:
        def listen(stream: Stream, chunk: bytes) -> None:
            log.write(stream, chunk)
            self.reporter.report(StepPrinted(name, stream, chunk))

        def listen_secretly(stream: Stream, chunk: bytes) -> None:
            shown = redactors[stream].feed(chunk)
            if shown:
                listen(stream, shown)

        return listen_secretly if redactors else listen

    def _show_rest(self, running: _Running) -> None:
        """Show what was held back, for it might have been the beginning of a secret."""
        for stream, redactor in running.redactors.items():
            rest = redactor.end()
            if rest:
                running.log.write(stream, rest)
                self.reporter.report(StepPrinted(running.step.name, stream, rest))

    def _source_inputs(self, step: PlannedStep, workspace: Workspace) -> tuple[Artifact, ...]:
        """Describe the inputs that came with the source."""
        return tuple(
            self.objects.put(joined(workspace.project, planned.path), planned.path)
            for planned in step.inputs
            if planned.kind == "source"
        )

    def _heard(self, running: _Running) -> Heard:
        """Keep what a step told of itself, without secrets."""
        workspace = running.workspace
        room = Room(workspace.root, workspace.project, workspace.temporary)
        ear = Ear(self.tracking, self.objects)
        heard = ear.end(room, running.directory, self.clock(), running.redacted)
        running.warnings += [Warned(text) for text in heard.warnings]
        if heard.tracked is not None:
            kept = (*heard.tracked.artifacts, *heard.tracked.models)
            running.warnings += self._searched(running.step, kept, "its artifact")
        return heard

    def _variables(self, step: PlannedStep, room: Room) -> dict[str, str]:
        contained = step.environment in self._containers
        variables = furnish.variables(
            step, self._environments[step.environment], room, self.prepared.snapshot,
            caller=self.caller, run_id=self.header.id, contained=contained,
            perturbed=perturbation.variables(self.trial, step, contained=contained),
        )  # fmt: skip
        # such as a proxy with a password: a secret of one step reaches only those that say so
        return {name: text for name, text in variables.items() if name not in self._secret}

    def _finish(self, running: _Running, outcome: Outcome) -> None:
        """Judge what a process left behind, keep it, and write down how it ended."""
        step, record = running.step, running.record
        self._show_rest(running)
        heard = self._heard(running)
        update: dict[str, object] = {
            "outcome": outcome, "finished_at": timestamp(self.clock()),
            "metrics": heard.metrics, "tracked": heard.tracked,
            "usage": kept_usage(running.samples, str(record.started_at), self.objects),
        }  # fmt: skip
        try:
            outputs, metrics = self._results(running, outcome)
            update |= {
                "status": "succeeded", "outputs": outputs, "metrics": {**heard.metrics, **metrics},
            }  # fmt: skip
            update["persisted"] = ()
            warnings = [one._replace(text=running.redacted(one.text)) for one in running.warnings]
            update["warnings"] = tuple(warning.text for warning in warnings)
            if self.trial is not None:
                update["reusable"] = False
            for warning in warnings:
                self.reporter.report(Warned(f"{step.name}: {warning.text}", warning.hint))
        except _StepFailedError as failed_so:
            failure = failed_so.redacted(running.redacted)
            self._put_back(running)
            if self._is_tried_again(running, outcome, failure):
                return
            update |= {
                "status": "failed", "error": str(failure), "hint": failure.hint,
                "workspace": running.workspace.root, "denied": failure.denied,
                "persisted": self._leaves(running),
            }  # fmt: skip
        if running.seen is not None:
            update["trace"] = running.seen.trace
        failed = update["status"] == "failed"
        running.log.close()
        # in a trial nobody looks at what is left
        keep = self.keep_workspace or (failed and self.trial is None)
        if keep:
            update["workspace"] = running.workspace.root
        finished = record.replace(**update)
        taken = running.judged.known
        if taken is not None and finished.done:
            finished = finished.replace(audited=self._audited(step, taken, finished))
        self._steps[step.name] = finished
        del self._running[step.name]
        running.workspace.close(keep=keep)
        self.journal.finished(finished)
        tail = running.log.tail(_SHOWN_TAIL) if failed else ""
        self.reporter.report(StepFinished(finished, running.log.path, tail))

    def _put_back(self, running: _Running) -> None:
        """Let the workspace of a step that failed after all be as the step left it."""
        for artifact in running.taken:
            place = joined(running.workspace.project, artifact.path)
            with contextlib.suppress(UsageError):  # what is reached through a link was not moved
                if self.objects.put(place, artifact.path) == artifact:
                    continue
            self.objects.give(artifact, running.workspace.project)

    def _is_tried_again(
        self, running: _Running, outcome: Outcome, failure: "_StepFailedError"
    ) -> bool:
        """Arrange for a failed step to be tried again, if it may."""
        step, failures = running.step, (*running.record.failures, str(failure))
        retry = step.retry
        if retry is None or self.trial is not None or failure.denied or outcome.start_error:
            return False
        if not retry.takes(outcome.exit_code, len(failures)):
            return False
        wait_s = retry.wait_s(len(failures))
        when = f" in {wait_s:g} s" if wait_s else ""
        text = f"{step.name}: {failure}; attempt {len(failures) + 1} of {retry.times + 1}{when}"
        self.reporter.report(Warned(text))
        record = running.record.replace(
            outcome=outcome, failures=failures, persisted=self._leaves(running)
        )
        if step.persist:  # a run that is killed while it waits knows what was left
            self.journal.started(record)
        self._retries[step.name] = _Retry(
            self.clock() + wait_s, step, running.judged, running.log, record
        )
        del self._running[step.name]
        self._devices.give_back(self._execution(step.name))
        running.workspace.close(keep=False)
        return True

    def _results(
        self, running: _Running, outcome: Outcome
    ) -> tuple[tuple[Output, ...], dict[str, float]]:
        step = running.step
        running.seen = self._observed(running, outcome)
        if running.seen is not None and running.seen.violations:
            raise self._violation(step, outcome, running.seen.violations)
        if running.seen is not None and step.hermetic and outcome.succeeded:
            self._refuse_gap(running.seen.trace)
        if not outcome.succeeded:
            raise _StepFailedError(ended(outcome, step.timeout_s), self._explain(running, outcome))
        try:
            changes = running.workspace.changes()
        except StoreError as error:
            raise _StepFailedError(
                f"its workspace cannot be looked at: {error}",
                "a step leaves the folder in which it runs where it is",
            ) from error
        declared = {output.path for output in step.outputs}
        inputs = {planned.path for planned in step.inputs if planned.kind == "source"}
        broken = [*changes.inputs, *(path for path in changes.altered if _within(path, inputs))]
        if broken:
            raise _StepFailedError(
                f"it changed its input {broken[0]}",
                "let it write a new file, and declare that one as an output",
            )
        if declared:
            altered = [path for path in changes.altered if not _within(path, declared)]
            if altered:
                raise _StepFailedError(
                    f"it changed the source file {altered[0]}",
                    f"if that is a result, declare it: outputs: [{altered[0]}]",
                )
        made = tuple(
            path for path in changes.made
            if _within(path, declared) or not _within(path, step.persist)
        )  # fmt: skip
        outputs = self._keep_outputs(running, made, changes.altered)
        running.warnings += self._searched(step, outputs, "its output")
        metrics = self._metrics(step, outputs)
        return outputs, {running.redacted(name): value for name, value in metrics.items()}

    def _observed(self, running: _Running, outcome: Outcome) -> _Seen | None:
        """Keep what was observed of a step, and say what its user should know."""
        step, surroundings = running.step, running.surroundings
        if running.watch is None or outcome.start_error is not None:
            return None
        accesses = self._accesses(running, running.watch)
        source = self.prepared.decider.seen_source(step)
        seen = observation(accesses, surroundings, source, self.watcher.state)
        resumed = running.record.resumed_from is not None  # another attempt may have read them
        unread = [] if resumed else unused(step, accesses, surroundings)
        trace = Trace(
            observation=self.objects.keep(canonical(seen)),
            files=len(seen.paths),
            outside=len(seen.outside),
            undeclared=seen.undeclared,
            unused=tuple(unread),
            gap=seen.gap,
        )
        running.warnings += [
            Warned(f"it does not read its declared input {path}") for path in unread
        ]
        if step.hermetic:
            found = violations(accesses, seen, surroundings, network=step.networked)
            return _Seen(trace, found)
        undeclared = [Denial(path, "read") for path in seen.undeclared]
        if undeclared:
            running.warnings.append(Warned(shown(undeclared), self._line(undeclared[0], step)))
        return _Seen(trace, [])

    def _accesses(self, running: _Running, trace: str) -> Accesses:
        try:
            accesses = self.watcher.accesses(trace, running.directory)
        except StoreError as error:
            accesses = Accesses(gap=str(error))
        if accesses.gap is not None:
            text = f"what it read is not known in full: {accesses.gap}"
            running.warnings.append(Warned(text))
        return accesses

    def _line(self, denial: Denial, step: PlannedStep) -> str:
        users = self.files.absolute(".")
        return line_to_add(denial, step, self.prepared.project_file, users)

    def _refuse_gap(self, trace: Trace) -> None:
        """Let a hermetic step of which not everything was seen not count as one."""
        if trace.gap is not None:
            failure = _StepFailedError(f"what it did is not known in full: {trace.gap}")
            failure.denied = (str(failure),)
            raise failure

    def _violation(
        self, step: PlannedStep, outcome: Outcome, found: list[Denial]
    ) -> "_StepFailedError":
        text = shown(found)
        if not outcome.succeeded:
            text += f"; {ended(outcome, step.timeout_s)}"
        failure = _StepFailedError(text, self._line(found[0], step))
        failure.denied = tuple(words(denial) for denial in found)
        return failure

    def _keep_outputs(
        self, running: _Running, made: tuple[str, ...], altered: tuple[str, ...]
    ) -> tuple[Output, ...]:
        """Move what the step made into the store; without declared outputs, all that it made."""
        step = running.step
        names = {output.path: output.name for output in step.outputs}
        written = [*made, *altered]
        if not names:
            names = {path: None for path in sorted(written) if not path.startswith("../")}
        order = list(names)
        if step.outputs:  # what seems to be missing comes first: when it is, nothing was moved yet
            order.sort(key=lambda path: _within_any(written, path))
        kept = {}
        for path in order:
            try:
                artifact = self.objects.put(
                    joined(running.workspace.project, path), path, take=not self.keep_workspace
                )
            except UsageError as error:
                if step.outputs and _within_any(written, path):
                    problem = error.problems[0]
                    raise _StepFailedError(
                        f"its output {path} cannot be kept: {problem.message} ({problem.where})",
                        problem.hint,
                    ) from error
                if step.outputs:
                    hint = _made_instead(path, made)
                    raise _StepFailedError(f"it did not make its output {path}", hint) from error
                if path in made:  # else it removed a source file, and declares no outputs
                    name = path.encode("utf-8", "backslashreplace").decode()
                    reason = f"{name} is not kept: {error.problems[0].message}"
                    running.warnings.append(Warned(reason))
                continue
            running.taken.append(artifact)
            kept[path] = Output.of(artifact, name=names[path])
        return tuple(kept[path] for path in names if path in kept)

    def _searched(
        self, step: PlannedStep, artifacts: Sequence[Artifact], what: str
    ) -> Iterator[Warned]:
        """Yield a warning for all that holds a secret: it is kept as it is, and may be shared."""
        secrets = hiding.of(step, self.caller)
        members = [
            (one.path if member is one else f"{one.path}/{member.path}", member)
            for one in artifacts
            if secrets
            for member in self._members(one)
            if member.sha256 is not None
        ]
        large = [path for path, member in members if member.size > hiding.SEARCHED]
        for path, member in members:
            if member.size <= hiding.SEARCHED:
                content = self.objects.read(member.sha256 or "")
                for name in hiding.held_by(path.encode() + b"\n" + content, secrets):
                    text = f"{what} {path} holds the secret {name}"
                    yield Warned(text, "it is kept as it is, in the store, too")
        if large:
            yield Warned(f"{what} {large[0]} is too large to be searched for secrets")

    def _members(self, artifact: Artifact) -> Sequence[Artifact | FolderMember]:
        if artifact.kind == "file":
            return [artifact]
        return from_json(FolderManifest, self.objects.read(artifact.sha256)).members

    def _metrics(self, step: PlannedStep, outputs: tuple[Output, ...]) -> dict[str, float]:
        metrics: dict[str, float] = {}
        wanted = {output.path for output in step.outputs if output.metrics}
        for output in outputs:
            if output.path in wanted:
                try:
                    if output.kind == "folder":
                        raise ValueError(f"{output.path} is a folder")  # noqa: TRY301 -- the same words for all
                    text = self.objects.read(output.sha256).decode()
                    metrics |= self.parse_metrics(output.path, text)
                except (ValueError, RunprojError) as error:
                    raise _StepFailedError(
                        f"its metrics file cannot be read: {error}",
                        "metrics are numbers in JSON, YAML or CSV",
                    ) from error
        return metrics

    def _audited(self, step: PlannedStep, taken: StepRun, new: StepRun) -> Audited:
        """Compare a step run with the one that would have been taken, and say what differs."""
        from runproj.engine.audit import NOTHING, Detective  # noqa: PLC0415 -- lazy: few steps are
        from runproj.engine.judge import Judge  # noqa: PLC0415 -- audited
        from runproj.record.compare import worst  # noqa: PLC0415

        judgements = list(Judge(self.objects).step(step, taken, new))
        verdict = worst(one.likeness for one in judgements if one.likeness != "ignored")
        run_id = (taken.cached_from or "").partition("/")[0]
        differences = tuple(
            f"{one.path or 'metrics'}: {one.difference}"
            for one in judgements
            if one.likeness == "different"
        )
        causes: tuple[str, ...] = ()
        if differences:
            with contextlib.suppress(RunprojError):
                then = self.runs.load(run_id).host
                found = Detective(self.objects).likely(taken, new, then, self.header.host)
                causes = tuple(found)
            self.reporter.report(
                Warned(
                    f"audit: {step.name} does not give what {run_id} gave: {differences[0]}",
                    hint=f"likely: {causes[0] if causes else NOTHING}",
                )
            )
        return Audited(
            taken=taken.cached_from or "", verdict=verdict, differences=differences, likely=causes
        )

    def _explain(self, running: _Running, outcome: Outcome) -> str | None:
        """Look for the reason of a failure that a user can mend at once."""
        step = running.step
        found = undeclared(
            running.log.tail(_TAIL),
            step,
            self.prepared.plan,
            workspace=running.workspace.project,
            exists=lambda path: not is_glob(path) and bool(self.files.find(path)),
            manifest=self.prepared.decider.supply.manifest,
        )
        if found is not None:
            return f"{found.path} is not in the workspace: {found.why}; {found.hint(step)}"
        environment = self._environments[step.environment]
        if not environment.is_intact():
            return "its environment was changed since it was built; the next run builds it again"
        if outcome.start_error is not None:
            where = f"it runs in the environment {step.environment!r}: {environment.description}"
            if running.record.argv[:1] == ("bash",):
                return f"{where}; where there is no bash, 'shell: sh' in the step may do"
            return where
        return None

    def _end_early(self, status: Status, exit_code: int, error: str, why: str) -> Run:
        """End all processes, and write down that their steps did not come to their end."""
        try:
            self.executor.cancel()
            for one in (*self._retries.values(), *self._again.values()):
                one.log.close()
                self._steps[one.step.name] = one.record.replace(
                    status="interrupted", error="the run ended before it was tried again",
                    finished_at=timestamp(self.clock()),
                )  # fmt: skip
                self.journal.finished(self._steps[one.step.name])
            for name, running in self._running.items():
                self._show_rest(running)
                running.log.close()
                own = status == "interrupted" or self._at in (None, name)
                heard = self._heard(running)
                ended = running.record.replace(
                    metrics=heard.metrics,
                    tracked=heard.tracked,
                    status=status if own else "interrupted",
                    error=why if own else "the run was ended while it executed",
                    finished_at=timestamp(self.clock()),
                )
                if running.step.persist:  # the next one to interrupt leaves the workspace
                    self._steps[name] = _findable(ended, running.step, running.workspace)
                    self.journal.finished(self._steps[name])
                    ended = ended.replace(persisted=self._leaves(running))
                self._steps[name] = ended
                running.workspace.close(keep=False)
                self.journal.finished(self._steps[name])
            self._check_environments()
        finally:
            run = self._close(status, exit_code, error)
        return run

    def _close(self, status: Status, exit_code: int, error: str | None) -> Run:
        """Write the outcome of the run; it never changes again."""
        now = self.clock()
        planned = self.prepared.plan.steps
        run = self.header.replace(
            status=status,
            exit_code=exit_code,
            error=error,
            finished_at=timestamp(now),
            duration_s=round(now - self.started, 3),
            steps=tuple(self._steps[s.name] for s in planned if s.name in self._steps),
        )
        tags = [one.tracked.tags for one in run.steps if one.tracked is not None]
        if any(tags):
            run = run.replace(tags={**run.tags, **{k: v for one in tags for k, v in one.items()}})
        self.journal.close(run)
        return run


@contextlib.contextmanager
def _naming(environment: str) -> Iterator[None]:
    """Let what goes wrong with an environment name it."""
    try:
        yield
    except EnvironmentFailed as error:
        where = f"environment {environment!r}"
        problems = [one._replace(where=one.where or where) for one in error.problems]
        raise type(error).of(problems) from error


class _StepFailedError(Exception):
    """Why a step counts as failed; never leaves this file."""

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.hint = hint
        self.denied: tuple[str, ...] = ()

    def redacted(self, redact: Callable[[str], str]) -> "_StepFailedError":
        """Return the same without secrets."""
        failure = _StepFailedError(redact(str(self)), self.hint and redact(self.hint))
        failure.denied = tuple(map(redact, self.denied))
        return failure


def failures(names: Sequence[str]) -> str:
    """Name the steps that failed.

    >>> failures(["a"]), failures(["a", "b"]), failures(["a", "b", "c", "d"])
    ("the step 'a'", "the steps 'a' and 'b'", "the step 'a' and 3 more")
    """
    if len(names) == 1:
        return f"the step {names[0]!r}"
    if len(names) > _NAMED:
        return f"the step {names[0]!r} and {len(names) - 1} more"
    *most, last = map(repr, names)
    return f"the steps {', '.join(most)} and {last}"


def ended(outcome: Outcome, timeout_s: float | None) -> str:
    """Say how a process that did not succeed ended.

    >>> ended(Outcome(exit_code=3), None)
    'it ended with exit code 3'
    """
    if outcome.start_error is not None:
        return f"it could not be started: {outcome.start_error}"
    if outcome.timed_out:
        return f"it was ended after its timeout of {timeout_s:g} s"
    if outcome.out_of_memory:
        return "it was ended by the system: it used more memory than it may"
    if outcome.signal is not None:
        return f"it was ended by the signal {outcome.signal}"
    return f"it ended with exit code {outcome.exit_code}"


def _findable(record: StepRun, step: PlannedStep, workspace: Workspace) -> StepRun:
    """Return a record from which its workspace is found, should this process be killed."""
    return record.replace(workspace=workspace.root) if step.persist else record


def _within(path: str, outputs: Iterable[str]) -> bool:
    return any(path == output or path.startswith(output + "/") for output in outputs)


def _within_any(written: Iterable[str], path: str) -> bool:
    return any(other == path or other.startswith(path + "/") for other in written)


def _made_instead(path: str, made: tuple[str, ...]) -> str | None:
    name = posixpath.basename(path)
    same = [other for other in made if posixpath.basename(other) == name]
    if same:
        return (
            f"it made {same[0]}: paths are relative to the project, whatever the working directory"
        )
    return f"it made: {', '.join(made[:5])}" if made else "it made no file at all"
