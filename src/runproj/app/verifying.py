"""Comparing a run with its repeats, and two runs with each other."""

import contextlib
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from runproj.app.places import REPEATS, WORKSPACES, cache_folder, working_folder
from runproj.app.repeating import rerun
from runproj.app.running import Options, new_id
from runproj.app.stores import Store
from runproj.errors import StoreError
from runproj.version import VERSION

if TYPE_CHECKING:
    from runproj.adapters.perturbing import Arrange
    from runproj.engine.diff import Differ
    from runproj.engine.perturbation import Place, Trial
    from runproj.ports import Reporter, Workspaces
    from runproj.record.run import Run
    from runproj.record.verdict import Annotation, Verdict


def verify(
    store: Store, past: "Run", caller: Mapping[str, str], reporter: "Reporter", options: Options
) -> "Verdict":
    """Do a past run again, and return the verdict, which is kept with the run.

    Raises:
        UsageError: the run did not succeed.
    """
    from runproj.engine.run import timestamp  # noqa: PLC0415 -- lazy
    from runproj.engine.verify import Verifier  # noqa: PLC0415 -- lazy

    verifier = Verifier(
        store.objects, store.runs,
        lambda run: rerun(store, run, None, caller, reporter, options),
        lambda: timestamp(time.time()), VERSION,
    )  # fmt: skip
    return verifier.verify(past)


def verify_times(
    store: Store, past: "Run", times: int, caller: Mapping[str, str], reporter: "Reporter",
    options: Options,
) -> "Annotation":  # fmt: skip
    """Repeat a past run while what must not matter is perturbed; return what is kept with it.

    Raises:
        UsageError: the run did not succeed.
    """
    from runproj.engine import perturbation  # noqa: PLC0415 -- lazy
    from runproj.engine.repeat import Repeater  # noqa: PLC0415 -- lazy
    from runproj.engine.run import timestamp  # noqa: PLC0415 -- lazy
    from runproj.engine.verify import Verifier, checked  # noqa: PLC0415 -- lazy
    from runproj.record.events import Progress  # noqa: PLC0415 -- lazy

    lab = Lab(store, checked(past))

    def repeat(run: "Run", step: str | None, trial: "Trial") -> "Run":
        places = {one.place for one in trial}
        how = options._replace(trial=trial, workspaces=lab.workspaces(places))
        return rerun(store, run, step, caller, reporter, how)

    verifier = Verifier(
        store.objects, store.runs, lambda run: repeat(run, None, ()),
        lambda: timestamp(time.time()), VERSION,
    )  # fmt: skip
    known = perturbation.perturbations(lab.machine)
    repeater = Repeater(
        verifier, repeat, known,
        perturbation.unperturbed(lab.machine, known, past.plan.steps)
        + perturbation.spared(past.plan),
        lambda at: perturbation.stopped_clock(lab.machine, at),
        perturbation.right_clock(lab.machine),
        lambda text: reporter.report(Progress("verify", text)),
    )  # fmt: skip
    try:
        return repeater.verify(past, times)
    finally:
        lab.close()


class Lab:
    """What this machine can perturb while a run is repeated."""

    def __init__(self, store: Store, past: "Run") -> None:
        """Look at the machine."""
        from runproj.adapters import perturbing  # noqa: PLC0415 -- lazy
        from runproj.engine.perturbation import Machine  # noqa: PLC0415 -- lazy

        self.store = store
        self.held = f"held-{new_id()}"
        library, no_library = perturbing.faketime()
        slowest = max((step.duration_s for step in past.steps), default=0.0)
        folders = ("/dev/shm", os.environ.get("XDG_RUNTIME_DIR") or "/run/shm", str(cache_folder()))  # noqa: S108 -- in memory
        self.ordered, orderless = perturbing.ordered_folder(_room(store, past), folders)
        binds = hasattr(os, "sched_setaffinity")
        self.machine = Machine(
            locale=perturbing.installed_locale(),
            cpus=len(os.sched_getaffinity(0)) if binds else os.cpu_count() or 1,
            binds=binds,
            faketime=library,
            no_faketime=no_library,
            orderless=None if self.ordered else orderless,
            timeout_s=60 + 10 * slowest,
        )

    def workspaces(self, places: "set[Place | None]") -> "Workspaces":
        """Return workspaces for a trial."""
        from runproj.adapters.perturbing import ReorderedWorkspaces  # noqa: PLC0415 -- lazy
        from runproj.adapters.workspaces import FolderWorkspaces  # noqa: PLC0415 -- lazy

        source, objects = self.store.source, self.store.objects
        usual = working_folder() / WORKSPACES
        folder = Path(self.ordered or "", "workspaces") if "reordered" in places else usual
        if "elsewhere" in places:
            folder = folder.parent / REPEATS

        def make(arrange: "Arrange | None" = None) -> FolderWorkspaces:
            own = self.held if "held" in places else None
            return FolderWorkspaces(str(folder), source, objects, own=own, arrange=arrange)

        if "reordered" not in places:
            return make()
        return ReorderedWorkspaces(make, FolderWorkspaces(str(usual), source, objects))

    def close(self) -> None:
        """Remove what is left of it."""
        from runproj.adapters.perturbing import sweep_faketime  # noqa: PLC0415 -- lazy

        if self.machine.faketime is not None:
            sweep_faketime()


def _room(store: Store, past: "Run") -> int:
    """Return how many bytes the workspaces of a run may take at most."""
    source = 0
    with contextlib.suppress(StoreError):  # when it is gone, the run cannot be done again
        source = store.source.size(past.source.tree)
    source *= len({step.sources for step in past.plan.steps})
    files = sum(one.size for step in past.steps for one in (*step.inputs, *step.outputs))
    return source + files + sum(step.outcome.written for step in past.steps if step.outcome)


def differ(store: Store) -> "Differ":
    """Return what compares runs of a store."""
    from runproj.engine.diff import Differ  # noqa: PLC0415 -- lazy

    return Differ(store.source, store.objects, store.runs)
