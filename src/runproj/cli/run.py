"""The commands that plan and execute: run, rerun, status, graph."""

import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from runproj.app import packages, projects, repeating, running, stores, verifying
from runproj.cli import complete, reporting
from runproj.cli.group import json_option, offline_option, place_options, reason_of
from runproj.cli.render.live import LiveReporter
from runproj.cli.render.style import stdout_style
from runproj.engine.prepare import Prepared, Request
from runproj.errors import Problem, Stale, UsageError
from runproj.plan.binding import PREFIX, Given
from runproj.record.run import Run

if TYPE_CHECKING:
    from runproj.record.audit import Audit
    from runproj.record.verdict import Stability, Verdict
    from runproj.spec.project import Project

_PLANNING = [
    click.option(
        "-e",
        "--entry-point",
        default="main",
        metavar="NAME",
        shell_complete=complete.entry_points,
        help="Default: main.",
    ),
    click.option(
        "-v",
        "--revision",
        metavar="REV",
        help="A branch, tag or commit of the project's repository.",
    ),
    click.option(
        "-P",
        "values",
        multiple=True,
        shell_complete=complete.values,
        metavar="NAME=VALUE",
        help="Set a parameter.",
    ),
    click.option(
        "--params-file",
        metavar="FILE",
        shell_complete=complete.files,
        help="Parameters from a YAML or JSON file.",
    ),
]
_DECIDING = [
    click.option("-f", "--force", is_flag=True, help="Execute every step."),
    click.option("--no-cache", "force", is_flag=True, hidden=True),
    click.option(
        "--force-step",
        "forced",
        multiple=True,
        metavar="STEP",
        shell_complete=complete.steps,
        help="Execute this step.",
    ),
    click.option(
        "--from",
        "start",
        multiple=True,
        metavar="STEP",
        shell_complete=complete.steps,
        help="Only STEP and what comes after it; what they need must be current.",
    ),
    click.option(
        "--until",
        multiple=True,
        metavar="STEP",
        shell_complete=complete.steps,
        help="Only STEP and what comes before it.",
    ),
    click.option(
        "--skip",
        multiple=True,
        metavar="STEP",
        shell_complete=complete.steps,
        help="Do not execute STEP; where it is needed, its result must be current.",
    ),
    click.option("--locked", is_flag=True, help="Fail when a lock is missing or stale."),
    click.option("--frozen", is_flag=True, help="Use the locks of the project unchecked."),
    click.option("--trace/--no-trace", help="Observe which files the steps read."),
    click.option("--hermetic/--no-hermetic", help="Forbid the steps what is not declared."),
    click.option(
        "--environment", type=click.Choice(["system"]), help="Run every step on the system."
    ),
]


def executing(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that decide what executes at the same time."""
    jobs = click.option(
        "-j", "--jobs", type=click.IntRange(1), metavar="N", envvar="RUNPROJ_JOBS",
        help="At most N steps at once, on N CPUs; default: the CPUs that there are.",
    )  # fmt: skip
    resources = click.option(
        "--resources", multiple=True, metavar="NAME=N", callback=_amounts,
        help="How much there is of what steps need: licence=2, memory=8GB.",
    )  # fmt: skip
    return jobs(resources(function))


def reported(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the option for a report that CI systems read."""
    return click.option(
        "--junit", "report", metavar="FILE", shell_complete=complete.files,
        help="Write a JUnit report: a case per step.",
    )(function)  # fmt: skip


def _amounts(_: click.Context, __: click.Parameter, texts: tuple[str, ...]) -> dict[str, float]:
    """Return name → amount of ``--resources``.

    Raises:
        UsageError: one cannot be understood.
    """
    amounts: dict[str, float] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if name == "cpus":
            raise UsageError("--resources cpus: how many CPUs there are is said by -j", hint="-j N")
        try:
            if not (name and equals):
                raise ValueError(text)  # noqa: TRY301 -- the same words for all
            from runproj.spec.project import size_in_bytes  # noqa: PLC0415 -- lazy

            amounts[name] = size_in_bytes(value) if name == "memory" else int(value)
            if amounts[name] < 0:
                raise ValueError(text)  # noqa: TRY301 -- the same
        except ValueError:
            raise UsageError(
                f"--resources {text}: an amount is set as NAME=N",
                hint="--resources licence=1, --resources memory=8GB",
            ) from None
    return amounts


def choosing(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that decide what is planned, and what of it is executed."""
    for option in reversed([*_PLANNING, *_DECIDING]):
        function = option(function)
    return function


def planning(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that decide what is planned."""
    for option in reversed(_PLANNING):
        function = option(function)
    return function


def request_of(options: Mapping[str, Any], steps: tuple[str, ...]) -> Request:
    """Return what the options ask for.

    Raises:
        UsageError: they cannot be understood.
    """
    variables = {name: text for name, text in os.environ.items() if name.startswith(PREFIX)}
    given = _given(options)._replace(variables=variables)
    return Request(
        options["entry_point"], given, (*steps, *options.get("until", ())),
        options.get("force", False),
        options.get("environment") == "system", options.get("trace", False),
        options.get("hermetic", False), audit_of(options),
        options.get("start", ()), options.get("skip", ()), options.get("forced", ()),
    )  # fmt: skip


def _given(options: Mapping[str, Any]) -> Given:
    """Return the values of ``-P`` and of the params file."""
    texts: list[tuple[str, str | None]] = []
    for text in options["values"]:
        name, equals, value = text.partition("=")
        texts.append((name, value if equals else None))
    file = options["params_file"]
    if not file:
        return Given(texts)
    data, places = _params(file)
    return Given(texts, data, file, places)


def audit_of(options: Mapping[str, Any]) -> "Audit | None":
    """Return what share is audited, with a seed that nobody chose if none is given.

    Raises:
        UsageError: it is no share.
    """
    text, seed = options.get("audit"), options.get("audit_seed")
    if text is None:
        if seed is not None:
            raise UsageError("--audit-seed goes with --audit", hint="--audit 5%")
        return None
    from runproj.record.audit import Audit  # noqa: PLC0415 -- lazy

    number, percent, rest = str(text).strip().partition("%")
    try:
        share = float(number) / (100 if percent else 1)
    except ValueError:
        share = -1.0
    if rest or not 0 <= share <= 1:
        raise UsageError(
            f"--audit {text}: that is no share of the steps", hint="--audit 5%, or --audit 0.05"
        )
    return Audit(share=share, seed=int.from_bytes(os.urandom(4)) if seed is None else seed)


def _params(name: str) -> tuple[Mapping[str, Any], Mapping[str, str]]:
    """Return the values of a params file, and where each stands."""
    from runproj.spec.document import read  # noqa: PLC0415 -- lazy

    try:
        text = Path(name).read_text(encoding="utf-8")
    except OSError as error:
        raise UsageError(
            f"the params file cannot be read: {reason_of(error)}", where=name
        ) from error
    except UnicodeDecodeError as error:
        raise UsageError(
            f"the params file is not UTF-8 text: byte {error.start} is no character", where=name,
            hint="save it as UTF-8",
        ) from error  # fmt: skip
    document = read(text, name)
    problems = document.problems
    if not problems and not isinstance(document.data, dict):
        problems = [
            Problem(
                "a params file maps names to values",
                where=name,
                hint="write lines such as lr: 0.01",
            )
        ]
    if problems:
        raise UsageError.of(problems)
    places = {
        str(path[0]): f"{name}:{line}:{column}"
        for path, (line, column) in document.keys.items()
        if len(path) == 1
    }
    return document.data, places


def policy_of(options: Mapping[str, Any]) -> Any:  # noqa: ANN401 -- a literal of engine.pin
    """Return which locks may be used."""
    if options["locked"] and options["frozen"]:
        raise UsageError(
            "--locked and --frozen exclude each other",
            hint="--locked fails when a lock is stale, --frozen uses it unchecked",
        )
    return "locked" if options["locked"] else "frozen" if options["frozen"] else "auto"


@click.command("run")
@click.argument("project", default=".", shell_complete=complete.folders)
@click.argument("steps", nargs=-1, shell_complete=complete.steps)
@choosing
@executing
@click.option("-n", "--dry-run", is_flag=True, help="Print the plan and stop.")
@click.option(
    "-k", "--keep-going/--no-keep-going", help="After a failure, run what does not depend on it."
)
@click.option("--keep-workspace/--no-keep-workspace", help="Leave the workspaces for a look.")
@click.option(
    "--audit",
    metavar="SHARE",
    help="Execute some steps that could be skipped, and compare: 5%, 100%.",
)
@click.option("--audit-seed", type=int, metavar="N", help="Choose the same steps again.")
@click.option("--keep-packages/--no-keep-packages", help="Keep the packages with the run.")
@click.option("--name", help="A name for the run.")
@click.option(
    "--experiment",
    default="default",
    shell_complete=complete.experiments,
    help="The experiment that it belongs to.",
)
@click.option("--tag", "tags", multiple=True, metavar="KEY=VALUE", help="A tag for the run.")
@click.option(
    "--get",
    "destination",
    metavar="DIR",
    shell_complete=complete.folders,
    help="Copy the outputs to DIR at the end.",
)
@reported
@click.option("-q", "--quiet/--no-quiet", help="Show only what the steps print, and failures.")
@offline_option
@json_option
@place_options
def run(project: str, steps: tuple[str, ...], **options: Any) -> int:  # noqa: ANN401 -- click's options
    """Run a project, or some STEPS of it with what they need.

    PROJECT is the folder that has the runproj.yaml.
    """
    places: dict[str, reporting.Where] = {}
    live = reporting.live(
        quiet=options["quiet"], folder=project,
        where=lambda step: places["of"](step) if places else None,
    )  # fmt: skip
    name = Path(project).resolve().name
    with reporting.junit(None if options["dry_run"] else options["report"], live, name) as reporter:
        opened = projects.open_project(project, options["store"], options["revision"])
        places["of"] = reporting.place_of_step(opened, options["entry_point"])
        reporting.compared(live, opened.store)
        live.place = lambda: place_of(opened.store)
        return _run(opened, steps, options, reporter)


def _run(
    opened: projects.OpenProject, steps: tuple[str, ...], options: Mapping[str, Any],
    reporter: "reporting.Told",
) -> int:  # fmt: skip
    as_json = options["as_json"]
    request = request_of(options, steps)
    caller = dict(os.environ)
    dry, tags = options["dry_run"], tags_of(options["tags"])
    if options["destination"]:
        stores.check_destination(options["destination"])
    check_amounts(opened.project, options["resources"])
    preparer = opened.preparer(caller, reporter, policy_of(options))
    prepared = preparer.prepare(request, keep=not dry)
    _warn(prepared, reporter)
    if options["report"] and not dry:
        _warn_of_report(prepared, options["report"], opened.folder, reporter)
    if dry:
        _show_plan(prepared, as_json=as_json)
        return 0
    how = running.Options(
        options["name"], options["experiment"], tags, options["keep_going"],
        options["keep_workspace"], sys.argv, options["keep_packages"], jobs=options["jobs"],
        resources=options["resources"], branch=reporting.branch_of(os.environ),
    )  # fmt: skip
    done = running.execute(opened.store, prepared, caller, reporter, how, folder=str(opened.folder))
    if options["destination"]:
        made = [output for step in done.steps for output in step.outputs]
        stores.give(opened.store, made, options["destination"])
    return _close(done, opened.store, as_json=as_json)


def _warn(prepared: Prepared, reporter: "reporting.Told") -> None:
    from runproj.record.events import Progress, Warned  # noqa: PLC0415 -- lazy

    for warning in prepared.snapshot.warnings:
        reporter.report(Warned(warning))
    if any(one.pin.kind == "system" for one in prepared.pinned.values()):
        reporter.report(
            Progress(
                "system",
                "steps use the programs of this machine: recorded, but not reproducible",
            )
        )


def check_amounts(project: "Project", amounts: Mapping[str, float]) -> None:
    """Make sure that each amount of ``--resources`` is of something that steps may need.

    Raises:
        UsageError: no step needs it; a limit that holds for nothing would be taken for one.
    """
    from runproj.spec.suggest import did_you_mean  # noqa: PLC0415 -- lazy

    known = {"gpus", "memory", *project.resources}
    for name, entry in project.entry_points.items():
        for step in entry.all_steps(name).values():
            known.update(() if step.resources is None else step.resources.amounts)
    for name in amounts:
        if name not in known:
            raise UsageError(
                f"--resources {name}: no step needs it", hint=did_you_mean(name, known - {"cpus"})
            )


def _warn_of_report(
    prepared: Prepared, report: str, folder: Path, reporter: "reporting.Told"
) -> None:
    """Warn of a report that is a part of the code: where it comes or goes, the code is changed."""
    from runproj.record.events import Warned  # noqa: PLC0415 -- lazy

    place = os.path.relpath(Path(report).resolve(), folder.resolve())
    if place in prepared.decider.supply.manifest:
        hint = f"name it in .gitignore ('echo {place} >> .gitignore'), or write it elsewhere"
        text = f"the report {place} is a part of the code: without it, or changed, steps run again"
        reporter.report(Warned(text, hint))


def tags_of(texts: tuple[str, ...]) -> dict[str, str]:
    """Return the tags of ``--tag``.

    Raises:
        UsageError: one has no value.
    """
    tags = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals:
            raise UsageError(
                f"--tag {text}: a tag is set as KEY=VALUE", hint=f"--tag {text or 'KEY'}=…"
            )
        tags[key] = value
    return tags


def _show_plan(prepared: Prepared, *, as_json: bool) -> None:
    if as_json:
        from runproj.cli.render.documents import as_text, plan_result  # noqa: PLC0415 -- lazy

        print(as_text(plan_result(prepared.decisions)))
    else:
        from runproj.cli.render.text import plan_text  # noqa: PLC0415 -- lazy

        print(plan_text(prepared.decisions, stdout_style()), end="")


def _close(done: Run, store: stores.Store, *, as_json: bool, parent: Run | None = None) -> int:
    if as_json:
        from runproj.cli.render.documents import as_text, run_result  # noqa: PLC0415 -- lazy

        print(as_text(run_result(done, packages.kept_packages(store, done))))
    else:
        from runproj.cli.render.text import closing  # noqa: PLC0415 -- lazy

        print(closing(done, stdout_style(), place_of(store), parent), end="")
    return done.exit_code or 0


def place_of(store: stores.Store) -> str:
    """Return the options with which a command, typed in the caller's folder, finds a store."""
    import shlex  # noqa: PLC0415 -- lazy

    here = Path(os.environ.get("PWD", "")) if os.environ.get("PWD") else Path.cwd()
    try:
        same = stores.find_store(str(here), os.environ.get("RUNPROJ_STORE")).folder == store.folder
    except UsageError:
        same = False
    if same:
        return ""
    folder = os.path.relpath(store.folder, here)
    text = folder if len(folder) < len(str(store.folder)) else str(store.folder)
    return f" --store {shlex.quote(text)}"


@click.command("rerun")
@click.argument("run_name", metavar="RUN[/STEP]", shell_complete=complete.steps_of_runs)
@click.option(
    "-P",
    "values",
    multiple=True,
    shell_complete=complete.values,
    metavar="NAME=VALUE",
    help="Change a value.",
)
@click.option(
    "--params-file",
    metavar="FILE",
    shell_complete=complete.files,
    help="Changed values from a YAML or JSON file.",
)
@click.option("-f", "--force", is_flag=True, help="With -P: execute every step.")
@click.option(
    "--with-current-code",
    "current",
    is_flag=True,
    help="Use today's code, and compare the results.",
)
@executing
@click.option(
    "--project",
    metavar="DIR",
    shell_complete=complete.folders,
    help="Where today's code is; default: beside the store.",
)
@click.option(
    "-k", "--keep-going/--no-keep-going", help="After a failure, run what does not depend on it."
)
@click.option("--keep-workspace/--no-keep-workspace", help="Leave the workspaces for a look.")
@click.option("--name", help="A name for the new run.")
@reported
@click.option("-q", "--quiet/--no-quiet", help="Show only what the steps print, and failures.")
@offline_option
@json_option
@place_options
def rerun(run_name: str, **options: Any) -> int:  # noqa: ANN401 -- click's options
    """Do a past RUN again: same code, locks, values and inputs, from the record alone.

    With a STEP, that step alone is executed, with what the steps before it made then. The project
    folder is neither needed nor touched.

    With -P, the run is varied: all is as it was but the values that are given. What the change
    does not touch is taken from the cache. With a STEP, only up to that step.

    With --with-current-code, the code and the project file are those of today, and what comes out
    is compared with what the run made. Exit codes as for verify: 0 the same, 6 different, 7 cannot
    rerun.
    """
    changes = bool(options["values"] or options["params_file"])
    _check_forms(changes=changes, **options)
    store = stores.find_store(str(Path.cwd()), options["store"])
    if options["current"]:
        return _with_current_code(store, store.lookup.run(run_name), options)
    past, step = store.lookup.split(run_name)
    reporter, how = reporting.of_past(store, quiet=options["quiet"]), _how(past, options)
    reporter.place = lambda: place_of(store)
    with reporting.junit(options["report"], reporter, past.project) as told:
        if changes:
            steps = () if step is None else (step.name,)
            request = Request(past.entry_point, _given(options), steps, options["force"])
            done = repeating.vary(store, past, request, dict(os.environ), told, how)
        else:
            only = None if step is None else step.name
            done = repeating.rerun(store, past, only, dict(os.environ), told, how)
    return _close(done, store, as_json=options["as_json"], parent=past)


def _check_forms(*, changes: bool, **options: Any) -> None:  # noqa: ANN401 -- click's options
    """Make sure that the options belong to one form of ``rerun``."""
    if changes and options["current"]:
        raise UsageError(
            "-P and --with-current-code exclude each other",
            hint="-P varies the recorded code; for today's code with other values: runproj run",
        )
    if options["project"] is not None and not options["current"]:
        raise UsageError(
            "--project says where today's code is: it goes with --with-current-code",
            hint="without it, rerun takes the code from the record",
        )


def _how(past: Run, options: Mapping[str, Any]) -> running.Options:
    return running.Options(
        options["name"], past.experiment, past.tags, options["keep_going"],
        options["keep_workspace"], sys.argv, jobs=options["jobs"], resources=options["resources"],
    )  # fmt: skip


def _with_current_code(store: stores.Store, past: Run, options: Mapping[str, Any]) -> int:
    from runproj.cli.render import documents, judged  # noqa: PLC0415 -- lazy

    reporter = LiveReporter(quiet=options["quiet"])
    how = _how(past, options)._replace(keep_going=True)
    project = projects.current_project(store, past, options["project"])
    environ = dict(os.environ)
    with reporting.junit(options["report"], reporter, past.project) as told:
        verdict = repeating.rerun_with_current_code(store, past, project, environ, told, how)
    reporter.clear()
    if options["as_json"]:
        print(documents.as_text(documents.verify_result(past, verdict, current_code=True)))
    else:
        print(judged.verdict_text(past, verdict, stdout_style(), current_code=True), end="")
    return judged.exit_code(verdict, strict=False)


@click.command("resume")
@click.argument("run_name", metavar="RUN", default="latest", shell_complete=complete.runs)
@click.option(
    "-k", "--keep-going/--no-keep-going", help="After a failure, run what does not depend on it."
)
@click.option("--keep-workspace/--no-keep-workspace", help="Leave the workspaces for a look.")
@executing
@reported
@click.option("-q", "--quiet/--no-quiet", help="Show only what the steps print, and failures.")
@offline_option
@json_option
@place_options
def resume(run_name: str, **options: Any) -> int:  # noqa: ANN401 -- click's options
    """Go on with a RUN (default: the latest) that failed, was interrupted or killed.

    Code, locks, values and inputs are those of the record, whatever became of the project since;
    what is done is not done again. After a change of the project, 'runproj run' does the same with
    the code of today.
    """
    store = stores.find_store(str(Path.cwd()), options["store"])
    past = store.lookup.run(run_name)
    reporter = reporting.of_past(store, quiet=options["quiet"])
    reporter.place = lambda: place_of(store)
    if past.status == "running":
        raise UsageError(
            f"the run {past.id} goes on", hint=f"'runproj logs {past.id} -f' shows what it does"
        )
    if past.status == "succeeded":
        from runproj.record.events import Progress  # noqa: PLC0415 -- lazy

        reporter.report(Progress(past.id, "the run came to its end: there is nothing to do"))
        reporting.ended(options["report"], past)
        return _close(past, store, as_json=options["as_json"])
    how = _how(past, {**options, "name": past.name})
    with reporting.junit(options["report"], reporter, past.project) as told:
        done = repeating.resume(store, past, dict(os.environ), told, how)
    return _close(done, store, as_json=options["as_json"])


@click.command("verify")
@click.argument("run_name", metavar="RUN", shell_complete=complete.runs)
@click.option(
    "--times",
    type=click.IntRange(1),
    metavar="N",
    help="Repeat it N times, perturb what must not matter, and say which outputs are stable.",
)
@executing
@click.option("--strict", is_flag=True, help="Exit with 6 unless all bytes are equal.")
@click.option(
    "--junit",
    "report",
    metavar="FILE",
    shell_complete=complete.files,
    help="Write the verdict as a JUnit report too.",
)
@click.option("-q", "--quiet/--no-quiet", help="Show only what the steps print, and failures.")
@offline_option
@json_option
@place_options
def verify(run_name: str, **options: Any) -> int:  # noqa: ANN401 -- click's options
    """Do a past RUN again and judge whether it came out as it was.

    With --times N it is repeated N times: the first repeat is plain, in the others hash seed, time
    zone, locale, workspace path, thread count, directory order and clock are perturbed. What flips
    is repeated until the cause has a name.

    Verdicts: identical, equivalent (within what the outputs' 'compare' allows), different, cannot
    rerun. Exit codes: 0, 0 (6 with --strict), 6, 7.
    """
    from runproj.cli.render import documents, judged  # noqa: PLC0415 -- lazy

    store = stores.find_store(str(Path.cwd()), options["store"])
    past = store.lookup.run(run_name)
    how = running.Options(
        None, past.experiment, past.tags, keep_going=True, keep_workspace=False, command=sys.argv,
        jobs=options["jobs"], resources=options["resources"],
    )  # fmt: skip
    reporter = LiveReporter(quiet=options["quiet"])
    verdict, stability = _judged(store, past, options["times"], reporter, how)
    reporter.clear()
    if options["report"]:
        try:
            Path(options["report"]).write_text(
                judged.junit(past, verdict, stability, strict=options["strict"]), encoding="utf-8"
            )
        except OSError as error:
            raise UsageError(
                f"the report cannot be written: {reason_of(error)}", where=options["report"]
            ) from error
    if options["as_json"]:
        print(documents.as_text(documents.verify_result(past, verdict, stability)))
    else:
        print(judged.verdict_text(past, verdict, stdout_style(), stability), end="")
    return judged.exit_code(verdict, strict=options["strict"])


def _judged(
    store: stores.Store, past: Run, times: int | None, reporter: LiveReporter, how: running.Options
) -> "tuple[Verdict, Stability | None]":
    """Do a run again, once or so many times."""
    caller = dict(os.environ)
    if times is None:
        return verifying.verify(store, past, caller, reporter, how), None
    said = verifying.verify_times(store, past, times, caller, reporter, how)
    assert said.verdict is not None  # noqa: S101 -- for mypy: it comes with every run that was asked for
    return said.verdict, said.stability


@click.command("status")
@click.argument("project", default=".", shell_complete=complete.folders)
@click.argument("steps", nargs=-1, shell_complete=complete.steps)
@choosing
@click.option("--exit-code", is_flag=True, help="Exit with 5 when a step would execute.")
@offline_option
@json_option
@place_options
def status(project: str, steps: tuple[str, ...], **options: Any) -> int:  # noqa: ANN401 -- click's options
    """Say what 'run' would do and why, without doing it."""
    opened = projects.open_project(project, options["store"], options["revision"])
    preparer = opened.preparer(dict(os.environ), LiveReporter(quiet=True), policy_of(options))
    prepared = preparer.prepare(request_of(options, steps), keep=False)
    _show_plan(prepared, as_json=options["as_json"])
    stale = any(one.action != "cached" for one in prepared.decisions)
    return Stale.exit_code if stale and options["exit_code"] else 0


@click.command("graph")
@click.argument("project", default=".", shell_complete=complete.folders)
@click.argument("steps", nargs=-1, shell_complete=complete.steps)
@planning
@click.option("--mermaid", "form", flag_value="mermaid", help="Print a Mermaid flowchart.")
@click.option("--dot", "form", flag_value="dot", help="Print a graph for Graphviz.")
@click.option("--svg", "form", flag_value="svg", help="Print a drawing for a browser.")
@json_option
@place_options
def graph(project: str, steps: tuple[str, ...], **options: Any) -> int:  # noqa: ANN401 -- click's options
    """Draw the steps, and what flows between them."""
    from runproj.cli.render import documents, drawing  # noqa: PLC0415 -- lazy

    opened = projects.open_project(project, options["store"], options["revision"])
    preparer = opened.preparer(dict(os.environ), LiveReporter(quiet=True), "auto")
    planned = preparer.draft(request_of(options, steps), keep=False).steps

    drawn = drawing.of_steps(planned)
    if options["as_json"]:
        print(documents.as_text(documents.graph_result(*drawn)))
        return 0
    if options["form"] is None:
        from runproj.cli.render.text import graph_text  # noqa: PLC0415 -- lazy
        from runproj.plan.graph import together  # noqa: PLC0415 -- lazy

        drawn = drawing.fewest(drawing.Drawing(*together(*drawn)))
        print(graph_text(*drawn, stdout_style()), end="")
        return 0
    print(getattr(drawing, options["form"])(drawing.fewest(drawing.grouped(*drawn))), end="")
    return 0
