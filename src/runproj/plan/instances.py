"""The steps of an entry point as they are planned: one for each combination of a matrix."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from runproj.plan.binding import BoundValue
from runproj.spec.matrix import Combination, WrongMatrix, label
from runproj.spec.project import Step

Tell = Callable[[str, WrongMatrix], None]
"""Takes the step of which the matrix is wrong, and what is wrong with it."""


class Instance(NamedTuple):
    """A step as it is planned; ``values`` are those of its matrix, ``group`` is the declared step.

    A step without a matrix is its own only instance. ``files`` are the keys whose values are paths.
    """

    name: str
    group: str
    step: Step
    values: Mapping[str, Any] = {}
    files: frozenset[str] = frozenset()


def expanded(
    steps: Mapping[str, Step], bound: Mapping[str, BoundValue], tell: Tell
) -> dict[str, tuple[Instance, ...]]:
    """Return the instances of each step.

    Args:
        steps: the declared steps.
        bound: the values of the parameters.
        tell: takes what is wrong; such a step has no instance.
    """
    found = {}
    for name, step in steps.items():
        try:
            found[name] = tuple(_instances(name, step, bound))
        except WrongMatrix as error:
            found[name] = ()
            tell(name, error)
    return found


def _instances(name: str, step: Step, bound: Mapping[str, BoundValue]) -> Iterator[Instance]:
    if step.matrix is None:
        yield Instance(name, name, step)
        return
    lists = {key: bound[reference.name] for key, reference in step.matrix.lists.items()}
    files = frozenset(key for key, one in lists.items() if one.is_path)
    values = {key: one.value or () for key, one in lists.items()}
    for one in step.matrix.combinations(values):
        yield Instance(instance_name(name, one), name, step, one.values, files)


def instance_name(step: str, combination: Combination) -> str:
    """Return the name of an instance of a step.

    >>> instance_name("train", Combination({"fold": 0, "model": "a"}, ("fold", "model")))
    'train[fold=0,model=a]'
    """
    return f"{step}[{label(combination)}]"
