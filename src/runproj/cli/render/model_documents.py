"""The JSON documents of ``runproj model``, see :mod:`runproj.cli.render.documents`."""

from collections.abc import Mapping, Sequence
from typing import Any

from runproj.model import Model
from runproj.record.difference import Change
from runproj.record.registry import Move, MoveKind, RegisteredModel, Stage, Version
from runproj.record.run import Run
from runproj.record.saved_model import ModelDifference, SavedModel
from runproj.record.verdict import VerdictWord


class VersionDocument(Model):
    """A version of a registered model; ``model`` is what it is called in the run.

    ``lock_sha256`` is the lock of the environment in which it was made; null where there was none.
    ``verdict`` is the latest on the run.
    """

    name: str
    version: int
    stage: Stage | None
    aliases: list[str]
    description: str | None
    tags: dict[str, str]
    at: str
    by: str
    withdrawn: bool
    run: str
    step: str
    model: str
    flavor: str
    sha256: str
    size: int
    lock_sha256: str | None
    verdict: VerdictWord | None


class RegisteredModelDocument(Model):
    """A registered model; ``aliases``, stages included, are numbers of versions."""

    name: str
    description: str | None
    tags: dict[str, str]
    latest: int | None
    aliases: dict[str, int]
    changed_at: str
    versions: list[VersionDocument]


class ModelsResult(Model):
    """What ``model list`` prints."""

    models: list[RegisteredModelDocument]


class ModelResult(Model):
    """What ``model show NAME`` prints."""

    model: RegisteredModelDocument


class ColumnDocument(Model):
    """A column of what goes into a model or comes out; -1 in a shape is any length."""

    name: str | None
    type: str
    shape: list[int]


class SignatureDocument(Model):
    """What goes into a model and comes out; null: it is not known."""

    inputs: list[ColumnDocument] | None
    outputs: list[ColumnDocument] | None


class SavedModelDocument(Model):
    """What a model says of itself: ``safe`` means that no pickle has to be loaded."""

    form: str
    safe: bool
    files: list[str]
    signature: SignatureDocument | None
    metadata: dict[str, Any]
    made_with: dict[str, str]
    created: str


class VersionDetails(VersionDocument):
    """A version with what is known of its run; ``status`` is null where that is gone."""

    status: str | None
    params: dict[str, Any]
    metrics: dict[str, float]
    saved: SavedModelDocument | None


class VersionResult(Model):
    """What ``model show NAME@ALIAS`` prints."""

    version: VersionDetails


class MoveDocument(Model):
    """A move: who did what, when and why; ``undone`` tells that a later one took it back.

    ``version`` is the one that it is about, null: the model as a whole. ``before`` had the alias.
    """

    number: int
    kind: MoveKind
    at: str
    by: str
    reason: str | None
    version: int | None
    alias: str | None
    before: int | None
    archived: list[int]
    requirements: list[str]
    description: str | None
    tags: dict[str, str]
    removed: list[str]
    undoes: int | None
    undone: bool


class HistoryResult(Model):
    """What ``model history`` prints, the latest move last."""

    history: list[MoveDocument]


class MovedDocument(Model):
    """What a command did with a model; ``move`` is null where nothing was to be done.

    ``unmet`` are requirements that do not hold: then nothing is done.
    """

    name: str
    version: VersionDocument | None
    move: MoveDocument | None
    unmet: list[str]


class MovedResult(Model):
    """What the commands print that change a registered model."""

    moved: MovedDocument


class ModelDiffDocument(Model):
    """What differs between two models, and between the runs that made them.

    ``model`` has flavor, content and versions of libraries, ``signature`` the columns.
    """

    a: str
    b: str
    model: list[Change]
    signature: list[Change]
    source: list[Change]
    params: list[Change]
    steps: list[Change]
    environment: list[Change]
    inputs: list[Change]
    outputs: list[Change]
    metrics: list[Change]
    machine: list[Change]


class ModelDiffResult(Model):
    """What ``model diff`` prints."""

    model_diff: ModelDiffDocument


def version_document(version: Version, verdict: VerdictWord | None = None) -> VersionDocument:
    """Return a version as a document."""
    origin = version.origin
    return VersionDocument.of(
        version, version=version.number, aliases=list(version.aliases),
        run=origin.run, step=origin.step, model=origin.model.name, flavor=origin.model.flavor,
        sha256=origin.model.sha256, size=origin.model.size, verdict=verdict,
        lock_sha256=None if origin.environment is None else origin.environment.lock,
    )  # fmt: skip


def model_document(
    model: RegisteredModel, verdicts: Mapping[str, VerdictWord | None]
) -> RegisteredModelDocument:
    """Return a registered model as a document; verdicts by run."""
    return RegisteredModelDocument.of(
        model, latest=None if model.latest is None else model.latest.number,
        versions=[version_document(one, verdicts.get(one.origin.run)) for one in model.versions],
    )  # fmt: skip


def version_result(
    version: Version, run: Run | None, saved: SavedModel | None, verdict: VerdictWord | None
) -> VersionResult:
    """Return all about a version as a document."""
    return VersionResult(
        version=VersionDetails.of(
            version_document(version, verdict),
            status=None if run is None else run.status,
            params={} if run is None else run.params,
            metrics={} if run is None else run.metrics,
            saved=None if saved is None else _saved(saved),
        )
    )


def _saved(saved: SavedModel) -> SavedModelDocument:
    signature = saved.signature
    return SavedModelDocument.of(
        saved, safe=not saved.needs_trust, files=list(saved.files), made_with=saved.versions,
        signature=None if signature is None else SignatureDocument(
            inputs=_columns(signature.inputs), outputs=_columns(signature.outputs)
        ),
    )  # fmt: skip


def _columns(columns: Sequence[Any] | None) -> list[ColumnDocument] | None:
    if columns is None:
        return None
    return [ColumnDocument.of(one, shape=list(one.shape)) for one in columns]


def move_document(move: Move, gone: set[int]) -> MoveDocument:
    """Return a move as a document; ``gone`` are the numbers of those that were undone."""
    return MoveDocument.of(
        move, archived=list(move.archived), requirements=list(move.requirements),
        removed=list(move.removed), undone=move.number in gone,
    )  # fmt: skip


def moved_result(
    name: str, version: Version | None, move: Move | None, unmet: Sequence[str] = ()
) -> MovedResult:
    """Return what was done with a model as a document."""
    return MovedResult(
        moved=MovedDocument(
            name=name, version=None if version is None else version_document(version),
            move=None if move is None else move_document(move, set()), unmet=list(unmet),
        )
    )  # fmt: skip


def model_diff_result(found: ModelDifference) -> ModelDiffResult:
    """Return what differs between two models as a document."""
    groups = {} if found.runs is None else found.runs.groups
    names = [name for name in ModelDiffDocument.model_types if name not in ("a", "b")]
    own = {"model": found.model, "signature": found.signature}
    lists = {name: list({**groups, **own}.get(name, ())) for name in names}
    return ModelDiffResult(model_diff=ModelDiffDocument(a=found.a, b=found.b, **lists))
