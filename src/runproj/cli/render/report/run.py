"""The report of a run."""

import json
import shlex
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from runproj.cli.render import drawing
from runproj.cli.render.charts import canvas
from runproj.cli.render.charts.of_runs import Chosen, by_step, metric_charts
from runproj.cli.render.charts.svg import picture
from runproj.cli.render.charts.values import Chart
from runproj.cli.render.page import page
from runproj.cli.render.report.markup import (
    NOTHING,
    Html,
    Number,
    block,
    code,
    element,
    facts,
    folded,
    joined,
    lines,
    named,
    note,
    printed,
    table,
    text,
)
from runproj.cli.render.report.previews import artifact
from runproj.cli.render.report.style import STYLE
from runproj.cli.render.text import duration, number, size, typed
from runproj.engine.curves import is_of_system
from runproj.engine.report import Collected, Tail
from runproj.engine.stability import labels_of
from runproj.plan.graph import together
from runproj.record.organising import Note, organised
from runproj.record.points import Points
from runproj.record.relation import in_a_line
from runproj.record.run import Host, Run, StepRun
from runproj.record.verdict import Verdict
from runproj.spec.matrix import group_of

CHART = 480
"""The width of a chart in pixels: so that its texts can be read on a phone."""

SHEET = f"{canvas.STYLE}{drawing.STYLE}{STYLE}"
"""The style sheet of reports."""

_STEPS = 400  # rows
_CHARTS = 24
_PARAMS = 300
_METRICS = 400
_LINES, _WIDE = 200, 2000  # of a log
_WORST = ("failed", "interrupted", "running", "queued", "skipped", "succeeded", "cached")


class Section(NamedTuple):
    """A part of a page that its top leads to."""

    id: str
    title: str
    content: Html


def run_page(told: Collected, store: str) -> str:
    """Return the report of a run as an HTML document.

    Args:
        told: all that is told of it.
        store: where its record stands.
    """
    run = told.run
    name = f"{run.name} ({run.id})" if run.name else run.id
    head = [
        element("h1", name, " ", status(run.status)),
        element("div", f"{run.project}, entry point {run.entry_point}"),
    ]
    return document(f"Run {name}", head, _sections(told, store), run.runproj_version)


def document(title: str, head: Sequence[str], sections: Iterator[Section], version: str) -> str:
    """Return a page with sections, and links to them; empty ones are left out."""
    there = [one for one in sections if one.content]
    links = element(
        "nav", *(element("a", one.title, href=f"#{one.id}") for one in there if one.title)
    )
    parts = [
        element(
            "section", element("h2", one.title) if one.title else NOTHING, one.content, id=one.id
        )
        for one in there
    ]
    end = element("footer", f"Written by runproj; the record is of version {version}.")
    header, main = element("header", *head, links), element("main", *parts)
    return page(title, joined([header, main, end]), SHEET)


def status(word: str) -> Html:
    """Return a status, or a verdict, as a mark."""
    return element("span", word, kind=f"status {word.partition(' ')[0]}")


def _sections(told: Collected, store: str) -> Iterator[Section]:
    run = told.run
    yield Section("summary", "", _summary(told))
    yield Section("steps", "Steps", _steps(run))
    yield Section("parameters", "Parameters", _parameters(run))
    yield Section("metrics", "Metrics", _metrics(told))
    yield Section("outputs", "Outputs", joined(artifact(one) for one in told.shown))
    yield Section("logs", "Logs", joined(_log(step, told.logs) for step in run.steps))
    yield Section("resources", "Resources", _resources(told))
    yield Section("environment", "Environment", _environment(told))
    yield Section("source", "Source", _source(run))
    yield Section("verdict", "Verdicts", _verdicts(told))
    yield Section("rerun", "How to do it again", _rerun(run, store))


def _summary(told: Collected) -> Html:
    run = told.run
    rows: list[tuple[str, str]] = []
    if run.error:
        rows.append(("error", lines(run.error, "error")))
    said = organised(run, told.said)
    if said.archived_at or said.deleted_at:
        word = "deleted" if said.deleted_at else "archived"
        rows.append((word, moment(said.deleted_at or said.archived_at or "")))
    rows += [
        ("started", f"{moment(run.started_at)}, took {duration(run.duration_s) or '…'}"),
        *([("author", run.author)] if run.author else []),
        ("experiment", run.experiment),
    ]
    rows += [("tag", f"{name} = {value}") for name, value in said.tags.items()]
    rows += [("note", _note(one)) for one in said.notes]
    if run.sweep is not None:
        rows.append(("sweep", f"{run.sweep.sweep.id}, trial {run.sweep.number}: {run.sweep.text}"))
    relation = in_a_line(run)
    if relation:
        rows.append(("relation", relation))
    if run.perturbed:
        rows.append(("perturbed", ", ".join(run.perturbed)))
    verdicts = [one.verdict for one in told.said if one.verdict is not None]
    if verdicts:
        last = verdicts[-1]
        rows.append(("verified", joined([status(last.word), f" {moment(last.at)}"])))
    rows += [("warning", f"{step.name}: {one}") for step in run.steps for one in step.warnings]
    rows += [("not shown", one) for one in told.gaps]
    return facts(rows)


def _note(one: Note) -> Html:
    by = f"{moment(one.at)}{f', {one.author}' if one.author else ''}"
    return joined([lines(one.text), note(by)])


def moment(time: str) -> str:
    """Return an ISO 8601 time in UTC as a person reads it.

    >>> moment("2026-01-31T12:00:05.123Z")
    '2026-01-31 12:00:05 UTC'
    """
    return f"{time[:19].replace('T', ' ')} UTC"


def _steps(run: Run) -> Html:
    steps = run.steps
    if len(steps) > _STEPS:  # those first that somebody looks for
        steps = tuple(sorted(steps, key=lambda one: one.done)[:_STEPS])
    rows = [
        [
            named(step.name),
            status(step.status),
            Number(text(duration(step.duration_s) if step.outcome else "")),
            _told(step),
        ]
        for step in steps
    ]
    more = note(f"and {len(run.steps) - len(rows)} more") if len(run.steps) > len(rows) else NOTHING
    return joined([_dag(run), table(["step", "status", "time", "why"], rows), more])


def _told(step: StepRun) -> Html:
    """Return why a step executed or not, and what became of it."""
    parts: list[str] = [element("div", step.why)]
    if step.cached_from:
        parts.append(element("div", note(f"taken from {step.cached_from}")))
    if step.error and step.status != "skipped":
        parts.append(lines(step.error, "error"))
    parts += [element("div", note(f"tried before: {one}")) for one in step.failures]
    parts += [element("div", note(f"denied: {one}")) for one in step.denied]
    if step.argv:
        parts.append(element("div", code(shlex.join(step.argv))))
    return joined(parts)


def _dag(run: Run) -> Html:
    steps = run.plan.steps
    if not steps:
        return NOTHING
    statuses: dict[str, str] = {step.name: step.status for step in run.steps}
    whole = drawing.of_steps(steps)
    drawn = drawing.fewest(drawing.grouped(*whole))
    if drawn.after.keys() != whole.after.keys():
        statuses = _together(whole, statuses)
    drawn_svg = drawing.svg(drawn, statuses, alone=False)
    return element("div", Html(drawn_svg), kind="scroll")


def _together(whole: drawing.Drawing, statuses: Mapping[str, str]) -> dict[str, str]:
    """Return a status for each box that stands for several steps: the worst."""
    boxes = {group_of(box.partition(" (")[0]): box for box in together(*whole)[0]}
    found: dict[str, list[str]] = {}
    for name, word in statuses.items():
        found.setdefault(boxes.get(group_of(name), name), []).append(word)
    return {box: min(words, key=_WORST.index) for box, words in found.items()}


def exact(value: object) -> str:
    """Return a value of a parameter as it is.

    >>> exact("a"), exact(0.1), exact([1, None])
    ('a', '0.1', '[1, null]')
    """
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def _parameters(run: Run) -> Html:
    rows: list[list[str]] = [
        [named(one.name), code(exact(one.value)), one.origin] for one in run.plan.values
    ]
    rows += [
        [named(f"{step.name}.{name}"), code(exact(value)), "logged"]
        for step in run.steps
        if step.tracked is not None
        for name, value in step.tracked.params.items()
    ]
    return listed(["parameter", "value", "from"], rows, _PARAMS)


def listed(head: Sequence[str], rows: Sequence[Sequence[str]], most: int) -> Html:
    """Return a table of so many rows at most; nothing, where there are none."""
    if not rows:
        return NOTHING
    more = note(f"and {len(rows) - most:,} more") if len(rows) > most else NOTHING
    return joined([table(head, rows[:most]), more])


def _metrics(told: Collected) -> Html:
    run = told.run
    known = run.summaries
    rows = []
    for name, value in run.shown_metrics.items():
        if is_of_system(name):
            continue
        summary = known.get(name)
        ends = ["", "", ""]
        if summary is not None:
            ends = ["" if one is None else number(one) for one in (summary.min, summary.max)] + [
                f"{summary.points:,}"
            ]
        rows.append([named(name), *(Number(text(one)) for one in (number(value), *ends))])
    charts = _charts(told, system=False)
    return joined([listed(["metric", "last", "min", "max", "points"], rows, _METRICS), charts])


def _charts(told: Collected, *, system: bool) -> Html:
    chosen = [Chosen(told.run)]
    groups = {
        title: [name for name in names if _is_line(told.curves.get(name))]
        for title, names in by_step(chosen).items()
        if is_of_system(title) == system
    }
    there = [title for title, names in groups.items() if names]
    shown = {title: groups[title] for title in there[:_CHARTS]}
    charts = metric_charts(
        chosen, shown, lambda _, names: {name: told.curves[name] for name in names}
    )
    return joined([drawn_charts(charts), *rest_of(there[_CHARTS:])])


def rest_of(titles: Sequence[str]) -> list[Html]:
    """Return a remark on the charts that are not drawn."""
    if not titles:
        return []
    few = ", ".join(titles[:8])
    return [note(f"{len(titles)} more are not drawn: {few}{', …' if len(titles) > 8 else ''}")]  # noqa: PLR2004 -- a line's worth


def _is_line(points: Points | None) -> bool:
    return points is not None and len(points.values) > 1


def drawn_charts(charts: Sequence[Chart]) -> Html:
    """Return charts side by side, as far as there is room."""
    if not charts:
        return NOTHING
    parts = [Html(picture([one], wide=CHART, alone=False)) for one in charts]
    return element("div", *parts, kind="charts")


def _log(step: StepRun, logs: Mapping[str, Tail]) -> Html:
    if step.name not in logs:
        return NOTHING
    tail = logs[step.name]
    cut = tail.size > len(tail.data)
    found = printed(tail.data, cut=cut)
    shown = [
        f"{line[:_WIDE]} … {len(line) - _WIDE:,} more characters" if len(line) > _WIDE else line
        for line in found[-_LINES:]
    ]
    said = size(tail.size)
    if cut or len(found) > _LINES:
        said += f", the last {len(shown)} lines"
    head = joined([named(step.name), " ", note(said)])
    return folded(head, block("\n".join(shown)), opened=step.status == "failed")


def _resources(told: Collected) -> Html:
    rows = [
        [
            named(step.name),
            *(
                Number(text(one))
                for one in (
                    duration(step.outcome.duration_s), duration(step.outcome.cpu_s),
                    size(step.outcome.peak_memory), size(step.outcome.read),
                    size(step.outcome.written),
                )
            ),
        ]
        for step in told.run.steps
        if step.outcome is not None
    ]  # fmt: skip
    head = ["step", "time", "CPU time", "most memory", "read", "written"]
    return joined([listed(head, rows, _STEPS), _charts(told, system=True)])


def _environment(told: Collected) -> Html:
    run = told.run
    uses = {step.environment.name: step.environment for step in run.steps if step.environment}
    parts = []
    for name, use in uses.items():
        rows: list[tuple[str, str]] = [
            ("kind", use.kind),
            ("key", code(use.key)),
            ("lock", code(use.lock)),
        ]
        rows += list(use.facts.items())
        rows += [
            (one.name, f"{one.path}{f', {one.version}' if one.version else ''}")
            for one in use.programs
        ]
        packages = told.packages.get(name, {})
        listing = element(
            "div", *(element("div", f"{one} {version}") for one, version in packages.items()),
            kind="packages",
        )  # fmt: skip
        count = f"{len(packages)} package{'s' * (len(packages) != 1)}"
        shown = [folded(count, listing)] if packages else []
        parts.append(element("article", element("h3", name), facts(rows), *shown))
    parts.append(element("article", element("h3", "The machine"), facts(_host(run.host))))
    return joined(parts)


def _host(host: Host) -> list[tuple[str, str]]:
    rows = [
        ("name", host.name), ("user", host.user), ("system", f"{host.system} {host.release}"),
        ("machine", f"{host.machine}, {host.platform}"),
    ]  # fmt: skip
    if host.cpu or host.cores:
        rows.append(("CPU", f"{host.cpu or 'unknown'}, {host.cores or '?'} cores"))
    if host.memory:
        rows.append(("memory", size(host.memory)))
    memory = dict(enumerate(host.gpu_memory))
    rows += [
        ("GPU", f"{one}{f', {size(memory[number])}' if number in memory else ''}")
        for number, one in enumerate(host.gpus)
    ]
    if host.gpu_driver:
        rows.append(("GPU driver", host.gpu_driver))
    return rows


def _source(run: Run) -> Html:
    source = run.source
    rows: list[tuple[str, str]] = [("tree", code(source.tree))]
    if source.project_path:
        rows.append(("folder in it", code(source.project_path)))
    if source.commit:
        changed = "with uncommitted changes" if source.dirty else "without changes"
        rows.append(("commit", joined([code(source.commit), f" {changed}"])))
    if source.branch:
        rows.append(("branch", source.branch))
    if source.remote:
        rows.append(("remote", source.remote))
    rows += [("warning", one) for one in source.warnings]
    rows.append(("project file", run.project_file))
    inputs = [
        [one.path, Number(text(size(one.size))), code(one.sha256[:16])]
        for one in {one.path: one for step in run.steps for one in step.inputs}.values()
    ]
    return joined([facts(rows), listed(["input", "size", "sha256"], inputs, _PARAMS)])


def _verdicts(told: Collected) -> Html:
    parts = [_verdict(one.verdict) for one in told.said if one.verdict is not None]
    labels = [one for found in labels_of(told.said).values() for one in found]
    rows = [
        [one.step, one.path or "metrics", one.label, one.cause or "", one.difference or ""]
        for one in labels
    ]
    return joined([*parts, listed(["step", "output", "is", "because of", "first"], rows, _STEPS)])


def _verdict(one: Verdict) -> Html:
    head = element("h3", status(one.word), " ", note(moment(one.at)))
    told = [element("p", sentence) for sentence in one.notes]
    if one.rerun:
        told.append(element("p", f"compared with the run {one.rerun}"))
    rows = [
        [found.step, found.path or "metrics", found.likeness, found.difference or ""]
        for found in one.judgements
    ]
    return element(
        "article", head, *told, listed(["step", "output", "is", "difference"], rows, _STEPS)
    )


def _rerun(run: Run, store: str) -> Html:
    if run.interactive:
        return element("p", "It was done in a notebook or a shell: it cannot be done again.")
    place = f" --store {shlex.quote(store)}"
    commands = [
        f"runproj rerun {run.id}{place}",
        f"runproj verify {run.id}{place}",
        f"runproj get {run.id}{place}",
    ]
    parts = [
        element("p", "The same again, from its record; then judged; what it made:"),
        block("\n".join(commands)),
        element("p", "It was started by:"),
        block(typed(run.command) if run.command else "unknown"),
    ]
    source = run.source
    if source.remote and source.commit:
        clone = f"git clone {shlex.quote(source.remote)} code\ngit -C code checkout {source.commit}"
        said = "Its code, as far as it was committed:" if source.dirty else "Its code:"
        parts += [element("p", said), block(clone)]
    made = f"runproj {run.runproj_version} and Python {run.python_version} on {run.host.platform}"
    return joined([*parts, element("p", note(f"It was done by {made}."))])
