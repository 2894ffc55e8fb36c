"""Doing a past run again with something changed: other values, or the code of today."""

import posixpath
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from runproj.engine.pin import Pinned, Pinner, Read, as_lock
from runproj.engine.prepare import Past, Prepared, Preparer, Request
from runproj.engine.rerun import Rerunner
from runproj.errors import CannotRerun, EnvironmentFailed, Problem, ProjectError, StoreError
from runproj.lock.container import NO_CODE, Code
from runproj.lock.declaration import declare
from runproj.lock.lock import Declaration, Kind, lockfile_path
from runproj.model import EMPTY, canonical
from runproj.plan.binding import Folders, Given
from runproj.plan.instances import expanded
from runproj.plan.plan import Plan
from runproj.ports import Digests, EnvironmentBackend, ProjectFiles, SourceControl
from runproj.record.artifact import Artifact
from runproj.record.run import Run, StepRun
from runproj.record.source import SourceSnapshot
from runproj.spec.environment import Environment
from runproj.spec.matrix import group_of
from runproj.spec.paths import glob_matches, is_glob
from runproj.spec.place import Point
from runproj.spec.project import Project


class Variation(NamedTuple):
    """A prepared variation, and the names of the values that differ from those of its parent."""

    prepared: Prepared
    names: tuple[str, ...]


class Varier(NamedTuple):
    """Prepares runs that take all from the record of another run but what is changed.

    ``caller`` are the variables of the caller: those that the run had recorded are not asked for.
    """

    rerunner: Rerunner
    digests: Digests
    pinner: Pinner
    folders: Folders
    caller: Mapping[str, str]

    def project_file(self, run: Run) -> str:
        """Return the text of the project file of a past run.

        Raises:
            CannotRerun: it is not in the store.
        """
        files = RecordedFiles(self.rerunner.source, run.source, {})
        try:
            text = files.read(run.project_file)
        except (StoreError, ProjectError) as error:
            message = f"the project file of the run cannot be read: {error}"
            raise CannotRerun(message, where=run.project_file) from error
        if text is None:
            raise CannotRerun(
                f"the project file {run.project_file} is not in the recorded source",
                hint="it is there when no ignore file names it",
            )
        return text.removeprefix("\ufeff")

    def vary(self, run: Run, project: Project, point: Point, request: Request) -> Variation:
        """Prepare a past run with other values.

        Args:
            run: the past run.
            project: its project, as it is recorded.
            point: shows places of the recorded project file.
            request: what is given anew, the steps (none: those of the past run), and whether all
                of them are executed. Its entry point and environment are those of the past run.

        Raises:
            CannotRerun: with what is missing.
            ParameterError: values do not fit.
            ProjectError: with these values, the project cannot be planned.
        """
        preparer = self.preparer(run, project, point, names_of(request.given))
        wanted = again(run, project, request)
        prepared = _with_packages(preparer.prepare(wanted, keep=True), run)
        return Variation(prepared, changed(run, prepared))

    def go_on(self, run: Run, project: Project, point: Point) -> Prepared:
        """Prepare to go on with a run that ended before all its instances were known.

        Its record does not hold its whole plan, so it is planned anew, from the recorded project.
        What is done is not done again.

        Raises:
            CannotRerun: with what is missing.
        """
        prior = self.rerunner.prior(run)
        preparer = self.preparer(run, project, point, (), prior)
        force = run.rerun_of is not None and not run.variation
        wanted = again(run, project, Request(force=force))
        prepared = preparer.prepare(wanted, keep=True)
        return _with_packages(prepared._replace(left=self.rerunner.left(run)), run)

    def preparer(
        self, run: Run, project: Project, point: Point, names: Collection[str],
        prior: Mapping[str, StepRun] = EMPTY,
    ) -> Preparer:  # fmt: skip
        """Return what prepares runs of a recorded project, with some values given anew.

        ``prior`` are step runs that are done.

        Raises:
            CannotRerun: with what is missing.
        """
        problems: list[Problem] = []
        self.rerunner.manifest(run, problems)
        pinned = self.rerunner.pinned(run.plan.environments, problems)
        files = inputs_by_origin(run, _sources(run.plan, names))
        problems += self.rerunner.missing(files.values())
        if problems:
            raise CannotRerun.of(problems)
        return Preparer(
            project, run.project_file, point, run.project, self.folders,
            RecordedFiles(self.rerunner.source, run.source, files),
            self.rerunner.source, self.rerunner.objects, self.digests, self.rerunner.runs,
            self.pinner, as_then(run, self.caller), self.rerunner.platform, self.rerunner.look,
            Past(
                {value.name: value for value in run.plan.values}, files,
                RecordedPins(run.id, pinned, self.pinner.backends), run.source, prior,
            ),
        )  # fmt: skip

    def with_current_code(
        self, run: Run, then: Project | None, preparer: Preparer, notes: list[str]
    ) -> Prepared:
        """Prepare what a past run did, with the code of today; every step is executed.

        Args:
            run: the past run.
            then: its project as it is recorded, None when it is gone.
            preparer: prepares runs of the project of today.
            notes: takes sentences about what is not as it was.

        Raises:
            CannotRerun: with what is missing of inputs and locks.
            UsageError: the entry point is gone, or a value does not fit.
            ProjectError: the project cannot be planned.
            EnvironmentFailed: an environment cannot be locked.
        """
        problems: list[Problem] = []
        pinned = self.rerunner.pinned(run.plan.environments, problems)
        files = inputs_by_origin(run)
        problems += self.rerunner.missing(files.values())
        if problems:
            raise CannotRerun.of(problems)
        today = preparer._replace(
            files=CurrentFiles(preparer.files, files),
            caller=as_then(run, preparer.caller),
            past=Past(
                {value.name: value for value in run.plan.values}, files,
                CurrentPins(pinned, preparer.pinner, notes),
            ),
        )  # fmt: skip
        wanted = Request(
            entry_point=run.entry_point, steps=_steps_today(run, then, preparer.project),
            force=True, system=then is not None and on_system(run, then),
            trace=all(step.trace for step in run.plan.steps),
            hermetic=all(step.hermetic for step in run.plan.steps),
        )  # fmt: skip
        prepared = _with_packages(today.prepare(wanted, keep=True), run)
        bound = {value.name for value in prepared.plan.values}
        notes += [
            f"today's project has no parameter {value.name!r}: its value is not used"
            for value in run.plan.values
            if value.name not in bound
        ]
        if prepared.snapshot.tree == run.source.tree:
            notes.append("the code is the same as then")
        return prepared


def again(run: Run, project: Project, request: Request) -> Request:
    """Return a request for what a past run did, but for what is asked for."""
    return request._replace(
        entry_point=run.entry_point, steps=request.steps or _steps_then(run, project),
        system=on_system(run, project), trace=all(step.trace for step in run.plan.steps),
        hermetic=all(step.hermetic for step in run.plan.steps),
    )  # fmt: skip


def _steps_then(run: Run, project: Project) -> tuple[str, ...]:
    """Return the steps of a run: of a matrix, all of it where the run had all of it.

    A step with a ``foreach`` has the instances that its list says.
    """
    declared = project.entry_points[run.entry_point].all_steps(run.entry_point)
    bound = {value.name: value for value in run.plan.values}
    every = expanded(declared, bound, EMPTY, lambda *_: None)
    planned = {step.name for step in run.plan.steps}
    whole = {
        group
        for group, instances in every.items()
        if declared[group].foreach is not None or planned.issuperset(one.name for one in instances)
    }
    groups = ((step.name, group_of(step.name)) for step in run.plan.steps)
    return tuple(dict.fromkeys(group if group in whole else name for name, group in groups))


def _with_packages(prepared: Prepared, run: Run) -> Prepared:
    """Let what a run kept of its packages be kept on."""
    kept = {name: one for name, one in run.packages.items() if name in prepared.pinned}
    return prepared._replace(packages=kept)


def names_of(given: Given) -> set[str]:
    """Return the names of the parameters that are given."""
    return {name for name, _ in given.texts} | set(given.file)


def _sources(plan: Plan, names: Collection[str]) -> set[str | None]:
    """Return where the paths of some values came from."""
    return {source for value in plan.values if value.name in names for source in value.sources}


def inputs_by_origin(run: Run, without: Collection[str | None] = ()) -> dict[str, Artifact]:
    """Return the files from outside of the source that a run was given, by where they came from."""
    given = {artifact.path: artifact for artifact in run.inputs}
    return {
        planned.origin: given[planned.path]
        for step in run.plan.steps
        for planned in step.inputs
        if planned.origin is not None and planned.origin not in without
    }


def as_then(run: Run, caller: Mapping[str, str]) -> dict[str, str]:
    """Return the caller's variables, with those that a run passed on as they were then."""
    then = {name: text for step in run.plan.steps for name, text in step.pass_env.items()}
    kept = {name: text for name, text in caller.items() if name not in then}
    return kept | {name: text for name, text in then.items() if text is not None}


def on_system(run: Run, project: Project) -> bool:
    """Tell whether every step of a run was executed on the system, whatever the project says."""
    steps = project.entry_points[run.entry_point].all_steps(run.entry_point)
    return any(
        one.environment != (steps[group_of(one.name)].environment or "default")
        for one in run.plan.steps
    )


def changed(run: Run, prepared: Prepared) -> tuple[str, ...]:
    """Return the names of the values that differ from those of a past run, by content too."""
    before = {value.name: (value.value, value.sources) for value in run.plan.values}
    old, new = _contents(run.plan), _contents(prepared.plan)
    return tuple(
        value.name
        for value in prepared.plan.values
        if before.get(value.name) != (value.value, value.sources)
        or any(old[one] != new[one] for one in value.sources if one in old and one in new)
    )


def _contents(plan: Plan) -> dict[str | None, str | None]:
    return {
        planned.origin: planned.sha256
        for step in plan.steps
        for planned in step.inputs
        if planned.origin is not None
    }


def _steps_today(run: Run, then: Project | None, now: Project) -> tuple[str, ...]:
    """Return the steps to choose; none where the run had all steps of its entry point."""
    if then is None:
        return ()
    planned = _steps_then(run, then)
    if set(planned) == set(then.entry_points[run.entry_point].all_steps(run.entry_point)):
        return ()
    entry = now.entry_points.get(run.entry_point)
    known = entry.all_steps(run.entry_point) if entry is not None else {}
    return tuple(name for name in planned if group_of(name) in known)


class RecordedFiles(NamedTuple):
    """The files of a project as a run had them, see :class:`runproj.ports.ProjectFiles`.

    ``files`` are those from outside of the source, by where they came from.
    """

    source: SourceControl
    snapshot: SourceSnapshot
    files: Mapping[str, Artifact]

    def read(self, path: str) -> str | None:
        """Return the text of a file of the source."""
        place = posixpath.normpath(posixpath.join(self.snapshot.project_path, path))
        content = self.source.read(self.snapshot.tree, place)
        try:
            return None if content is None else content.decode()
        except UnicodeDecodeError as error:
            raise ProjectError("the file is not UTF-8 text", where=path) from error

    def find(self, pattern: str) -> Sequence[str]:
        """Return the files from outside of the source that a path or glob names."""
        return _matching(self.files, pattern)

    def absolute(self, path: str) -> str:
        """Return an absolute path as it is; the project itself stands nowhere."""
        return path


class CurrentFiles(NamedTuple):
    """The files of a project of today; inputs of the past run are those of then."""

    today: ProjectFiles
    files: Mapping[str, Artifact]

    def read(self, path: str) -> str | None:
        """Return the text of a file of today."""
        return self.today.read(path)

    def find(self, pattern: str) -> Sequence[str]:
        """Return what a path or glob named then; if that is nothing, what it names today."""
        return _matching(self.files, pattern) or self.today.find(pattern)

    def absolute(self, path: str) -> str:
        """Return where a path of the project is."""
        return self.today.absolute(path)


def _matching(files: Mapping[str, Artifact], pattern: str) -> list[str]:
    if not is_glob(pattern):
        return [pattern] if pattern in files else []
    return sorted(path for path in files if glob_matches(pattern, path))


class RecordedPins(NamedTuple):
    """The locks of a past run, and no others."""

    run: str
    pinned: Mapping[str, Pinned]
    backends: Mapping[Kind, EnvironmentBackend]

    def pin(self, name: str, environment: Environment, read: Read, code: Code = NO_CODE) -> Pinned:
        """Return a recorded pin, with the key that it has on this machine.

        Raises:
            CannotRerun: the run had no such environment, or there is no interpreter for it.
        """
        del environment, read, code
        if name not in self.pinned:
            raise CannotRerun(
                f"the run {self.run} has no lock of the environment {name!r}, which these values "
                "need",
                hint="'runproj run' in the project locks it",
            )
        try:
            return keyed(self.pinned[name], self.backends)
        except EnvironmentFailed as error:
            raise CannotRerun.of(error.problems) from error


@dataclass
class CurrentPins:
    """The locks of a past run where the same is declared today, else those of today."""

    pinned: Mapping[str, Pinned]
    pinner: Pinner
    notes: list[str] = field(default_factory=list)

    def pin(self, name: str, environment: Environment, read: Read, code: Code = NO_CODE) -> Pinned:
        """Pin an environment, and note what is not as it was.

        Raises:
            EnvironmentFailed: it cannot be locked.
        """
        then = self.pinned.get(name)
        if then is None:
            self.notes.append(f"the environment {name!r} is new: its lock of today is used")
            return self.pinner.pin(name, environment, read, code)
        declaration = declare(environment, read, code)
        if declaration.digest != then.declaration.digest:
            self.notes.append(
                f"the environment {name!r} is declared otherwise: its lock of today is used"
            )
            return self.pinner.pin(name, environment, read, code)
        path = lockfile_path(name, environment.kind)
        text = None if path is None else read(path)
        if text is not None and as_lock(environment.kind, text) != then.lock:
            self.notes.append(f"{path} is another one today: the lock of the run is used")
        return keyed(self._described(then, declaration), self.pinner.backends)

    def _described(self, then: Pinned, declaration: Declaration) -> Pinned:
        """Let the project's own package be that of today: it is code."""
        kept = self.pinner.objects.keep(canonical(declaration))
        return then._replace(pin=then.pin.replace(declaration=kept), declaration=declaration)


def keyed(pinned: Pinned, backends: Mapping[Kind, EnvironmentBackend]) -> Pinned:
    """Return a pin with the key and the facts that its environment has on this machine.

    Raises:
        EnvironmentFailed: there is no interpreter for it.
    """
    backend = backends[pinned.pin.kind]
    pin = pinned.pin.replace(
        key=backend.key(pinned.declaration, pinned.lock),
        facts=dict(backend.facts(pinned.declaration)),
    )
    return pinned._replace(pin=pin)
