"""The command that does many runs with different values: sweep."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from runproj.app import projects, running, stores, sweeps
from runproj.cli.group import json_option, offline_option, place_options
from runproj.cli.render.live import LiveReporter
from runproj.cli.render.style import stderr_style, stdout_style
from runproj.cli.render.trials import SweepReporter, opening, points_text, result_text
from runproj.cli.run import (
    check_amounts,
    executing,
    place_of,
    planning,
    policy_of,
    request_of,
    tags_of,
)
from runproj.errors import UsageError
from runproj.record.events import Progress
from runproj.record.sweep import Goal, SamplerName

_MOST_SHOWN = 1000


@click.command("sweep")
@click.argument("project", default=".")
@click.argument("steps", nargs=-1)
@planning
@click.option("--locked", is_flag=True, help="Fail when a lock is missing or stale.")
@click.option("--frozen", is_flag=True, help="Use the locks of the project unchecked.")
@click.option("--environment", type=click.Choice(["system"]), help="Run every step on the system.")
@click.option(
    "--sampler", type=click.Choice(["grid", "random", "tpe"]),
    help="How trials are chosen; default: all of the grid.",
)  # fmt: skip
@click.option("--random", "chance", type=click.IntRange(1), metavar="N", help="N trials by chance.")
@click.option("--trials", type=click.IntRange(1), metavar="N", help="How many trials.")
@click.option("--seed", type=click.IntRange(0), metavar="N", help="Choose the same trials again.")
@click.option("--minimize", metavar="METRIC", help="The trial with the least METRIC is the best.")
@click.option("--maximize", metavar="METRIC", help="The trial with the most METRIC is the best.")
@click.option("--resume", metavar="SWEEP", help="Go on with a sweep: its id, or latest.")
@executing
@click.option("-n", "--dry-run", is_flag=True, help="Print the trials and stop.")
@click.option("--keep-workspace", is_flag=True, help="Leave the workspaces for a look.")
@click.option("--experiment", help="The experiment that the runs belong to; default: sweep-ID.")
@click.option("--tag", "tags", multiple=True, metavar="KEY=VALUE", help="A tag for the runs.")
@click.option("-q", "--quiet", is_flag=True, help="Show only failures, and the result.")
@offline_option
@json_option
@place_options
def sweep(project: str, steps: tuple[str, ...], **options: Any) -> int:  # noqa: ANN401 -- click's options
    """Run a project many times, with different values.

    -P takes lists (lr=0.1,0.01), ranges with their ends (depth=1..5, lr=0.1..0.5..0.1) and '*' for
    all choices; by default all combinations are run. With --random N or --sampler tpe, ranges of
    real numbers need no step (lr=1e-4..0.1:log).

    Steps that trials have in common are executed once. -j trials go on at once, at most. All runs
    belong to one experiment; what fails in one trial does not end the others.
    """
    caller = dict(os.environ)
    if options["resume"]:
        _check_resume(options)
        store = stores.find_store(str(Path.cwd()), options["store"])
        sweeping = sweeps.past_sweep(store, options["resume"], caller, LiveReporter(quiet=True))
        first = sweeping.past[0]
        experiment, tags, folder = first.experiment, first.tags, str(store.folder.parent)
    else:
        opened = projects.open_project(project, options["store"], options["revision"])
        check_amounts(opened.project, options["resources"])
        plan = _plan(options)
        tags = tags_of(options["tags"])
        preparer = opened.preparer(caller, LiveReporter(quiet=options["quiet"]), policy_of(options))
        sweeping = sweeps.new_sweep(opened, preparer, request_of(options, steps), plan)
        store, folder = opened.store, str(opened.folder)
        experiment = options["experiment"] or f"sweep-{sweeping.sweep.id}"
    if options["dry_run"]:
        return _show_points(sweeping, as_json=options["as_json"])
    done = sum(run.status == "succeeded" for run in sweeping.past)
    reporters = SweepReporter(sweeping.sweep, done, quiet=options["quiet"])
    if not options["quiet"]:
        print(opening(sweeping.sweep, experiment, stderr_style()), end="", file=sys.stderr)
    how = running.Options(
        None, experiment, tags, keep_workspace=options["keep_workspace"], command=sys.argv,
        jobs=options["jobs"], resources=options["resources"],
    )  # fmt: skip
    try:
        result = sweeps.sweep(store, sweeping, caller, reporters, how, folder=folder)
    except BaseException:
        reporters.clear()
        text = f"go on: runproj sweep{place_of(store)} --resume {sweeping.sweep.id}"
        reporters.report(Progress(f"sweep {sweeping.sweep.id}", text))
        raise
    reporters.clear()
    if options["as_json"]:
        from runproj.cli.render.documents import as_text, sweep_result  # noqa: PLC0415 -- lazy

        print(as_text(sweep_result(result)))
    else:
        print(result_text(result, stdout_style(), place_of(store)), end="")
    return 1 if result.failed else 0


def _check_resume(options: Mapping[str, Any]) -> None:
    """Make sure that nothing is asked for that the sweep has decided."""
    decided = {
        "values": "-P", "params_file": "--params-file", "sampler": "--sampler",
        "chance": "--random", "trials": "--trials",
        "minimize": "--minimize", "maximize": "--maximize",
        "experiment": "--experiment", "revision": "--revision", "locked": "--locked",
        "frozen": "--frozen", "environment": "--environment", "tags": "--tag",
    }  # fmt: skip
    given = [flag for name, flag in decided.items() if options[name]]
    if options["seed"] is not None:
        given.append("--seed")
    if given:
        raise UsageError(
            f"{given[0]} does not go with --resume: the sweep is done as it was begun",
            hint="without --resume it is another sweep, and takes from the cache what is done",
        )


def _plan(options: Mapping[str, Any]) -> sweeps.SweepPlan:
    """Return what is asked for.

    Raises:
        UsageError: it makes no sense.
    """
    if options["minimize"] and options["maximize"]:
        raise UsageError("--minimize and --maximize exclude each other")
    goal = None
    if options["minimize"]:
        goal = Goal(metric=options["minimize"].removeprefix("metrics."), direction="minimize")
    elif options["maximize"]:
        goal = Goal(metric=options["maximize"].removeprefix("metrics."), direction="maximize")
    sampler: SamplerName | None = options["sampler"]
    trials = options["trials"]
    if options["chance"] is not None:
        if sampler not in (None, "random") or trials is not None:
            raise UsageError("--random N stands for --sampler random --trials N")
        sampler, trials = "random", options["chance"]
    sampler = sampler or "grid"
    if sampler == "grid" and trials is not None:
        raise UsageError(
            "a grid has as many trials as it has points", hint="--random N tries N of them"
        )
    if sampler != "grid" and trials is None:
        raise UsageError(f"the sampler {sampler} needs --trials N", hint="--trials 20")
    if sampler == "tpe" and goal is None:
        raise UsageError(
            "the sampler tpe needs to know what is good", hint="--minimize METRIC, or --maximize"
        )
    seed = options["seed"] if options["seed"] is not None else int.from_bytes(os.urandom(4))
    return sweeps.SweepPlan(sampler, trials, seed, goal)


def _show_points(sweeping: sweeps.Sweeping, *, as_json: bool) -> int:
    points = sweeps.points(sweeping.sweep, _MOST_SHOWN)
    if as_json:
        from runproj.cli.render.documents import as_text, trials_result  # noqa: PLC0415 -- lazy

        print(as_text(trials_result(sweeping.sweep, points)))
    else:
        style = stdout_style()
        print(points_text(sweeping.sweep, points, style), end="")
    return 0
