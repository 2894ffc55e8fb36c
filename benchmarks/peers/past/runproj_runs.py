"""Make copies of the run in the store of this folder: with another id, time and status.

It is executed with the Python that has runproj: ``python runproj_runs.py COUNT``.
"""

import sys
from datetime import UTC, datetime, timedelta

from runproj.adapters.store.runs import FolderRuns

_BEGIN = datetime(2026, 1, 1, tzinfo=UTC)


def main() -> None:
    """Fill the store through its own interface, as a run does; every tenth run failed."""
    store = FolderRuns(".runproj")
    template = store.load(store.ids("latest")[0])
    for number in range(int(sys.argv[1]) - 1):
        time = (_BEGIN + timedelta(minutes=number)).isoformat(timespec="milliseconds")
        started_at = time.replace("+00:00", "Z")
        status = "succeeded" if number % 10 else "failed"
        run = template.replace(id=f"r{number:07}", started_at=started_at)
        journal = store.create(run.replace(status="running", finished_at=None, steps=()))
        for step in template.steps:
            journal.started(step.replace(status="running"))
            journal.finished(step.replace(status=status))
        steps = tuple(step.replace(status=status) for step in template.steps)
        journal.close(run.replace(status=status, steps=steps, finished_at=started_at))


if __name__ == "__main__":
    main()
