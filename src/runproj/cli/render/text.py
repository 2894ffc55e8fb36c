"""How plans, runs and lists look as text."""

import shlex
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from runproj.cli.render.notes import notes_text
from runproj.cli.render.style import Style, visible
from runproj.record.difference import Change, Difference
from runproj.record.events import Decision
from runproj.record.organising import UNSAID, Organised
from runproj.record.relation import changes, relation_of
from runproj.record.run import Host, Run, StepRun
from runproj.record.tracking import Summary, Tracked
from runproj.record.usage import GPU_MEMORY, MEMORY, READ, WRITTEN
from runproj.record.verdict import OutputLabel, Verdict
from runproj.spec.matrix import group_of

if TYPE_CHECKING:
    from runproj.app.packages import KeptPackages

_ACTION = {"run": "green", "cached": "dim", "pending": "yellow"}
_STATUS = {
    "succeeded": "green", "cached": "dim", "failed": "red", "interrupted": "yellow",
    "running": "cyan", "skipped": "yellow", "queued": "dim",
}  # fmt: skip
_WIDE = 60
_CAUSES = 5  # of skipped steps, in the closing block
_METRICS = 24  # lines of metrics at the end of a run
_MANY = 12  # instances that are shown one by one


def table(rows: Iterable[Sequence[str]], indent: str = "  ", gap: str = "  ") -> str:
    """Return rows with aligned columns; the last column is as wide as it likes.

    What a cell holds stays in its cell: a line break or another control character is escaped.
    """
    rows = [[visible(cell) for cell in row] for row in rows]
    if not rows:
        return ""
    widths = [max(len(plain(row[i])) for row in rows) for i in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = [
            cell + " " * (width - len(plain(cell)))
            for cell, width in zip(row[:-1], widths[:-1], strict=True)
        ]
        lines.append((indent + gap.join([*cells, row[-1]])).rstrip())
    return "\n".join(lines) + "\n"


def plain(text: str) -> str:
    """Return text without colour."""
    while "\x1b[" in text:
        before, _, rest = text.partition("\x1b[")
        text = before + rest.partition("m")[2]
    return text


def painted(style: Style, word: str, colours: dict[str, str]) -> str:
    """Return a word in its colour."""
    paint = getattr(style, colours.get(word, "bold"))
    return str(paint(word))


def plan_text(decisions: Sequence[Decision], style: Style) -> str:
    """Return a plan: each step, what will be done, and why.

    Where many instances of a step have the same before them, one line tells of all.
    """
    alike: dict[tuple[str, str], list[Decision]] = {}
    for one in decisions:
        alike.setdefault((group_of(one.step), one.action), []).append(one)
    rows = []
    for (group, action), found in alike.items():
        lines = [(one.step, one.text) for one in found]
        if len(found) > _MANY:
            more = ", …" if len({one.text for one in found}) > 1 else ""
            lines = [(f"{group} ({instances(len(found))})", found[0].text + more)]
        paint = painted(style, action, _ACTION)
        rows += [(style.bold(name), paint, style.dim(_quiet(text))) for name, text in lines]
    return table(rows)


def instances(count: int) -> str:
    """Return a number of instances in words.

    >>> instances(1), instances(12)
    ('1 instance', '12 instances')
    """
    return f"{count} instance{'s' * (count != 1)}"


def status_word(status: str, style: Style) -> str:
    """Return a status in its colour."""
    return painted(style, status, _STATUS)


def number(value: float | str) -> str:
    """Return a metric in at most six digits; a text is one that is no finite number.

    >>> number(0.9722222), number(3.0)
    ('0.972222', '3')
    """
    return value if isinstance(value, str) else f"{value:.6g}"


def duration(seconds: float | None) -> str:
    """Return seconds as a person says it.

    >>> duration(0.05), duration(61), duration(7200)
    ('0.05 s', '1 min 1 s', '2 h 0 min')
    """
    if seconds is None:
        return ""
    if seconds < 60:  # noqa: PLR2004 -- seconds in a minute
        return f"{seconds:.2f} s" if seconds < 10 else f"{seconds:.1f} s"  # noqa: PLR2004 -- digits that matter
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:  # noqa: PLR2004 -- minutes in an hour
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


def size(count: int) -> str:
    """Return bytes as a person says it.

    >>> size(999), size(1_500_000)
    ('999 B', '1.5 MB')
    """
    amount = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if amount < 1000:  # noqa: PLR2004 -- SI prefixes
            return f"{amount:.0f} B" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1000
    return f"{amount:.1f} TB"


def step_counts(run: Run) -> str:
    """Return how many steps ended how."""
    counts: dict[str, int] = {}
    for step in run.steps:
        counts[step.status] = counts.get(step.status, 0) + 1
    return ", ".join(f"{count} {status}" for status, count in counts.items())


def closing(run: Run, style: Style, place: str, parent: Run | None = None) -> str:
    """Return the block that ends ``run``: status, metrics, outputs, how to do it again or go on.

    ``place`` is what a command needs so that it finds the store from here. ``parent`` is the run
    that this one varies.
    """
    took, word = duration(run.duration_s), status_word(run.status, style)
    rows = [
        (
            "run",
            f"{style.bold(run.id)}  {word} in {took} ({step_counts(run)})",
        )
    ]
    rows += _relation_row(run, parent) if run.variation else []
    rows += _metric_rows(run)
    rows += _audit_rows(run)
    outputs = [output.path for step in run.steps if step.done for output in step.outputs]
    if outputs:
        more = f" and {len(outputs) - 4} more" if len(outputs) > 4 else ""  # noqa: PLR2004 -- a line's worth
        rows.append(("outputs", f"runproj get {run.id}{place}  ({', '.join(outputs[:4])}{more})"))
    rows += _skipped_rows(run)
    left = next((one.name for one in run.steps if one.status == "failed" and one.workspace), None)
    if left is not None:
        rows.append(("shell", f"runproj shell {shlex.quote(f'{run.id}/{left}')}{place}"))
    how = "rerun" if run.status == "succeeded" else "resume"
    rows.append((how, f"runproj {how} {run.id}{place}"))
    return table([(style.dim(name), text) for name, text in rows], indent="")


def _metric_rows(run: Run) -> list[tuple[str, str]]:
    metrics = list(run.shown_metrics.items())
    rows = [("metric", _quiet(f"{name} = {number(value)}")) for name, value in metrics[:_METRICS]]
    if len(metrics) > _METRICS:
        rows.append(("", f"and {len(metrics) - _METRICS} more: runproj show {run.id}"))
    return rows


def _skipped_rows(run: Run) -> list[tuple[str, str]]:
    """Return which steps a failure blocked."""
    causes: dict[str, list[str]] = {}
    for step in run.steps:
        if step.status == "skipped":
            causes.setdefault(step.error or "", []).append(step.name)
    rows = []
    for error, names in list(causes.items())[:_CAUSES]:
        more = f" and {len(names) - 4} more" if len(names) > 4 else ""  # noqa: PLR2004 -- a line's worth
        rows.append(("skipped", _quiet(f"{', '.join(names[:4])}{more}  ({error})")))
    return rows


def _audit_rows(run: Run) -> list[tuple[str, str]]:
    """Return what came of an audit."""
    if run.audit is None:
        return []
    done = [step for step in run.steps if step.audited is not None]
    skipped = len(done) + sum(step.status == "cached" for step in run.steps)
    differ = [step.name for step in done if step.audited and step.audited.differences]
    said = f"{', '.join(differ)} gave something else" if differ else "nothing gave anything else"
    share = f"{len(done)} of {skipped} steps that could be skipped were executed"
    return [("audit", f"{share}: {said if done else 'none'} (seed {run.audit.seed})")]


def list_text(rows: Sequence[dict[str, Any]], style: Style) -> str:
    """Return a table of runs."""
    if not rows:
        return "no runs\n"
    metrics = list(dict.fromkeys(name for row in rows for name in row["metrics"]))[:4]
    params = [
        name
        for name in dict.fromkeys(name for row in rows for name in row["params"])
        if len({repr(row["params"].get(name)) for row in rows}) > 1
    ][:4]
    verdict = ["verdict"] if any(row["verdict"] for row in rows) else []
    repeats = ["repeats"] if any(row["rerun_of"] or row["resume_of"] for row in rows) else []
    perturbed = ["perturbed"] if any(row["perturbed"] for row in rows) else []
    away = ["put away"] if any(row["archived_at"] or row["deleted_at"] for row in rows) else []
    tags = ["tags"] if any(row["tags"] for row in rows) else []
    note = ["note"] if any(row["notes"] for row in rows) else []
    head = [
        "run", "status", "started", "took", "entry point", *params, *metrics, *verdict, *repeats,
        *perturbed, *away, *tags, "name", *note,
    ]  # fmt: skip
    body = [
        [
            row["id"],
            status_word(row["status"], style),
            row["started_at"][:16].replace("T", " "),
            duration(row["duration_s"]),
            row["entry_point"],
            *(_value(row["params"].get(name)) for name in params),
            *(number(row["metrics"][name]) if name in row["metrics"] else "" for name in metrics),
            *([row["verdict"] or ""] if verdict else []),
            *([_repeats(row)] if repeats else []),
            *([", ".join(row["perturbed"])] if perturbed else []),
            *(
                ["deleted" if row["deleted_at"] else "archived" if row["archived_at"] else ""]
                if away
                else []
            ),
            *(
                [_value(" ".join(f"{key}={text}" for key, text in row["tags"].items()))]
                if tags
                else []
            ),
            _quiet(row["name"] or ""),
            *([_last_note(row)] if note else []),
        ]
        for row in rows
    ]
    return table([[style.bold(cell) for cell in head], *body], indent="")


def _last_note(row: dict[str, Any]) -> str:
    """Return the first line of the latest note."""
    return _value(row["notes"][-1]["text"].partition("\n")[0]) if row["notes"] else ""


def _repeats(row: dict[str, Any]) -> str:
    names = ("rerun_of", "variation", "current_code", "resume_of")
    return _quiet(": ".join(relation_of(*(row[name] for name in names))))


def _value(value: object) -> str:
    text = _quiet(value if isinstance(value, str) else "" if value is None else str(value))
    return text if len(text) < _WIDE else text[: _WIDE - 1] + "…"


def _quiet(text: str) -> str:
    """Return what a user gave without colours of its own; the table escapes the rest."""
    return text.replace("\x1b", "\\x1b")


def _with_error(word: str, error: str | None) -> str:
    return f"{word}: {_quiet(error)}" if error else word


def run_text(
    run: Run,
    style: Style,
    verdict: Verdict | None = None,
    labels: Sequence[OutputLabel] = (),
    parent: Run | None = None,
    packages: "KeptPackages | None" = None,
    said: Organised = UNSAID,
) -> str:
    """Return everything about a run that a person wants to see first.

    ``parent`` is the run that it repeats, if that is still there; ``packages`` are the archives
    of packages that are kept; ``said`` is what is said of it.
    """
    source = run.source
    code = source.tree[:12]
    if source.commit:
        changed = " with uncommitted changes" if source.dirty else ""
        code += f"  commit {source.commit[:12]}{changed}" + (
            f" on {source.branch}" if source.branch else ""
        )
    rows = [
        ("run", style.bold(run.id) + (f"  {_quiet(run.name)}" if run.name else "")),
        ("project", f"{run.project}, entry point {run.entry_point}"),
        ("status", _with_error(status_word(run.status, style), run.error)),
        *_put_away(said, style),
        ("started", f"{run.started_at}  took {duration(run.duration_s)}"),
        ("experiment", _quiet(run.experiment)),
        *_relation_row(run, parent),
        *([("perturbed", ", ".join(run.perturbed))] if run.perturbed else []),
        *(
            [("verified", f"{verdict.word}, {verdict.at[:16].replace('T', ' ')}")]
            if verdict
            else []
        ),
        *(("unstable", _quiet(one.text)) for one in labels if one.label == "unstable"),
        *(
            ("warning", _quiet(f"{step.name}: {text}"))
            for step in run.steps
            for text in step.warnings
        ),
        ("code", code),
        *([("packages", _packages(packages))] if packages else []),
        ("machine", f"{run.host.name}, {run.host.platform}, Python {run.python_version}"),
        *_hardware(run.host),
        *([("author", _quiet(run.author))] if run.author else []),
        *([("started by", _quiet(typed(run.command)))] if run.command else []),
        *(("tag", _quiet(f"{key} = {value}")) for key, value in run.tags.items()),
        *(
            ("parameter", f"{value.name} = {_value(value.value)}" + style.dim(f"  {value.origin}"))
            for value in run.plan.values
        ),
        *(
            ("parameter", _quiet(f"{step.name}.{name} = ") + _value(value) + style.dim("  logged"))
            for step in run.steps
            if step.tracked is not None
            for name, value in step.tracked.params.items()
        ),
        *_audit_rows(run),
        *(
            ("metric", _quiet(f"{name} = {number(value)}"))
            for name, value in run.shown_metrics.items()
        ),
    ]
    text = table([(style.dim(name), value) for name, value in rows], indent="")
    steps = table(
        (
            style.bold(step.name), status_word(step.status, style), duration(step.duration_s),
            style.dim(_quiet(step.why)),
        )
        for step in run.steps
    )  # fmt: skip
    words = {(one.step, one.path): one.label for one in labels}
    outputs = table(
        (
            output.path, size(output.size), step.name, style.dim(output.sha256[:12]),
            words.get((step.name, output.path), ""),
        )
        for step in run.steps
        for output in step.kept
    )  # fmt: skip
    if said.notes:
        text += f"\nnotes\n{textwrap.indent(notes_text(said.notes, style), '  ')}"
    return f"{text}\nsteps\n{steps}" + (f"\noutputs\n{outputs}" if outputs else "")


def typed(command: Sequence[str]) -> str:
    """Return a command line as it was typed, but for the place of the program.

    >>> typed(["/usr/bin/runproj", "run", "."])
    'runproj run .'
    """
    program = command[0].rpartition("/")[2].replace("__main__.py", "runproj")
    return shlex.join([program, *command[1:]])


def _hardware(host: Host) -> Iterator[tuple[str, str]]:
    """Yield a row about the machine's processors and memory, as far as they are known."""
    gpus = [f"{host.gpus.count(name)} x {name}" for name in dict.fromkeys(host.gpus)]
    if gpus and host.gpu_driver:
        gpus[-1] += f" (driver {host.gpu_driver})"
    known = [
        host.cpu,
        f"{host.cores} cores" if host.cores else None,
        size(host.memory) if host.memory else None,
        *gpus,
    ]
    if any(known):
        yield "hardware", _quiet(", ".join(filter(None, known)))


def _put_away(said: Organised, style: Style) -> Iterator[tuple[str, str]]:
    """Yield rows that tell that a run was put away."""
    if said.archived_at is not None:
        yield "archived", said.archived_at
    if said.deleted_at is not None:
        yield "deleted", style.red(said.deleted_at)


def _observed(step: StepRun) -> Iterator[tuple[str, str]]:
    """Yield rows about what was observed of a step."""
    seen = step.trace
    if seen is None:
        return
    gap = f"; not in full: {seen.gap}" if seen.gap else ""
    yield "observed", _quiet(f"{seen.files} paths of the source and the inputs{gap}")
    for path in seen.undeclared:
        yield "undeclared", _quiet(path)
    for path in seen.unused:
        yield "not read", _quiet(path)


def _audited(step: StepRun) -> Iterator[tuple[str, str]]:
    """Yield rows about how a step run compares with the one that could have been taken."""
    if step.audited is not None:
        yield "audited", f"{step.audited.verdict}, beside {step.audited.taken}"
        for text in step.audited.differences:
            yield "difference", _quiet(text)
        for text in step.audited.likely:
            yield "likely", _quiet(text)


def _relation_row(run: Run, parent: Run | None) -> list[tuple[str, str]]:
    if run.sweep is not None:
        return [("sweep", f"{run.sweep.sweep.id}, trial {run.sweep.number}")]
    if run.resume_of is not None:
        return [("resumes", run.resume_of)]
    if run.rerun_of is None:
        return []
    if run.variation:
        said = ", ".join(run.variation)
        if parent is not None:
            said = changes(run.variation, parent.plan, run.plan)
        return [("variation of", _quiet(f"{run.rerun_of}: {said}"))]
    how = ", with current code" if run.current_code else ""
    return [("rerun of", run.rerun_of + how)]


def _packages(kept: "KeptPackages") -> str:
    count = kept.archives
    return f"{count} archive{'s' * (count != 1)}, {size(kept.size)}, in {kept.folder}"


def step_text(run: Run, step: StepRun, style: Style) -> str:
    """Return everything about a step run."""
    use, outcome = step.environment, step.outcome
    rows = [
        ("step", style.bold(f"{run.id}/{step.name}")),
        ("status", _with_error(status_word(step.status, style), step.error)),
        *([("hint", _quiet(step.hint))] if step.hint else []),
        ("reason", _quiet(", ".join(reason.text for reason in step.reasons))),
        *([("cached from", step.cached_from)] if step.cached_from else []),
        *(("tried before", _quiet(text)) for text in step.failures),
        *([("began with", f"what {step.resumed_from} left")] if step.resumed_from else []),
        *(("persisted", _quiet(f"{one.path}  {size(one.size)}")) for one in step.persisted),
        *(("warning", _quiet(text)) for text in step.warnings),
        ("command", _quiet(shlex.join(step.argv))),
        *([("environment", f"{use.name} ({use.kind})  {use.key[:12]}")] if use else []),
        *(("program", _quiet(one.text)) for one in (use.programs if use else ())),
        *([("fingerprint", step.fingerprint.digest[:12])] if step.fingerprint else []),
        *([("workspace", step.workspace)] if step.workspace else []),
        *(
            [("hermetic", "yes: it reads and writes nothing that is not declared")]
            if step.hermetic and not step.denied
            else []
        ),
        *(("denied", _quiet(text)) for text in step.denied),
        *_observed(step),
        *_audited(step),
    ]
    if outcome is not None:
        ended = (
            f"exit code {outcome.exit_code}"
            if outcome.exit_code is not None
            else str(outcome.signal)
        )
        rows += [
            ("ended", f"{ended} after {duration(outcome.duration_s)}"),
            ("used", f"{duration(outcome.cpu_s)} of CPU, {size(outcome.peak_memory)} of memory"),
            *_levels(step),
        ]
    told = step.tracked or Tracked()
    rows += [("parameter", f"{name} = {_value(value)}") for name, value in told.params.items()]
    rows += [
        (
            "metric",
            _quiet(f"{name} = {number(value)}") + style.dim(_points(told.summaries.get(name))),
        )
        for name, value in step.shown_metrics.items()
    ]
    text = table([(style.dim(name), value) for name, value in rows], indent="")
    for title, artifacts in (
        ("inputs", step.inputs), ("outputs", step.outputs),
        ("artifacts", told.artifacts), ("models", told.models),
    ):  # fmt: skip
        if artifacts:
            text += f"\n{title}\n" + table(
                (_quiet(one.path), size(one.size), style.dim(one.sha256[:12])) for one in artifacts
            )
    variables = table(
        (name, _quiet(shlex.quote(value))) for name, value in sorted(step.variables.items())
    )
    return text + (f"\nvariables\n{variables}" if variables else "")


def _levels(step: StepRun) -> Iterator[tuple[str, str]]:
    """Yield rows about what a step used over time."""
    for name, one in step.usage.levels.items() if step.usage else ():
        mean, peak = (_amount(name, value) for value in (one.mean, one.peak))
        yield _quiet(name), f"{mean}, at most {peak}"


def _amount(name: str, value: float) -> str:
    """Return the value of a metric of the system.

    >>> _amount("system/cpu", 250.4), _amount("system/read", 2_000_000)
    ('250 %', '2.0 MB/s')
    """
    if name in (READ, WRITTEN):
        return f"{size(round(value))}/s"
    return size(round(value)) if name.startswith((MEMORY, GPU_MEMORY)) else f"{value:.0f} %"


def _points(known: Summary | None) -> str:
    if known is None or known.points == 1:
        return ""
    if known.min is None or known.max is None:
        return f"  {known.points:,} points"
    return f"  {known.points:,} points, {number(known.min)} to {number(known.max)}"


_GROUPS = {
    "source": "code", "params": "parameters", "steps": "commands", "environment": "environments",
}  # fmt: skip


def difference_text(found: Difference, style: Style) -> str:
    """Return what differs between two runs, a line for each thing."""
    text = f"{style.bold(found.a)} → {style.bold(found.b)}\n"
    if found.relation is not None:
        text += f"{visible(found.relation, painted=False)}\n"
    return text + (groups_text(found.groups, style) or "nothing differs\n")


def groups_text(groups: Mapping[str, Sequence[Change]], style: Style) -> str:
    """Return what differs, a line for each thing, below the names of the groups."""
    text = ""
    for name, group in groups.items():
        text += f"\n{_GROUPS.get(name, name)}\n"
        text += table((_mark(one, style), _owned(one), *_sides(name, one, style)) for one in group)
    return text


def _mark(one: Change, style: Style) -> str:
    if one.before is None:
        return style.green("+")
    return style.red("-") if one.after is None else style.yellow("~")


def _owned(one: Change) -> str:
    return _quiet(one.name if one.about is None else f"{one.about}: {one.name}")


def _sides(group: str, one: Change, style: Style) -> tuple[str]:
    if group in ("source", "inputs", "outputs"):  # digests say nothing to a person
        what = "added" if one.before is None else "removed" if one.after is None else "changed"
        return (style.dim(what),)
    return (" → ".join(_side(value) for value in (one.before, one.after)),)


def _side(value: object) -> str:
    return "nothing" if value is None else number(value) if type(value) is float else _value(value)


def graph_text(
    after: Mapping[str, Sequence[str]], flows: Mapping[tuple[str, str], Sequence[str]], style: Style
) -> str:
    """Return the steps in order, each with the steps before it and what it takes from them."""
    rows = []
    for name, others in after.items():
        if not others:
            rows.append((style.bold(name), ""))
        for index, other in enumerate(others):
            taken = ", ".join(flows.get((other, name), [])) or "order only"
            rows.append((style.bold(name) if index == 0 else "", f"← {other}  {style.dim(taken)}"))
    return table(rows)
