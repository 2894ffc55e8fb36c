"""The command that writes pages about runs and experiments: report."""

import sys
from pathlib import Path

import click

from runproj.app import reports, stores
from runproj.cli import complete
from runproj.cli.group import json_option, place_options, reason_of
from runproj.cli.render.style import visible
from runproj.errors import RunprojError, UsageError
from runproj.version import VERSION

_FOLDER = "reports"


@click.command("report")
@click.argument(
    "name", metavar="RUN|EXPERIMENT", default="latest", shell_complete=complete.runs_and_experiments
)
@click.option("--experiment", is_flag=True, help="The name is that of an experiment.")
@click.option(
    "--minimize", metavar="METRIC", help="Of an experiment: the least METRIC is the best."
)
@click.option("--maximize", metavar="METRIC", help="The most METRIC is the best.")
@click.option(
    "-o", "--output", metavar="FILE", shell_complete=complete.files,
    help="Where it is written, - is the terminal; default: reports/NAME.html",
)  # fmt: skip
@json_option
@place_options
def report(
    name: str, store: str | None, minimize: str | None, maximize: str | None, output: str | None,
    *, experiment: bool, as_json: bool,
) -> int:  # fmt: skip
    """Write a page that tells everything about a run, or compares those of an experiment.

    It needs nothing else: no network, no script. Send it, print it, keep it.
    """
    opened = stores.find_store(str(Path.cwd()), store)
    html, title = _page(opened, name, minimize, maximize, experiment=experiment)
    data = html.encode("utf-8", "xmlcharrefreplace")
    if output == "-":
        if as_json:
            raise UsageError("--json and -o - both want the terminal", hint="-o FILE")
        sys.stdout.buffer.write(data)
        return 0
    place = Path(output) if output else _own_place(title)
    try:
        place.write_bytes(data)
    except OSError as error:
        raise UsageError(f"it cannot be written: {reason_of(error)}", where=str(place)) from error
    if as_json:
        from runproj.cli.render import documents  # noqa: PLC0415 -- lazy

        wrote = documents.ReportDocument(path=str(place), size=len(data))
        print(documents.as_text(documents.ReportResult(report=wrote)))
    else:
        print(f"wrote {visible(str(place), painted=False)}")
    return 0


def _page(
    store: stores.Store, name: str, minimize: str | None, maximize: str | None, *, experiment: bool
) -> tuple[str, str]:
    """Return the page, and a name for it.

    Raises:
        NoSuchRun: there is neither such a run nor such an experiment.
    """
    if not experiment:
        try:
            run = store.lookup.run(name)
        except UsageError:  # it may be a name that no run can have
            if not store.runs.summaries("experiment = ?", (name,), 1):
                raise
        else:
            if minimize or maximize:
                raise UsageError(
                    f"{name!r} is a run, of which there is no best",
                    hint="--experiment says that an experiment is meant",
                )
            from runproj.cli.render.report.run import run_page  # noqa: PLC0415 -- lazy

            return run_page(reports.collector(store).collect(run), str(store.folder)), run.id
    return _experiment(store, name, minimize, maximize), name


def _experiment(store: stores.Store, name: str, minimize: str | None, maximize: str | None) -> str:
    from runproj.cli.render.charts.of_runs import goal_of  # noqa: PLC0415 -- lazy
    from runproj.cli.render.report.experiment import (  # noqa: PLC0415 -- lazy
        Experiment,
        experiment_page,
        most_telling,
    )
    from runproj.engine.curves import Curves  # noqa: PLC0415 -- lazy

    rows = stores.found_runs(store, name)
    latest = store.runs.load(rows[-1]["id"])
    sweeps = [] if latest.sweep is None else [latest.sweep.sweep]
    goal = goal_of(minimize, maximize, sweeps)
    curves, gaps = [], []
    for run_id in most_telling(rows, goal):
        try:
            run = store.runs.load(run_id)
            curves.append((run, Curves(store.objects).of(run)))
        except RunprojError as error:
            gaps.append(f"the curves of {run_id}: {error}")
    return experiment_page(Experiment(name, rows, goal, curves, gaps), str(store.folder), VERSION)


def _own_place(title: str) -> Path:
    """Return where a page is written that nobody named; such a folder is no part of the code.

    Raises:
        UsageError: it cannot be made.
    """
    folder = Path(_FOLDER)
    plain = "".join(one if one.isalnum() or one in "-_." else "_" for one in title).lstrip(".")
    try:
        if not folder.exists():
            folder.mkdir()
            (folder / ".gitignore").write_text("*\n", encoding="utf-8")
    except OSError as error:
        raise UsageError(
            f"it cannot be written: {reason_of(error)}", where=str(folder), hint="-o FILE"
        ) from error
    return folder / f"{plain[:80] or 'experiment'}.html"
