"""The command shell."""

import os
import shlex
import sys
from pathlib import Path

import click

from runproj.app import shells, stores
from runproj.cli import complete
from runproj.cli.group import CommandAfterDashes, after_dashes, offline_option, place_options
from runproj.cli.render.live import LiveReporter
from runproj.cli.render.style import stderr_style, visible
from runproj.engine.shell import Entered
from runproj.errors import UsageError
from runproj.record.events import Progress
from runproj.record.run import Run, StepRun


@click.command("shell", cls=CommandAfterDashes)
@click.argument("name", metavar="RUN[/STEP] [-- COMMAND...]", shell_complete=complete.steps_of_runs)
@offline_option
@place_options
def shell(name: str, store: str | None) -> int:
    """Open a shell where a step executed: its folder, its environment, its variables.

    The workspace of a step that failed is there still; any other is made anew from the record, and
    goes when you leave. RUN alone means its step that failed. After -- stands a command that is run
    instead of a shell; its exit code is passed on.
    """
    command = after_dashes()
    opened = stores.find_store(str(Path.cwd()), store)
    run, step = opened.lookup.split(name)
    step = step or _meant(run)
    reporter = LiveReporter(quiet=bool(command))
    entering = shells.opener(opened, run, dict(os.environ)).enter(
        run, step, lambda text: reporter.report(Progress(step.name, text))
    )
    with entering as entered:
        reporter.clear()
        variables = dict(entered.variables)
        if not command:
            sys.stderr.write(_told(run, step, entered))
            if sys.stdin.isatty():
                variables["PS1"] = f"({run.id}/{step.name}) \\w $ "
        sys.stderr.flush()
        return shells.in_foreground(command, entered.directory, variables, entered.container)


def _meant(run: Run) -> StepRun:
    """Return the only step that failed, or the only one at all.

    Raises:
        UsageError: there is none, or more than one.
    """
    failed = [step for step in run.steps if step.status == "failed"] or list(run.steps)
    if len(failed) == 1:
        return failed[0]
    names = ", ".join(f"{run.id}/{step.name}" for step in failed[:8])
    raise UsageError("which step?", hint=f"one of {names}" if names else "the run has no step")


def _told(run: Run, step: StepRun, entered: Entered) -> str:
    """Return what this is, which command the step ran, and how to leave."""
    style = stderr_style()
    where = "the workspace that it left" if entered.kept else "made anew from the record"
    lines = [
        f"{style.bold(f'{run.id}/{step.name}')}  {step.status}; {where}",
        f"  {style.dim('folder')}   {entered.directory}",
        f"  {style.dim('command')}  {shlex.join(step.argv or entered.step.argv)}",
    ]
    if entered.step.hermetic:
        lines.append("  the step was hermetic; this shell is not: it may read and reach all")
    gone = "" if entered.kept else ", and the folder goes"
    lines.append(f"  {style.dim('leave')}    exit, or Ctrl-D{gone}")
    return "".join(f"{visible(line)}\n" for line in lines)
