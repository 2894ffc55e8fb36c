"""A look around where a step executed: its workspace, with its environment, for a person."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import NamedTuple

from runproj.engine import furnish, secrets
from runproj.engine.furnish import Room, joined
from runproj.engine.rerun import Rerunner
from runproj.engine.resources import DEVICES
from runproj.engine.track import begin
from runproj.engine.variables import PASSED
from runproj.errors import CannotRerun, Problem
from runproj.lock.lock import Kind
from runproj.plan.plan import PlannedStep
from runproj.ports import (
    ContainedEnvironment,
    Container,
    EnvironmentBackend,
    Say,
    Tracking,
    Workspaces,
)
from runproj.record.run import Run, StepRun


class Entered(NamedTuple):
    """Where a process is to be started, and all that it gets.

    ``kept`` tells that it is the very folder in which the step executed; else it was made anew, and
    goes when it is left.
    """

    step: PlannedStep
    root: str
    directory: str
    variables: Mapping[str, str]
    container: Container | None
    kept: bool


class Opener(NamedTuple):
    """Opens the workspaces of past steps.

    ``revisit`` holds a workspace that was kept, by its root, and tells whether it is there; it has
    its folder for temporary files then.
    """

    rerunner: Rerunner
    workspaces: Workspaces
    backends: Mapping[Kind, EnvironmentBackend]
    revisit: Callable[[str], AbstractContextManager[bool]]
    caller: Mapping[str, str]
    tracking: Tracking

    @contextmanager
    def enter(self, run: Run, known: StepRun, say: Say) -> Iterator[Entered]:
        """Give what a step was given.

        Raises:
            CannotRerun: with everything that is missing.
            EnvironmentFailed: its environment can no longer be built.
        """
        step = run.plan.step(known.name)
        with ExitStack() as stack:
            room = self._kept(run, known, stack)
            kept = room is not None
            room = room or self._made(run, step, stack)
            problems: list[Problem] = []
            pins = [pin for pin in run.plan.environments if pin.name == step.environment]
            pinned = self.rerunner.pinned(pins, problems)
            if problems:
                raise CannotRerun.of(problems)
            one = pinned[step.environment]
            environment = self.backends[one.pin.kind].prepare(one.declaration, one.lock, say)
            contained = isinstance(environment, ContainedEnvironment)
            variables = furnish.variables(
                step, environment, room, run.source,
                caller=self._caller(known), run_id=run.id, contained=contained,
            )  # fmt: skip
            if DEVICES in known.variables:
                variables.setdefault(DEVICES, known.variables[DEVICES])
            variables = begin(self.tracking, step, run.plan, room, variables)
            if not contained:  # else the engine would show them to everybody
                variables |= secrets.of(step, self.caller)
            made = environment.container if isinstance(environment, ContainedEnvironment) else None
            yield Entered(
                step, room.root, joined(room.project, step.working_directory), variables,
                furnish.container(made, room, step), kept,
            )  # fmt: skip

    def _caller(self, known: StepRun) -> dict[str, str]:
        """Return what the step got from its caller; the terminal is that of today."""
        recorded = {name: known.variables[name] for name in PASSED if name in known.variables}
        now = {name: self.caller[name] for name in PASSED if name in self.caller}
        given = dict(recorded or now)
        given.pop("TERM", None)
        return {**given, "TERM": self.caller["TERM"]} if "TERM" in self.caller else given

    def _kept(self, run: Run, known: StepRun, stack: ExitStack) -> Room | None:
        """Return the workspace in which the step executed, if it is there."""
        root = known.workspace
        if root is None or not stack.enter_context(self.revisit(root)):
            return None
        return Room(root, joined(root, run.source.project_path), f"{root}.tmp")

    def _made(self, run: Run, step: PlannedStep, stack: ExitStack) -> Room:
        """Make the workspace anew, from the record."""
        prepared = self.rerunner.prepare(run, step.name)
        before = {name: one.known for name, one in prepared.judged.items() if one.known is not None}
        given = prepared.decider.supply.artifacts(step, before)
        stack.callback(self.workspaces.close)
        workspace = self.workspaces.open(furnish.furnishing(prepared, step, given))
        stack.callback(lambda: workspace.close(keep=False))
        return Room(workspace.root, workspace.project, workspace.temporary)


_SHELL = "command -v bash >/dev/null 2>&1 && exec bash --norc --noprofile; exec /bin/sh"


def process_of(command: tuple[str, ...]) -> tuple[str, ...]:
    """Return what is started for a command; for none a shell, which reads no file of its user.

    >>> process_of(("ls", "-l"))
    ('ls', '-l')
    """
    return command or ("/bin/sh", "-c", _SHELL)
