"""The command that draws metrics and parameters of runs: plot."""

import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from runproj.app import reports, stores
from runproj.cli import complete
from runproj.cli.group import json_option, place_options, reason_of
from runproj.cli.render.charts.of_runs import (
    Chosen,
    by_step,
    check_metric,
    goal_of,
    metric_charts,
    no_metrics,
    parallel,
    scatter,
)
from runproj.cli.render.charts.values import Chart
from runproj.cli.render.style import stdout_style, visible
from runproj.engine.curves import Curves, is_of_system, metrics_meant
from runproj.errors import UsageError

_MOST_RUNS = 60  # whose curves are drawn
_MOST_CHARTS = 12  # when no metric is named
_ENDINGS = (".svg", ".png", ".html")
_HIGH, _LOW = 16, 9  # rows of a chart alone, and of one of several


@click.command("plot")
@click.argument("names", metavar="[RUN]...", nargs=-1, shell_complete=complete.steps_of_runs)
@click.option(
    "-m", "--metric", "metrics", multiple=True, metavar="NAME",
    help="What is drawn: STEP.NAME, or NAME where it is unique; A,B draws both into one chart.",
)  # fmt: skip
@click.option(
    "--experiment", shell_complete=complete.experiments, help="All runs of this experiment."
)
@click.option("--where", metavar="QUERY", help="All such runs: 'metrics.rmse < 0.8'.")
@click.option(
    "--x", "x", type=click.Choice(["step", "time"]), default="step", show_default=True,
    help="What lies along the chart.",
)  # fmt: skip
@click.option("--log", is_flag=True, help="A logarithmic scale for the metric.")
@click.option("--parallel", "is_parallel", is_flag=True, help="Parallel coordinates of a sweep.")
@click.option(
    "--scatter", "pair", metavar="X,Y", help="A mark for each run: params.lr,metrics.rmse"
)
@click.option("--minimize", metavar="METRIC", help="Mark the run with the least METRIC.")
@click.option("--maximize", metavar="METRIC", help="Mark the run with the most METRIC.")
@click.option(
    "-o", "--output", metavar="FILE", shell_complete=complete.files,
    help="Write FILE.svg, FILE.png or FILE.html.",
)  # fmt: skip
@json_option
@place_options
def plot(names: tuple[str, ...], store: str | None, **options: Any) -> int:  # noqa: ANN401 -- click's options
    """Draw metrics of runs: their points, their last values, or a sweep.

    RUN is an id, the beginning of one, a name, latest or latest~1; RUN/STEP is one of its steps.
    Without --metric, every metric of which points were logged is drawn.
    """
    output: str | None = options["output"]
    ending = _ending(output)
    if names and (options["experiment"] or options["where"]):
        raise UsageError("either runs are named, or an experiment or a query says which")
    opened = stores.find_store(str(Path.cwd()), store)
    if options["is_parallel"] or options["pair"]:
        charts = [_of_sweep(opened, names, options)]
    else:
        charts = _of_metrics(opened, names, options)
    if output is not None:
        _write(output, ending, charts)
    if options["as_json"]:
        from runproj.cli.render.charts.documents import plot_result  # noqa: PLC0415 -- lazy
        from runproj.cli.render.documents import as_text  # noqa: PLC0415 -- lazy

        print(as_text(plot_result(charts, output)))
    elif output is not None:
        print(f"wrote {visible(output)}")
    else:
        _show(charts)
    return 0


def _ending(output: str | None) -> str:
    if output is None:
        return ""
    ending = Path(output).suffix.lower()
    if ending not in _ENDINGS:
        raise UsageError(
            "the ending of the file says what is written", where=output,
            hint=f"one of {', '.join(_ENDINGS)}",
        )  # fmt: skip
    return ending


def _of_sweep(store: stores.Store, names: Sequence[str], options: Mapping[str, Any]) -> Chart:
    """Return a chart of what runs have, for which no points are needed."""
    if options["is_parallel"] and options["pair"]:
        raise UsageError("--parallel and --scatter exclude each other")
    rows = _rows(store, names, options)
    first = store.runs.load(rows[0]["id"])
    sweeps = [] if first.sweep is None else [first.sweep.sweep]
    goal = goal_of(options["minimize"], options["maximize"], sweeps)
    if options["is_parallel"]:
        named = options["metrics"] or ([goal.metric] if goal else [])
        if len(named) != 1:
            raise UsageError("--parallel needs one metric", hint="--metric NAME")
        return parallel(rows, named[0], goal, log=options["log"])
    if options["metrics"]:
        raise UsageError("--scatter X,Y says all that is drawn", hint="leave out --metric")
    pair = [name.strip() for name in options["pair"].split(",")]
    if len(pair) != 2 or not all(pair):  # noqa: PLR2004 -- X and Y
        raise UsageError(
            f"--scatter {options['pair']}: it takes two names",
            hint="--scatter params.lr,metrics.rmse",
        )
    return scatter(rows, pair[0], pair[1], goal, log=options["log"])


def _rows(
    store: stores.Store, names: Sequence[str], options: Mapping[str, Any]
) -> "list[dict[str, Any]]":
    """Return what the index says of runs, in the order of their names, or the earliest first."""
    if options["experiment"] or options["where"]:
        return stores.found_runs(store, options["experiment"], options["where"])
    ids = list(dict.fromkeys(store.lookup.run(name).id for name in names or ("latest",)))
    marks = ", ".join("?" * len(ids))
    return sorted(
        store.runs.summaries(f"id in ({marks})", ids, None, deleted=True),
        key=lambda row: ids.index(row["id"]),
    )


def _of_metrics(
    store: stores.Store, names: Sequence[str], options: Mapping[str, Any]
) -> list[Chart]:
    """Return a chart for each metric, or for several that are named together."""
    chosen = _chosen(store, names, options)
    every = by_step(chosen)
    if not every:
        if any(one.run.status == "running" for one in chosen):
            raise UsageError(
                "no metrics are recorded yet", hint="those of a step are there when it has ended"
            )
        raise no_metrics()
    known = [name for names in every.values() for name in names]
    named = dict(_named(one, known, chosen) for one in options["metrics"])
    groups = named or _most_telling(every, chosen)
    sweeps = [one.run.sweep.sweep for one in chosen if one.run.sweep]
    goal = goal_of(options["minimize"], options["maximize"], sweeps)
    read = Curves(store.objects).of
    return metric_charts(chosen, groups, read, goal, x=options["x"], log=options["log"])


def _chosen(store: stores.Store, names: Sequence[str], options: Mapping[str, Any]) -> list[Chosen]:
    if not options["experiment"] and not options["where"]:
        found = [store.lookup.split(name) for name in names or ("latest",)]
        return [Chosen(run, None if step is None else step.name) for run, step in found]
    rows = stores.found_runs(store, options["experiment"], options["where"])
    if len(rows) > _MOST_RUNS:
        _say(f"only the latest {_MOST_RUNS} of {len(rows)} runs are drawn")
    return [Chosen(store.runs.load(row["id"])) for row in rows[-_MOST_RUNS:]]


def _named(text: str, known: Sequence[str], chosen: Sequence[Chosen]) -> tuple[str, list[str]]:
    """Return the title of a chart, and its metrics.

    Raises:
        UsageError: no run has one of them.
    """
    names = [text] if metrics_meant(text, known) else [one.strip() for one in text.split(",")]
    for name in names:
        check_metric(name, known)
        without = [one.run.id for one in chosen if not metrics_meant(name, one.known)]
        if without:
            more = ", …" if len(without) > 4 else ""  # noqa: PLR2004 -- a line's worth
            listed = ", ".join(without[:4]) + more
            _say(f"{len(without)} of {len(chosen)} runs have no metric {name} ({listed})")
    return ", ".join(name.removeprefix("metrics.") for name in names), names


def _most_telling(every: Mapping[str, list[str]], chosen: Sequence[Chosen]) -> dict[str, list[str]]:
    """Return the metrics that are drawn when none is named: those with points, or else all."""
    own = [title for title in every if not is_of_system(title)] or list(every)
    pointed = {name for one in chosen for name in one.run.summaries}
    found = [title for title in own if not pointed.isdisjoint(every[title])] or own
    if len(found) > _MOST_CHARTS:
        rest = ", ".join(found[_MOST_CHARTS : _MOST_CHARTS + 4])
        _say(f"{len(found) - _MOST_CHARTS} more metrics are drawn with --metric: {rest}, …")
    return {title: every[title] for title in found[:_MOST_CHARTS]}


def _say(text: str) -> None:
    print(f"note: {visible(text, painted=False)}", file=sys.stderr)


def _show(charts: Sequence[Chart]) -> None:
    """Print charts as wide as the terminal is."""
    from runproj.cli.render.charts.terminal import Screen, chart_text  # noqa: PLC0415 -- lazy

    size = shutil.get_terminal_size()
    rows = min(_HIGH if len(charts) == 1 else _LOW, max(5, size.lines - 8))
    try:
        "│⠿●".encode(sys.stdout.encoding or "ascii")
        signs = True
    except (UnicodeEncodeError, LookupError):
        signs = False
    screen = Screen(max(40, min(size.columns, 200)), rows, stdout_style(), signs)
    print("\n".join(chart_text(chart, screen) for chart in charts), end="")


def _write(output: str, ending: str, charts: Sequence[Chart]) -> None:
    """Write charts into a file.

    Raises:
        UsageError: it cannot be written, or a library is missing.
    """
    from runproj.cli.render.charts.canvas import FONT, STYLE  # noqa: PLC0415 -- lazy
    from runproj.cli.render.charts.svg import name_of, picture  # noqa: PLC0415 -- lazy

    if ending == ".html":
        from runproj.cli.render.page import page  # noqa: PLC0415 -- lazy

        body = "".join(picture([chart], alone=False) for chart in charts)
        data = page(name_of(charts[0]), body, STYLE).encode()
    elif ending == ".png":
        data = reports.png(picture(charts), FONT)
    else:
        data = picture(charts).encode()
    try:
        Path(output).write_bytes(data)
    except OSError as error:
        raise UsageError(f"it cannot be written: {reason_of(error)}", where=output) from error
