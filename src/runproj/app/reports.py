"""Reports and pictures of runs."""

from typing import TYPE_CHECKING

from runproj.app.stores import Store

if TYPE_CHECKING:
    from runproj.engine.report import Collector
    from runproj.record.run import Run, StepRun


def collector(store: Store) -> "Collector":
    """Return what collects all that a report tells of runs."""
    from runproj.engine.report import Collector, Tail  # noqa: PLC0415 -- lazy

    def tail(run: "Run", step: "StepRun", limit: int) -> Tail:
        return Tail(*store.end_of_log(run.id, step, limit))

    return Collector(store.objects, store.runs, tail)


def png(svg: str, fonts: str) -> bytes:
    """Return a drawing as a PNG, see :func:`runproj.adapters.raster.png`."""
    from runproj.adapters import raster  # noqa: PLC0415 -- lazy

    return raster.png(svg, fonts)
