"""What a check of the store found: damage with the runs that it touches, and what is harmless."""

from typing import Literal, TypeAlias

from runproj.model import Model

DamageKind: TypeAlias = Literal[
    "object",
    "source",
    "record",
    "events",
    "annotations",
    "log",
    "lock",
    "index",
    "registry",
]
Role: TypeAlias = Literal[
    "source", "declaration", "lock", "input", "output", "log", "record", "observation", "packages",
    "persisted", "artifact", "metrics", "model",
]  # fmt: skip


class Use(Model):
    """What a run, or a step run, needs something for; ``path`` is that of an input or output."""

    run: str
    step: str | None = None
    role: Role
    path: str | None = None


class Damage(Model):
    """Something that is missing, or not what it should be.

    ``uses`` are all that it touches. ``sha256`` is that of the object, where it is one. ``mended``
    tells that nothing is missing any more: a repair was enough.
    """

    kind: DamageKind
    message: str
    where: str
    hint: str
    uses: tuple[Use, ...] = ()
    sha256: str | None = None
    mended: bool = False


class Note(Model):
    """Something that does no harm, but that a person may want to know."""

    message: str
    where: str


class Health(Model):
    """The result of a check; ``objects`` and ``trees`` were looked at, ``size`` is in bytes."""

    runs: int
    objects: int
    size: int
    trees: int
    damages: tuple[Damage, ...] = ()
    notes: tuple[Note, ...] = ()

    @property
    def whole(self) -> bool:
        """Whether nothing is damaged, or nothing any more."""
        return all(damage.mended for damage in self.damages)
