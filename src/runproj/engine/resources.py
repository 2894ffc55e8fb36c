"""What steps need while they execute, and whether there is enough of it."""

import itertools
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

from runproj.engine.perturbation import Trial
from runproj.engine.schedule import Room, longest_first, longest_paths
from runproj.errors import Problem, UsageError
from runproj.model import EMPTY
from runproj.plan.plan import Plan, PlannedStep

_OF_THE_MACHINE = ("cpus", "memory", "gpus")
_SCALE = 1000
DEVICES = "CUDA_VISIBLE_DEVICES"


class Capacity(NamedTuple):
    """What there is for steps that execute side by side.

    ``steps`` is how many may execute at once. ``amounts`` has what there is of each resource,
    memory in bytes; what is not in it is not limited, but for pools, see :func:`limits`. ``gpus``
    are the names of devices.
    """

    steps: int = 1
    amounts: Mapping[str, float] = EMPTY
    gpus: tuple[str, ...] = ()


ONE_BY_ONE = Capacity()
"""One step at a time, and of all that it asks for there is enough."""


class Forecast(NamedTuple):
    """How long steps will take, in seconds: each, and the longest way from its start to the end."""

    seconds: Mapping[str, float]
    paths: Mapping[str, float]


def room(plan: Plan, executed: Collection[str], capacity: Capacity, trial: Trial | None) -> Room:
    """Return what the steps of a plan share, and what each takes of it.

    In a trial they execute one after another, and the load of others decides about nothing.

    Args:
        plan: the plan.
        executed: the steps that are or may be executed; the others take nothing.
        capacity: what there is.
        trial: what is perturbed.

    Raises:
        UsageError: a step asks for more than there is; with every such step.
    """
    steps = [step for step in plan.steps if step.name in executed]
    instant = {step.name for step in plan.steps} - set(executed)
    demands = {step.name: _demand(step) for step in steps}
    if trial is not None:
        return Room(1, EMPTY, EMPTY, instant)
    limits = _limits(plan, demands.values(), capacity)
    problems = [
        _too_much(step, name, amount, limits[name], capacity)
        for step in steps
        for name, amount in demands[step.name].items()
        if amount > limits.get(name, amount)
    ]
    if problems:
        raise UsageError.of(problems)
    limited = {
        name: {one: amount for one, amount in demand.items() if one in limits}
        for name, demand in demands.items()
    }
    return Room(capacity.steps, limits, limited, instant)


def _demand(step: PlannedStep) -> dict[str, int]:
    """Return what a step takes, in thousandths; it runs on one CPU at least."""
    asked = {name: _exact(amount) for name, amount in step.resources.items()}
    return {**asked, "cpus": max(asked.get("cpus", _SCALE), _SCALE)}


def _exact(amount: float) -> int:
    """Return an amount in whole thousandths, which add up without an error.

    >>> _exact(0.1) * 10 == _exact(1)
    True
    """
    return round(amount * _SCALE)


def _limits(plan: Plan, demands: Iterable[Mapping[str, int]], capacity: Capacity) -> dict[str, int]:
    """Return how much there is of each resource that is limited.

    A pool of which nobody says how much there is has as much as the step that asks for most.
    """
    found = {name: _exact(amount) for name, amount in plan.pools.items()}
    found |= {name: _exact(amount) for name, amount in capacity.amounts.items()}
    unsaid: dict[str, int] = {}
    for demand in demands:
        for name, amount in demand.items():
            if name not in found and name not in _OF_THE_MACHINE:
                unsaid[name] = max(unsaid.get(name, 0), amount)
    return found | unsaid


def _too_much(step: PlannedStep, name: str, asked: int, limit: int, capacity: Capacity) -> Problem:
    wanted, there = _shown(name, asked), _shown(name, limit)
    message = f"the step {step.name!r} needs {wanted}, and there is {there}"
    if name == "cpus":
        hint = f"-j {-(-asked // _SCALE)} lets it run; now it is -j {capacity.steps}"
    else:
        amount = asked / _SCALE
        hint = f"--resources {name}={amount:.15g} says that there is that much"
    return Problem(message, hint=hint)


def _shown(name: str, thousandths: int) -> str:
    """Return an amount in words.

    >>> _shown("memory", 4_000_000_000_000), _shown("cpus", 1500), _shown("licence", 1000)
    ('4 GB of memory', '1.5 cpus', '1 licence')
    """
    amount = thousandths / _SCALE
    if name == "memory":
        return f"{amount / 1e9:.4g} GB of memory"
    return f"{amount:g} {name}" if amount != 1 else f"1 {name.removesuffix('s')}"


def forecast(plan: Plan, executed: Collection[str], known: Mapping[str, float]) -> Forecast:
    """Return how long the steps of a plan will take.

    A step of which that is not known takes as long as the known ones on average; where none is
    known, there is no telling, and each counts the same.

    Args:
        plan: the plan.
        executed: the steps that are or may be executed; the others take no time.
        known: seconds that steps took when they were last executed.
    """
    taken = [known[name] for name in executed if name in known]
    usual = sum(taken) / len(taken) if taken else 1.0
    seconds = {
        step.name: known.get(step.name, usual) if step.name in executed else 0.0
        for step in plan.steps
    }
    return Forecast(seconds, longest_paths(_after(plan), seconds))


def ranks(plan: Plan, foreseen: Forecast) -> dict[str, int]:
    """Return the order in which steps of a plan start where several could."""
    return longest_first(_after(plan), foreseen.paths)


def side_by_side(plan: Plan, executed: Collection[str], steps: int) -> bool:
    """Tell whether so many steps at once let two of a plan ever execute at the same time."""
    chain = [step for step in plan.steps if step.name in executed]
    many = any(step.foreach is not None for step in chain)
    return steps > 1 and (
        many or any(first.name not in second.after for first, second in itertools.pairwise(chain))
    )


def _after(plan: Plan) -> dict[str, Sequence[str]]:
    return {step.name: step.after for step in plan.steps}


class Devices:
    """GPUs, each of which belongs to one step at a time."""

    def __init__(self, names: Sequence[str]) -> None:
        """Give away these, the first ones first."""
        self._free = list(names)
        self._order = {name: index for index, name in enumerate(names)}
        self._held: dict[str, list[str]] = {}

    def take(self, step: PlannedStep, holder: str) -> tuple[str, ...] | None:
        """Return the devices for a step; None: it says nothing of them.

        Its ``holder`` gives them back.
        """
        if "gpus" not in step.resources:
            return None
        count = int(step.resources["gpus"])
        self._held[holder], self._free = self._free[:count], self._free[count:]
        return tuple(self._held[holder])

    def give_back(self, holder: str) -> None:
        """Take back what was held."""
        self._free += self._held.pop(holder, [])
        self._free.sort(key=self._order.__getitem__)
