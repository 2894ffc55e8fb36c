"""The JSON documents that commands print: stable names, described by a published schema."""

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias

from runproj.cli.render.model_documents import (
    HistoryResult,
    ModelDiffResult,
    ModelResult,
    ModelsResult,
    MovedResult,
    VersionResult,
)
from runproj.model import Key, Model, field, plain
from runproj.plan.plan import Action, Reason
from runproj.record.difference import Change, Difference
from runproj.record.events import Decision
from runproj.record.health import DamageKind, Health, Role
from runproj.record.organising import UNSAID, Organised
from runproj.record.room import HoldingKind, Room
from runproj.record.run import Run, Status, StepRun
from runproj.record.sweep import Sweep, SweepResult
from runproj.record.timing import Timing
from runproj.record.verdict import (
    OutputLabel,
    OutputLikeness,
    Stability,
    StabilityWord,
    Verdict,
    VerdictWord,
)

if TYPE_CHECKING:
    from runproj.app.packages import KeptPackages
    from runproj.record.comparison import Compared
    from runproj.record.query import Field, Group, Row


class ReasonDocument(Model):
    """Why a step executes or does not; ``from`` and ``to`` where something changed."""

    kind: str
    name: str | None = None
    before: Annotated[str | int | float | bool | None, Key("from")] = None
    after: Annotated[str | int | float | bool | None, Key("to")] = None


class ProgramDocument(Model):
    """A program of the machine that a step's command names; ``version`` where it is known."""

    name: str
    path: str
    sha256: str
    version: str | None


class EnvironmentDocument(Model):
    """The environment of a step; ``programs`` where it is the machine."""

    name: str
    kind: str
    key: str
    lock_sha256: str
    programs: list[ProgramDocument]


class FileDocument(Model):
    """An input or output; ``size`` in bytes."""

    path: str
    sha256: str
    size: int
    kind: str = "file"
    name: str | None = None


class AuditedDocument(Model):
    """How a step run compares with ``taken``, which could have been taken instead."""

    taken: str
    verdict: str
    differences: list[str]
    likely: list[str]


class AuditDocument(Model):
    """Which share of the steps that could be skipped was executed; the seed chose them."""

    share: float
    seed: int


class TraceDocument(Model):
    """What was observed of a step: how many files, what it did not declare, what it did not read.

    ``gap`` says why something may be missing.
    """

    files: int
    undeclared: list[str]
    unused: list[str]
    gap: str | None


class PointsDocument(Model):
    """What is known of the points of a metric; null: none of them is a finite number."""

    points: int
    min: float | None
    max: float | None


class LoggedModelDocument(Model):
    """A model that a step logged."""

    name: str
    flavor: str
    sha256: str
    size: int


class TrackedDocument(Model):
    """What a step told of itself.

    ``not_finite`` are metrics whose last value JSON has no number for: ``NaN``, ``Infinity`` or
    ``-Infinity``. ``points`` is about metrics of which points were logged.
    """

    params: dict[str, Any]
    tags: dict[str, str]
    not_finite: dict[str, str]
    points: dict[str, PointsDocument]
    artifacts: list[FileDocument]
    models: list[LoggedModelDocument]


class LevelDocument(Model):
    """The greatest value of a metric of the system, and its mean over time."""

    peak: float
    mean: float


class UsageDocument(Model):
    """What a step used over time; ``points`` is the digest of all points in the store.

    ``system/cpu`` is in percent of one CPU, ``system/memory`` in bytes, ``system/read`` and
    ``system/written`` in bytes a second; of a GPU ``system/gpu/N`` in percent and
    ``system/gpu_memory/N`` in bytes.
    """

    points: str
    levels: dict[str, LevelDocument]


class StepDocument(Model):
    """A step run."""

    name: str
    status: str
    cached_from: str | None
    reason: str
    reasons: list[ReasonDocument]
    exit_code: int | None
    signal: str | None
    error: str | None
    duration_s: float
    argv: list[str]
    environment: EnvironmentDocument | None
    inputs: list[FileDocument]
    outputs: list[FileDocument]
    metrics: dict[str, float]
    tracked: TrackedDocument | None
    warnings: list[str]
    workspace: str | None
    hermetic: bool
    denied: list[str]
    trace: TraceDocument | None
    audited: AuditedDocument | None
    failures: list[str]
    persisted: list[FileDocument]
    resumed_from: str | None
    usage: UsageDocument | None


class SourceDocument(Model):
    """The exact code."""

    tree: str
    commit: str | None
    dirty: bool | None
    branch: str | None
    remote: str | None


class JudgementDocument(Model):
    """How an output compares with what it was; ``path`` is null for the step or its metrics."""

    step: str
    path: str | None
    likeness: OutputLikeness
    difference: str | None


class LabelDocument(Model):
    """What repeats say of an output; ``path`` is null for the step or its metrics.

    ``cause`` is what makes it unstable: the name of a perturbation, or words.
    """

    step: str
    path: str | None
    label: StabilityWord
    cause: str | None
    difference: str | None


class RepeatDocument(Model):
    """A run that repeated another one (``step``: only that step), and what was perturbed in it."""

    run: str
    step: str | None
    perturbed: list[str]
    verdict: VerdictWord


class StabilityDocument(Model):
    """What repeats say of a run's outputs; ``unperturbed`` is what was not perturbed, and why."""

    outputs: list[LabelDocument]
    repeats: list[RepeatDocument]
    unperturbed: list[str]


class VerdictDocument(Model):
    """Whether a run came out as it was when it was done again; ``at`` in UTC.

    ``current_code`` tells whether that was done with the code of today.
    """

    verdict: VerdictWord
    current_code: bool
    run: str
    rerun: str | None
    at: str
    first_different: str | None
    notes: list[str]
    outputs: list[JudgementDocument]
    stability: StabilityDocument | None


class VerifyResult(Model):
    """What ``verify`` and ``rerun --with-current-code`` print."""

    verify: VerdictDocument


class DiffDocument(Model):
    """What differs between the runs ``a`` and ``b``.

    ``relation`` says that one repeats the other, ``patch`` is a unified diff of the code.
    """

    a: str
    b: str
    source: list[Change]
    params: list[Change]
    steps: list[Change]
    environment: list[Change]
    inputs: list[Change]
    outputs: list[Change]
    metrics: list[Change]
    machine: list[Change]
    annotations: list[Change]
    relation: str | None
    patch: str | None


class DiffResult(Model):
    """What ``diff`` and ``show --diff`` print."""

    diff: DiffDocument


class RunNoteDocument(Model):
    """A note about a run; ``at`` in UTC."""

    text: str
    at: str
    author: str | None


class RunFacts(Model):
    """What is told of a run wherever it is told."""

    id: str
    name: str | None
    project: str
    entry_point: str
    status: str
    exit_code: int | None
    started_at: str
    finished_at: str | None
    duration_s: float | None
    experiment: str
    params: dict[str, Any]
    metrics: dict[str, float]
    tags: dict[str, str]
    error: str | None
    rerun_of: str | None
    variation: list[str]
    current_code: bool
    resume_of: str | None
    sweep: str | None
    trial: int | None
    perturbed: list[str]
    verdict: VerdictWord | None
    notes: list[RunNoteDocument]
    archived_at: str | None
    deleted_at: str | None


class HostDocument(Model):
    """The machine; memory in bytes, that of GPUs in the order of their names."""

    name: str
    user: str
    system: str
    release: str
    machine: str
    cpu: str | None
    cores: int | None
    memory: int | None
    gpus: list[str]
    gpu_memory: list[int]
    gpu_driver: str | None


class PackagesDocument(Model):
    """The archives of a run's packages that are kept, and where; ``size`` in bytes.

    ``in_store`` tells whether they are kept with the run, by ``--keep-packages``.
    """

    archives: int
    size: int
    folder: str
    in_store: bool


class RunDocument(RunFacts):
    """A run; ``packages`` is null when its environments need none."""

    command: list[str]
    author: str | None
    host: HostDocument
    source: SourceDocument
    stability: list[LabelDocument]
    audit: AuditDocument | None
    packages: PackagesDocument | None
    steps: list[StepDocument]


class RunResult(Model):
    """What ``run``, ``rerun`` and ``show`` print."""

    run: RunDocument


class StepResult(Model):
    """What ``show RUN/STEP`` prints."""

    step: StepDocument


class RunSummary(RunFacts):
    """A run as ``list`` shows it."""

    dirty: bool | None


class ListResult(Model):
    """What ``list`` prints."""

    runs: list[RunSummary]


class OrganisedDocument(Model):
    """What is said of a run; times in UTC, null unless it is archived or deleted."""

    id: str
    name: str | None
    tags: dict[str, str]
    notes: list[RunNoteDocument]
    archived_at: str | None
    deleted_at: str | None


class OrganisedResult(Model):
    """What ``note``, ``tag``, ``name``, ``archive`` and ``delete`` print."""

    organised: list[OrganisedDocument]


class AggregateDocument(Model):
    """A metric over runs: how many have a number there, their mean, and the extremes."""

    runs: int
    mean: float
    min: float
    max: float


class GroupDocument(Model):
    """Runs that have the same values of some fields; a metric that none of them has is null."""

    by: dict[str, Any]
    runs: list[str]
    metrics: dict[str, AggregateDocument | None]


class GroupsResult(Model):
    """What ``list --group-by`` prints."""

    groups: list[GroupDocument]


class ComparedDocument(Model):
    """One thing in which runs may differ; ``values`` in the order of the runs, null for none.

    ``best`` are the ids of the runs with the best value.
    """

    group: str
    name: str
    values: list[Any]
    best: list[str]


class CompareDocument(Model):
    """Runs side by side."""

    runs: list[RunSummary]
    rows: list[ComparedDocument]


class CompareResult(Model):
    """What ``compare`` prints."""

    compare: CompareDocument


class BestDocument(Model):
    """One of the best runs, and the value that makes it so."""

    run: RunSummary
    metric: str
    value: float


class BestResult(Model):
    """What ``best`` prints, the best first."""

    best: list[BestDocument]


class PlannedStepDocument(Model):
    """A step of a plan."""

    name: str
    action: Action
    reason: str
    reasons: list[ReasonDocument]


class PlanDocument(Model):
    """A plan."""

    steps: list[PlannedStepDocument]


class PlanResult(Model):
    """What ``status`` and ``run --dry-run`` print."""

    plan: PlanDocument


class EdgeDocument(Model):
    """One step comes before another; ``files`` are what flows."""

    before: Annotated[str, Key("from")]
    after: Annotated[str, Key("to")]
    files: list[str]


class GraphDocument(Model):
    """Steps in an order that works, and what is between them."""

    steps: list[str]
    edges: list[EdgeDocument]


class GraphResult(Model):
    """What ``graph`` prints."""

    graph: GraphDocument


class CheckDocument(Model):
    """A project without mistakes; how many steps each entry point has."""

    ok: Literal[True] = True
    entry_points: dict[str, int]


class CheckResult(Model):
    """What ``check`` prints."""

    check: CheckDocument


class InitDocument(Model):
    """The paths of the files that were written."""

    wrote: list[str]


class InitResult(Model):
    """What ``init`` prints."""

    init: InitDocument


class LogDocument(Model):
    """A piece of what a step printed, ``time_s`` seconds after its start."""

    step: str
    time_s: float
    stream: Literal["stdout", "stderr"]
    text: str


class LogsResult(Model):
    """What ``logs`` prints."""

    logs: list[LogDocument]


class GetDocument(Model):
    """The outputs that were copied, and the folder in which they are now."""

    folder: str
    files: list[FileDocument]


class GetResult(Model):
    """What ``get`` prints."""

    get: GetDocument


class VersionDocument(Model):
    """A package whose version changed; null where it was not, or is no more."""

    name: str
    before: Annotated[str | None, Key("from")]
    after: Annotated[str | None, Key("to")]


class LockDocument(Model):
    """A lockfile; ``state`` is what it was found in, ``changed`` what was written anew."""

    environment: str
    path: str
    state: Literal["current", "missing", "stale", "damaged"]
    changed: list[VersionDocument]


class LocksResult(Model):
    """What ``lock`` and ``lock --check`` print."""

    locks: list[LockDocument]


class BuiltDocument(Model):
    """An environment on this machine; ``size`` in bytes, ``used_at`` in seconds since 1970.

    An image (``kind`` is ``docker``) has ``image``, its name, and ``id``; the others have ``path``.
    """

    key: str
    kind: str
    path: str | None = None
    python: str | None = None
    packages: int | None = None
    image: str | None = None
    id: str | None = None
    size: int
    used_at: float


class EnvironmentsResult(Model):
    """What ``env list`` prints."""

    environments: list[BuiltDocument]


class ReadyDocument(Model):
    """An environment of the project that is ready to be used."""

    name: str
    kind: str
    key: str


class BuildResult(Model):
    """What ``env build`` prints."""

    built: list[ReadyDocument]


class RemoveResult(Model):
    """What ``env remove`` prints: the keys of what is gone."""

    removed: list[str]


class UseDocument(Model):
    """What damage touches in a run or step run; ``path`` is that of an input or output."""

    run: str
    step: str | None
    role: Role
    path: str | None


class DamageDocument(Model):
    """Something in the store that is missing, or not what it should be, and what it touches.

    ``mended`` tells that after ``--repair`` nothing is missing.
    """

    kind: DamageKind
    message: str
    where: str
    hint: str
    sha256: str | None
    mended: bool
    uses: list[UseDocument]


class NoteDocument(Model):
    """Something in the store that does no harm."""

    message: str
    where: str


class HealthDocument(Model):
    """How many of each were looked at, and what was found; ``size`` in bytes."""

    whole: bool
    runs: int
    objects: int
    size: int
    trees: int
    damages: list[DamageDocument]
    notes: list[NoteDocument]


class FsckResult(Model):
    """What ``fsck`` prints."""

    fsck: HealthDocument


class HoldingDocument(Model):
    """What is there of one kind; sizes in bytes, times in seconds since 1970.

    ``unneeded`` is what nothing needs, ``removed`` what went of it; of a dry run, what would go.
    ``logs`` are among the ``runs``, ``packages`` among the ``objects``.
    """

    kind: HoldingKind
    place: str
    count: int
    size: int
    unneeded: int
    unneeded_size: int
    removed: int
    removed_size: int
    used_at: float | None
    oldest_at: float | None


class GoneRunDocument(Model):
    """A run that was removed, and why; of a dry run, one that would be."""

    id: str
    project: str
    experiment: str
    entry_point: str
    status: Status
    started_at: str
    why: str


class RoomDocument(Model):
    """What takes room in the store of so many runs, and beside it; ``gone`` are runs that went."""

    dry_run: bool
    older_than_s: float
    runs: int
    removed_size: int
    reindexed: bool
    holdings: list[HoldingDocument]
    gone: list[GoneRunDocument]
    notes: list[str]


class GcResult(Model):
    """What ``gc`` prints."""

    gc: RoomDocument


class GoalDocument(Model):
    """The metric that decides which trial of a sweep is the best."""

    metric: str
    direction: Literal["minimize", "maximize"]


class TrialDocument(Model):
    """A trial of a sweep; ``score`` is the value of the goal's metric.

    Of one that is only planned, there is no more than number and values.
    """

    number: int
    values: dict[str, str]
    run: str | None = None
    status: str | None = None
    score: float | None = None
    metrics: dict[str, float] = field(default_factory=dict)
    duration_s: float | None = None


class SweepDocument(Model):
    """A sweep, and what came out of it; ``best`` is the number of a trial."""

    id: str
    experiment: str | None
    sampler: Literal["grid", "random", "tpe"]
    seed: int
    goal: GoalDocument | None
    planned: int
    best: int | None
    trials: list[TrialDocument]


class SweepResultDocument(Model):
    """What ``sweep`` prints."""

    sweep: SweepDocument


class SpanDocument(Model):
    """When a step executed, in seconds after its run began, and what it used, in seconds and bytes.

    Steps that executed at the same time are in different lanes. ``critical`` tells that it is on
    the critical path.
    """

    step: str
    status: str
    start_s: float
    duration_s: float
    lane: int
    critical: bool
    cpu_s: float
    peak_memory: int
    read: int
    written: int
    rchar: int
    wchar: int


class TimingDocument(Model):
    """Where the time of a run went; ``critical_path`` is the chain of steps that takes longest."""

    run: str
    duration_s: float
    steps_s: float
    critical_s: float
    critical_path: list[str]
    steps: list[SpanDocument]


class TimingResult(Model):
    """What ``show --timing`` prints."""

    timing: TimingDocument


class ProblemDocument(Model):
    """One of several things that went wrong."""

    message: str
    where: str | None
    hint: str | None


class ErrorDocument(Model):
    """What went wrong; ``code`` is the exit code."""

    code: int
    message: str
    where: str | None
    hint: str | None
    problems: list[ProblemDocument] | None = None


class ErrorResult(Model):
    """What a command prints when it cannot do what it was asked for."""

    error: ErrorDocument


class SettingDocument(Model):
    """A setting; ``origin`` is a place, the name of a variable, or ``default``."""

    name: str
    value: str | int | bool | None
    origin: str


class ConfigResult(Model):
    """What ``config`` prints; ``user_file`` is where the user's own settings stand, or would."""

    settings: list[SettingDocument]
    user_file: str


class SeriesDocument(Model):
    """A line; null is no finite number. One without ``x`` has a single value of no place."""

    label: str
    x: list[float | None]
    y: list[float | None]


class MarkDocument(Model):
    """What is drawn of a run; null is nothing, or no finite number."""

    label: str
    values: dict[str, Any]


class ChartDocument(Model):
    """A chart: ``series`` of one that has lines along ``x``, else what it has of each of ``runs``.

    ``best`` is the index of what stands out.
    """

    kind: Literal["lines", "dots", "scatter", "parallel"]
    title: str
    x: str | None = None
    log: bool = False
    best: int | None = None
    series: list[SeriesDocument] = field(default_factory=list)
    runs: list[MarkDocument] = field(default_factory=list)


class PlotDocument(Model):
    """What was drawn; ``wrote`` is the file, if there is one."""

    charts: list[ChartDocument]
    wrote: str | None


class PlotResult(Model):
    """What ``plot`` prints."""

    plot: PlotDocument


class ReportDocument(Model):
    """The page that was written; ``size`` in bytes."""

    path: str
    size: int


class ReportResult(Model):
    """What ``report`` prints."""

    report: ReportDocument


Result: TypeAlias = (
    RunResult | StepResult | ListResult | OrganisedResult | PlanResult | VerifyResult | DiffResult
    | GraphResult | CheckResult
    | InitResult | LogsResult | GetResult | LocksResult | EnvironmentsResult | BuildResult
    | RemoveResult | FsckResult | GcResult | TimingResult | ConfigResult | SweepResultDocument
    | GroupsResult | CompareResult | BestResult | PlotResult | ReportResult | ModelsResult
    | ModelResult | VersionResult | HistoryResult | MovedResult | ModelDiffResult | ErrorResult
)  # fmt: skip
"""Every document that a command prints."""


def verify_result(
    run: Run, verdict: Verdict, stability: Stability | None = None, *, current_code: bool = False
) -> VerifyResult:
    """Return a verdict as a document."""
    return VerifyResult(
        verify=VerdictDocument(
            verdict=verdict.word, current_code=current_code, run=run.id, rerun=verdict.rerun,
            at=verdict.at, first_different=verdict.first_different, notes=list(verdict.notes),
            outputs=[JudgementDocument.of(one) for one in verdict.judgements],
            stability=None if stability is None else _stability(stability),
        )
    )  # fmt: skip


def _stability(found: Stability) -> StabilityDocument:
    return StabilityDocument(
        outputs=[LabelDocument.of(one) for one in found.labels],
        repeats=[
            RepeatDocument.of(one, perturbed=list(one.perturbed), verdict=one.word)
            for one in found.repeats
        ],
        unperturbed=list(found.unperturbed),
    )


def fsck_result(health: Health) -> FsckResult:
    """Return what a check of the store found as a document."""
    damages = [
        DamageDocument.of(one, uses=[UseDocument.of(use) for use in one.uses])
        for one in health.damages
    ]
    notes = [NoteDocument.of(one) for one in health.notes]
    return FsckResult(
        fsck=HealthDocument.of(health, whole=health.whole, damages=damages, notes=notes)
    )


def gc_result(room: Room) -> GcResult:
    """Return what takes room, and what went, as a document."""
    holdings = [HoldingDocument.of(one) for one in room.holdings]
    gone = [GoneRunDocument.of(one) for one in room.gone]
    document = RoomDocument.of(
        room, removed_size=room.removed_size, holdings=holdings, gone=gone, notes=list(room.notes)
    )
    return GcResult(gc=document)


def timing_result(run: Run, found: Timing) -> TimingResult:
    """Return where the time of a run went as a document."""
    steps = [
        SpanDocument.of(
            one, cpu_s=one.outcome.cpu_s, peak_memory=one.outcome.peak_memory,
            read=one.outcome.read, written=one.outcome.written,
            rchar=one.outcome.rchar, wchar=one.outcome.wchar,
        )
        for one in found.spans
    ]  # fmt: skip
    return TimingResult(
        timing=TimingDocument.of(
            found, run=run.id, critical_path=list(found.critical_path), steps=steps
        )
    )


def sweep_result(result: SweepResult) -> SweepResultDocument:
    """Return what came out of a sweep."""
    trials = [
        TrialDocument(
            number=one.number, values=dict(one.values), run=one.run_id, status=one.status,
            score=one.score, metrics=dict(one.metrics), duration_s=one.duration_s,
        )
        for one in result.trials
    ]  # fmt: skip
    return _sweep(result.sweep, result.experiment, result.best, trials)


def trials_result(sweep: Sweep, points: Sequence[Mapping[str, str]]) -> SweepResultDocument:
    """Return what a sweep would do."""
    trials = [
        TrialDocument(number=number, values=dict(point))
        for number, point in enumerate(points, start=1)
    ]
    return _sweep(sweep, None, None, trials)


def _sweep(
    sweep: Sweep, experiment: str | None, best: int | None, trials: list[TrialDocument]
) -> SweepResultDocument:
    goal = None
    if sweep.goal is not None:
        goal = GoalDocument(metric=sweep.goal.metric, direction=sweep.goal.direction)
    return SweepResultDocument(
        sweep=SweepDocument(
            id=sweep.id, experiment=experiment, sampler=sweep.sampler, seed=sweep.seed,
            goal=goal, planned=sweep.trials, best=best, trials=trials,
        )
    )  # fmt: skip


def diff_result(found: Difference, patch: str | None) -> DiffResult:
    """Return what differs between two runs as a document."""
    return DiffResult(diff=DiffDocument.of(found, patch=patch))


def _trace(step: StepRun) -> TraceDocument | None:
    seen = step.trace
    return None if seen is None else TraceDocument(
        files=seen.files, undeclared=list(seen.undeclared), unused=list(seen.unused), gap=seen.gap
    )  # fmt: skip


def run_result(
    run: Run,
    packages: "KeptPackages | None",
    verdict: VerdictWord | None = None,
    labels: Sequence[OutputLabel] = (),
    said: Organised = UNSAID,
) -> RunResult:
    """Return a run as a document.

    With its packages, the latest verdict, its outputs' labels, and what is said of it.
    """
    return RunResult(
        run=RunDocument.of(
            run,
            verdict=verdict,
            command=list(run.command),
            host=HostDocument.of(
                run.host, gpus=list(run.host.gpus), gpu_memory=list(run.host.gpu_memory)
            ),
            notes=_notes(said),
            archived_at=said.archived_at,
            deleted_at=said.deleted_at,
            perturbed=list(run.perturbed),
            sweep=run.sweep and run.sweep.sweep.id,
            trial=run.sweep and run.sweep.number,
            stability=[LabelDocument.of(one) for one in labels],
            source=SourceDocument.of(run.source),
            audit=None if run.audit is None else AuditDocument.of(run.audit),
            packages=None if packages is None else PackagesDocument(**packages._asdict()),
            steps=[step_document(step) for step in run.steps],
        )
    )  # fmt: skip


def _notes(said: Organised) -> list[RunNoteDocument]:
    return [RunNoteDocument.of(one) for one in said.notes]


def organised_result(runs: Sequence[tuple[str, Organised]]) -> OrganisedResult:
    """Return what is said of runs, each with its id, as a document."""
    return OrganisedResult(
        organised=[OrganisedDocument.of(one, id=run_id, notes=_notes(one)) for run_id, one in runs]
    )


def step_document(step: StepRun) -> StepDocument:
    """Return a step run as a document."""
    use, outcome = step.environment, step.outcome
    return StepDocument(
        name=step.name, status=step.status, cached_from=step.cached_from,
        reason=", ".join(reason.text for reason in step.reasons),
        reasons=[_reason(reason) for reason in step.reasons],
        exit_code=outcome.exit_code if outcome else None,
        signal=outcome.signal if outcome else None,
        error=step.error, duration_s=step.duration_s, argv=list(step.argv),
        environment=None
        if use is None
        else EnvironmentDocument(
            name=use.name, kind=use.kind, key=use.key, lock_sha256=use.lock,
            programs=[ProgramDocument.of(one) for one in use.programs],
        ),
        inputs=[FileDocument.of(one, name=None) for one in step.inputs],
        outputs=[FileDocument.of(one) for one in step.outputs],
        metrics=step.metrics, tracked=_tracked(step),
        warnings=list(step.warnings), workspace=step.workspace,
        hermetic=step.hermetic, denied=list(step.denied), trace=_trace(step),
        failures=list(step.failures), resumed_from=step.resumed_from,
        persisted=[FileDocument.of(one, name=None) for one in step.persisted],
        audited=None if step.audited is None else AuditedDocument.of(
            step.audited, differences=list(step.audited.differences),
            likely=list(step.audited.likely),
        ),
        usage=None if step.usage is None else UsageDocument(
            points=step.usage.points,
            levels={name: LevelDocument.of(one) for name, one in step.usage.levels.items()},
        ),
    )  # fmt: skip


def _tracked(step: StepRun) -> TrackedDocument | None:
    told = step.tracked
    if told is None:
        return None
    return TrackedDocument(
        params=told.params, tags=told.tags, not_finite=dict(told.not_finite),
        points={name: PointsDocument.of(one) for name, one in told.summaries.items()},
        artifacts=[FileDocument.of(one, name=None) for one in told.artifacts],
        models=[LoggedModelDocument.of(one) for one in told.models],
    )  # fmt: skip


def _reason(reason: Reason) -> ReasonDocument:
    return ReasonDocument.of(reason)


def plan_result(decisions: tuple[Decision, ...]) -> PlanResult:
    """Return decisions as a document."""
    steps = [
        PlannedStepDocument(
            name=one.step, action=one.action, reason=one.text,
            reasons=[_reason(reason) for reason in one.reasons],
        )
        for one in decisions
    ]  # fmt: skip
    return PlanResult(plan=PlanDocument(steps=steps))


def graph_result(
    after: Mapping[str, Sequence[str]], flows: Mapping[tuple[str, str], Sequence[str]]
) -> GraphResult:
    """Return a graph as a document: the steps before each, and what flows from one to another."""
    edges = [
        EdgeDocument(before=other, after=name, files=list(flows.get((other, name), ())))
        for name, others in after.items()
        for other in others
    ]
    return GraphResult(graph=GraphDocument(steps=list(after), edges=edges))


def list_result(rows: "Sequence[Row]") -> ListResult:
    """Return rows of the index as a document."""
    names = RunSummary.model_defaults
    return ListResult(runs=[RunSummary(**{name: row[name] for name in names}) for row in rows])


def groups_result(
    groups: "Sequence[Group]", by: "Sequence[Field]", metrics: "Sequence[Field]"
) -> GroupsResult:
    """Return groups of runs as a document."""
    return GroupsResult(
        groups=[
            GroupDocument(
                by={field.text: value for field, value in zip(by, group.values, strict=True)},
                runs=[row["id"] for row in group.rows],
                metrics={
                    field.text.removeprefix("metrics."): None
                    if (found := group.aggregate(field)) is None
                    else AggregateDocument(**found._asdict())
                    for field in metrics
                },
            )
            for group in groups
        ]
    )


def compare_result(rows: "Sequence[Row]", found: "Sequence[Compared]") -> CompareResult:
    """Return runs side by side as a document."""
    compared = [
        ComparedDocument(
            group=one.group, name=one.name, values=list(one.values),
            best=[rows[at]["id"] for at in sorted(one.best)],
        )
        for one in found
    ]  # fmt: skip
    return CompareResult(compare=CompareDocument(runs=list_result(rows).runs, rows=compared))


def best_result(rows: "Sequence[Row]", field: "Field") -> BestResult:
    """Return the best runs as a document."""
    runs = list_result(rows).runs
    metric = field.text.removeprefix("metrics.")
    return BestResult(
        best=[
            BestDocument(run=run, metric=metric, value=float(field.of(row)))
            for run, row in zip(runs, rows, strict=True)
        ]
    )


def as_text(document: Result) -> str:
    """Return a document as JSON text."""
    return json.dumps(document, default=plain, indent=2, ensure_ascii=False, allow_nan=False)
