"""Doing a past run again: as it was, with something else, or from where it ended."""

import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from runproj.adapters.host import platform_tag
from runproj.app.building import pinner_of
from runproj.app.projects import OpenProject, parse_project, point_at
from runproj.app.running import Options, Relation, execute
from runproj.app.stores import Store
from runproj.errors import CannotRerun, EnvironmentFailed, MissingSecret, ProjectError
from runproj.version import VERSION

if TYPE_CHECKING:
    from runproj.engine.prepare import Prepared, Request
    from runproj.engine.rerun import Rerunner
    from runproj.engine.vary import Varier
    from runproj.ports import Reporter
    from runproj.record.run import Run
    from runproj.record.verdict import Verdict
    from runproj.spec import place
    from runproj.spec.project import Project


def rerun(
    store: Store, past: "Run", step: str | None, caller: Mapping[str, str], reporter: "Reporter",
    options: Options,
) -> "Run":  # fmt: skip
    """Do a past run again, or one step of it; return the record of the new run.

    Raises:
        CannotRerun: something that it needs is gone, or its environment can no longer be built.
    """
    if step is None and past.plan.open:  # its record does not hold the whole plan
        from runproj.engine.prepare import Request  # noqa: PLC0415 -- lazy

        varier = varier_of(store, caller, reporter)
        project, point = recorded_project(varier, past)
        prepared = varier.vary(past, project, point, Request(force=True)).prepared
    else:
        prepared = prepare_rerun(store, past, step)
    return _execute_again(store, prepared, caller, reporter, options, Relation(past.id))


def resume(
    store: Store, past: "Run", caller: Mapping[str, str], reporter: "Reporter", options: Options
) -> "Run":
    """Go on with a run that did not come to its end; return the record of the new run.

    Raises:
        UsageError: it goes on, or it cannot be resumed.
        CannotRerun: something that it needs is gone, or its environment can no longer be built.
    """
    store.share()
    if past.plan.open:  # its record does not hold the whole plan
        varier = varier_of(store, caller, reporter)
        prepared = varier.go_on(past, *recorded_project(varier, past))
    else:
        prepared = rerunner_of(store).resume(past)
    relation = Relation(past.rerun_of, past.variation, past.current_code, past.id)
    return _execute_again(store, prepared, caller, reporter, options, relation)


def rerunner_of(store: Store) -> "Rerunner":
    """Return what prepares past runs of this store."""
    from runproj.engine.rerun import Rerunner  # noqa: PLC0415 -- lazy

    return Rerunner(store.source, store.objects, store.runs, platform_tag(), store.look)


def _execute_again(
    store: Store, prepared: "Prepared", caller: Mapping[str, str], reporter: "Reporter",
    options: Options, relation: Relation, folder: str | None = None,
) -> "Run":  # fmt: skip
    where = folder or str(store.folder.parent)
    try:
        return execute(store, prepared, caller, reporter, options, folder=where, relation=relation)
    except (EnvironmentFailed, MissingSecret) as error:
        raise CannotRerun.of(error.problems) from error


def vary(
    store: Store, past: "Run", request: "Request", caller: Mapping[str, str], reporter: "Reporter",
    options: Options,
) -> "Run":  # fmt: skip
    """Do a past run again with other values; return the record of the new run.

    Args:
        store: where both runs are recorded.
        past: the past run.
        request: what is given anew, see :meth:`runproj.engine.vary.Varier.vary`.
        caller: the caller's environment variables.
        reporter: told what happens.
        options: how.

    Raises:
        ParameterError: values do not fit; with every mistake.
        ProjectError: with these values, the recorded project cannot be planned.
        CannotRerun: something that it needs is gone or was never recorded.
    """
    from runproj.record.events import Progress  # noqa: PLC0415 -- lazy
    from runproj.record.relation import changes  # noqa: PLC0415 -- lazy

    varier = varier_of(store, caller, reporter)
    project, point = recorded_project(varier, past)
    prepared, names = varier.vary(past, project, point, request)
    said = changes(names, past.plan, prepared.plan) or "with the same values"
    reporter.report(Progress(f"{'variation' if names else 'rerun'} of {past.id}", said))
    relation = Relation(past.id, names)
    return _execute_again(store, prepared, caller, reporter, options, relation)


def rerun_with_current_code(
    store: Store, past: "Run", opened: OpenProject, caller: Mapping[str, str],
    reporter: "Reporter", options: Options,
) -> "Verdict":  # fmt: skip
    """Do a past run again with the code of today, and judge what comes out.

    The verdict is not kept with the run: it is about other code.

    Raises:
        UsageError: the run did not succeed, or its values do not fit today's project.
        ProjectError: today's project cannot be planned.
    """
    from runproj.engine.run import timestamp  # noqa: PLC0415 -- lazy
    from runproj.engine.verify import Verifier  # noqa: PLC0415 -- lazy

    notes: list[str] = []

    def again(run: "Run") -> "Run":
        varier = varier_of(store, caller, reporter)
        try:
            then = recorded_project(varier, run)[0]
        except CannotRerun:
            then = None  # it only says more exactly what the run was
        preparer = opened.preparer(caller, reporter, "auto")
        prepared = varier.with_current_code(run, then, preparer, notes)
        relation = Relation(run.id, current_code=True)
        return _execute_again(
            store, prepared, caller, reporter, options, relation, str(opened.folder)
        )

    verifier = Verifier(store.objects, store.runs, again, lambda: timestamp(time.time()), VERSION)
    verdict = verifier.verdict(past)
    return verdict.replace(notes=(*verdict.notes, *notes))


def varier_of(store: Store, caller: Mapping[str, str], reporter: "Reporter") -> "Varier":
    """Return what prepares past runs with something else."""
    from runproj.engine.vary import Varier  # noqa: PLC0415 -- lazy
    from runproj.plan.binding import Folders  # noqa: PLC0415 -- lazy

    here = os.path.realpath(Path.cwd())
    store.share()
    return Varier(
        rerunner_of(store),
        store.objects,
        pinner_of(store, caller, reporter, "auto"),
        Folders(here, here, str(Path.home())),
        caller,
    )


def recorded_project(varier: "Varier", run: "Run") -> "tuple[Project, place.Point]":
    """Return the project of a past run, and what shows places of its file.

    Raises:
        CannotRerun: it is gone, or this version cannot read it.
    """
    text, name = varier.project_file(run), f"{run.id}:{run.project_file}"
    try:
        return parse_project(text, name), point_at(text, name)
    except ProjectError as error:
        raise CannotRerun.of(error.problems) from error


def prepare_rerun(store: Store, run: "Run", step: str | None = None) -> "Prepared":
    """Prepare to do a past run again, or one step, see :class:`runproj.engine.rerun.Rerunner`."""
    store.share()
    return rerunner_of(store).prepare(run, step)
