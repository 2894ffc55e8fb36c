"""How models, their versions and histories look as text."""

from collections.abc import Iterator, Mapping, Sequence

from runproj.cli.render.style import Style, visible
from runproj.cli.render.text import groups_text, number, size, table
from runproj.record.registry import STAGES, Move, RegisteredModel, Version
from runproj.record.run import Run
from runproj.record.saved_model import ModelDifference, SavedModel
from runproj.record.verdict import VerdictWord

_STAGE = {"production": "green", "staging": "yellow", "archived": "dim"}


def models_text(models: Sequence[RegisteredModel], style: Style) -> str:
    """Return all registered models, one a line."""
    if not models:
        return "no models are registered: runproj model register RUN:MODEL --name NAME\n"
    return table(
        (
            (
                style.bold(one.name),
                f"{len(one.there)} version{'s' * (len(one.there) != 1)}",
                _meanings(one.aliases, style),
                _time(one.changed_at),
                style.dim(_quiet(one.description or "")),
            )
            for one in models
        ),
        indent="",
    )


def _meanings(aliases: Mapping[str, int], style: Style) -> str:
    return " ".join(_painted(f"@{name}", name, style) + f" {of}" for name, of in aliases.items())


def model_text(
    model: RegisteredModel, verdicts: Mapping[str, VerdictWord | None], style: Style
) -> str:
    """Return a registered model with its versions, the latest first; verdicts by run."""
    rows = [("model", style.bold(model.name))]
    rows += [("description", _quiet(model.description))] if model.description else []
    rows += [("tag", _quiet(f"{name} = {text}")) for name, text in model.tags.items()]
    text = table([(style.dim(name), value) for name, value in rows], indent="")
    versions = table(
        (
            style.bold(f"{one.name}/{one.number}"),
            _standing(one, style),
            _quiet(f"{one.origin.run}/{one.origin.step}:{one.origin.model.name}"),
            _quiet(one.origin.model.flavor),
            size(one.origin.model.size),
            verdicts.get(one.origin.run) or "",
            f"{_time(one.at)} {_quiet(one.by)}",
            style.dim(_quiet(one.description or "")),
        )
        for one in reversed(model.versions)
    )  # fmt: skip
    return f"{text}\nversions\n{versions}" if versions else text


def version_text(
    version: Version, run: Run | None, saved: SavedModel | None, verdict: VerdictWord | None,
    style: Style,
) -> str:  # fmt: skip
    """Return all about a version; ``run`` is None where it is gone."""
    rows = [
        ("version", style.bold(version.reference)),
        ("stands", _standing(version, style)),
        *((name, _quiet(text)) for name, text in _facts(version, run, saved, verdict)),
    ]
    text = table([(style.dim(name), value) for name, value in rows if value], indent="")
    columns = saved.signature.columns if saved is not None and saved.signature else {}
    signature = table((_quiet(name), _quiet(kind)) for name, kind in columns.items())
    load = f'runproj.load_model("models:{version.reference}")'
    return text + (f"\nsignature\n{signature}" if signature else "") + f"\nload it: {load}\n"


def _facts(
    version: Version, run: Run | None, saved: SavedModel | None, verdict: VerdictWord | None
) -> Iterator[tuple[str, str]]:
    origin, use = version.origin, version.origin.environment
    yield "description", version.description or ""
    yield from (("tag", f"{name} = {text}") for name, text in version.tags.items())
    yield "registered", f"{_time(version.at)} by {version.by}"
    yield "run", f"{origin.run}/{origin.step}" + (f" {run.status}" if run else " is gone")
    yield "verdict", verdict or ""
    yield "model", f"{origin.model.name} ({origin.model.flavor}), {size(origin.model.size)}"
    yield "content", origin.model.sha256
    if saved is not None:
        yield from _saved_rows(saved)
    if use is not None:
        yield "environment", f"{use.name} ({use.kind}), lock {use.lock[:12]}"
    if run is not None:
        yield from (("parameter", f"{name} = {value}") for name, value in run.params.items())
        metrics = run.shown_metrics.items()
        yield from (("metric", f"{name} = {number(value)}") for name, value in metrics)


def _saved_rows(saved: SavedModel) -> Iterator[tuple[str, str]]:
    note = "needs trust where somebody else made it" if saved.needs_trust else "safe to load"
    yield "form", f"{saved.form}, {note}"
    yield "made with", ", ".join(f"{name} {version}" for name, version in saved.versions.items())
    yield from (("metadata", f"{name} = {value}") for name, value in saved.metadata.items())


def history_text(history: Sequence[Move], gone: set[int], style: Style) -> str:
    """Return what was done with a model, the latest last; ``gone`` are moves that were undone."""
    return table(
        (
            (
                style.dim(str(move.number)),
                _time(move.at),
                _quiet(move.by),
                _quiet(move_text(move)),
                style.dim("undone" if move.number in gone else ""),
                style.dim(_quiet(move.reason or "")),
            )
            for move in history
        ),
        indent="",
    )


def move_text(move: Move) -> str:
    """Return what a move does in words.

    >>> from runproj.record.registry import Move
    >>> move_text(Move(number=3, kind="alias", at="", by="", version=2, alias="best", before=1))
    '@best is version 2, was 1'
    """
    which = "the model" if move.version is None else f"version {move.version}"
    if move.kind == "register" and move.origin is not None:
        of = move.origin
        to = f", @{move.alias}" if move.alias else ""
        return f"registered {which}: {of.run}/{of.step}:{of.model.name}{to}{_archived(move)}"
    if move.kind in ("alias", "promote"):
        before = f", was {move.before}" if move.before not in (None, move.version) else ""
        held = "".join(f"; held: {one}" for one in move.requirements)
        return f"@{move.alias} is {which}{before}{_archived(move)}{held}"
    if move.kind == "unalias":
        return f"@{move.alias} is {which} no longer"
    if move.kind == "describe":
        return f"described {which}: {move.description or 'nothing'}"
    if move.kind == "tag":
        tags = [f"{name} = {text}" for name, text in move.tags.items()]
        return f"tagged {which}: {', '.join([*tags, *(f'no {one}' for one in move.removed)])}"
    return f"withdrew {which}" if move.kind == "withdraw" else f"undid {move.undoes}"


def _archived(move: Move) -> str:
    return "".join(f", version {one} is archived" for one in move.archived)


def model_difference_text(found: ModelDifference, style: Style) -> str:
    """Return what differs between two models, group by group."""
    own = {"model": found.model, "signature": found.signature}
    groups = {name: group for name, group in own.items() if group}
    if found.runs is not None:
        groups |= found.runs.groups
    title = f"{style.bold(found.a)} → {style.bold(found.b)}\n"
    return title + (groups_text(groups, style) or "nothing differs\n")


def _standing(version: Version, style: Style) -> str:
    if version.withdrawn:
        return style.dim("withdrawn")
    stage = [version.stage] if version.stage is not None else []
    return " ".join(_painted(f"@{one}", one, style) for one in (*stage, *version.aliases))


def _painted(text: str, name: str, style: Style) -> str:
    return str(getattr(style, _STAGE[name] if name in STAGES else "cyan")(text))


def _time(text: str) -> str:
    """Return a time in UTC to the minute."""
    return text[:16].replace("T", " ")


def _quiet(text: str) -> str:
    return visible(text, painted=False)
