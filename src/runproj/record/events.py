"""What happens during a run, for whoever watches."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

from runproj.plan.plan import Action, Reason
from runproj.record.run import Run, StepRun


@dataclass(frozen=True, slots=True)
class Decision:
    """What will be done with a step, and why."""

    step: str
    action: Action
    reasons: tuple[Reason, ...]

    @property
    def text(self) -> str:
        """The reasons in words."""
        return ", ".join(reason.text for reason in self.reasons)


@dataclass(frozen=True, slots=True)
class Planned:
    """The plan is made."""

    decisions: tuple[Decision, ...]


@dataclass(frozen=True, slots=True)
class Progress:
    """Something that takes time goes on; ``about`` is what, such as an environment's name."""

    about: str
    text: str


@dataclass(frozen=True, slots=True)
class Warned:
    """Something the user should know."""

    text: str
    hint: str | None = None


@dataclass(frozen=True, slots=True)
class StepStarted:
    """A step starts to execute."""

    step: str
    reasons: tuple[Reason, ...]


@dataclass(frozen=True, slots=True)
class StepPrinted:
    """A step printed something."""

    step: str
    stream: Literal["stdout", "stderr"]
    chunk: bytes


@dataclass(frozen=True, slots=True)
class StepFinished:
    """A step is done, failed, or was not needed."""

    step_run: StepRun
    log_path: str | None = None
    log_tail: str = ""


@dataclass(frozen=True, slots=True)
class RunFinished:
    """The run has ended and its record is closed."""

    run: Run


Event: TypeAlias = (
    Planned | Progress | Warned | StepStarted | StepPrinted | StepFinished | RunFinished
)
