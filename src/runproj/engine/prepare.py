"""From a project to a plan with decisions: what would be done, without doing it."""

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, Protocol, TypeAlias

from runproj.engine.decide import Decider, Judged, below
from runproj.engine.lookup import Lookup
from runproj.engine.persist import Left
from runproj.engine.pin import Pinned, Pinner, Read, code_of, pointing_at
from runproj.engine.remember import Made, PlanMemory
from runproj.engine.supply import Supply
from runproj.errors import UsageError
from runproj.lock.container import NO_CODE, Code
from runproj.lock.declaration import uses_code
from runproj.model import EMPTY
from runproj.plan.binding import BoundValue, Folders, Given, Recorded, bind
from runproj.plan.instances import Known
from runproj.plan.items import WrongList, items
from runproj.plan.plan import Plan, PlannedStep, Reason
from runproj.plan.planner import Facts, Planner
from runproj.plan.selection import Selection, check_names, select
from runproj.ports import Digests, ObjectStore, ProjectFiles, RunStore, SourceControl
from runproj.record.artifact import Artifact
from runproj.record.audit import Audit
from runproj.record.events import Decision
from runproj.record.run import StepRun
from runproj.record.source import SourceSnapshot
from runproj.spec.environment import Environment, SystemEnvironment
from runproj.spec.matrix import Combination
from runproj.spec.place import Point
from runproj.spec.project import Project
from runproj.spec.suggest import did_you_mean

Judgements: TypeAlias = Mapping[str, Judged]
Ended: TypeAlias = Mapping[str, StepRun]


class Request(NamedTuple):
    """What a user asks to run.

    ``steps`` chooses steps (with those they need); empty means all. ``force`` executes all of
    them, ``forced`` names some. ``start`` are those to begin with, ``skip`` those that do not
    execute, see :func:`runproj.plan.selection.select`. ``system`` runs every step on the system,
    whatever its environment is. ``trace`` observes and ``hermetic`` confines every step; ``audit``
    executes some that need not execute.
    """

    entry_point: str = "main"
    given: Given = Given()
    steps: tuple[str, ...] = ()
    force: bool = False
    system: bool = False
    trace: bool = False
    hermetic: bool = False
    audit: Audit | None = None
    start: tuple[str, ...] = ()
    skip: tuple[str, ...] = ()
    forced: tuple[str, ...] = ()


class Prepared(NamedTuple):
    """A plan, everything that it needs to be executed, and what was decided about its steps.

    ``packages`` maps environments to the folders of archives that are kept in the store. ``grow``
    returns the same with the instances of a step, once its items are known; it is handed what was
    decided so far, and the steps that ended. None: the plan cannot grow. ``left`` has what steps
    of a run left that is resumed.
    """

    project: str
    project_file: str
    snapshot: SourceSnapshot
    plan: Plan
    pinned: Mapping[str, Pinned]
    files: Mapping[str, Artifact]
    decider: Decider
    judged: Mapping[str, Judged]
    packages: Mapping[str, Artifact] = EMPTY
    grow: "Callable[[str, Sequence[Combination], Judgements, Ended], Prepared] | None" = None
    left: Mapping[str, Left] = EMPTY

    @property
    def decisions(self) -> tuple[Decision, ...]:
        """What was decided, in the plan's order."""
        return tuple(one.decision for one in self.judged.values())


def items_of(step: PlannedStep, made: StepRun, objects: ObjectStore) -> Sequence[Combination]:
    """Return the items of a step from the list that was made.

    Raises:
        WrongList: it cannot be used.
    """
    wanted = "" if step.foreach is None else step.foreach.path
    output = next(one for one in made.outputs if one.path == wanted)
    if output.kind == "folder":
        raise WrongList("is a folder, and no list", wanted)
    return items(wanted, objects.read(output.sha256))


def as_far_as_known(prepared: Prepared, objects: ObjectStore) -> Prepared:
    """Return a plan with the instances of all steps whose list is there already."""
    judged = dict(prepared.judged)
    for step in prepared.plan.steps:
        if step.foreach is None or prepared.grow is None:
            continue
        maker = judged[step.foreach.step]
        if maker.known is None or maker.decision.action != "cached":
            continue
        try:
            found = items_of(step, maker.known, objects)
        except WrongList as error:  # when the step's turn comes, it fails
            reason = Reason(kind="list", name=str(error))
            judged[step.name] = Judged(Decision(step.name, "pending", (reason,)))
            continue
        return as_far_as_known(prepared.grow(step.name, found, judged, EMPTY), objects)
    return prepared._replace(judged=judged)


class Draft(NamedTuple):
    """Planned steps, and what they were planned from."""

    entry_point: str
    values: tuple[BoundValue, ...]
    snapshot: SourceSnapshot
    manifest: Mapping[str, str]
    steps: tuple[PlannedStep, ...]
    hidden: tuple[str, ...]
    found: Mapping[str, Artifact]
    held: frozenset[str] = frozenset()


class Pins(Protocol):
    """Finds the lock of an environment."""

    def pin(self, name: str, environment: Environment, read: Read, code: Code = NO_CODE) -> Pinned:
        """Pin an environment; ``read`` returns the text of a file of the project.

        An image may be built from ``code``.
        """


class Past(NamedTuple):
    """What is taken from the record of a run instead of from the world.

    ``values`` hold where nothing else is given, ``files`` are artifacts by their origin, ``pins``
    knows the locks. ``snapshot`` is the code; None: it is taken as it is now. ``prior`` are step
    runs of a run that is resumed.
    """

    values: Mapping[str, BoundValue]
    files: Mapping[str, Artifact]
    pins: Pins
    snapshot: SourceSnapshot | None = None
    prior: Mapping[str, StepRun] = EMPTY


class Preparer(NamedTuple):
    """Prepares runs of one project.

    ``point`` shows places of its file; ``look`` tells what stands at a path of the machine, see
    :meth:`runproj.ports.Watcher.state`. ``memory`` has plans that were made before.
    """

    project: Project
    project_file: str
    point: Point
    project_name: str
    folders: Folders
    files: ProjectFiles
    source: SourceControl
    objects: ObjectStore
    digests: Digests
    runs: RunStore
    pinner: Pinner
    caller: Mapping[str, str]
    platform: str
    look: Callable[[str], str | None]
    past: Past | None = None
    memory: PlanMemory | None = None

    def prepare(self, request: Request, *, keep: bool) -> Prepared:
        """Plan a request, and decide about its steps.

        Args:
            request: what the user asks for.
            keep: whether files from outside of the source are kept in the store (to execute), or
                only looked at.

        Raises:
            UsageError: there is no such entry point or step.
            ParameterError: values do not fit.
            ProjectError: the project cannot be planned.
            EnvironmentFailed: an environment cannot be locked.
            Refused: the source holds what must not be kept.
        """
        drafted = self._drafting(request, keep=keep)
        first = drafted(EMPTY)
        pinned = self._pin(first, system=request.system)

        def planned(draft: Draft, items: Known, before: Judgements, ended: Ended) -> Prepared:
            prepared = self._undecided(request, draft, pinned)

            def grow(
                step: str, found: Sequence[Combination], before: Judgements, ended: Ended
            ) -> Prepared:
                known = {**items, step: found}
                return planned(drafted(known), known, before, ended)

            judged = prepared.decider.decide_all(before, ended)
            return prepared._replace(grow=grow, judged=judged)

        return as_far_as_known(planned(first, EMPTY, EMPTY, EMPTY), self.objects)

    def _undecided(
        self, request: Request, draft: "Draft", pinned: Mapping[str, Pinned]
    ) -> Prepared:
        """Return a plan of which nothing is decided yet."""
        plan = Plan(
            entry_point=draft.entry_point,
            values=draft.values,
            environments=tuple(one.pin for one in pinned.values()),
            steps=draft.steps,
            hidden=draft.hidden,
            pools=dict(self.project.resources),
        )
        given = dict(_given(draft.steps, draft.found))
        decider = Decider(
            plan, draft.snapshot, self.project_name, self.platform,
            Supply(draft.manifest, given, self.objects),
            self.source, self.objects, self.runs, self.look, request.force,
            request.audit, request.forced, draft.held,
            EMPTY if self.past is None else self.past.prior,
        )  # fmt: skip
        return Prepared(
            self.project_name, self.project_file, draft.snapshot, plan, pinned, given, decider,
            EMPTY,
        )  # fmt: skip

    def values(self, request: Request) -> tuple[BoundValue, ...]:
        """Return the values of a request.

        Raises:
            UsageError: there is no such entry point.
            ParameterError: values do not fit.
        """
        return self._bind(self.entry_point(request.entry_point), request.given)

    def draft(self, request: Request, *, keep: bool) -> "Draft":
        """Plan the steps of a request; environments and past runs are not looked at.

        Raises:
            UsageError: there is no such entry point or step.
            ParameterError: values do not fit.
            ProjectError: the project cannot be planned.
            Refused: the source holds what must not be kept.
        """
        return self._drafting(request, keep=keep)(EMPTY)

    def _drafting(self, request: Request, *, keep: bool) -> "Callable[[Known], Draft]":
        """Return what plans the steps of a request, given the items that are known.

        The world is looked at once, however often it is planned.
        """
        entry_point = self.entry_point(request.entry_point)
        values = self._bind(entry_point, request.given)
        snapshot = self._snapshot()
        manifest = below(self.source.manifest(snapshot.tree), snapshot.project_path)
        found: dict[str, Artifact] = {}
        facts = self._facts(manifest, found, keep=keep)

        def draft(items: Known) -> Draft:
            def make(facts: Facts) -> Made:
                planner = Planner(
                    self.project, entry_point, values, facts, system=request.system,
                    trace=request.trace, hermetic=request.hermetic, items=items,
                )  # fmt: skip
                return Made(planner.plan(request.steps), planner.hidden())

            if self.memory is None or items:
                made = make(facts)
            else:
                how = request.steps, request.system, request.trace, request.hermetic
                of = [entry_point, values, *how]
                made = self.memory.planned(of, snapshot, facts, make)
            chosen = Selection(made.steps)
            check_names(chosen.steps, request.forced, "--force-step")
            if request.start or request.skip:
                chosen = select(chosen.steps, request.start, request.skip)
            return Draft(
                entry_point, values, snapshot, manifest, chosen.steps, made.hidden, found,
                chosen.held,
            )  # fmt: skip

        return draft

    def _snapshot(self) -> SourceSnapshot:
        if self.past is not None and self.past.snapshot is not None:
            return self.past.snapshot
        root = self.files.absolute(self.project.source.root)
        return self.source.snapshot(self.folders.project, root)

    def entry_point(self, name: str) -> str:
        """Return the entry point that a name means: the only one, where there is no ``main``.

        Raises:
            UsageError: there is none.
        """
        if name not in self.project.entry_points:
            known = list(self.project.entry_points)
            if name == "main" and len(known) == 1:
                return known[0]
            raise UsageError(
                f"the project has no entry point {name!r}",
                where=self.project_file,
                hint=f"{did_you_mean(name, known)} (-e chooses an entry point)",
            )
        return name

    def _bind(self, entry_point: str, given: Given) -> tuple[BoundValue, ...]:
        lookup = Lookup(self.runs)
        elsewhere = {
            name for entry in self.project.entry_points.values() for name in entry.parameters
        }
        return bind(
            self.project.parameters_of(entry_point), given, self.folders,
            lambda text: lookup.output(text).path, elsewhere, self._recorded(),
        )  # fmt: skip

    def _recorded(self) -> Recorded:
        if self.past is None:
            return Recorded()
        if self.past.snapshot is None:
            return Recorded(self.past.values)
        return Recorded(
            self.past.values, lambda place: self.digests.digest(place, place) is not None
        )

    def _facts(
        self, manifest: Mapping[str, str], found: dict[str, Artifact], *, keep: bool
    ) -> Facts:
        def digest(origin: str) -> str | None:
            if origin not in found:
                artifact = self._look_at(origin, keep=keep)
                if artifact is None:
                    return None
                found[origin] = artifact
            return found[origin].sha256

        return Facts(
            manifest=manifest,
            find=functools.cache(self.files.find),
            digest=digest,
            caller=self.caller.get,
            point=self.point,
            project_file=self.project_file,
        )

    def _look_at(self, origin: str, *, keep: bool) -> Artifact | None:
        if self.past is not None and origin in self.past.files:
            return self.past.files[origin]
        if origin.startswith("run:"):
            output = Lookup(self.runs).output(origin)
            return Artifact.of(output)
        place = self.files.absolute(origin)
        if keep:
            try:
                return self.objects.put(place, origin)  # read once: it is hashed on the way
            except UsageError:
                pass  # nothing is there, or it cannot be kept: that is said below
        return self.digests.digest(place, origin)

    def code(self) -> Code:
        """Return the code that images and packages are built from, as it is now."""
        snapshot = self._snapshot()
        manifest = below(self.source.manifest(snapshot.tree), snapshot.project_path)
        return code_of(self.project, self.project_file, snapshot, manifest)

    def _pin(self, draft: "Draft", *, system: bool) -> dict[str, Pinned]:
        pinned = {}
        for name in dict.fromkeys(step.environment for step in draft.steps):
            declared = None if system else self.project.environments.get(name)
            environment = declared or SystemEnvironment(kind="system")
            code = NO_CODE
            if uses_code(environment, self.files.read):
                code = code_of(self.project, self.project_file, draft.snapshot, draft.manifest)
            pinned[name] = self.pin(name, environment, code)
        return pinned

    def pin(self, name: str, environment: Environment, code: Code = NO_CODE) -> Pinned:
        """Pin an environment, see :meth:`runproj.engine.pin.Pinner.pin`."""
        with pointing_at(name, self.point):
            pins: Pins = self.pinner if self.past is None else self.past.pins
            return pins.pin(name, environment, self.files.read, code)


def _given(
    steps: Sequence[PlannedStep], found: Mapping[str, Artifact]
) -> list[tuple[str, Artifact]]:
    return [
        (planned.path, found[planned.origin].replace(path=planned.path))
        for step in steps
        for planned in step.inputs
        if planned.origin is not None
    ]
