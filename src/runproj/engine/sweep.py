"""A sweep: many runs of one entry point with different values, side by side."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple

from runproj.engine.prepare import Prepared, Preparer, Request
from runproj.engine.together import Going
from runproj.errors import UsageError
from runproj.plan.space import Axis, Point
from runproj.ports import Sampler, SourceControl
from runproj.record.run import Run
from runproj.record.source import SourceSnapshot
from runproj.record.sweep import Sweep, SweepResult, SweepTrial, TrialResult, meant


class OneSnapshot:
    """A source control that takes one snapshot: all trials have the same code."""

    def __init__(self, source: SourceControl) -> None:
        """Take it when it is first asked for."""
        self._source = source
        self._taken: SourceSnapshot | None = None
        self._manifests: dict[str, Mapping[str, str]] = {}

    def snapshot(self, project: str, root: str) -> SourceSnapshot:
        """Return the one snapshot, see :class:`~runproj.ports.SourceControl`."""
        if self._taken is None:
            self._taken = self._source.snapshot(project, root)
        return self._taken

    def manifest(self, tree: str) -> Mapping[str, str]:
        """Return the files of a tree, see :class:`~runproj.ports.SourceControl`."""
        if tree not in self._manifests:
            self._manifests[tree] = self._source.manifest(tree)
        return self._manifests[tree]

    def checkout(self, tree: str, folder: str, paths: Iterable[str] | None = None) -> None:
        """Write the files of a tree, see :class:`~runproj.ports.SourceControl`."""
        self._source.checkout(tree, folder, paths)

    def read(self, tree: str, path: str) -> bytes | None:
        """Return the content of a file, see :class:`~runproj.ports.SourceControl`."""
        return self._source.read(tree, path)


class Listed:
    """A sampler that knows all of its points beforehand, and learns nothing."""

    def __init__(self, points: Iterator[Point]) -> None:
        """Give the points one after another."""
        self._points = points

    def ask(self) -> Point | None:
        """Return the next point; None: there are no more."""
        return next(self._points, None)

    def tell(self, point: Point, score: float | None) -> None:
        """Take no notice."""


class Trials(NamedTuple):
    """Prepares the trials of a sweep; ``preparer`` should know :class:`OneSnapshot`."""

    preparer: Preparer
    request: Request

    def check(self, axes: Iterable[Axis]) -> None:
        """Make sure that each parameter may have each of its values.

        Raises:
            UsageError: there is no such entry point.
            ParameterError: values do not fit; with every mistake of the first that does not.
        """
        ends = {axis.name: axis.ends for axis in axes}
        first = {name: values[0] for name, values in ends.items()}
        for point in (
            first,
            *({**first, name: value} for name, values in ends.items() for value in values[1:]),
        ):
            self.preparer.values(self._with(point))

    def prepare(self, point: Point) -> Prepared:
        """Prepare the run of a point, see :meth:`~runproj.engine.prepare.Preparer.prepare`."""
        return self.preparer.prepare(self._with(point), keep=True)

    def _with(self, point: Point) -> Request:
        given = self.request.given
        return self.request._replace(given=given._replace(texts=(*given.texts, *point.items())))


class Sweeper:
    """Begins the trials of a sweep, and collects what comes out.

    ``past`` are the runs of its earlier trials, of which those that succeeded are not repeated.
    ``start`` returns the run of a trial, under way.
    """

    def __init__(
        self, sweep: Sweep, sampler: Sampler, prepare: Callable[[Point], Prepared],
        start: Callable[[Prepared, SweepTrial], tuple[str, Going]], past: Iterable[Run] = (),
    ) -> None:  # fmt: skip
        """Begin nothing yet."""
        self._sweep, self._sampler = sweep, sampler
        self._prepare, self._start = prepare, start
        self.results: dict[int, TrialResult] = {}
        self._is_measured = False
        self._left: Iterator[tuple[int, Point]] = self._points(self._known(past))

    def _known(self, past: Iterable[Run]) -> dict[int, Point]:
        """Collect earlier trials; return the points of those that have to be done again."""
        again: dict[int, Point] = {}
        self._latest = 0
        for run, trial in ((run, run.sweep) for run in past):
            assert trial is not None  # noqa: S101 -- for mypy: only trials come here
            self._latest = max(self._latest, trial.number)
            if run.status == "succeeded":
                self.done(run)
            else:
                again[trial.number] = trial.values
        return {number: point for number, point in again.items() if number not in self.results}

    def _points(self, again: Mapping[int, Point]) -> Iterator[tuple[int, Point]]:
        """Yield number and point of each trial that is left."""
        learns = self._sweep.sampler == "tpe"
        yield from sorted(again.items()) if learns else ()
        begins = self._latest + 1 if learns else 1
        for number in range(begins, self._sweep.trials + 1):
            point = self._sampler.ask()
            if point is not None and number not in self.results:
                yield number, point

    def begin(self) -> tuple[str, Going] | None:
        """Begin the next trial; None: there are no more."""
        number, point = next(self._left, (0, None))
        if point is None:
            return None
        trial = SweepTrial(sweep=self._sweep, number=number, values=dict(point))
        return self._start(self._prepare(point), trial)

    def done(self, run: Run) -> TrialResult:
        """Take and return what came out of a trial.

        Raises:
            UsageError: the first trial that succeeds has no metric as the goal names it.
        """
        result = self._take(run)
        goal = self._sweep.goal
        if goal is None or run.status != "succeeded" or self._is_measured:
            return result
        if not meant(goal.metric, result.metrics):
            there = ", ".join(result.metrics) or "none at all"
            raise UsageError(
                f"the trial {result.number} ({run.id}) has no metric {goal.metric!r}",
                hint=f"its metrics: {there}",
            )
        self._is_measured = True
        return result

    def _take(self, run: Run) -> TrialResult:
        assert run.sweep is not None  # noqa: S101 -- for mypy: only trials come here
        goal, number = self._sweep.goal, run.sweep.number
        score = None
        if goal is not None and run.status == "succeeded":
            try:
                score = goal.score(run.metrics)
            except ValueError as error:
                raise UsageError(str(error), hint="--minimize and --maximize take one") from None
        self.results[number] = result = TrialResult(
            number, run.sweep.values, run.id, run.status, run.metrics, run.duration_s or 0.0, score
        )
        self._sampler.tell(run.sweep.values, score)
        return result

    def result(self, experiment: str) -> SweepResult:
        """Return what came out so far."""
        trials = [self.results[number] for number in sorted(self.results)]
        goal = self._sweep.goal
        scores = {one.number: one.score for one in trials if one.score is not None}
        best = None if goal is None else goal.best(scores)
        return SweepResult(self._sweep, experiment, trials, best)
