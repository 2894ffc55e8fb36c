"""What happens during a run, for whoever watches."""

from collections.abc import Mapping
from typing import Literal, NamedTuple, TypeAlias

from runproj.model import EMPTY
from runproj.plan.plan import Action, Reason
from runproj.record.run import Run, StepRun


class Decision(NamedTuple):
    """What will be done with a step, and why."""

    step: str
    action: Action
    reasons: tuple[Reason, ...]

    @property
    def text(self) -> str:
        """The reasons in words."""
        return ", ".join(reason.text for reason in self.reasons)


class Planned(NamedTuple):
    """The plan is made.

    ``jobs`` steps execute at once at most, and ``side_by_side`` tells whether that ever happens.
    ``seconds`` has how long each step is expected to take, ``paths`` the longest time from its
    start to the end of the run; nothing, where none of them was executed before.
    """

    decisions: tuple[Decision, ...]
    jobs: int = 1
    side_by_side: bool = False
    seconds: Mapping[str, float] = EMPTY
    paths: Mapping[str, float] = EMPTY


class Grown(NamedTuple):
    """The instances of a step are known: ``decisions`` are those about them."""

    step: str
    decisions: tuple[Decision, ...]


class Progress(NamedTuple):
    """Something that takes time goes on; ``about`` is what, such as an environment's name."""

    about: str
    text: str


class Warned(NamedTuple):
    """Something the user should know."""

    text: str
    hint: str | None = None


class StepStarted(NamedTuple):
    """A step starts to execute."""

    step: str
    reasons: tuple[Reason, ...]


class StepPrinted(NamedTuple):
    """A step printed something."""

    step: str
    stream: Literal["stdout", "stderr"]
    chunk: bytes


class StepFinished(NamedTuple):
    """A step is done, failed, or was not needed."""

    step_run: StepRun
    log_path: str | None = None
    log_tail: str = ""


class RunFinished(NamedTuple):
    """The run has ended and its record is closed."""

    run: Run


Event: TypeAlias = (
    Planned | Grown | Progress | Warned | StepStarted | StepPrinted | StepFinished | RunFinished
)
