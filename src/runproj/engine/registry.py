"""The registry of models: giving versions numbers, aliases and stages, and taking that back."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

from runproj.engine.models import Models, chosen, parsed
from runproj.errors import NoSuchRun, StoreError, UsageError
from runproj.model import EMPTY
from runproj.record.artifact import Artifact
from runproj.record.query import Field, Query, Row, parse
from runproj.record.registry import (
    LATEST,
    STAGES,
    Move,
    MoveKind,
    Origin,
    RegisteredModel,
    Version,
    is_name,
    last_move,
    next_version,
    state,
)

Decide: TypeAlias = Callable[[RegisteredModel | None, Sequence[Move]], Move | None]


class Promotion(NamedTuple):
    """What came of it; ``move`` is None where nothing had to be done, or something is ``unmet``."""

    version: Version
    move: Move | None
    unmet: tuple[str, ...] = ()


class Registry(NamedTuple):
    """Makes the moves of one store.

    ``facts`` returns what is known of a run, by its id; None where it is gone. ``now`` returns ISO
    8601 in UTC; ``by`` is who makes the moves.
    """

    models: Models
    facts: Callable[[str], Row | None]
    now: Callable[[], str]
    by: str

    def register(
        self, text: str, name: str, *, to: str | None = None, description: str | None = None,
        tags: Mapping[str, str] = EMPTY, reason: str | None = None,
    ) -> tuple[Version, Move | None]:  # fmt: skip
        """Give a model of a run, ``RUN[/STEP]:MODEL``, the next number, and an alias or stage.

        What has a number already, by its content, keeps it: no move is made then.

        Raises:
            NoSuchRun: there is no such run, step or model.
            StoreError: the model is gone.
            UsageError: a name cannot be used.
        """
        _check_name(name, "a model")
        _check_tags(tags)
        if to is not None and to not in STAGES:
            _check_alias(to)
        run, step, model = self.models.lookup.model(text)
        if not self.models.objects.has(model):
            raise StoreError(
                f"the model {model.name!r} of {run.id}/{step.name} is not in the store any more",
                hint=f"'runproj rerun {run.id}' makes one again",
            )
        origin = Origin(run=run.id, step=step.name, model=model, environment=step.environment)

        def decide(there: RegisteredModel | None, history: Sequence[Move]) -> Move | None:
            if there is not None and _with_content(there, model) is not None:
                return None
            number = next_version(history)
            return self._move(
                "register", number, reason, origin=origin, description=description,
                tags=dict(tags), **_placed(there, number, to),
            )  # fmt: skip

        move = self._made(name, decide)
        version = _with_content(self.models.model(name), model)
        assert version is not None  # noqa: S101 -- for mypy: it was registered
        return version, move

    def alias(self, text: str, alias: str, reason: str | None = None) -> Promotion:
        """Let an alias mean a version.

        Raises:
            UsageError: it is none that can be given: stages are given by :meth:`promote`.
        """
        _check_alias(alias)
        return self._place("alias", text, alias, (), reason, keep=False)

    def promote(
        self, text: str, to: str, requirements: Sequence[str] = (), *, reason: str | None = None,
        keep: bool = False,
    ) -> Promotion:  # fmt: skip
        """Bring a version into a stage, or let an alias mean it, if all requirements hold.

        What is in production is archived when another version comes there, unless ``keep``.

        Raises:
            UsageError: a requirement cannot be read.
        """
        if to not in STAGES:
            _check_alias(to)
        return self._place("promote", text, to, requirements, reason, keep=keep)

    def _place(
        self, kind: MoveKind, text: str, to: str, requirements: Sequence[str],
        reason: str | None, *, keep: bool,
    ) -> Promotion:  # fmt: skip
        meant = parsed(text)
        required = [(one, parse(one)) for one in requirements]
        unmet: list[str] = []

        def decide(there: RegisteredModel | None, _: Sequence[Move]) -> Move | None:
            version = chosen(self._known(there, meant.name), meant)
            unmet.extend(self._unmet(version, required))
            placed = _placed(there, version.number, to, keep=keep)
            if unmet or (placed["before"] == version.number and not placed["archived"]):
                return None
            return self._move(
                kind, version.number, reason, requirements=tuple(requirements), **placed
            )

        version = self.models.version(text)  # whoever it is if no move is made
        move = self._made(meant.name, decide)
        model = self.models.model(meant.name)
        if move is not None:
            version = model.numbered(move.version or 0) or version
        return Promotion(version, move, tuple(unmet))

    def unalias(self, text: str, reason: str | None = None) -> Move:
        """Take an alias away, ``NAME@ALIAS``; from a stage, the version that came there last.

        Raises:
            NoSuchModel: there is no such alias.
        """
        meant = parsed(text)
        if meant.alias is None or meant.alias == LATEST:
            raise UsageError(f"{text!r} names no alias that can go", hint="write NAME@ALIAS")

        def decide(there: RegisteredModel | None, _: Sequence[Move]) -> Move:
            version = chosen(self._known(there, meant.name), meant)
            return self._move("unalias", version.number, reason, alias=meant.alias)

        return self._always(meant.name, decide)

    def describe(self, text: str, description: str) -> Move:
        """Say what a model, or a version, is; an empty text takes the description away."""
        return self._say("describe", text, description=description)

    def tag(self, text: str, tags: Mapping[str, str], removed: Sequence[str] = ()) -> Move:
        """Give a model, or a version, tags, and take some away.

        Raises:
            UsageError: a tag cannot be called so.
        """
        _check_tags(tags)
        return self._say("tag", text, tags=dict(tags), removed=tuple(removed))

    def _say(self, kind: MoveKind, text: str, **fields: Any) -> Move:  # noqa: ANN401 -- of a move
        meant = parsed(text)

        def decide(there: RegisteredModel | None, _: Sequence[Move]) -> Move:
            model = self._known(there, meant.name)
            number = None
            if meant.alias is not None or meant.number is not None:
                number = chosen(model, meant).number
            return self._move(kind, number, None, **fields)

        return self._always(meant.name, decide)

    def withdraw(self, text: str, reason: str | None = None) -> Move:
        """Let a version go: its number stays taken, and nothing is kept for it any more.

        Raises:
            UsageError: it is in production.
        """
        meant = parsed(text)

        def decide(there: RegisteredModel | None, _: Sequence[Move]) -> Move:
            version = chosen(self._known(there, meant.name), meant)
            if version.stage == "production":
                raise UsageError(
                    f"{version.reference} is in production",
                    hint=f"first: runproj model promote {version.reference} --to archived",
                )
            return self._move("withdraw", version.number, reason)

        return self._always(meant.name, decide)

    def undo(self, name: str, reason: str | None = None) -> tuple[Move, Move]:
        """Take back the last move that was not; return it, and the move that does so.

        Raises:
            UsageError: there is none.
            StoreError: a version was withdrawn, and is not in the store any more.
        """
        taken: list[Move] = []

        def decide(there: RegisteredModel | None, history: Sequence[Move]) -> Move:
            model = self._known(there, name)
            last = last_move(history)
            if last is None:
                raise UsageError(f"nothing of {name!r} is left to undo")
            version = None if last.version is None else model.numbered(last.version)
            if last.kind == "withdraw" and version is not None:
                self._check_there(version)
            taken.append(last)
            return self._move("undo", last.version, reason, undoes=last.number)

        move = self._always(name, decide)
        return taken[0], move

    def _check_there(self, version: Version) -> None:
        if not self.models.objects.has(version.origin.model):
            raise StoreError(f"{version.reference} is not in the store any more")

    def _unmet(self, version: Version, required: Sequence[tuple[str, Query]]) -> Iterator[str]:
        """Yield what of all that is required does not hold, in words."""
        if not required:
            return
        row = self.facts(version.origin.run)
        if row is None:
            raise NoSuchRun(f"the run {version.origin.run} that made {version.reference} is gone")
        row = {**row, "tags": {**row["tags"], **version.tags}}
        for text, query in required:
            if not query.test(row):
                yield f"{text}: {', '.join(_found(field, row) for field in query.fields)}"

    def _move(self, kind: MoveKind, version: int | None, reason: str | None, **fields: Any) -> Move:  # noqa: ANN401 -- of a move
        """Return a move; its number is given when it is added."""
        return Move(
            number=0, kind=kind, at=self.now(), by=self.by, version=version, reason=reason, **fields
        )

    def _made(self, name: str, decide: Decide) -> Move | None:
        """Add the move that is decided, if there is one."""

        def moves(history: Sequence[Move]) -> Sequence[Move]:
            move = decide(state(name, history) if history else None, history)
            return () if move is None else (move.replace(number=len(history) + 1),)

        added = self.models.shelf.add(name, moves)
        return added[0] if added else None

    def _always(
        self, name: str, decide: Callable[[RegisteredModel | None, Sequence[Move]], Move]
    ) -> Move:
        self.models.history(name)  # a model is made by registering only
        move = self._made(name, decide)
        assert move is not None  # noqa: S101 -- for mypy
        return move

    def _known(self, model: RegisteredModel | None, name: str) -> RegisteredModel:
        if model is None:
            raise self.models.unknown(name)
        return model


def _found(field: Field, row: Row) -> str:
    value = field.of(row)
    return f"{field.text} is {'not there' if value is None else value}"


def _with_content(model: RegisteredModel, artifact: Artifact) -> Version | None:
    """Return the latest version that is the same, byte by byte."""
    alike = (one for one in reversed(model.there) if one.origin.model.sha256 == artifact.sha256)
    return next(alike, None)


def _placed(
    model: RegisteredModel | None, version: int, to: str | None, *, keep: bool = False
) -> dict[str, Any]:
    """Return the fields of a move that gives a version an alias or a stage."""
    if to is None:
        return {}
    in_production = [one.number for one in model.there if one.stage == to] if model else []
    gone = [one for one in in_production if one != version]
    archived = tuple(gone) if to == "production" and not keep else ()
    before = model.aliases.get(to) if model else None
    return {"alias": to, "before": before, "archived": archived}


def _check_name(name: str, what: str) -> None:
    if not is_name(name):
        raise UsageError(
            f"{name!r} is no name of {what}",
            hint="it begins with a letter or digit; letters, digits and . _ - can be used",
        )


def _check_alias(alias: str) -> None:
    _check_name(alias, "an alias")
    if alias in STAGES:
        raise UsageError(f"{alias!r} is a stage", hint=f"runproj model promote NAME/N --to {alias}")
    if alias == LATEST or alias.isdigit():
        raise UsageError(
            f"{alias!r} cannot be given: it means a version already", hint="choose another alias"
        )


def _check_tags(tags: Iterable[str]) -> None:
    for name in tags:
        _check_name(name, "a tag")
