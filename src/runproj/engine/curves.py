"""The curves of a run: the points by which its metrics are drawn."""

from collections.abc import Collection, Iterator
from typing import NamedTuple

from runproj.errors import StoreError, UsageError
from runproj.ports import ObjectStore
from runproj.record.points import Points, read_points
from runproj.record.run import Run, StepRun
from runproj.record.sweep import meant
from runproj.spec.matrix import group_of


class Curves(NamedTuple):
    """Reads the curves of runs from a store."""

    objects: ObjectStore

    def of(self, run: Run, wanted: Collection[str] | None = None) -> dict[str, Points]:
        """Return the points of metrics by their full names, :data:`~..points.CURVE` at most.

        Args:
            run: the run.
            wanted: full names; None: all. Those of which there are no points are left out.

        Raises:
            StoreError: they are gone, or damaged.
        """
        found: dict[str, Points] = {}
        for step in run.steps:
            for sha256, plain in _kept(step):
                names = {f"{step.name}.{name}": name for name in plain}
                if wanted is None or not names.keys().isdisjoint(wanted):
                    known = self._read(run, step, sha256)
                    found |= {
                        full: known[name]
                        for full, name in names.items()
                        if name in known and (wanted is None or full in wanted)
                    }
        return found

    def _read(self, run: Run, step: StepRun, sha256: str) -> dict[str, Points]:
        try:
            return read_points(self.objects.read(sha256))
        except ValueError as error:
            raise StoreError(
                f"the points of its metrics cannot be read: {error}", where=f"{run.id}/{step.name}"
            ) from error


def _kept(step: StepRun) -> Iterator[tuple[str, Collection[str]]]:
    """Yield the digests of what is kept of points, and the metrics that are in it."""
    if step.tracked is not None and step.tracked.curves is not None:
        yield step.tracked.curves, step.tracked.summaries
    if step.usage is not None:
        yield step.usage.points, step.usage.levels


def known_metrics(run: Run) -> dict[str, list[str]]:
    """Return the full names of all metrics of a run, those of the system included, by its steps."""
    return {
        step.name: [
            f"{step.name}.{name}"
            for name in {
                **step.shown_metrics,
                **(step.tracked.summaries if step.tracked else {}),
                **(step.usage.levels if step.usage else {}),
            }
        ]
        for step in run.steps
    }


def metrics_meant(name: str, known: Collection[str]) -> list[str]:
    """Return the full names of the metrics that a name means.

    They are several where a step has instances, and where it is a metric of the system, which every
    step has.

    Raises:
        UsageError: it may be metrics of several steps.
    """
    found = meant(name, dict.fromkeys(known, 0.0))
    short = name.removeprefix("metrics.")
    steps = {group_of(one.removesuffix(f".{short}")) for one in found}
    if len(steps) > 1 and not is_of_system(f".{short}"):
        raise UsageError(
            f"the metric {name!r} may be {' or '.join(found[:4])}", hint=f"write {found[0]}"
        )
    return found


def is_of_system(metric: str) -> bool:
    """Tell whether a metric was measured by runproj, of what a step uses.

    >>> is_of_system("train.system/cpu"), is_of_system("train.loss")
    (True, False)
    """
    return ".system/" in metric
