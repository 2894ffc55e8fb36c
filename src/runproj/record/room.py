"""What takes room in a store and beside it, and what of that was removed."""

from typing import Literal, TypeAlias

from runproj.model import Model
from runproj.record.run import Status

HoldingKind: TypeAlias = Literal[
    "runs", "logs", "objects", "packages", "snapshots", "damaged", "leftovers",
    "environments", "images", "workspaces", "models", "archives",
]  # fmt: skip
"""What takes room; ``logs`` are among the ``runs``, ``packages`` among the ``objects``, and the
last five beside the store."""


class Holding(Model):
    """All that is there of one kind; sizes in bytes.

    ``unneeded`` is what nothing needs and is old enough to go, ``removed`` what went of it (or
    would go, if it is only asked for). ``used_at`` and ``oldest_at`` are when the one that was used
    last, and the one that was not used for longest, were used, in seconds since 1970; None in the
    store, where that does not count.
    """

    kind: HoldingKind
    place: str
    count: int
    size: int
    unneeded: int = 0
    unneeded_size: int = 0
    removed: int = 0
    removed_size: int = 0
    used_at: float | None = None
    oldest_at: float | None = None


class GoneRun(Model):
    """A run that was removed, or would be; ``why`` is the rule that says so."""

    id: str
    project: str
    experiment: str
    entry_point: str
    status: Status
    started_at: str
    why: str


class Room(Model):
    """What takes room; ``dry_run`` tells that nothing was removed.

    ``older_than_s`` is for how many seconds something beside the store was not used to be unneeded.
    ``runs`` is how many there were, ``gone`` are those that went, the latest first.
    ``reindexed`` tells that the index was made anew, or would be. ``notes`` are sentences.
    """

    dry_run: bool
    older_than_s: float
    runs: int
    holdings: tuple[Holding, ...]
    gone: tuple[GoneRun, ...] = ()
    reindexed: bool = False
    notes: tuple[str, ...] = ()

    @property
    def removed_size(self) -> int:
        """How many bytes went, or would go."""
        return sum(one.removed_size for one in self.holdings)
