"""The commands that look at past runs: show, diff, logs, get."""

import json
import os
import sys
import time
from itertools import islice
from pathlib import Path

import click

from runproj.app import packages, stores, verifying
from runproj.cli import complete
from runproj.cli.group import json_option, place_options
from runproj.cli.render.style import stdout_style
from runproj.engine.lookup import find_outputs
from runproj.engine.stability import labels_of
from runproj.errors import NoSuchRun, StoreError, UsageError
from runproj.record.organising import organised
from runproj.record.run import Output, Run, StepRun
from runproj.spec.suggest import did_you_mean

_LOOK_AGAIN_S = 0.2


def _store(given: str | None) -> stores.Store:
    return stores.find_store(str(Path.cwd()), given)


@click.command("show")
@click.argument(
    "name", metavar="RUN[/STEP]", default="latest", shell_complete=complete.steps_of_runs
)
@click.option("--diff", "differing", is_flag=True, help="Only what differs from the run before.")
@click.option("--timing", is_flag=True, help="When each step ran, what it used, the critical path.")
@click.option(
    "--trace-file",
    metavar="FILE",
    shell_complete=complete.files,
    help="Write the times for chrome://tracing or Perfetto; - is the terminal.",
)
@json_option
@place_options
def show(
    name: str, store: str | None, trace_file: str | None, *, differing: bool, timing: bool,
    as_json: bool,
) -> int:  # fmt: skip
    """Show a run, or a step of it.

    RUN is an id, the beginning of one, a name, latest or latest~1.
    """
    opened = _store(store)
    run, step = opened.lookup.split(name)
    if timing or trace_file is not None:
        _show_timing(run, trace_file, shown=timing, as_json=as_json)
        return 0
    if differing:
        _show_difference(opened, _previous(opened, run), run, patch=False, as_json=as_json)
        return 0
    said = opened.runs.annotations(run.id)
    found = organised(run, said)
    verdicts = [one.verdict for one in said if one.verdict is not None]
    known = labels_of(said)
    labels = [label for one in run.steps for label in known.get(one.name, ())]
    if as_json:
        from runproj.cli.render import documents  # noqa: PLC0415 -- lazy

        shown = (
            documents.run_result(
                run,
                packages.kept_packages(opened, run),
                verdicts[-1].word if verdicts else None,
                labels,
                found,
            )
            if step is None
            else documents.StepResult(step=documents.step_document(step))
        )
        print(documents.as_text(shown))
    else:
        from runproj.cli.render.text import run_text, step_text  # noqa: PLC0415 -- lazy

        style = stdout_style()
        latest = verdicts[-1] if verdicts else None
        if step is None:
            kept = packages.kept_packages(opened, run)
            print(run_text(run, style, latest, labels, _parent(opened, run), kept, found), end="")
        else:
            print(step_text(run, step, style), end="")
    return 0


def _show_timing(run: Run, trace_file: str | None, *, shown: bool, as_json: bool) -> None:
    from runproj.record.timing import chrome_trace, timing  # noqa: PLC0415 -- lazy

    if trace_file is not None:
        _write(trace_file, json.dumps(chrome_trace(run)) + "\n")
    if not shown:
        return
    found = timing(run)
    if as_json:
        from runproj.cli.render.documents import as_text, timing_result  # noqa: PLC0415 -- lazy

        print(as_text(timing_result(run, found)))
    else:
        from runproj.cli.render.timing import timing_text  # noqa: PLC0415 -- lazy

        print(timing_text(found, stdout_style()), end="")


def _write(path: str, text: str) -> None:
    if path == "-":
        print(text, end="")
        return
    try:
        Path(path).write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"it cannot be written: {error.strerror}", where=path) from error


def _parent(store: stores.Store, run: Run) -> Run | None:
    """Return the run that a variation is of; None when it is gone, or there is none."""
    if not run.variation or run.rerun_of is None:
        return None
    try:
        return store.runs.load(run.rerun_of)
    except (NoSuchRun, StoreError):
        return None


@click.command("diff")
@click.argument("a", metavar="A", shell_complete=complete.runs)
@click.argument("b", metavar="B", default="latest", shell_complete=complete.runs)
@click.option("--patch", is_flag=True, help="Show the changes of the code line by line.")
@json_option
@place_options
def diff(a: str, b: str, store: str | None, *, patch: bool, as_json: bool) -> int:
    """Say what differs between the runs A and B (default: the latest); equal is left out."""
    opened = _store(store)
    before, after = opened.lookup.run(a), opened.lookup.run(b)
    _show_difference(opened, before, after, patch=patch, as_json=as_json)
    return 0


def _show_difference(store: stores.Store, a: Run, b: Run, *, patch: bool, as_json: bool) -> None:
    differ = verifying.differ(store)
    found = differ.difference(a, b)
    if as_json:
        from runproj.cli.render import documents  # noqa: PLC0415 -- lazy

        lines = "".join(differ.patch(a, b)) if patch else None
        print(documents.as_text(documents.diff_result(found, lines)))
        return
    from runproj.cli.render.text import difference_text  # noqa: PLC0415 -- lazy

    print(difference_text(found, stdout_style()), end="")
    if patch:
        print()
        sys.stdout.writelines(differ.patch(a, b))


def _previous(store: stores.Store, run: Run) -> Run:
    """Return the run before a run, of the same project and entry point.

    Raises:
        NoSuchRun: it is the first.
    """
    where = (
        "project = ? and entry_point = ? and (started_at, id) < (?, ?) and perturbed = '[]' "
        "and archived_at is null"
    )
    values = (run.project, run.entry_point, run.started_at, run.id)
    found = store.runs.summaries(where, values, 1)
    if not found:
        raise NoSuchRun(
            f"{run.id} is the first run of {run.entry_point!r}", hint="runproj diff A B"
        )
    return store.runs.load(found[0]["id"])


@click.command("logs")
@click.argument(
    "name", metavar="RUN[/STEP]", default="latest", shell_complete=complete.steps_of_runs
)
@click.option("-f", "--follow", is_flag=True, help="Go on as the run goes on.")
@click.option("--time", "timed", is_flag=True, help="Begin each line with its time and stream.")
@json_option
@place_options
def logs(name: str, store: str | None, *, follow: bool, timed: bool, as_json: bool) -> int:
    """Print what the steps of a run printed."""
    opened = _store(store)
    run, step = opened.lookup.split(name)
    chosen = None if step is None else step.name
    if as_json:
        from runproj.cli.render import documents  # noqa: PLC0415 -- lazy

        entries = [
            documents.LogDocument(
                step=one.name, time_s=elapsed, stream=stream, text=chunk.decode(errors="replace")
            )
            for one in _steps(run, chosen)
            for elapsed, stream, chunk in opened.pieces(run.id, one)
        ]
        print(documents.as_text(documents.LogsResult(logs=entries)))
        return 0
    printed: dict[str, int] = {}
    while True:
        run = opened.runs.load(run.id)
        _print_new(opened, run, chosen, printed, timed=timed)
        if not follow or run.status != "running":
            return 0
        time.sleep(_LOOK_AGAIN_S)


def _steps(run: Run, chosen: str | None) -> list[StepRun]:
    return [step for step in run.steps if chosen in (None, step.name)]


def _print_new(
    store: stores.Store, run: Run, chosen: str | None, printed: dict[str, int], *, timed: bool
) -> None:
    """Print what was not printed yet; a heading where several steps are shown."""
    out = sys.stdout.buffer
    steps = _steps(run, chosen)
    for step in steps:
        seen = printed.get(step.name, 0)
        for elapsed, stream, chunk in islice(store.pieces(run.id, step), seen, None):
            if len(steps) > 1 and step.name not in printed:
                out.write(f"── {step.name} ──\n".encode())
            out.write(_timed(elapsed, stream, chunk) if timed else chunk)
            seen = printed[step.name] = seen + 1
    out.flush()


def _timed(elapsed: float, stream: str, chunk: bytes) -> bytes:
    lines = chunk.splitlines(keepends=True)
    head = f"{elapsed:9.3f} {'out' if stream == 'stdout' else 'err'} ".encode()
    return b"".join(head + line for line in lines)


@click.command("get")
@click.argument(
    "name", metavar="RUN[/STEP]", default="latest", shell_complete=complete.steps_of_runs
)
@click.argument("outputs", nargs=-1, shell_complete=complete.outputs)
@click.option(
    "--to",
    "destination",
    metavar="DIR",
    shell_complete=complete.folders,
    help="Where to; default: outputs-RUN.",
)
@click.option("-f", "--force", is_flag=True, help="Overwrite what is there.")
@json_option
@place_options
def get(
    name: str, outputs: tuple[str, ...], store: str | None, destination: str | None,
    *, force: bool, as_json: bool,
) -> int:  # fmt: skip
    """Copy OUTPUTS of a run (default: all of them) out of the store.

    An output is named by its name, its path, or RUN/STEP:OUTPUT; so are artifacts and models that
    its steps logged.
    """
    opened = _store(store)
    name, _, more = name.partition(":")
    run, step = opened.lookup.split(name)
    wanted = _wanted(run, step, (*([more] if more else []), *outputs))
    target = Path(destination or f"outputs-{run.id}")
    stores.check_destination(str(target))
    there = [output.path for output in wanted if os.path.lexists(target / output.path)]
    if there and not force:
        raise UsageError(
            f"{there[0]} is there already",
            where=str(target / there[0]),
            hint="choose another --to, or use --force",
        )
    if not destination:  # a folder that nobody asked for must not become part of the project's code
        target.mkdir(exist_ok=True)
        (target / ".gitignore").write_text("*\n", encoding="utf-8")
    stores.give(opened, wanted, str(target))
    if as_json:
        from runproj.cli.render import documents  # noqa: PLC0415 -- lazy

        files = [documents.FileDocument.of(one) for one in wanted]
        got = documents.GetDocument(folder=str(target), files=files)
        print(documents.as_text(documents.GetResult(get=got)))
    else:
        for output in wanted:
            print(target / output.path)
    return 0


def _wanted(run: Run, step: StepRun | None, names: tuple[str, ...]) -> list[Output]:
    if not names:
        steps = run.steps if step is None else (step,)
        return [output for one in steps for output in one.kept]
    wanted = []
    for name in names:
        found = find_outputs(run, step, name)
        if not found:
            known = [output.name or output.path for one in run.steps for output in one.kept]
            raise NoSuchRun(
                f"the run {run.id} has no output {name!r}", hint=did_you_mean(name, known)
            )
        wanted += [output for _, output in found]
    return wanted
