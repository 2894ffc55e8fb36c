"""Finding past runs, step runs and outputs by what a user calls them: ``RUN[/STEP][:OUTPUT]``."""

from typing import NamedTuple

from runproj.errors import NoSuchRun, UsageError
from runproj.plan.selection import is_one_of
from runproj.ports import RunStore
from runproj.record.run import Output, Run, StepRun
from runproj.record.tracking import LoggedModel
from runproj.spec.suggest import did_you_mean

_SHOWN = 4  # instances of a step that are named


class Lookup(NamedTuple):
    """Looks things up in a store."""

    runs: RunStore

    def run(self, name: str) -> Run:
        """Return a run by id, unique prefix, name, ``latest`` or ``latest~N``.

        Raises:
            NoSuchRun: nothing answers to the name.
            UsageError: it is the beginning of several ids, or names a step.
        """
        run, slash, _ = name.partition("/")
        if slash:
            raise UsageError(f"{name!r} is a step, and a whole run is needed", hint=f"write {run}")
        ids = self.runs.ids(name)
        if not ids:
            raise NoSuchRun(f"there is no run {name!r}", hint="'runproj list' shows all runs")
        prefix = len(ids) > 1 and all(id_.startswith(name) and id_ != name for id_ in ids)
        if prefix:
            raise UsageError(
                f"{name!r} is the beginning of several runs", hint=f"one of {', '.join(ids[:8])}"
            )
        return self.runs.load(ids[0])

    def step(self, run: Run, name: str) -> StepRun:
        """Return a step run of a run.

        Raises:
            NoSuchRun: the run has no such step.
        """
        step = run.step(name)
        if step is None:
            known = [other.name for other in run.steps]
            group = [one for one in known if is_one_of(one, (name,))]
            if group:
                more = f" and {len(group) - _SHOWN} more" if len(group) > _SHOWN else ""
                raise NoSuchRun(
                    f"{name!r} has several instances in the run {run.id}",
                    hint=f"write one of {', '.join(group[:_SHOWN])}{more}",
                )
            raise NoSuchRun(
                f"the run {run.id} has no step {name!r}", hint=did_you_mean(name, known)
            )
        return step

    def split(self, text: str) -> tuple[Run, StepRun | None]:
        """Return what ``RUN`` or ``RUN/STEP`` means."""
        name, slash, step = text.partition("/")
        run = self.run(name)
        return run, self.step(run, step) if slash else None

    def output(self, text: str) -> Output:
        """Return what ``[run:]RUN[/STEP]:OUTPUT`` means.

        Raises:
            NoSuchRun: there is no such run, step or output.
            UsageError: the output's name is missing, or several steps have such an output.
        """
        run_and_step, colon, name = text.removeprefix("run:").partition(":")
        if not colon or not name:
            raise UsageError(f"{text!r} names no output", hint="write run:RUN/STEP:OUTPUT")
        run, step = self.split(run_and_step)
        found = find_outputs(run, step, name)
        if not found:
            known = [output.name or output.path for one in run.steps for output in one.outputs]
            raise NoSuchRun(
                f"{run_and_step} has no output {name!r}", hint=did_you_mean(name, known)
            )
        if len(found) > 1:
            steps = ", ".join(f"{run.id}/{step.name}" for step, _ in found)
            raise UsageError(f"several steps have an output {name!r}", hint=f"say which: {steps}")
        return found[0][1]

    def model(self, text: str) -> tuple[Run, StepRun, LoggedModel]:
        """Return what ``RUN[/STEP]:MODEL`` means; an output may be taken for a model, too.

        Raises:
            NoSuchRun: there is no such run, step or model.
            UsageError: the model's name is missing, or several steps have such a model.
        """
        run_and_step, colon, name = text.rpartition(":")
        if not colon or not name:
            raise UsageError(f"{text!r} names no model of a run", hint="write RUN/STEP:MODEL")
        run, step = self.split(run_and_step)
        found = _models(run, step, name)
        if not found:
            steps = run.steps if step is None else (step,)
            known = [one.name for of in steps for one in of.models]
            known += [one.name or one.path for of in steps for one in of.outputs]
            raise NoSuchRun(f"{run_and_step} has no model {name!r}", hint=did_you_mean(name, known))
        if len(found) > 1:
            names = ", ".join(f"{run.id}/{one.name}:{name}" for one, _ in found)
            raise UsageError(f"several steps have a model {name!r}", hint=f"say which: {names}")
        return (run, *found[0])


def _models(run: Run, step: StepRun | None, name: str) -> list[tuple[StepRun, LoggedModel]]:
    """Return the models of this name; where there is none, the outputs."""
    steps = run.steps if step is None else (step,)
    logged = [(of, one) for of in steps for one in of.models if one.name == name]
    made = (pair for pair in find_outputs(run, step, name) if pair[1] in pair[0].outputs)
    return logged or [
        (of, LoggedModel.of(one, name=one.name or one.path, flavor="generic")) for of, one in made
    ]


def find_outputs(run: Run, step: StepRun | None, name: str) -> list[tuple[StepRun, Output]]:
    """Return what a run, or one of its steps, made or logged with this name or path."""
    return [
        (one, output)
        for one in (run.steps if step is None else (step,))
        for output in one.kept
        if name in (output.name, output.path)
    ]
