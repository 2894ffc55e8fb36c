"""The packages that a store or this user keeps for a run."""

from typing import TYPE_CHECKING, NamedTuple

from runproj.app.places import archive_folder
from runproj.app.stores import Store
from runproj.errors import EnvironmentFailed, StoreError

if TYPE_CHECKING:
    from runproj.record.run import Run


class KeptPackages(NamedTuple):
    """The archives from which a run's environments are installed: how many there are, and where.

    ``size`` is in bytes. ``in_store`` tells whether they are kept with the run.
    """

    archives: int
    size: int
    folder: str
    in_store: bool


def kept_packages(store: Store, run: "Run") -> KeptPackages | None:
    """Return which archives of a run's packages are kept; None when it needs none."""
    try:
        return _packages_in_store(store, run) if run.packages else _packages_of_user(store, run)
    except (StoreError, EnvironmentFailed):
        return None  # a list or a lock is damaged: rerun tells about it


def _packages_in_store(store: Store, run: "Run") -> KeptPackages:
    kept = {
        member.path: member.size
        for folder in run.packages.values()
        for member in store.objects.members(folder.sha256)
        if not member.path.endswith(".json")
    }
    return KeptPackages(len(kept), sum(kept.values()), str(store.folder), in_store=True)


def _packages_of_user(store: Store, run: "Run") -> KeptPackages | None:
    from runproj.adapters.environments.archives import kept  # noqa: PLC0415 -- lazy
    from runproj.lock.formats import format_of  # noqa: PLC0415 -- lazy

    locks = {(pin.kind, pin.lock) for pin in run.plan.environments}
    digests = {
        one
        for kind, lock in locks
        if (known := format_of(kind)) is not None
        for one in known.archives(store.objects.read(lock).decode())
    }
    if not digests:
        return None
    folder = str(archive_folder())
    return KeptPackages(*kept(folder, tuple(digests)), folder, in_store=False)
