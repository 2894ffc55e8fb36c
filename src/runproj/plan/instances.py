"""The steps of an entry point as they are planned: as many instances of each as it has."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

from runproj.model import EMPTY
from runproj.plan.binding import BoundValue
from runproj.spec.matrix import Combination, WrongMatrix, label
from runproj.spec.project import Step

Tell: TypeAlias = Callable[[str, WrongMatrix], None]
"""Takes the step of which the matrix is wrong, and what is wrong with it."""

Known: TypeAlias = Mapping[str, Sequence[Combination]]
"""The items of steps with a ``foreach``, as far as they are known."""

ANY = "*"
"""Stands in a path for an item that is not known yet."""


class Instance(NamedTuple):
    """A step as it is planned; ``values`` are those of its matrix, ``group`` is the declared step.

    A step that is no matrix is its own only instance. ``files`` are the keys whose values are
    paths. One that is ``open`` stands for instances that are not known yet.
    """

    name: str
    group: str
    step: Step
    values: Mapping[str, Any] = EMPTY
    files: frozenset[str] = frozenset()
    open: bool = False

    def value(self, kind: str, key: str) -> Any:  # noqa: ANN401 -- a scalar, None where there is none
        """Return what ``{matrix.key}`` or ``{item.key}`` stands for."""
        if self.open and kind == "item":
            return ANY
        return self.values.get(key)


def expanded(
    steps: Mapping[str, Step], bound: Mapping[str, BoundValue], items: Known, tell: Tell
) -> dict[str, tuple[Instance, ...]]:
    """Return the instances of each step.

    Args:
        steps: the declared steps.
        bound: the values of the parameters.
        items: what is known of lists that steps make.
        tell: takes what is wrong; such a step has no instance.
    """
    found = {}
    for name, step in steps.items():
        try:
            found[name] = tuple(_instances(name, step, bound, items))
        except WrongMatrix as error:
            found[name] = ()
            tell(name, error)
    return found


def _instances(
    name: str, step: Step, bound: Mapping[str, BoundValue], items: Known
) -> Iterator[Instance]:
    if step.foreach is not None and name not in items:
        yield Instance(name, name, step, open=True)
    elif step.foreach is not None:
        for one in items[name]:
            yield Instance(instance_name(name, one), name, step, one.values)
    elif step.matrix is None:
        yield Instance(name, name, step)
    else:
        lists = {key: bound[reference.name] for key, reference in step.matrix.lists.items()}
        files = frozenset(key for key, one in lists.items() if one.is_path)
        for one in step.matrix.combinations({key: one.value or () for key, one in lists.items()}):
            yield Instance(instance_name(name, one), name, step, one.values, files)


def instance_name(step: str, combination: Combination) -> str:
    """Return the name of an instance of a step.

    >>> instance_name("train", Combination({"fold": 0, "model": "a"}, ("fold", "model")))
    'train[fold=0,model=a]'
    """
    return f"{step}[{label(combination)}]"
