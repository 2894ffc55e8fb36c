"""Which steps of a plan are wanted, and which of them are only taken as they are."""

from collections.abc import Collection, Sequence
from typing import NamedTuple

from runproj.errors import UsageError
from runproj.plan import graph
from runproj.plan.plan import PlannedStep
from runproj.spec.matrix import group_of
from runproj.spec.suggest import did_you_mean


class Selection(NamedTuple):
    """A part of a plan; what is ``held`` does not execute: its last result has to be current."""

    steps: tuple[PlannedStep, ...]
    held: frozenset[str] = frozenset()


def select(
    steps: Sequence[PlannedStep], start: Collection[str] = (), skip: Collection[str] = ()
) -> Selection:
    """Return the part of a plan that begins with some steps, and leaves out others.

    Args:
        steps: all planned steps, each after those that it needs.
        start: steps that it begins with: these, and all after them. What they need of other steps
            is held. Empty: all steps.
        skip: steps that do not execute: held where another step needs them, else left out.

    Raises:
        UsageError: there is no such step.
    """
    for option, names in (("--from", start), ("--skip", skip)):
        check_names(steps, names, option)
    held: set[str] = set()
    wanted = {step.name for step in steps}
    if start:
        began = {
            step.name
            for step in steps
            if is_one_of(step.name, start) or any(_may_hold(step, name) for name in start)
        }
        for step in steps:  # each comes after those that it needs
            if began.intersection(step.after):
                began.add(step.name)
        wanted = graph.with_ancestors({step.name: step.after for step in steps}, began)
        held = wanted - began
    held |= {name for name in wanted if is_one_of(name, skip)}
    needed: set[str] = set()
    for step in reversed(steps):
        if step.name in wanted and (step.name not in held or step.name in needed):
            needed.update(step.after)
        else:
            wanted.discard(step.name)
    return Selection(tuple(step for step in steps if step.name in wanted), frozenset(held & wanted))


def check_names(steps: Sequence[PlannedStep], names: Collection[str], option: str) -> None:
    """Make sure that an option names steps that are planned.

    Raises:
        UsageError: it names another one.
    """
    for name in names:
        if not any(is_one_of(step.name, (name,)) or _may_hold(step, name) for step in steps):
            raise UsageError(
                f"{option}: there is no step {name!r} in the plan",
                hint=did_you_mean(name, [step.name for step in steps]),
            )


def _may_hold(step: PlannedStep, name: str) -> bool:
    """Tell whether a name may be that of an instance that is not known yet."""
    return step.foreach is not None and group_of(name) == step.name


def is_one_of(name: str, chosen: Collection[str]) -> bool:
    """Tell whether a step is chosen: by its name, that of its step, or some values of its matrix.

    >>> is_one_of("train", ["train"]), is_one_of("train[fold=1]", ["train"])
    (True, True)
    >>> is_one_of("train[fold=1,model=a]", ["train[fold=1]"])
    True
    """
    group, bracket, values = name.partition("[")
    if name in chosen or not bracket:
        return name in chosen
    own = {*values[:-1].split(",")}
    return group in chosen or any(
        one.startswith(f"{group}[")
        and one.endswith("]")
        and own.issuperset(one[len(group) + 1 : -1].split(","))
        for one in chosen
    )
