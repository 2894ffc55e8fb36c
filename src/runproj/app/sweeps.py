"""Sweeps: many runs of one entry point, side by side."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple, Protocol

from runproj.app.projects import OpenProject
from runproj.app.repeating import recorded_project, varier_of
from runproj.app.running import (
    OF_ITS_OWN,
    Options,
    Stage,
    header_of,
    local_executor,
    new_id,
    runner_of,
)
from runproj.app.stores import Store
from runproj.errors import NoSuchRun, UsageError

if TYPE_CHECKING:
    from runproj.engine.prepare import Prepared, Preparer, Request
    from runproj.engine.sweep import Trials
    from runproj.engine.together import Going
    from runproj.ports import Reporter, Sampler
    from runproj.record.run import Run
    from runproj.record.sweep import Goal, SamplerName, Sweep, SweepResult, SweepTrial, TrialResult


class SweepPlan(NamedTuple):
    """What is asked of a sweep; without ``trials`` it makes all that there are."""

    sampler: "SamplerName"
    trials: int | None
    seed: int
    goal: "Goal | None"


class Sweeping(NamedTuple):
    """A sweep that is prepared, with the runs that it made before."""

    sweep: "Sweep"
    trials: "Trials"
    past: "Sequence[Run]" = ()


class SweepReporters(Protocol):
    """Tells somebody what happens in a sweep."""

    def tick(self) -> float | None:
        """Show what is due; return in how many seconds there is something to show again."""

    def of(self, trial: "SweepTrial") -> "Reporter":
        """Return who is told what happens in a trial."""

    def done(self, result: "TrialResult") -> None:
        """Show what came out of a trial."""


def new_sweep(
    opened: OpenProject, preparer: "Preparer", request: "Request", plan: SweepPlan
) -> "Sweeping":
    """Return a sweep of a project: what it will do, before it does anything.

    Raises:
        UsageError: there is no such entry point, nothing is swept, or it has too few values.
        ParameterError: values do not fit.
    """
    from runproj.engine.sweep import OneSnapshot, Trials  # noqa: PLC0415 -- lazy
    from runproj.plan.axes import swept  # noqa: PLC0415 -- lazy
    from runproj.plan.space import size_of  # noqa: PLC0415 -- lazy
    from runproj.record.sweep import Sweep  # noqa: PLC0415 -- lazy

    preparer = preparer._replace(source=OneSnapshot(preparer.source))
    entry_point = preparer.entry_point(request.entry_point)
    parameters = opened.project.parameters_of(entry_point)
    axes, texts = swept(request.given.texts, parameters, grid=plan.sampler == "grid")
    trials = Trials(preparer, request._replace(given=request.given._replace(texts=texts)))
    trials.check(axes)
    size = size_of(axes)
    if not axes:
        raise UsageError(
            "nothing is swept: every parameter has one value",
            hint="-P lr=0.1,0.01 gives it two, -P depth=1..5 five",
        )
    count = size if plan.trials is None else plan.trials
    if plan.sampler == "random" and size is not None and plan.trials is not None:
        count = min(size, plan.trials)
    assert count is not None  # noqa: S101 -- for mypy: a grid is finite, the others have a number
    sweep = Sweep(
        id=new_id(), sampler=plan.sampler, axes=axes, trials=count, seed=plan.seed, goal=plan.goal
    )
    return Sweeping(sweep, trials)


def past_sweep(
    store: Store, name: str, caller: Mapping[str, str], reporter: "Reporter"
) -> "Sweeping":
    """Return a sweep that did not come to its end, as its runs have it.

    Args:
        store: where they are recorded.
        name: its id or the beginning of it, or its experiment; ``latest`` is the latest one.
        caller: the caller's environment variables.
        reporter: told what happens.

    Raises:
        NoSuchRun: there is no such sweep.
        CannotRerun: something that it needs is gone.
    """
    from runproj.engine.prepare import Request  # noqa: PLC0415 -- lazy
    from runproj.engine.sweep import OneSnapshot, Trials  # noqa: PLC0415 -- lazy
    from runproj.engine.vary import again  # noqa: PLC0415 -- lazy

    where = "sweep is not null"
    if name != "latest":
        where += " and (substr(sweep, 1, length(?1)) = ?1 or experiment = ?1)"
    rows = store.runs.summaries(where, () if name == "latest" else (name,), None)
    if not rows:
        raise NoSuchRun(
            f"there is no sweep {name!r}" if name != "latest" else "there is no sweep",
            where=str(store.folder), hint="the first line of a sweep has its name",
        )  # fmt: skip
    found = dict.fromkeys(row["sweep"] for row in rows)
    if len(found) > 1 and name != "latest":
        raise UsageError(f"{name!r} may be the sweep {' or '.join(found)}")
    ids = [row["id"] for row in rows if row["sweep"] == rows[0]["sweep"]]
    past = [store.runs.load(run_id) for run_id in reversed(ids)]
    first = past[0]
    assert first.sweep is not None  # noqa: S101 -- for mypy: the index says so
    varier = varier_of(store, caller, reporter)
    project, point = recorded_project(varier, first)
    preparer = varier.preparer(first, project, point, set(first.sweep.values))
    preparer = preparer._replace(source=OneSnapshot(preparer.source))
    trials = Trials(preparer, again(first, project, Request(first.entry_point)))
    return Sweeping(first.sweep.sweep, trials, past)


def sweep(
    store: Store, sweeping: Sweeping, caller: Mapping[str, str], reporters: "SweepReporters",
    options: Options, *, folder: str,
) -> "SweepResult":  # fmt: skip
    """Do the trials of a sweep that are left; return what came out of all.

    Args:
        store: where they are recorded.
        sweeping: the sweep.
        caller: the caller's environment variables.
        reporters: returns who is told what happens in a trial.
        options: how.
        folder: the project folder; looked at to explain failures.

    Raises:
        UsageError: the goal's metric is not there.
    """
    from runproj.adapters import machine  # noqa: PLC0415 -- lazy
    from runproj.engine.sweep import Sweeper  # noqa: PLC0415 -- lazy
    from runproj.engine.together import Conductor, Together  # noqa: PLC0415 -- lazy

    jobs = options.jobs or machine.usable_cpus()
    together = Together(jobs)
    stage = Stage(local_executor(reporters.tick), folder, together)

    def start(prepared: "Prepared", trial: "SweepTrial") -> "tuple[str, Going]":
        how = options._replace(sweep=trial)
        reporter = reporters.of(trial)
        runner = runner_of(store, prepared, caller, reporter, how, stage)
        header = header_of(prepared, how, OF_ITS_OWN)
        return header.id, runner.going(prepared, header)

    one = sweeping.sweep
    sweeper = Sweeper(one, _sampler(one), sweeping.trials.prepare, start, sweeping.past)
    Conductor(
        stage.executor, together, jobs, sweeper.begin, lambda run: reporters.done(sweeper.done(run))
    ).execute()
    return sweeper.result(options.experiment)


def points(sweep: "Sweep", most: int) -> "list[dict[str, str]]":
    """Return the points of a sweep, as far as they are known beforehand; at most so many."""
    sampler = _sampler(sweep)
    found: list[dict[str, str]] = []
    while sweep.sampler != "tpe" and len(found) < min(most, sweep.trials):
        point = sampler.ask()
        if point is None:
            break
        found.append(dict(point))
    return found


def _sampler(sweep: "Sweep") -> "Sampler":
    from runproj.engine.sweep import Listed  # noqa: PLC0415 -- lazy
    from runproj.plan import space  # noqa: PLC0415 -- lazy

    if sweep.sampler == "grid":
        return Listed(space.grid(sweep.axes))
    if sweep.sampler == "random":
        return Listed(space.random_points(sweep.axes, sweep.trials, sweep.seed))
    from runproj.adapters.tpe import TpeSampler  # noqa: PLC0415 -- lazy

    assert sweep.goal is not None  # noqa: S101 -- for mypy: the command line asks for it
    return TpeSampler(sweep.axes, sweep.goal, sweep.seed)
