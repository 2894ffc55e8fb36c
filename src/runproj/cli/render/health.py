"""How the result of a check of the store looks."""

from collections.abc import Sequence

from runproj.cli.render.style import Style, visible
from runproj.cli.render.text import size
from runproj.record.health import Damage, Health, Note, Use
from runproj.record.run import Run

_NAMED = 8
_GROUPED = 3


def health_text(health: Health, run: Run | None, style: Style) -> str:
    """Return what was found for a person; of one run, whether it can be done again from here."""
    parts = [_damage(one, style) for one in health.damages]
    if health.notes:
        parts.append(_notes(health.notes, style))
    parts.append(_verdict(health, run, style))
    return "\n".join(parts)


def _damage(damage: Damage, style: Style) -> str:
    word = style.green("mended") if damage.mended else style.red("damaged")
    lines = [
        f"{style.bold(word)}: {visible(damage.message, painted=False)}",
        f"  {style.blue('-->')} {visible(damage.where, painted=False)}",
    ]
    shown = damage.uses[:_NAMED]
    lines += [f"  touches {visible(_use(use), painted=False)}" for use in shown]
    if len(damage.uses) > _NAMED:
        lines.append(f"  touches {len(damage.uses) - _NAMED} more; --json names them all")
    if not damage.uses and damage.kind == "object":
        lines.append("  touches no run")
    lines.append(f"  {style.cyan('hint')}: {visible(damage.hint, painted=False)}")
    return "\n".join(lines) + "\n"


def _use(use: Use) -> str:
    of = use.run if use.step is None else f"{use.run}/{use.step}"
    if use.role == "record":
        return f"the run {of}"
    return f"{of}: {use.role}{f' {use.path}' if use.path else ''}"


def _notes(notes: Sequence[Note], style: Style) -> str:
    by_message: dict[str, list[str]] = {}
    for note in notes:
        by_message.setdefault(note.message, []).append(note.where)
    lines = []
    for message, places in by_message.items():
        lines += [f"{style.dim('harmless')}: {visible(message, painted=False)}"]
        lines += [
            f"  {style.dim('-->')} {visible(one, painted=False)}" for one in places[:_GROUPED]
        ]
        if len(places) > _GROUPED:
            lines.append(f"  and {len(places) - _GROUPED} more like it")
    return "\n".join(lines) + "\n"


def _verdict(health: Health, run: Run | None, style: Style) -> str:
    looked = (
        f"{_count(health.runs, 'run')}, {_count(health.objects, 'object')} of "
        f"{size(health.size)}, {_count(health.trees, 'source snapshot')}"
    )
    if run is not None:
        if health.whole:
            return f"{style.green('whole')}: {run.id} can be rerun from here ({looked})\n"
        return f"{style.red('damaged')}: {run.id} cannot be rerun from here ({looked})\n"
    if health.whole:
        return f"{style.green('whole')}: {looked}\n"
    touched = {use.run for one in health.damages if not one.mended for use in one.uses}
    count = sum(not one.mended for one in health.damages)
    return (
        f"{style.red('damaged')}: {count} found, {_count(len(touched), 'run')} touched; {looked}\n"
    )


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'s' * (number != 1)}"
