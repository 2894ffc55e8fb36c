"""A plan: every step with its argument vector, its inputs and outputs, in an order that works."""

from typing import Annotated, Literal, TypeAlias

from runproj.lock.lock import Kind
from runproj.model import Key, Model, field
from runproj.plan.binding import BoundValue
from runproj.spec.project import Comparer


class PlannedInput(Model):
    """Something that a step reads.

    ``path`` is a path or a glob, relative to the project. It comes from the ``source``, from the
    ``output`` of a ``step``, or is a ``file`` from elsewhere (``origin``: an absolute path or
    ``run:RUN/STEP:OUTPUT``) with a known ``sha256``.
    """

    path: str
    kind: Literal["source", "step", "file"]
    step: str | None = None
    output: str | None = None
    origin: str | None = None
    sha256: str | None = None
    keep: Literal["content", "reference"] = "content"


class PlannedOutput(Model):
    """Something that a step makes; ``metrics`` tells whether its numbers are read."""

    path: str
    name: str | None = None
    compare: Comparer = "bytes"
    rtol: float | None = None
    atol: float | None = None
    metrics: bool = False


class Items(Model):
    """Where items come from: the output at ``path`` of a ``step``."""

    step: str
    path: str


class Retry(Model):
    """How a failed step is tried again: so often, after ``delay_s``, then so many times longer.

    ``exit_codes`` are those of failures that may pass; None: all.
    """

    times: int
    delay_s: float = 0.0
    backoff: float = 2.0
    exit_codes: tuple[int, ...] | None = None

    def wait_s(self, failures: int) -> float:
        """Return how long to wait after so many failures, in seconds.

        >>> [Retry(times=3, delay_s=10).wait_s(failures) for failures in (1, 2, 3)]
        [10.0, 20.0, 40.0]
        """
        return self.delay_s * self.backoff ** (failures - 1)

    def takes(self, exit_code: int | None, failures: int) -> bool:
        """Tell whether a step that failed so often, with this exit code now, is tried again."""
        known = self.exit_codes is None or exit_code in self.exit_codes
        return failures <= self.times and known


class PlannedStep(Model):
    """One command with everything put in that is known before it executes.

    ``argv`` and ``env`` may hold the symbols of :mod:`runproj.plan.command`. ``pass_env`` has the
    caller's values, None where there was none. ``secrets`` are names of the caller's variables, the
    values of which are nowhere. ``parameters`` are the values that the step refers
    to, as text. A step without ``outputs`` keeps all that it makes. ``after`` are the steps that
    must be done before it. ``sources`` are globs that narrow the source, None: all of it. ``trace``
    observes what it reads, ``hermetic`` forbids what is not declared; ``network`` is None where
    nothing is said of it. ``resources`` is what it needs while it executes, memory in bytes.
    ``retry`` says how it is tried again, None: not at all. ``persist`` are folders that its next
    attempt finds as this one left them. ``instance`` has the values of an
    instance: of its matrix, or its item. ``foreach`` says where the items come from of a step
    whose instances are not known yet; they take its place.
    """

    name: str
    description: str | None = None
    argv: tuple[str, ...]
    environment: str
    env: dict[str, str] = field(default_factory=dict)
    pass_env: dict[str, str | None] = field(default_factory=dict)
    secrets: tuple[str, ...] = ()
    inputs: tuple[PlannedInput, ...] = ()
    outputs: tuple[PlannedOutput, ...] = ()
    after: tuple[str, ...] = ()
    sources: tuple[str, ...] | None = None
    working_directory: str = "."
    stdin: str | None = None
    stdout: str | None = None
    timeout_s: float | None = None
    cache: bool = True
    trace: bool = False
    hermetic: bool = False
    network: bool | None = None
    resources: dict[str, int | float] = field(default_factory=dict)
    retry: Retry | None = None
    persist: tuple[str, ...] = ()
    parameters: dict[str, str] = field(default_factory=dict)
    instance: dict[str, str | int | float | bool] = field(default_factory=dict)
    foreach: Items | None = None

    @property
    def networked(self) -> bool:
        """Whether it may use the network: a hermetic step only when that is said."""
        return self.network is True if self.hermetic else self.network is not False


class EnvironmentPin(Model):
    """An environment of a plan: which lock it has, and the digest of what is in it.

    ``declaration`` and ``lock`` are digests of objects in the store. ``facts`` are what the key
    depends on besides, for a person.
    """

    name: str
    kind: Kind
    key: str
    declaration: str
    lock: str
    facts: dict[str, str] = field(default_factory=dict)


class Plan(Model):
    """What a run will do.

    ``hidden`` are the source files that no step sees: the project file, lockfiles, and what steps
    make. ``steps`` are in an order in which they can execute. ``pools`` tells how much there is of
    what they share, where the project says it.
    """

    entry_point: str
    values: tuple[BoundValue, ...] = ()
    environments: tuple[EnvironmentPin, ...] = ()
    steps: tuple[PlannedStep, ...]
    hidden: tuple[str, ...] = ()
    pools: dict[str, int] = field(default_factory=dict)

    @property
    def open(self) -> tuple[str, ...]:
        """The steps whose instances are not known yet."""
        return tuple(step.name for step in self.steps if step.foreach is not None)

    def step(self, name: str) -> PlannedStep:
        """Return a step by name."""
        return next(step for step in self.steps if step.name == name)


Action: TypeAlias = Literal["run", "cached", "pending"]
ReasonKind: TypeAlias = Literal[
    "new", "parameter", "environment", "source", "input", "command", "variable", "output",
    "platform", "damaged", "upstream", "forced", "uncached", "missing", "unchanged", "rerun",
    "unread", "undeclared", "list", "untraced", "unconfined", "audit", "network", "resumed",
]  # fmt: skip


class Reason(Model):
    """Why a step executes, or does not: what it is about, and what was before and after."""

    kind: ReasonKind
    name: str | None = None
    before: Annotated[str | int | float | bool | None, Key("from")] = None
    after: Annotated[str | int | float | bool | None, Key("to")] = None

    @property
    def text(self) -> str:
        """The reason in words.

        >>> Reason(kind="parameter", name="lr", before=0.1, after=0.01).text
        'parameter lr: 0.1 → 0.01'
        """
        words = _WORDS[self.kind]
        if self.kind == "input" and (self.before is None) != (self.after is None):
            words = "input added: {name}" if self.before is None else "input removed: {name}"
        return words.format(name=self.name, before=_shown(self.before), after=_shown(self.after))


_WORDS: dict[ReasonKind, str] = {
    "new": "new",
    "parameter": "parameter {name}: {before} → {after}",
    "environment": "environment: {name} {before} → {after}",
    "source": "source: {name}",
    "input": "input changed: {name}",
    "command": "command changed",
    "variable": "variable {name}: {before} → {after}",
    "output": "outputs declared: {name}",
    "platform": "platform: {before} → {after}",
    "damaged": "its environment was changed during {name}",
    "upstream": "after {name}",
    "forced": "forced",
    "uncached": "cache: false",
    "missing": "its outputs are no longer in the store: {name}",
    "unchanged": "unchanged since {name}",
    "rerun": "rerun of {name}",
    "unread": "nothing that it read changed since {name}",
    "undeclared": "undeclared input changed: {name}",
    "untraced": "not traced yet",
    "unconfined": "not hermetic yet",
    "list": "{name}",
    "audit": "audit of {name}",
    "resumed": "done in {name}",
    "network": "network: {before} → {after}",
}


def _shown(value: object) -> str:
    return "nothing" if value is None else str(value)
