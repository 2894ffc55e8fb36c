"""Models of runs and registered ones, found by what a user calls them, and compared."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from runproj.engine.diff import Differ
from runproj.engine.lookup import Lookup
from runproj.errors import NoSuchModel, StoreError, UsageError
from runproj.model import WrongData, from_json
from runproj.ports import Annotations, ModelShelf, ObjectStore
from runproj.record.artifact import FolderManifest
from runproj.record.difference import Change
from runproj.record.registry import (
    Move,
    Origin,
    Reference,
    RegisteredModel,
    Version,
    is_name,
    reference,
    state,
)
from runproj.record.saved_model import ModelDifference, SavedModel, changes
from runproj.record.verdict import VerdictWord
from runproj.spec.suggest import did_you_mean

_CARD = "model.json"
_HOW = "as in wine@production and wine/3"


class Models(NamedTuple):
    """The models of one store."""

    shelf: ModelShelf
    lookup: Lookup
    said: Annotations
    objects: ObjectStore

    def all(self) -> list[RegisteredModel]:
        """Return all registered models by name."""
        return [state(name, self.shelf.history(name)) for name in self.shelf.names()]

    def model(self, name: str) -> RegisteredModel:
        """Return a registered model.

        Raises:
            NoSuchModel: there is none of this name.
        """
        return state(name, self.history(name))

    def history(self, name: str) -> Sequence[Move]:
        """Return all that was done with a model, the latest last.

        Raises:
            NoSuchModel: there is none of this name.
        """
        history = self.shelf.history(name) if is_name(name) else ()
        if not history:
            raise self.unknown(name)
        return history

    def version(self, text: str) -> Version:
        """Return what ``NAME@ALIAS`` or ``NAME/3`` means.

        Raises:
            NoSuchModel: there is no such model, version or alias.
            UsageError: it is no such name, or says no version.
        """
        meant = parsed(text)
        return chosen(self.model(meant.name), meant)

    def origin(self, text: str) -> tuple[str, Origin]:
        """Return name and origin of ``NAME@ALIAS``, ``NAME/3`` or ``RUN[/STEP]:MODEL``.

        Raises:
            UsageError: nothing answers to it.
        """
        if ":" not in text.removeprefix("models:"):
            version = self.version(text)
            return version.reference, version.origin
        run, step, model = self.lookup.model(text)
        origin = Origin(run=run.id, step=step.name, model=model, environment=step.environment)
        return f"{run.id}/{step.name}:{model.name}", origin

    def saved(self, origin: Origin) -> SavedModel | None:
        """Return what is said of a model in its folder; None: it is an output, and says nothing.

        Raises:
            StoreError: it is gone, or damaged.
        """
        if origin.model.kind != "folder":
            return None
        try:
            manifest = from_json(FolderManifest, self.objects.read(origin.model.sha256))
            card = next((one.sha256 for one in manifest.members if one.path == _CARD), None)
            return None if card is None else from_json(SavedModel, self.objects.read(card))
        except WrongData as error:
            raise StoreError(
                f"the {_CARD} of the model cannot be read: {error}",
                where=f"{origin.run}/{origin.step}:{origin.model.name}",
            ) from error

    def verdict(self, run_id: str) -> VerdictWord | None:
        """Return the latest verdict on a run; None where it was not verified."""
        words = [one.verdict.word for one in self.said.annotations(run_id) if one.verdict]
        return words[-1] if words else None

    def difference(self, a: str, b: str, differ: Differ) -> ModelDifference:
        """Return what differs between two models, and between the runs that made them.

        Raises:
            NoSuchRun: the run of one is gone.
            StoreError: something that differs is gone.
        """
        (name, one), (other_name, other) = self.origin(a), self.origin(b)
        found = dict[str, list[Change]](model=[], signature=[])
        for group, change in changes(self.saved(one), self.saved(other)):
            found[group].append(change)
        found["model"] += _content(one, other)
        runs = None
        if one.run != other.run:
            runs = differ.difference(*(self.lookup.runs.load(each.run) for each in (one, other)))
        return ModelDifference(
            a=name, b=other_name, model=tuple(found["model"]),
            signature=tuple(found["signature"]), runs=runs,
        )  # fmt: skip

    def unknown(self, name: str) -> NoSuchModel:
        """Return that there is no such model."""
        names = self.shelf.names()
        hint = (
            did_you_mean(name, names) or "'runproj model register RUN:MODEL --name NAME' makes one"
        )
        return NoSuchModel(f"there is no registered model {name!r}", hint=hint)


def held_versions(shelf: ModelShelf) -> list[Version]:
    """Return the versions for whose sake something is kept.

    Raises:
        StoreError: a history cannot be read.
    """
    models = (state(name, shelf.history(name)) for name in shelf.names())
    return [version for model in models for version in model.there]


def _content(a: Origin, b: Origin) -> Iterator[Change]:
    for name, old, new in (
        ("content", a.model.sha256[:12], b.model.sha256[:12]),
        ("size", a.model.size, b.model.size),
    ):
        if old != new:
            yield Change(name=name, before=old, after=new)


def parsed(text: str) -> Reference:
    """Return what a name means.

    Raises:
        UsageError: it is none.
    """
    try:
        return reference(text)
    except ValueError as error:
        raise UsageError(str(error), hint=_HOW) from error


def chosen(model: RegisteredModel, meant: Reference) -> Version:
    """Return the version of a model that is meant.

    Raises:
        NoSuchModel: there is no such version or alias.
        UsageError: it says no version.
    """
    if meant.alias is None and meant.number is None:
        raise UsageError(
            f"{meant.name!r} says no version",
            hint=did_you_mean("", [f"{meant.name}@{one}" for one in (*model.aliases, "latest")]),
        )
    if meant.number is not None:
        found = model.numbered(meant.number)
        known = [str(one.number) for one in model.there]
    else:
        found = model.meant(meant.alias or "")
        known = [*model.aliases, "latest"]
    if found is None:
        what = "alias or stage" if meant.number is None else "version"
        which = meant.alias if meant.number is None else str(meant.number)
        raise NoSuchModel(
            f"{meant.name} has no {what} {which!r}", hint=did_you_mean(which or "", known)
        )
    if found.withdrawn:
        raise NoSuchModel(
            f"{found.reference} was withdrawn", hint=f"runproj model history {meant.name}"
        )
    return found
