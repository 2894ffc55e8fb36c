"""The JSON documents that commands print: stable names, described by a published schema."""

import json
from typing import Annotated, Any

from runproj.model import Key, Model, plain
from runproj.plan.plan import Action, Reason
from runproj.record.events import Decision
from runproj.record.run import Run, StepRun


class ReasonDocument(Model):
    """Why a step executes or does not; ``from`` and ``to`` where something changed."""

    kind: str
    name: str | None = None
    before: Annotated[str | int | float | bool | None, Key("from")] = None
    after: Annotated[str | int | float | bool | None, Key("to")] = None


class EnvironmentDocument(Model):
    """The environment of a step."""

    name: str
    kind: str
    key: str
    lock_sha256: str


class FileDocument(Model):
    """An input or output; ``size`` in bytes."""

    path: str
    sha256: str
    size: int
    kind: str = "file"
    name: str | None = None


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
    warnings: list[str]
    workspace: str | None


class SourceDocument(Model):
    """The exact code."""

    tree: str
    commit: str | None
    dirty: bool | None
    branch: str | None
    remote: str | None


class RunDocument(Model):
    """A run."""

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
    source: SourceDocument
    steps: list[StepDocument]


class RunResult(Model):
    """What ``run``, ``rerun`` and ``show`` print."""

    run: RunDocument


class StepResult(Model):
    """What ``show RUN/STEP`` prints."""

    step: StepDocument


class RunSummary(Model):
    """A run as ``list`` shows it."""

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
    dirty: bool | None
    rerun_of: str | None


class ListResult(Model):
    """What ``list`` prints."""

    runs: list[RunSummary]


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


class ErrorDocument(Model):
    """What went wrong; ``code`` is the exit code."""

    code: int
    message: str
    where: str | None
    hint: str | None
    problems: list[dict[str, str | None]] | None = None


class ErrorResult(Model):
    """What a command prints when it cannot do what it was asked for."""

    error: ErrorDocument


def run_result(run: Run) -> RunResult:
    """Return a run as a document."""
    source = run.source
    return RunResult(
        run=RunDocument(
            id=run.id, name=run.name, project=run.project, entry_point=run.entry_point,
            status=run.status, exit_code=run.exit_code, started_at=run.started_at,
            finished_at=run.finished_at, duration_s=run.duration_s, experiment=run.experiment,
            params=run.params, metrics=run.metrics, tags=run.tags, error=run.error,
            rerun_of=run.rerun_of,
            source=SourceDocument(
                tree=source.tree, commit=source.commit, dirty=source.dirty, branch=source.branch,
                remote=source.remote,
            ),
            steps=[step_document(step) for step in run.steps],
        )
    )  # fmt: skip


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
        else EnvironmentDocument(name=use.name, kind=use.kind, key=use.key, lock_sha256=use.lock),
        inputs=[
            FileDocument(path=one.path, sha256=one.sha256, size=one.size, kind=one.kind)
            for one in step.inputs
        ],
        outputs=[
            FileDocument(
                path=one.path, sha256=one.sha256, size=one.size, kind=one.kind, name=one.name
            )
            for one in step.outputs
        ],
        metrics=step.metrics, warnings=list(step.warnings), workspace=step.workspace,
    )  # fmt: skip


def _reason(reason: Reason) -> ReasonDocument:
    return ReasonDocument(
        kind=reason.kind, name=reason.name, before=reason.before, after=reason.after
    )


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


def list_result(rows: list[dict[str, Any]]) -> ListResult:
    """Return rows of the index as a document."""
    names = RunSummary.model_defaults
    return ListResult(runs=[RunSummary(**{name: row[name] for name in names}) for row in rows])


def as_text(document: Model) -> str:
    """Return a document as JSON text."""
    return json.dumps(document, default=plain, indent=2, ensure_ascii=False, allow_nan=False)
