"""Registered models: what their history says of versions, aliases and stages.

A history is a row of moves, and only grows. What holds now is computed from it, see :func:`state`.
A version is immutable; its number is never used again. An alias means one version. A stage is an
alias by rules: a version is in one stage at most, and ``@production`` is the one that came there
last.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Literal, TypeAlias

from runproj.model import Model, field
from runproj.record.run import EnvironmentUse
from runproj.record.tracking import LoggedModel

Stage: TypeAlias = Literal["staging", "production", "archived"]
MoveKind: TypeAlias = Literal[
    "register", "alias", "promote", "unalias", "describe", "tag", "withdraw", "undo"
]
STAGES: tuple[Stage, ...] = ("staging", "production", "archived")
LATEST = "latest"
"""The alias of the version with the greatest number; nobody can give it to another."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_NUMBER = re.compile(r"[1-9][0-9]{0,8}")


class Origin(Model):
    """Where a version comes from: the step run that logged it, and the environment of that."""

    run: str
    step: str
    model: LoggedModel
    environment: EnvironmentUse | None = None


class Move(Model):
    """A line of the history: who did what, when and why.

    ``number`` counts lines from 1, ``at`` is ISO 8601 in UTC. ``version`` is the one that it is
    about, None: the model as a whole. ``alias`` is what it was given (or what was taken away), a
    stage included, ``before`` the version that had it; ``archived`` were in production and are no
    longer. ``requirements`` held. ``removed`` are names of tags. ``undoes`` is the number of a
    move.
    """

    number: int
    kind: MoveKind
    at: str
    by: str
    reason: str | None = None
    version: int | None = None
    origin: Origin | None = None
    alias: str | None = None
    before: int | None = None
    archived: tuple[int, ...] = ()
    requirements: tuple[str, ...] = ()
    description: str | None = None
    tags: dict[str, str] = field(default_factory=dict)
    removed: tuple[str, ...] = ()
    undoes: int | None = None


class Version(Model):
    """A version of a registered model, as it is now.

    ``at`` and ``by`` tell of its registration. ``withdrawn`` tells that nothing of it is kept for
    its sake any more.
    """

    name: str
    number: int
    origin: Origin
    at: str
    by: str
    stage: Stage | None = None
    aliases: tuple[str, ...] = ()
    description: str | None = None
    tags: dict[str, str] = field(default_factory=dict)
    withdrawn: bool = False

    @property
    def reference(self) -> str:
        """What it is called, ``wine/3``."""
        return f"{self.name}/{self.number}"


class RegisteredModel(Model):
    """A name with its versions, as they are now; ``moves`` is how many lines its history has.

    ``aliases`` have stages too. ``changed_at`` is when the last move was made.
    """

    name: str
    moves: int
    changed_at: str
    versions: tuple[Version, ...] = ()
    aliases: dict[str, int] = field(default_factory=dict)
    description: str | None = None
    tags: dict[str, str] = field(default_factory=dict)

    @property
    def there(self) -> tuple[Version, ...]:
        """The versions that were not withdrawn."""
        return tuple(one for one in self.versions if not one.withdrawn)

    @property
    def latest(self) -> Version | None:
        """The version with the greatest number."""
        return max(self.there, key=lambda one: one.number, default=None)

    def numbered(self, number: int) -> Version | None:
        """Return a version by its number."""
        return next((one for one in self.versions if one.number == number), None)

    def meant(self, alias: str) -> Version | None:
        """Return the version that an alias, or a stage, means."""
        if alias == LATEST:
            return self.latest
        return self.numbered(self.aliases[alias]) if alias in self.aliases else None


class Reference(Model):
    """What names a model or a version of it; both ``alias`` and ``number`` None: the model."""

    name: str
    alias: str | None = None
    number: int | None = None


def reference(text: str) -> Reference:
    """Return what ``NAME``, ``NAME@ALIAS`` or ``NAME/3`` means; ``models:`` may stand before it.

    Raises:
        ValueError: it is none of these.

    >>> reference("models:wine@production").alias, reference("wine/3").number
    ('production', 3)
    """
    rest = text.removeprefix("models:")
    name, at, alias = rest.partition("@")
    name, slash, number = (name, "", "") if at else rest.partition("/")
    if not is_name(name) or (at and not is_name(alias)):
        raise ValueError(
            f"{text!r} is no name of a registered model, as wine@production and wine/3 are"
        )
    if slash and not _NUMBER.fullmatch(number):
        raise ValueError(f"{number!r} is no number of a version")
    return Reference(
        name=name, alias=alias if at else None, number=int(number) if slash else None
    )  # fmt: skip


def is_name(text: str) -> bool:
    """Tell whether a model, an alias or a tag may be called so."""
    return _NAME.fullmatch(text) is not None


def undone(history: Iterable[Move]) -> set[int]:
    """Return the numbers of moves that were undone."""
    return {move.undoes for move in history if move.undoes is not None}


def last_move(history: Sequence[Move]) -> Move | None:
    """Return the move that can be undone: the last that was not, and undoes none itself."""
    gone = undone(history)
    there = (one for one in reversed(history) if one.kind != "undo" and one.number not in gone)
    return next(there, None)


def next_version(history: Iterable[Move]) -> int:
    """Return the number of the next version: greater than any before, those undone included."""
    return 1 + max((one.version or 0 for one in history if one.kind == "register"), default=0)


def state(name: str, history: Sequence[Move]) -> RegisteredModel:
    """Return what a history of one move or more says that is so now."""
    gone = undone(history)
    found = _State(name)
    for move in history:
        if move.kind != "undo" and move.number not in gone:
            found.take(move)
    return RegisteredModel(
        name=name, moves=len(history), changed_at=history[-1].at, description=found.description,
        tags=found.tags, versions=tuple(found.settled()), aliases=found.meanings(),
    )  # fmt: skip


class _State:
    """What is so after some moves; ``places`` are stages, in the order in which versions came."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.versions: dict[int, Version] = {}
        self.aliases: dict[str, int] = {}
        self.places: dict[int, Stage] = {}
        self.description: str | None = None
        self.tags: dict[str, str] = {}

    def take(self, move: Move) -> None:
        if move.origin is not None and move.version is not None:
            self.versions[move.version] = Version(
                name=self.name, number=move.version, origin=move.origin, at=move.at, by=move.by
            )
        if move.kind in ("describe", "tag", "register"):
            self.say(move)
        if move.kind == "unalias" and move.alias is not None:
            self.leave(move.alias, move.version)
        elif move.alias is not None and move.version is not None:
            self.put(move.alias, move.version, move.archived)
        if move.kind == "withdraw" and move.version is not None:
            self.withdraw(move.version)

    def put(self, alias: str, version: int, archived: Iterable[int]) -> None:
        stage = _stage(alias)
        if stage is None:
            self.aliases[alias] = version
            return
        for other in archived:
            self.move(other, "archived")
        self.move(version, stage)

    def move(self, version: int, stage: Stage) -> None:
        self.places.pop(version, None)
        self.places[version] = stage

    def leave(self, alias: str, version: int | None) -> None:
        if _stage(alias) is None:
            self.aliases.pop(alias, None)
        else:
            self.places.pop(version or 0, None)

    def withdraw(self, version: int) -> None:
        self.versions[version] = self.versions[version].replace(withdrawn=True)
        self.places.pop(version, None)
        self.aliases = {name: one for name, one in self.aliases.items() if one != version}

    def say(self, move: Move) -> None:
        of = self.versions.get(move.version) if move.version is not None else None
        before = self.tags if of is None else of.tags
        tags = {key: text for key, text in before.items() if key not in move.removed} | move.tags
        words = self.description if of is None else of.description
        if move.kind != "tag":
            words = move.description or None
        if of is None:
            self.tags, self.description = tags, words
        else:
            self.versions[of.number] = of.replace(tags=tags, description=words)

    def settled(self) -> Iterator[Version]:
        for number, version in self.versions.items():
            aliases = tuple(sorted(one for one, meant in self.aliases.items() if meant == number))
            yield version.replace(stage=self.places.get(number), aliases=aliases)

    def meanings(self) -> dict[str, int]:
        stages = {stage: number for number, stage in self.places.items()}  # the last one wins
        return {**{stage: stages[stage] for stage in STAGES if stage in stages}, **self.aliases}


def _stage(alias: str) -> Stage | None:
    return next((stage for stage in STAGES if stage == alias), None)
