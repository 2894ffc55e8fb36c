"""Who is told what happens in a run: a person, GitHub Actions, a JUnit report."""

import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TypeAlias

from runproj.app import projects, stores
from runproj.cli.group import reason_of
from runproj.cli.render.live import LiveReporter
from runproj.errors import Problem, RunprojError, UsageError
from runproj.record.events import Event, RunFinished, StepFinished
from runproj.record.run import Run

Where: TypeAlias = Callable[[str], str | None]


class JunitReporter:
    """Tells somebody else, too, and writes a report when the run has ended."""

    def __init__(self, other: LiveReporter, file: str, project: str) -> None:
        """Write a report already, of a run that did not come to its end.

        Raises:
            UsageError: it cannot be written.
        """
        self._other, self._file, self._project = other, file, project
        self._tails: dict[str, str] = {}
        self._is_written = False
        self.fail([Problem("the run did not come to its end")])
        self._is_written = False

    def report(self, event: Event) -> None:
        """Take one event."""
        self._other.report(event)
        if isinstance(event, StepFinished):
            self._tails[event.step_run.name] = event.log_tail
        elif isinstance(event, RunFinished):
            from runproj.cli.render.junit import run_report  # noqa: PLC0415 -- lazy

            self._write(run_report(event.run, self._tails))

    def tick(self) -> float | None:
        """Let the other one show what is due."""
        return self._other.tick()

    def fail(self, problems: list[Problem]) -> None:
        """Write why there is no run, unless there is one."""
        if not self._is_written:
            from runproj.cli.render.junit import error_report  # noqa: PLC0415 -- lazy

            self._write(error_report(self._project, problems))

    def _write(self, text: str) -> None:
        self._is_written = True
        try:
            Path(self._file).write_text(text, encoding="utf-8")
        except OSError as error:
            raise UsageError(
                f"the report cannot be written: {reason_of(error)}", where=self._file
            ) from error


def ended(file: str | None, run: Run) -> None:
    """Write the report of a run that has ended already."""
    if file is not None:
        reporter = JunitReporter(LiveReporter(quiet=True), file, run.project)
        reporter.report(RunFinished(run))


@contextmanager
def junit(file: str | None, reporter: LiveReporter, project: str) -> Iterator["Told"]:
    """Yield who is told of a run: with a ``file``, a JUnit report is written whatever happens."""
    if file is None:
        yield reporter
        return
    told = JunitReporter(reporter, file, project)
    try:
        yield told
    except RunprojError as error:
        told.fail(list(error.problems))
        raise


Told: TypeAlias = LiveReporter | JunitReporter


def live(*, quiet: bool, where: Where, folder: str) -> LiveReporter:
    """Return who tells a person; ``where`` returns the place of a step in the project file."""
    if os.environ.get("GITHUB_ACTIONS") != "true":
        return LiveReporter(quiet=quiet)
    from runproj.cli.render.github import GithubReporter  # noqa: PLC0415 -- lazy

    return GithubReporter(where, folder, os.environ, quiet=quiet)


def place_of_step(opened: projects.OpenProject, entry_point: str) -> Where:
    """Return what tells where a step of an entry point stands in the project file."""

    def where(step: str) -> str | None:
        entry = opened.project.entry_points.get(entry_point)
        paths = {} if entry is None else entry.paths(entry_point)
        path = paths.get(step.partition("[")[0])
        return None if path is None else opened.point(path, "", None).where

    return where


def of_past(store: stores.Store, *, quiet: bool) -> LiveReporter:
    """Return who tells a person of a past run that is done again, or goes on."""
    found = live(quiet=quiet, where=lambda _: None, folder=str(store.folder.parent))
    compared(found, store)
    return found


def compared(reporter: LiveReporter, store: stores.Store) -> None:
    """Let the summary of a run compare it with the last success of the main branch."""
    if os.environ.get("GITHUB_ACTIONS") != "true":
        return
    from runproj.cli.render.github import GithubReporter  # noqa: PLC0415 -- lazy

    if isinstance(reporter, GithubReporter):
        reporter.base = lambda run: base_of(run, store, main_branches(os.environ))


def base_of(run: Run, store: stores.Store, branches: tuple[str, ...]) -> Run | None:
    """Return the last run of the same entry point that succeeded on one of some branches."""
    marks = ", ".join("?" * len(branches))
    where = (
        "status = 'succeeded' and perturbed = '[]' and project = ? and entry_point = ? and "
        f"id <> ? and rerun_of is null and sweep is null and branch in ({marks})"
    )
    try:
        rows = store.runs.summaries(where, (run.project, run.entry_point, run.id, *branches), 1)
        return store.runs.load(rows[0]["id"]) if rows else None
    except RunprojError:
        return None  # it is only there to compare with


def branch_of(variables: Mapping[str, str]) -> str | None:
    """Return the branch that a CI system has checked out: git itself knows only a commit then."""
    if variables.get("GITHUB_ACTIONS") == "true":
        on_branch = variables.get("GITHUB_REF_TYPE") == "branch"
        named = variables.get("GITHUB_REF_NAME") if on_branch else None
        return variables.get("GITHUB_HEAD_REF") or named
    names = (
        "CI_MERGE_REQUEST_SOURCE_BRANCH_NAME", "CI_COMMIT_BRANCH",  # GitLab
        "CHANGE_BRANCH", "BRANCH_NAME",  # Jenkins
    )  # fmt: skip
    return next((variables[name] for name in names if variables.get(name)), None)


def main_branches(variables: Mapping[str, str]) -> tuple[str, ...]:
    """Return the main branch as the CI system knows it, else what it is usually called."""
    try:
        event = json.loads(Path(variables.get("GITHUB_EVENT_PATH", "")).read_bytes())
        return (str(event["repository"]["default_branch"]),)
    except (OSError, ValueError, LookupError, TypeError):
        known = variables.get("CI_DEFAULT_BRANCH")
        return (known,) if known else ("main", "master")
