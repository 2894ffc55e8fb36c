"""Records to begin with; a test says what matters to it."""

from typing import Any

from runproj.plan.fingerprint import Fingerprint
from runproj.plan.plan import Plan
from runproj.ports import RunStore
from runproj.record.run import Host, Run, Status, StepRun
from runproj.record.source import SourceSnapshot

HOST = Host(
    name="host", user="user", system="Linux", release="6", machine="x86_64",
    platform="linux-x86_64",
)  # fmt: skip


def a_run(run_id: str = "abc", **fields: Any) -> Run:  # noqa: ANN401 -- of any type
    """Return a run that has just started; the minute of its start is a number."""
    minute = fields.pop("minute", 0)
    given: dict[str, Any] = {
        "id": run_id,
        "project": "p",
        "entry_point": "main",
        "started_at": f"2026-01-01T00:{minute:02}:00.000Z",
        "runproj_version": "0",
        "python_version": "3.12.1",
        "host": HOST,
        "source": SourceSnapshot(tree="0" * 40),
        "plan": Plan(entry_point="main", steps=()),
    }
    return Run(**given | fields)


def ended(run: Run, *steps: StepRun, status: str = "succeeded") -> Run:
    """Return a run as it is when it has ended."""
    update = {"status": status, "steps": steps, "finished_at": run.started_at, "exit_code": 0}
    return run.replace(**update)


def a_step(name: str = "train", status: Status = "succeeded", **fields: Any) -> StepRun:  # noqa: ANN401 -- of any type
    """Return a step run; ``fingerprint`` is a digest, the minute of its end a number."""
    digest, minute = fields.pop("digest", None), fields.pop("minute", 0)
    if digest is not None:
        fields["fingerprint"] = a_fingerprint(str(digest))
    if status != "running":
        fields["finished_at"] = f"2026-01-01T00:{minute:02}:30.000Z"
    return StepRun(name=name, status=status, **fields)


def found(store: RunStore, digest: str) -> tuple[str, StepRun] | None:
    """Return the first that a store finds for a fingerprint that is known by its digest only."""
    return next(iter(store.find(a_fingerprint(digest))), None)


def a_fingerprint(digest: str) -> Fingerprint:
    """Return a fingerprint that is known by its digest only."""
    return Fingerprint(
        digest=digest, argv=("true",), environment="e", source="s", platform="linux-x86_64"
    )
