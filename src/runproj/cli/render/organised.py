"""How it looks what is said of runs."""

from collections.abc import Mapping, Sequence

from runproj.cli.render.style import Style, visible
from runproj.cli.render.text import table
from runproj.record.run import Run

_SHOWN = 8  # ids in one line


def tags_text(tags: Mapping[str, str], style: Style) -> str:
    """Return tags, a line each."""
    if not tags:
        return "no tags\n"
    return table(
        ((style.dim(_plain(name)), _plain(value)) for name, value in tags.items()), indent=""
    )


def _plain(text: str) -> str:
    return visible(text, painted=False)


def name_text(run_id: str, name: str | None) -> str:
    """Return how a run is called now."""
    return f"{run_id} has no name\n" if name is None else f"{run_id} is called {_plain(name)}\n"


def done_text(runs: Sequence[Run], done: str, undo: str | None, style: Style) -> str:
    """Return what was done with runs, and how to undo it."""
    ids = [run.id for run in runs]
    text = table(
        (
            (done, style.bold(run.id), _plain(run.name or ""), style.dim(_plain(run.entry_point)))
            for run in runs
        ),
        indent="",
    )  # fmt: skip
    if undo is not None and len(ids) <= _SHOWN:
        text += style.dim(f"runproj {undo} {' '.join(ids)}") + "\n"
    return text
