"""The verdict on a run that was done again, and what else is said of a run later."""

from typing import Literal, TypeAlias

from runproj.model import Model, field

OutputLikeness: TypeAlias = Literal["identical", "equivalent", "different", "ignored"]
VerdictWord: TypeAlias = Literal["identical", "equivalent", "different", "cannot rerun"]
StabilityWord: TypeAlias = Literal["stable", "stable within rtol", "unstable"]


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


class Repeat(Model):
    """A run that repeated another one, or one step of it, and what was perturbed in it."""

    run: str
    perturbed: tuple[str, ...]
    word: VerdictWord
    step: str | None = None


class OutputLabel(Model):
    """What repeats say of one output (or the metrics, or the step itself: ``path`` is None).

    ``cause`` names what makes it unstable: a perturbation such as ``hash seed``, ``from STEP``
    where its inputs differ, or words. ``difference`` says where it differs first.
    """

    step: str
    path: str | None
    label: StabilityWord
    cause: str | None = None
    difference: str | None = None

    @property
    def text(self) -> str:
        """The label of an unstable output in words.

        >>> OutputLabel(step="train", path="m.json", label="unstable", cause="hash seed").text
        'train m.json is unstable: hash seed'
        """
        return f"{self.step} {self.path or 'metrics'} is {self.label}: {self.cause}"


class Stability(Model):
    """What repeats of a run under perturbation say of its outputs.

    ``unperturbed`` are sentences: what was not perturbed, and why.
    """

    labels: tuple[OutputLabel, ...]
    repeats: tuple[Repeat, ...] = ()
    unperturbed: tuple[str, ...] = ()


class Annotation(Model):
    """Something that is said of a run beside its record: a line of ``annotations.jsonl``.

    ``stability`` comes with the verdict that was found along with it; without one in a run whose
    outputs another run had taken. ``tags`` are set; those with None are taken away, as is the
    ``name`` when it is None. ``restored`` takes back that the run was deleted, or else archived.
    ``at`` is ISO 8601 in UTC, ``author`` who said it.
    """

    kind: Literal["verdict", "stability", "note", "tags", "name", "archived", "deleted", "restored"]
    at: str | None = None
    author: str | None = None
    verdict: Verdict | None = None
    stability: Stability | None = None
    note: str | None = None
    tags: dict[str, str | None] = field(default_factory=dict)
    name: str | None = None
