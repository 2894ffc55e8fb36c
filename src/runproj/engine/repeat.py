"""Repeating a run while what must not matter is perturbed: which outputs are stable.

The repeats of the whole run find what flips. What makes it flip is found by repeating the one step
that flips, which gets what the steps before it made when the run was recorded.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from runproj.engine.judge import Judge
from runproj.engine.perturbation import (
    CLOCK,
    WORKSPACE,
    Perturbation,
    Trial,
    applied,
    held_workspace,
    names,
    rounds,
)
from runproj.engine.verify import Verifier, checked
from runproj.errors import CannotRerun, EnvironmentFailed
from runproj.plan.plan import PlannedStep
from runproj.record.compare import Likeness, worst
from runproj.record.run import Run, StepRun
from runproj.record.verdict import (
    Annotation,
    Judgement,
    OutputLabel,
    Repeat,
    Stability,
    Verdict,
)

_PLAIN = "on a plain repeat"
_CHANCE = f"{_PLAIN}: random numbers, thread timing or something outside"
_TWICE, _THRICE = 2, 3
_WORSE = {"ignored": 0, "identical": 0, "equivalent": 1, "different": 2}


class Item(NamedTuple):
    """What is labelled: an output of a step, or (None) its metrics or the step itself."""

    step: str
    path: str | None


class Seen(NamedTuple):
    """How an item came out in a repeat; ``source`` is the step from which it has a difference."""

    likeness: Likeness
    difference: str | None = None
    source: str | None = None

    @property
    def flipped(self) -> bool:
        """Whether it is another one, and that for a reason of its own step."""
        return self.likeness == "different" and self.source is None


class _Evidence(NamedTuple):
    """What was seen in the repeat ``run``; ``verdict`` where it was one of the whole run."""

    run: str
    trial: Trial
    seen: Mapping[Item, Seen]
    verdict: Verdict | None = None

    def without(self, gone: Collection[Item], name: str) -> "_Evidence":
        """Leave out some outputs of a step, and what follows from nothing else."""
        left = {item: one for item, one in self.seen.items() if item not in gone}
        if not any(one.likeness == "different" for item, one in left.items() if item.step == name):
            left = {item: one for item, one in left.items() if one.source != name}
        out = self.seen.keys() - left.keys()
        return self._replace(seen=left, verdict=self.verdict and _reduced(self.verdict, out))


@dataclass
class Repeater:
    """Repeats one run; call :meth:`verify` once.

    ``repeat`` does a run again, or one step of it, in a trial. ``stopped`` returns a clock that
    stands still at a time, where that can be had; ``right`` is one that is right, but had by the
    same means. ``say`` takes a line about progress.
    """

    verifier: Verifier
    repeat: Callable[[Run, str | None, Trial], Run]
    perturbations: Trial
    unperturbed: tuple[str, ...]
    stopped: Callable[[str], Perturbation | None]
    right: Trial
    say: Callable[[str], None]
    _repeats: list[Repeat] = field(default_factory=list)
    _evidence: list[_Evidence] = field(default_factory=list)
    _tried: dict[tuple[object, ...], StepRun | None] = field(default_factory=dict)
    _useless: dict[str, str] = field(default_factory=dict)
    _distorted: dict[str, str] = field(default_factory=dict)

    def verify(self, past: Run, times: int) -> Annotation:
        """Repeat a run, and keep with it the worst verdict, and a label for each output.

        Raises:
            UsageError: the run did not succeed, so there is nothing to compare with.
        """
        self.past = checked(past)
        try:
            for trial in rounds(self.perturbations, times):
                self._round(trial)
        except (CannotRerun, EnvironmentFailed) as error:
            said = Annotation(kind="verdict", verdict=self.verifier.cannot(error))
            self.verifier.annotations.annotate(past.id, said)
            return said
        labels = tuple(self._labels())
        stability = Stability(
            labels=labels,
            repeats=tuple(self._repeats),
            unperturbed=(
                *self.unperturbed, *self._useless.values(), *self._distorted.values(),
            ),
        )  # fmt: skip
        verdict = _overall(past, self._evidence, labels)
        said = Annotation(kind="stability", verdict=verdict, stability=stability)
        for run_id, taken in _origins(past, labels).items():
            about = Annotation(kind="stability", stability=Stability(labels=taken))
            self.verifier.annotations.annotate(run_id, about)
        self.verifier.annotations.annotate(past.id, said)
        return said

    # ── the repeats of the whole run ─────────────────────────────────────────────────────────────

    def _round(self, trial: Trial) -> None:
        trial = tuple(one for one in trial if one.name not in self._useless)
        self.say(f"repeat with {', '.join(names(trial)) or 'nothing'} perturbed")
        again = self.repeat(self.past, None, trial)
        failed = [step.name for step in again.steps if step.status == "failed"]
        fragile = [one for one in trial if one.fragile]
        if failed and fragile:  # they are not to blame for what their tool cannot do
            self._useless |= {
                one.name: f"{one.name}: the step {failed[0]!r} failed under libfaketime, which "
                "not every program takes"
                for one in fragile
            }
            self._round(trial)
            return
        verdict = self.verifier.judge(self.past, again)
        self._repeats.append(Repeat(run=again.id, perturbed=names(trial), word=verdict.word))
        seen: dict[Item, Seen] = {}
        sources = dict(self._sources(again))
        for step in self.past.plan.steps:
            seen |= self._seen(step, again.step(step.name), sources.get(step.name))
        self._evidence.append(_Evidence(again.id, trial, seen, verdict))

    def _sources(self, again: Run) -> Iterator[tuple[str, str]]:
        """Yield the steps whose inputs are not what they were, with the step where that began."""
        began: dict[str, str] = {}
        for step in self.past.plan.steps:
            old, new = self.past.step(step.name), again.step(step.name)
            if new is None or old is None or new.status == "skipped":
                before = step.after
            elif _digests(old) != _digests(new):
                before = tuple(one.step for one in step.inputs if one.step is not None)
            else:
                continue
            guilty = [name for name in before if name in began or not self._same(name, again)]
            if guilty:
                began[step.name] = began.get(guilty[0], guilty[0])
                yield step.name, began[step.name]

    def _same(self, name: str, again: Run) -> bool:
        """Tell whether the outputs of a step are what they were, byte for byte."""
        old, new = self.past.step(name), again.step(name)
        return old is not None and new is not None and new.done and old.outputs == new.outputs

    def _seen(
        self, step: PlannedStep, again: StepRun | None, source: str | None
    ) -> dict[Item, Seen]:
        past = self.past.step(step.name)
        found: dict[Item, Seen] = {}
        for one in Judge(self.verifier.objects).step(step, past, again):
            if one.likeness != "ignored":
                found[Item(one.step, one.path)] = Seen(one.likeness, one.difference, source)
        if past is not None and past.outputs and (again is None or not again.done):
            ended = found.pop(Item(step.name, None))  # then its outputs were not made either
            ignored = {output.path for output in step.outputs if output.compare == "ignore"}
            found |= {
                Item(step.name, output.path): ended
                for output in past.outputs
                if output.path not in ignored
            }
        return found

    # ── labels ───────────────────────────────────────────────────────────────────────────────────

    def _labels(self) -> Iterator[OutputLabel]:
        causes: dict[Item, str] = {}
        while open_ := [item for item in self._items() if item not in causes and self._own(item)]:
            for item in open_:
                cause = self._cause(item)
                if cause is not None:
                    causes[item] = cause
        for item in self._items():
            saw = [one.seen[item] for one in self._evidence if item in one.seen]
            different = [one for one in saw if one.likeness == "different"]
            if different:
                own = next((one for one in different if one.source is None), different[0])
                yield OutputLabel(
                    step=item.step, path=item.path, label="unstable",
                    cause=causes.get(item, f"from {own.source}"), difference=own.difference,
                )  # fmt: skip
            else:
                same = all(one.likeness == "identical" for one in saw)
                yield OutputLabel(
                    step=item.step, path=item.path,
                    label="stable" if same else "stable within rtol",
                )  # fmt: skip

    def _items(self) -> list[Item]:
        """Return all that was seen, in the order of the plan."""
        order = {step.name: number for number, step in enumerate(self.past.plan.steps)}
        found = dict.fromkeys(item for one in self._evidence for item in one.seen)
        return sorted(found, key=lambda item: order[item.step])

    def _own(self, item: Item) -> list[_Evidence]:
        """Return the repeats in which something flipped by itself."""
        return [one for one in self._evidence if item in one.seen and one.seen[item].flipped]

    # ── what makes a step flip ───────────────────────────────────────────────────────────────────

    def _cause(self, item: Item) -> str | None:
        """Name what makes something flip, by repeats of its step; None: nothing that counts."""
        step = self.past.plan.step(item.step)
        flips = [applied(one.trial, step) for one in self._own(item)]
        if not flips:  # it went with another output of its step
            return None
        if not all(flips) or self._flips(item, ()):
            return self._plain_cause(item)
        culprits = self._culprits(item, flips[0])
        if not self._flips(item, culprits, 1):
            return self._untied(item)
        if self._flips(item, (), 1):
            return self._plain_cause(item)
        if CLOCK in names(culprits):
            return self._clock_cause(item, culprits)
        return " with ".join(names(culprits))

    def _clock_cause(self, item: Item, culprits: Trial) -> str | None:
        """Tell whether it is the clock that makes something flip, or what changes the clock.

        Then all that was seen under another clock does not count, and is tried without.
        """
        others = _clockless(culprits)
        if others and self._flips(item, others):
            return " with ".join(names(others))
        right = (*others, *self.right)
        flips = [self._flips(item, right, number) for number in range(_TWICE)]
        if not any(flips):
            return " with ".join(names(culprits))
        if self._flips(item, (), _TWICE):  # the right time goes on meanwhile
            return self._plain_cause(item)
        if not all(flips):
            return self._untied(item)
        self._forget(item.step, right)
        return None

    def _forget(self, name: str, right: Trial) -> None:
        """Let nothing count that a step did under another clock, where the right one flips it.

        What was perturbed along with the clock is tried again: for the step without the clock, for
        the steps after it alone, so that they get what they got in the recorded run.
        """
        self._distort(name)
        gone = {item for item in self._items() if item.step == name and self._flips(item, right)}
        again: dict[str, list[Trial]] = {}
        for number, one in enumerate(self._evidence):
            if CLOCK in names(one.trial):
                left = self._evidence[number] = one.without(gone, name)
                for step in dict.fromkeys(item.step for item in one.seen.keys() - left.seen.keys()):
                    again.setdefault(step, []).append(one.trial)
        for step, trials in again.items():
            planned = self.past.plan.step(step)
            for trial in _widest(trials):
                tried = _clockless(trial) if step == name else trial
                self._try(step, applied(tried, planned), 0)

    def _distort(self, name: str) -> None:
        self._distorted[name] = f"{CLOCK}: libfaketime itself changes what the step {name!r} does"

    def _culprits(self, item: Item, trial: Trial) -> Trial:
        """Halve a trial as long as one of its halves makes something flip; the first is the one.

        Entries in another order are in another folder, too: the folder alone comes before.
        """
        while len(trial) > 1:
            middle = (len(trial) + 1) // 2
            halves = (trial[:middle], trial[middle:])
            guilty = next((half for half in halves if self._flips(item, half)), None)
            if guilty is None:
                break
            trial = guilty
        return trial

    def _untied(self, item: Item) -> str:
        looked = sum(item in one.seen for one in self._evidence)
        count = len(self._own(item))
        often = "once" if count == 1 else f"{count} times"
        return f"differed {often} in {looked} repeats, not tied to one perturbation"

    def _plain_cause(self, item: Item) -> str:
        """Say what makes something flip when nothing is perturbed.

        What is another one each time, but not while something is held, depends on that.
        """
        flips = [self._flips(item, (), number) for number in range(_TWICE)]
        if not any(flips):
            return f"{_PLAIN}, which did not come back in {_TWICE} more"
        if not all(flips):
            return _CHANCE
        clock = self._clock(item.step)
        if self._agree(item, (), _TWICE):  # it is not what it was, but the same each time
            if not self._works(item, clock):
                return _PLAIN
            then = not any(self._flips(item, clock, number) for number in range(_TWICE))
            return self._stopped_cause(item, clock) if then else f"{_PLAIN}: something outside"
        held = (held_workspace(),)
        if self._agree(item, held, _THRICE):
            return WORKSPACE
        if not self._works(item, clock):
            return _PLAIN
        if self._agree(item, clock, _THRICE):
            return self._stopped_cause(item, clock)
        if self._agree(item, (*clock, *held), _THRICE):
            return self._stopped_cause(item, clock, held)
        return _CHANCE

    def _stopped_cause(self, item: Item, clock: Trial, held: Trial = ()) -> str:
        """Name a clock, unless the right time by the same means comes to what a stopped one does.

        That depends on no time, but is not what the step does otherwise.
        """
        step = self.past.plan.step(item.step)
        stopped, right = (self._try(item.step, (*one, *held), 0) for one in (clock, self.right))
        if self._like(item, self.verifier, step, stopped, right):
            self._distort(item.step)
            return _PLAIN
        return f"{CLOCK} with {WORKSPACE}" if held else CLOCK

    def _clock(self, name: str) -> Trial:
        """Return a clock that stands still when a step started, if it can have one."""
        started = getattr(self.past.step(name), "started_at", None)
        clock = self.stopped(started) if started is not None else None
        return (clock,) if clock is not None and clock.applies(self.past.plan.step(name)) else ()

    def _works(self, item: Item, clock: Trial) -> bool:
        """Tell whether there is another clock, and the step works with it."""
        again = self._try(item.step, clock, 0) if clock else None
        return again is not None and again.done

    def _flips(self, item: Item, trial: Trial, number: int = 0) -> bool:
        """Tell whether something is another one in a trial of its step alone."""
        again = self._try(item.step, trial, number)
        if again is None:
            return False
        seen = self._seen(self.past.plan.step(item.step), again, None)
        return item in seen and seen[item].flipped

    def _agree(self, item: Item, trial: Trial, count: int) -> bool:
        """Tell whether some trials of a step alone make the same of something."""
        step = self.past.plan.step(item.step)
        first, *others = (self._try(item.step, trial, number) for number in range(count))
        return all(self._like(item, self.verifier, step, first, one) for one in others)

    @staticmethod
    def _like(
        item: Item, verifier: Verifier, step: PlannedStep, a: StepRun | None, b: StepRun | None
    ) -> bool:
        if b is None or not b.done:
            return False
        judged = Judge(verifier.objects).step(step, a, b)
        return all(one.path != item.path or one.likeness != "different" for one in judged)

    def _try(self, name: str, trial: Trial, number: int) -> StepRun | None:
        """Repeat one step in a trial, once for each number; None when that is not possible."""
        key = (name, *((one.name, *one.variables.values()) for one in trial), number)
        if key not in self._tried:
            self.say(
                f"naming the cause: {name} with {', '.join(names(trial)) or 'nothing'} changed"
            )
            try:
                self._tried[key] = self._tried_now(name, trial)
            except (CannotRerun, EnvironmentFailed):
                self._tried[key] = None
        return self._tried[key]

    def _tried_now(self, name: str, trial: Trial) -> StepRun | None:
        again = self.repeat(self.past, name, trial)
        new, step = again.step(name), self.past.plan.step(name)
        seen = self._seen(step, new, None)
        word = worst(one.likeness for one in seen.values())
        self._repeats.append(Repeat(run=again.id, perturbed=names(trial), word=word, step=name))
        if all(one.name in names(self.perturbations) for one in trial):
            self._evidence.append(_Evidence(again.id, trial, seen))
        return new


def _digests(step: StepRun) -> set[tuple[str, str]]:
    return {(one.path, one.sha256) for one in step.inputs}


def _clockless(trial: Trial) -> Trial:
    return tuple(one for one in trial if one.name != CLOCK)


def _widest(trials: Sequence[Trial]) -> list[Trial]:
    """Return the trials that are no part of another one."""
    return [one for one in trials if not any({*names(one)} < {*names(other)} for other in trials)]


def _reduced(verdict: Verdict, gone: Collection[Item]) -> Verdict:
    """Return a verdict in which some outputs do not count."""
    left = tuple(one for one in verdict.judgements if Item(one.step, one.path) not in gone)
    word = worst(one.likeness for one in left if one.likeness != "ignored")
    word = "equivalent" if word == "identical" and verdict.notes else word
    return verdict.replace(word=word, judgements=left)


def _overall(past: Run, evidence: Sequence[_Evidence], labels: Sequence[OutputLabel]) -> Verdict:
    """Return the worst of several verdicts, with the worst that was judged of each output.

    What was only seen when its step was repeated alone counts as it was seen there, and what is
    unstable is different.
    """
    verdicts = [one.verdict for one in evidence if one.verdict is not None]
    judged: dict[Item, Judgement] = {}
    for one in (one for verdict in verdicts for one in verdict.judgements):
        _keep_worse(judged, one)
    alone: dict[Item, Judgement] = {}
    for item, seen in (pair for one in evidence for pair in one.seen.items()):
        if item not in judged:
            _keep_worse(alone, _judgement(item, seen.likeness, seen.difference))
    judged |= alone
    unstable = [one for one in labels if one.label == "unstable"]
    for label in unstable:
        item = Item(label.step, label.path)
        _keep_worse(judged, _judgement(item, "different", label.difference))
    word = worst(
        likeness
        for likeness in (*(one.word for one in verdicts), *(x.likeness for x in judged.values()))
        if likeness != "cannot rerun" and likeness != "ignored"  # noqa: PLR1714 -- for mypy
    )
    found = next((one for one in verdicts if one.word == word), None)
    if found is None:  # it is another one only where a step was repeated alone
        rerun = next(one.run for one in evidence if word in (x.likeness for x in one.seen.values()))
        found = verdicts[0].replace(word=word, rerun=rerun)
    order = [step.name for step in past.plan.steps]
    judgements = tuple(sorted(judged.values(), key=lambda one: order.index(one.step)))
    different = [one.step for one in judgements if one.likeness == "different"]
    notes = dict.fromkeys(note for one in verdicts for note in one.notes)
    return found.replace(
        judgements=judgements,
        first_different=different[0] if different else None,
        notes=(*notes, *(one.text for one in unstable)),
    )


def _judgement(item: Item, likeness: Likeness, difference: str | None) -> Judgement:
    return Judgement(step=item.step, path=item.path, likeness=likeness, difference=difference)


def _keep_worse(judged: dict[Item, Judgement], one: Judgement) -> None:
    item = Item(one.step, one.path)
    if item not in judged or _WORSE[one.likeness] > _WORSE[judged[item].likeness]:
        judged[item] = one


def _origins(past: Run, labels: Sequence[OutputLabel]) -> Mapping[str, tuple[OutputLabel, ...]]:
    """Return the labels of outputs that were taken from other runs, by the ids of those."""
    found: dict[str, tuple[OutputLabel, ...]] = {}
    for label in labels:
        step = past.step(label.step)
        run_id, _, name = (step.cached_from or "").partition("/") if step else ("", "", "")
        if run_id:
            found[run_id] = (*found.get(run_id, ()), label.replace(step=name))
    return found
