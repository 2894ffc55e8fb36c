"""What people say of runs to find their way among them: notes, tags, names; what is put away."""

from collections.abc import Iterable

from runproj.model import Model, field
from runproj.record.run import Run
from runproj.record.verdict import Annotation


class Note(Model):
    """A text about a run; ``at`` is ISO 8601 in UTC."""

    text: str
    at: str
    author: str | None = None


class Organised(Model):
    """What is said of a run, all in all: the latest name, all tags, the notes in their order.

    ``archived_at`` and ``deleted_at`` are since when it is put away, ISO 8601 in UTC.
    """

    name: str | None = None
    tags: dict[str, str] = field(default_factory=dict)
    notes: tuple[Note, ...] = ()
    archived_at: str | None = None
    deleted_at: str | None = None


UNSAID = Organised()
"""Nothing at all."""


def organised(run: Run, said: Iterable[Annotation]) -> Organised:
    """Return what is said of a run: by itself, and by annotations, in their order."""
    name, tags, notes = run.name, dict(run.tags), list[Note]()
    archived_at, deleted_at = None, None
    for one in said:
        match one.kind:
            case "name":
                name = one.name
            case "tags":
                tags |= {key: value for key, value in one.tags.items() if value is not None}
                for key in (key for key, value in one.tags.items() if value is None):
                    tags.pop(key, None)
            case "note":
                notes.append(Note(text=one.note or "", at=one.at or "", author=one.author))
            case "archived":
                archived_at = one.at or ""
            case "deleted":
                deleted_at = one.at or ""
            case "restored" if deleted_at is not None:
                deleted_at = None
            case "restored":
                archived_at = None
    return Organised(
        name=name, tags=tags, notes=tuple(notes), archived_at=archived_at, deleted_at=deleted_at
    )


def as_said(run: Run, said: Iterable[Annotation]) -> Run:
    """Return a run with the name and the tags that it has by now."""
    found = organised(run, said)
    if (found.name, found.tags) == (run.name, run.tags):
        return run
    return run.replace(name=found.name, tags=found.tags)
