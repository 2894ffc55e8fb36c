"""How notes about runs look."""

from collections.abc import Sequence

from runproj.cli.render.style import Style, visible
from runproj.record.organising import Note


def notes_text(notes: Sequence[Note], style: Style) -> str:
    """Return notes, each with its time and author above it."""
    if not notes:
        return "no notes\n"
    return "\n".join("".join(_note(one, style)) for one in notes)


def _note(one: Note, style: Style) -> list[str]:
    author = f"  {visible(one.author, painted=False)}" if one.author else ""
    lines = visible(one.text, keep="\n\t", painted=False).split("\n")
    return [
        style.dim(f"{one.at[:16].replace('T', ' ')}{author}") + "\n",
        *(f"  {line}".rstrip() + "\n" for line in lines),
    ]
