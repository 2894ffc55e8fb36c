"""The verdict on a run that was done again, and what else is said of a run later."""

from typing import Literal, TypeAlias

from runproj.model import Model

OutputLikeness: TypeAlias = Literal["identical", "equivalent", "different", "ignored"]
VerdictWord: TypeAlias = Literal["identical", "equivalent", "different", "cannot rerun"]


class Judgement(Model):
    """How one output (or the metrics, ``path`` is None) of a step compares with what it was.

    ``difference`` says in words where the two differ first.
    """

    step: str
    path: str | None
    likeness: OutputLikeness
    difference: str | None = None


class Verdict(Model):
    """Whether a run, done again, came out as it was.

    ``rerun`` is the id of the run that repeated it, None when it could not be done again.
    ``first_different`` is the first step, in the order of the plan, that differs. ``notes`` are
    sentences: what is missing, or what keeps the verdict from being ``identical``. ``at`` is ISO
    8601 in UTC.
    """

    word: VerdictWord
    at: str
    runproj_version: str
    rerun: str | None = None
    judgements: tuple[Judgement, ...] = ()
    first_different: str | None = None
    notes: tuple[str, ...] = ()


class Annotation(Model):
    """Something that is said of a run after it ended: a line of ``annotations.jsonl``."""

    kind: Literal["verdict"]
    verdict: Verdict
