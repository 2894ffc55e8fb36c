"""A run that is not executed but told of: by a script or a notebook that is running already."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from runproj.engine.furnish import Room
from runproj.engine.prepare import Prepared
from runproj.engine.run import timestamp
from runproj.engine.track import Ear, listen
from runproj.ports import Journal, ObjectStore, RunStore, Tracking
from runproj.record.outcome import Outcome
from runproj.record.run import EnvironmentUse, Run, Status, StepRun


class Session(NamedTuple):
    """A run under way, with its one step; :func:`start` makes one.

    ``variables`` are those by which this process and those that it starts tell of themselves.
    """

    ear: Ear
    run: Run
    step: StepRun
    journal: Journal
    room: Room
    variables: Mapping[str, str]

    def end(self, status: Status, outcome: Outcome, error: str | None, now: float) -> Run:
        """Write down how it ended, and what was told; the record never changes again.

        Args:
            status: ``succeeded``, ``failed`` or ``interrupted``.
            outcome: how long it took, and what it used.
            error: why it failed.
            now: seconds since 1970.
        """
        heard = self.ear.end(self.room, self.room.project, now, lambda text: text)
        step = self.step.replace(
            status=status, outcome=outcome, error=error, finished_at=timestamp(now),
            metrics=heard.metrics, tracked=heard.tracked, warnings=heard.warnings,
        )  # fmt: skip
        self.journal.finished(step)
        tags = heard.tracked.tags if heard.tracked else {}
        run = self.run.replace(
            status=status, exit_code=outcome.exit_code, error=error, finished_at=timestamp(now),
            duration_s=round(outcome.duration_s, 3), steps=(step,), tags={**self.run.tags, **tags},
        )  # fmt: skip
        self.journal.close(run)
        return run


def start(  # noqa: PLR0913 -- a run is made of so much
    prepared: Prepared,
    header: Run,
    room: Room,
    *,
    objects: ObjectStore,
    runs: RunStore,
    tracking: Tracking,
    variables: Mapping[str, str],
    now: Callable[[], float],
) -> Session:
    """Write a run with one step to the store, and get ready to hear of it.

    Args:
        prepared: its plan.
        header: the run as it is before anything happened.
        room: where it is done; its folder for temporary files is made for it.
        objects: keep what it logs.
        runs: where it is recorded.
        tracking: brings what it tells.
        variables: of this process, which are recorded.
        now: returns seconds since 1970.
    """
    (planned,) = prepared.plan.steps
    pin = prepared.pinned[planned.environment].pin
    journal = runs.create(header)
    events = listen(tracking, planned, prepared.plan, room, None)
    step = StepRun(
        name=planned.name,
        status="running",
        reasons=prepared.judged[planned.name].decision.reasons,
        argv=planned.argv,
        variables=dict(variables),
        environment=EnvironmentUse(
            name=pin.name, kind=pin.kind, key=pin.key, lock=pin.lock, facts=pin.facts
        ),
        started_at=timestamp(now()),
        reusable=False,  # nobody saw what it was made from
    )
    journal.started(step)
    told = {"RUNPROJ_EVENTS": events, "RUNPROJ_RUN_ID": header.id, "RUNPROJ_STEP": planned.name}
    return Session(Ear(tracking, objects), header, step, journal, room, told)
