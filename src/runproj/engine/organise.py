"""Saying something of runs, so that people find their way among them."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from runproj.errors import Problem, UsageError
from runproj.ports import Annotations, Claim, RunStore
from runproj.record.organising import Organised, organised
from runproj.record.run import Run
from runproj.record.verdict import Annotation
from runproj.spec.suggest import did_you_mean

LONGEST_NOTE = 100_000
"""Characters; what is longer is no note."""

_LONGEST_NAME = 200
_NO_NAME = re.compile(r"latest(~\d+)?|-.*|\s.*|.*\s|.*[/:\x00-\x1f\x7f].*", re.DOTALL)


class Organiser(NamedTuple):
    """Says something of the runs of a store, on behalf of ``author``.

    ``now`` returns the time, ISO 8601 in UTC; ``claims`` what is kept beside the runs.
    """

    runs: RunStore
    annotations: Annotations
    author: str | None
    now: Callable[[], str]
    claims: Callable[[], Iterable[Claim]]

    def known(self, run: Run) -> Organised:
        """Return what is said of a run by now."""
        return organised(run, self.annotations.annotations(run.id))

    def note(self, run: Run, text: str) -> None:
        """Add a note.

        Raises:
            UsageError: there is nothing in it, or too much.
        """
        text = text.strip()
        if not text:
            raise UsageError("the note is empty", hint="runproj note RUN 'what I saw'")
        if len(text) > LONGEST_NOTE:
            raise UsageError(
                f"the note is too long: {len(text):,} characters, and {LONGEST_NOTE:,} may be",
                hint="a step can keep a file: runproj.log_artifact",
            )
        self._say(run, kind="note", note=text)

    def tag(self, run: Run, tags: Mapping[str, str], without: Sequence[str] = ()) -> None:
        """Set tags, and take others away.

        Raises:
            UsageError: a tag is not there that was to be taken away, or is both.
        """
        known = self.known(run).tags
        problems = [
            Problem(f"the run {run.id} has no tag {name!r}", hint=did_you_mean(name, known))
            for name in without
            if name not in known
        ]
        problems += [
            Problem(f"the tag {name!r} is set and removed") for name in without if name in tags
        ]
        if problems:
            raise UsageError.of(problems)
        self._say(run, kind="tags", tags={**tags, **dict.fromkeys(without)})

    def name(self, run: Run, name: str | None) -> None:
        """Name a run, or take its name away.

        Raises:
            UsageError: another run has that name, or it cannot be one.
        """
        if name is not None:
            check_name(name)
            for other in self.runs.ids(name):
                if other != run.id and name in (other, self.runs.load(other).name):
                    what = "that is its id" if name == other else "the run has it"
                    raise UsageError(
                        f"{name!r} means the run {other} already: {what}",
                        hint=f"choose another, or first 'runproj name {other} --remove'"
                        if name != other else "choose another",
                    )  # fmt: skip
        self._say(run, kind="name", name=name)

    def archive(self, runs: Sequence[Run]) -> None:
        """Put runs away: they stay, and are not listed.

        Raises:
            UsageError: a run goes on.
        """
        _refuse_running(runs)
        for run in runs:
            if self.known(run).archived_at is None:
                self._say(run, kind="archived")

    def delete(self, runs: Sequence[Run]) -> None:
        """Delete runs: they can be restored as long as nobody made room.

        Raises:
            UsageError: a run goes on, or something that is kept needs it.
        """
        _refuse_running(runs)
        wanted = {run.id for run in runs}
        problems = [
            Problem(f"the run {run_id} is not deleted: {claim.by} needs it")
            for claim in self.claims()
            for run_id in claim.runs
            if run_id in wanted
        ]
        if problems:
            raise UsageError.of(problems)
        for run in runs:
            if self.known(run).deleted_at is None:
                self._say(run, kind="deleted")

    def restore(self, runs: Sequence[Run], *, deleted: bool) -> None:
        """Take back that runs were archived; with ``deleted``, that they were deleted.

        Raises:
            UsageError: a run was not; of archived ones, one is deleted as well.
        """
        problems = []
        for run in runs:
            known = self.known(run)
            if deleted and known.deleted_at is None:
                problems.append(Problem(f"the run {run.id} is not deleted"))
            elif not deleted and known.archived_at is None:
                problems.append(Problem(f"the run {run.id} is not archived"))
            elif not deleted and known.deleted_at is not None:
                problems.append(
                    Problem(f"the run {run.id} is deleted", hint=f"runproj delete --undo {run.id}")
                )
        if problems:
            raise UsageError.of(problems)
        for run in runs:
            self._say(run, kind="restored")

    def _say(self, run: Run, **said: Any) -> None:  # noqa: ANN401 -- fields of an annotation
        annotation = Annotation(at=self.now(), author=self.author, **said)
        self.annotations.annotate(run.id, annotation)


def check_name(name: str) -> None:
    """Make sure that a run may have a name: that a person can write it wherever a run is meant.

    Raises:
        UsageError: it cannot.
    """
    if not name or len(name) > _LONGEST_NAME or _NO_NAME.fullmatch(name):
        raise UsageError(
            f"{name[:_LONGEST_NAME]!r} cannot be the name of a run",
            hint="a name has no '/' and no ':', no space and no '-' at its beginning, "
            f"at most {_LONGEST_NAME} characters, and is not 'latest'",
        )


def _refuse_running(runs: Sequence[Run]) -> None:
    for run in runs:
        if run.status == "running":
            raise UsageError(f"the run {run.id} goes on", hint="try again when it has ended")
