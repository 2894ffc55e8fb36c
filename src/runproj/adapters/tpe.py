"""Points that a tree-structured Parzen estimator chooses, by Optuna (extra ``runproj[sweep]``).

Bergstra and others, "Algorithms for Hyper-Parameter Optimization", 2011.
"""

from collections.abc import Iterable
from typing import Any

from runproj.errors import UsageError
from runproj.plan.space import Axis, Point
from runproj.record.sweep import Goal


class TpeSampler:
    """Learns from the scores which points are worth a try; see :class:`~runproj.ports.Sampler`.

    With the same seed, and one trial at a time, it chooses the same points.
    """

    def __init__(self, axes: Iterable[Axis], goal: Goal, seed: int) -> None:
        """Know nothing yet.

        Raises:
            UsageError: Optuna is not installed.
        """
        try:
            import optuna  # noqa: PLC0415 -- an extra
        except ImportError as error:
            raise UsageError(
                "the sampler tpe needs Optuna, which is not installed",
                hint="pip install 'runproj[sweep]', or --random N",
            ) from error
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self._optuna: Any = optuna
        self._spaces = {axis.name: self._distribution(axis) for axis in axes}
        # points whose scores are not known yet count as bad ones, so that none is tried twice
        sampler = optuna.samplers.TPESampler(seed=seed, constant_liar=True)
        self._study: Any = optuna.create_study(direction=goal.direction, sampler=sampler)
        self._asked: dict[tuple[tuple[str, str], ...], list[Any]] = {}

    def ask(self) -> Point | None:
        """Return the next point; there is always one."""
        trial = self._study.ask(self._spaces)
        point = {name: _text(value) for name, value in trial.params.items()}
        self._asked.setdefault(tuple(point.items()), []).append(trial)
        return point

    def tell(self, point: Point, score: float | None) -> None:
        """Learn the score of a point, also of one that was chosen in an earlier process."""
        failed = self._optuna.trial.TrialState.FAIL
        asked = self._asked.get(tuple(point.items()))
        if asked:
            trial = asked.pop()
            if score is None:
                self._study.tell(trial, state=failed)
            else:
                self._study.tell(trial, score)
            return
        self._study.add_trial(
            self._optuna.trial.create_trial(
                params={name: self._value(name, text) for name, text in point.items()},
                distributions=self._spaces,
                value=score,
                state=failed if score is None else self._optuna.trial.TrialState.COMPLETE,
            )
        )

    def _distribution(self, axis: Axis) -> Any:  # noqa: ANN401 -- Optuna's
        kinds = self._optuna.distributions
        if axis.values:
            return kinds.CategoricalDistribution(axis.values)
        if axis.whole:
            step = int(axis.step or 1)
            return kinds.IntDistribution(int(axis.low), int(axis.high), log=axis.log, step=step)
        step_of = float(axis.step) if axis.step else None
        return kinds.FloatDistribution(
            float(axis.low), float(axis.high), log=axis.log, step=step_of
        )

    def _value(self, name: str, text: str) -> str | int | float:
        kind = type(self._spaces[name]).__name__
        if kind == "CategoricalDistribution":
            return text
        return int(text) if kind == "IntDistribution" else float(text)


def _text(value: object) -> str:
    return value if isinstance(value, str) else repr(value)
