"""A run and its step runs: the record of what happened, from which it can be done again."""

from typing import Literal, TypeAlias

from runproj.lock.lock import Kind
from runproj.model import Model, field
from runproj.plan.fingerprint import Fingerprint
from runproj.plan.plan import Plan, Reason
from runproj.record.artifact import Artifact
from runproj.record.audit import Audit, Audited
from runproj.record.outcome import Outcome
from runproj.record.program import Program
from runproj.record.source import SourceSnapshot
from runproj.record.sweep import SweepTrial
from runproj.record.tracking import LoggedModel, Summary, Tracked
from runproj.record.usage import Usage

Status: TypeAlias = Literal[
    "queued", "running", "succeeded", "failed", "cached", "skipped", "interrupted"
]


class Output(Artifact):
    """An artifact that a step made; ``name`` is None where the project file gives none."""

    name: str | None = None


class EnvironmentUse(Model):
    """The environment of a step run; ``lock`` is the digest of its lock in the store.

    ``facts`` are what its key depends on besides, such as the version of Python. ``programs`` are
    those of the machine that the step's command names, where the environment is the machine.
    """

    name: str
    kind: Kind
    key: str
    lock: str
    facts: dict[str, str] = field(default_factory=dict)
    programs: tuple[Program, ...] = ()


class Host(Model):
    """The machine. Memory is in bytes; that of GPUs in the order of their names, if it is known."""

    name: str
    user: str
    system: str
    release: str
    machine: str
    platform: str
    cpu: str | None = None
    cpu_flags: str | None = None
    cores: int | None = None
    memory: int | None = None
    gpus: tuple[str, ...] = ()
    gpu_memory: tuple[int, ...] = ()
    gpu_driver: str | None = None


class Trace(Model):
    """What was observed of a step run.

    ``observation`` is the digest of the :class:`~runproj.record.observation.Observation` in the
    store; ``files`` counts what it holds within the source, ``outside`` what it holds elsewhere.
    ``undeclared`` was read outside; of ``unused`` inputs nothing was looked at. ``gap`` says why
    something may be missing.
    """

    observation: str
    files: int
    outside: int = 0
    undeclared: tuple[str, ...] = ()
    unused: tuple[str, ...] = ()
    gap: str | None = None


class StepRun(Model):
    """One execution of a step, or the answer that it was not needed.

    ``argv`` is what was executed, ``variables`` the whole environment of the process. Times are
    ISO 8601 in UTC. ``cached_from`` is ``RUN/STEP`` of the step run whose outputs were taken.
    ``error`` says in words why it failed. ``workspace`` is a folder that was kept. ``reusable``
    tells whether other runs may take its outputs: not when its environment was changed meanwhile,
    or when it only shows whether its outputs are stable. ``denied`` is what a
    hermetic step did that it must not, in words. ``audited`` is how it compares with the step run
    that would have been taken. ``failures`` are the earlier attempts, in words. ``persisted`` is
    what its persisting folders held when it did not succeed; while it executes, what they held when
    it began. ``resumed_from`` is whose they were: ``attempt N``, or ``RUN/STEP``. ``metrics`` are
    the last values; ``tracked`` is what else the step told of itself. ``usage`` is what it used
    over time, where it took longer than a few seconds.
    """

    name: str
    status: Status
    reasons: tuple[Reason, ...] = ()
    cached_from: str | None = None
    argv: tuple[str, ...] = ()
    variables: dict[str, str] = field(default_factory=dict)
    fingerprint: Fingerprint | None = None
    environment: EnvironmentUse | None = None
    inputs: tuple[Artifact, ...] = ()
    outputs: tuple[Output, ...] = ()
    metrics: dict[str, float] = field(default_factory=dict)
    tracked: Tracked | None = None
    started_at: str | None = None
    finished_at: str | None = None
    outcome: Outcome | None = None
    usage: Usage | None = None
    error: str | None = None
    hint: str | None = None
    warnings: tuple[str, ...] = ()
    workspace: str | None = None
    reusable: bool = True
    trace: Trace | None = None
    hermetic: bool = False
    network: bool = True
    denied: tuple[str, ...] = ()
    audited: Audited | None = None
    failures: tuple[str, ...] = ()
    persisted: tuple[Artifact, ...] = ()
    resumed_from: str | None = None

    @property
    def why(self) -> str:
        """Why it was executed, or not, in words: of a skipped step, what failed before it."""
        if self.status == "skipped" and self.error:
            return self.error
        return ", ".join(reason.text for reason in self.reasons)

    @property
    def done(self) -> bool:
        """Whether its outputs are there."""
        return self.status in ("succeeded", "cached")

    @property
    def shown_metrics(self) -> dict[str, float | str]:
        """Its metrics, those included of which the last value is no finite number."""
        return {**self.metrics, **(self.tracked.not_finite if self.tracked else {})}

    @property
    def models(self) -> tuple[LoggedModel, ...]:
        """The models that it logged."""
        return self.tracked.models if self.tracked is not None else ()

    @property
    def kept(self) -> tuple[Output, ...]:
        """All that can be had of it: outputs, and what it logged as artifacts and models.

        The paths of those begin with ``artifacts/STEP`` and ``models/STEP``.
        """
        if self.tracked is None:
            return self.outputs
        folder = self.name.replace("/", "_")
        artifacts = (
            Output.of(one, path=f"artifacts/{folder}/{one.path}", name=one.path)
            for one in self.tracked.artifacts
        )
        models = (
            Output.of(one, path=f"models/{folder}/{one.name}", name=one.name)
            for one in self.tracked.models
        )
        return (*self.outputs, *artifacts, *models)

    @property
    def duration_s(self) -> float:
        """Wall time of its process in seconds; 0 when none was started."""
        return self.outcome.duration_s if self.outcome else 0.0


class Run(Model):
    """One execution of an entry point. It holds its plan, so that it can be done again.

    ``command`` is the command line that started it, ``author`` who did, as git knows them.
    ``rerun_of`` is the id of the run that it repeats, ``variation`` the names of the values that
    differ from it, ``perturbed`` what was changed that must not matter; ``resume_of`` is the id of
    the run that it goes on with; ``current_code`` tells that it was done with the code of its own
    day instead. ``inputs`` are the files from outside of the source, as they were given.
    ``packages`` maps environments to the archives that they are installed from, as a folder that is
    kept in the store; only where that was wished. ``sweep`` is its place in the sweep that made it.
    ``interactive`` tells that it was done in a notebook or shell, and cannot be done again.
    """

    format: Literal[0] = 0
    id: str
    name: str | None = None
    project: str
    entry_point: str
    experiment: str = "default"
    tags: dict[str, str] = field(default_factory=dict)
    status: Status = "running"
    started_at: str
    finished_at: str | None = None
    duration_s: float | None = None
    exit_code: int | None = None
    error: str | None = None
    rerun_of: str | None = None
    resume_of: str | None = None
    sweep: SweepTrial | None = None
    audit: Audit | None = None
    variation: tuple[str, ...] = ()
    perturbed: tuple[str, ...] = ()
    current_code: bool = False
    interactive: bool = False
    command: tuple[str, ...] = ()
    author: str | None = None
    runproj_version: str
    python_version: str
    host: Host
    source: SourceSnapshot
    project_file: str = "runproj.yaml"
    plan: Plan
    inputs: tuple[Artifact, ...] = ()
    packages: dict[str, Artifact] = field(default_factory=dict)
    steps: tuple[StepRun, ...] = ()

    @property
    def params(self) -> dict[str, object]:
        """Names and typed values of the parameters, and full names of those that steps logged."""
        logged = {
            f"{step.name}.{name}": value
            for step in self.steps
            if step.tracked is not None
            for name, value in step.tracked.params.items()
        }
        return {**{value.name: value.value for value in self.plan.values}, **logged}

    @property
    def metrics(self) -> dict[str, float]:
        """Full names (``step.name``) and values of the metrics."""
        return {
            f"{step.name}.{name}": value
            for step in self.steps
            for name, value in step.metrics.items()
        }

    @property
    def shown_metrics(self) -> dict[str, float | str]:
        """Full names and values, those included that are no finite numbers."""
        return {
            f"{step.name}.{name}": value
            for step in self.steps
            for name, value in step.shown_metrics.items()
        }

    @property
    def summaries(self) -> dict[str, Summary]:
        """Full names of the metrics of which points were logged, and what is known of these."""
        return {
            f"{step.name}.{name}": summary
            for step in self.steps
            if step.tracked is not None
            for name, summary in step.tracked.summaries.items()
        }

    @property
    def by_name(self) -> dict[str, StepRun]:
        """All step runs by name; for one of them, :meth:`step` is quicker."""
        return {step.name: step for step in self.steps}

    def step(self, name: str) -> StepRun | None:
        """Return a step run by name."""
        return next((step for step in self.steps if step.name == name), None)
