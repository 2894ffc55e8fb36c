"""What is known of the outputs of past runs: which of them are unstable, and why."""

import contextlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from runproj.errors import StoreError
from runproj.ports import Annotations
from runproj.record.verdict import Annotation, OutputLabel


def labels_of(annotations: Iterable[Annotation]) -> dict[str, list[OutputLabel]]:
    """Return the latest labels of each step of a run."""
    found: dict[str, list[OutputLabel]] = {}
    for one in annotations:
        if one.stability is not None:
            fresh: dict[str, list[OutputLabel]] = {}
            for label in one.stability.labels:
                fresh.setdefault(label.step, []).append(label)
            found |= fresh
    return found


@dataclass
class Known:
    """Remembers what was said of each run, so that it is looked up once.

    ``rerun_of`` returns the id of the run that a run repeats: what is said of that one holds too.
    """

    annotations: Annotations
    rerun_of: Callable[[str], str | None]
    _labels: dict[str, dict[str, list[OutputLabel]]] = field(default_factory=dict)

    def unstable(self, name: str) -> tuple[str, ...]:
        """Return what is said against the outputs of ``RUN/STEP``, a sentence for each."""
        run_id, _, step = name.partition("/")
        found = self._of(run_id).get(step, [])
        return tuple(
            f"{one.path or 'metrics'}, taken from {run_id}, is unstable: {one.cause}"
            for one in found
            if one.label == "unstable"
        )

    def _of(self, run_id: str) -> dict[str, list[OutputLabel]]:
        if run_id not in self._labels:
            found: dict[str, list[OutputLabel]] = {}
            with contextlib.suppress(StoreError):  # what cannot be read keeps nobody from running
                found = labels_of(self.annotations.annotations(run_id))
            before = None if found else self.rerun_of(run_id)
            self._labels[run_id] = self._of(before) if before else found
        return self._labels[run_id]
