"""Runs that execute at the same time: what they share, and how they are driven."""

from collections.abc import Callable, Generator
from contextlib import suppress
from typing import TypeAlias

from runproj.engine.resources import Devices
from runproj.engine.schedule import Free
from runproj.ports import Executor
from runproj.record.outcome import Outcome
from runproj.record.run import Run, StepRun

Ended: TypeAlias = tuple[str, Outcome]
"""The name of an execution, and how it ended."""

Going: TypeAlias = Generator[float | None, Ended | None, Run]
"""A run under way.

It yields when it can do nothing but wait, with the seconds after which it has something to do by
itself, or None. It is sent an execution of its own that ended, or None, and returns its record.
"""


def alone(going: Going, executor: Executor) -> Run:
    """Drive one run to its end; return its record."""
    try:
        left_s = next(going)
        while True:
            try:
                ended = executor.wait() if left_s is None else executor.wait_for(left_s)
            except BaseException as error:  # noqa: BLE001 -- the run writes it down, and raises it
                left_s = going.throw(error)
            else:
                left_s = going.send(ended)
    except StopIteration as stop:
        run: Run = stop.value
        return run
    finally:
        going.close()
        executor.close()


class Together:
    """What runs share that execute at the same time.

    A step that two of them have in common executes in one, and the others wait for it. One that
    failed in a run fails in the others, too, without being executed.
    """

    def __init__(self, steps: int) -> None:
        """Let so many steps execute at once."""
        self.free = Free(steps)
        self._devices: Devices | None = None
        self._under_way: dict[str, str] = {}
        self._failed: dict[str, str] = {}

    def devices(self, gpus: tuple[str, ...]) -> Devices:
        """Return the GPUs that are shared: those of the first run that needs some."""
        if self._devices is None and gpus:
            self._devices = Devices(gpus)
        return self._devices or Devices(())

    def is_under_way(self, fingerprint: str) -> bool:
        """Tell whether a run executes a step with this fingerprint."""
        return fingerprint in self._under_way

    def failed_in(self, fingerprint: str) -> str | None:
        """Return the ``RUN/STEP`` with this fingerprint that failed."""
        return self._failed.get(fingerprint)

    def starts(self, run_id: str, fingerprint: str) -> None:
        """Note that a run executes a step with this fingerprint."""
        self._under_way[fingerprint] = run_id

    def ends(self, run_id: str, step: StepRun) -> None:
        """Note how a step of a run ended."""
        digest = "" if step.fingerprint is None else step.fingerprint.digest
        if self._under_way.get(digest) == run_id:
            del self._under_way[digest]
            if step.status == "failed":
                self._failed[digest] = f"{run_id}/{step.name}"

    def leaves(self, run_id: str) -> None:
        """Note that a run ended, whatever it left."""
        self._under_way = {one: run for one, run in self._under_way.items() if run != run_id}


class Conductor:
    """Drives runs on one executor, the earliest first; what is free then lets another begin.

    ``begin`` returns the id of the next run, and the run; None: there is none now. ``done`` is told
    the record of each that ended. At most ``most`` are under way.
    """

    def __init__(
        self, executor: Executor, together: Together, most: int,
        begin: Callable[[], tuple[str, Going] | None], done: Callable[[Run], None],
    ) -> None:  # fmt: skip
        """Drive nothing yet, see :meth:`execute`."""
        self._executor, self._together, self._most = executor, together, most
        self._begin, self._done = begin, done
        self._going: dict[str, Going] = {}
        self._due: dict[str, float | None] = {}

    def execute(self) -> None:
        """Drive all runs to their end.

        What is raised in one, or while it waits, ends the others too: they are interrupted.
        """
        try:
            while self._go_on():
                times = [left_s for left_s in self._due.values() if left_s is not None]
                ended = self._executor.wait_for(min(times)) if times else self._executor.wait()
                if ended is not None:
                    name, outcome = ended
                    run_id, _, step = name.partition("/")
                    self._drive(run_id, (step, outcome))
        except BaseException as error:
            for going in self._going.values():
                with suppress(type(error)):
                    going.throw(error)
            raise
        finally:
            self._executor.close()

    def _go_on(self) -> bool:
        """Let everything begin that can; tell whether something is under way."""
        for run_id in list(self._going):
            self._drive(run_id, None)
        while len(self._going) < self._most and (self._together.free.steps > 0 or not self._going):
            begun = self._begin()
            if begun is None:
                break
            run_id, self._going[run_id] = begun
            self._drive(run_id, None)
        return bool(self._going)

    def _drive(self, run_id: str, ended: Ended | None) -> None:
        """Let a run go on until it waits again, or ends."""
        going = self._going[run_id]
        try:
            self._due[run_id] = going.send(ended)
        except StopIteration as stop:
            self._leave(run_id)
            self._done(stop.value)
        except BaseException:
            self._leave(run_id)
            raise

    def _leave(self, run_id: str) -> None:
        del self._going[run_id]
        self._due.pop(run_id, None)
        self._together.leaves(run_id)
