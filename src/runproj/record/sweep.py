"""A sweep: runs of one entry point with different values, and which of them is the best."""

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple, TypeAlias

from runproj.model import Model, field
from runproj.plan.space import Axis

SamplerName: TypeAlias = Literal["grid", "random", "tpe"]


class Goal(Model):
    """The metric that decides which trial is the best."""

    metric: str
    direction: Literal["minimize", "maximize"]

    def score(self, metrics: Mapping[str, float]) -> float | None:
        """Return the value of the metric; None: it is not there, or no number.

        Raises:
            ValueError: several metrics may be meant.

        >>> Goal(metric="rmse", direction="minimize").score({"train.rmse": 0.5})
        0.5
        """
        found = meant(self.metric, metrics)
        if len(found) > 1:
            raise ValueError(f"{self.metric!r} may be {' or '.join(found)}")
        value = metrics[found[0]] if found else None
        return None if value is None or value != value else value  # noqa: PLR0124 -- NaN

    def best(self, scores: Mapping[int, float]) -> int | None:
        """Return the number of the best trial, the earliest of them; None: there are no scores."""
        sign = 1 if self.direction == "minimize" else -1
        return min(scores, key=lambda number: (sign * scores[number], number), default=None)


def meant(name: str, metrics: Mapping[str, float]) -> list[str]:
    """Return the full names of metrics that a name may mean."""
    name = name.removeprefix("metrics.")
    if name in metrics:
        return [name]
    return [full for full in metrics if full.endswith(f".{name}")]


class Sweep(Model):
    """What a sweep is: what it sweeps, and how it chooses.

    ``trials`` is how many runs it makes. ``seed`` decides about
    chance.
    """

    id: str
    sampler: SamplerName
    axes: tuple[Axis, ...]
    trials: int
    seed: int = 0
    goal: Goal | None = None


class SweepTrial(Model):
    """The place of a run in a sweep: its number, from 1, and the values of what is swept."""

    sweep: Sweep
    number: int
    values: dict[str, str] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """The values in words."""
        return " ".join(f"{name}={value}" for name, value in self.values.items())


class TrialResult(NamedTuple):
    """What came out of a trial; ``score`` is the value of the goal's metric."""

    number: int
    values: Mapping[str, str]
    run_id: str
    status: str
    metrics: Mapping[str, float]
    duration_s: float
    score: float | None = None


class SweepResult(NamedTuple):
    """What came out of a sweep; trials by number."""

    sweep: Sweep
    experiment: str
    trials: Sequence[TrialResult]
    best: int | None

    @property
    def failed(self) -> int:
        """How many trials did not succeed."""
        return sum(one.status != "succeeded" for one in self.trials)
