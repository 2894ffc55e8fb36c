"""The source snapshots of a store as what takes room."""

import os
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path

from runproj.adapters.holdings import size_of
from runproj.adapters.source.plumbing import GitFailed, run
from runproj.adapters.source.store import Store
from runproj.errors import StoreError
from runproj.ports import HeldSnapshots

_REFERENCES = "refs/snapshots/"


class GitHoldings:
    """Snapshots in the source store at a path, see :class:`~runproj.ports.SnapshotHoldings`."""

    def __init__(self, path: str) -> None:
        """Look at the store ``path``, which may not be there."""
        self.place = path
        self._folder = Path(path)
        self._store = Store(path)

    def look(self, needed: Collection[str], young_s: float) -> HeldSnapshots:
        """Tell what is there, and which trees are needed by nobody and not that young."""
        if not (self._folder / "objects").is_dir():
            problem = "the source store is gone" if needed else None
            return HeldSnapshots(0, 0, problem=problem)
        before = time.time() - young_s
        try:
            kept = dict(self._kept())
            size = size_of(self._folder)
            lost = sorted(set(needed) - kept.keys())
            if lost:
                problem = f"the code of tree {lost[0][:12]}… is not whole"
                return HeldSnapshots(len(kept), size, problem=problem)
            spare = {tree: at for tree, at in kept.items() if tree not in needed}
            old = tuple(sorted(tree for tree, at in spare.items() if at < before))
            unneeded = self._unneeded(sorted(kept.keys() - set(old)))
            free = sum(size for one, size in unneeded.items() if self._kept_at(one) < before)
        except GitFailed as error:
            return HeldSnapshots(0, size_of(self._folder), problem=str(error))
        except OSError as error:
            raise _failed(error, self.place) from error
        return HeldSnapshots(len(kept), size, old, free, len(spare) - len(old))

    def remove(self, trees: Sequence[str], young_s: float) -> None:
        """Remove snapshots, and all objects that belong to none and are not that young.

        References go one by one, without the locks that git would leave behind when it is killed.
        A snapshot that was pruned is written anew when it is taken again, see :mod:`.store`.
        """
        expire = f"{int(young_s)}.seconds.ago"
        try:
            for tree in trees:
                (self._folder / _REFERENCES / tree).unlink(missing_ok=True)
                if self._store.keeps(tree):  # it was packed by hand
                    run(self._store.command("update-ref", "-d", f"{_REFERENCES}{tree}"))
            unneeded = self._unneeded(sorted(tree for tree, _ in self._kept()))
            if any(not self._loose(one).exists() for one in unneeded):
                repack = ("repack", "-A", "-d", "-q", "--window=0", "--no-write-bitmap-index")
                run(self._store.command(*repack, f"--unpack-unreachable={expire}"))
            run(self._store.command("prune", f"--expire={expire}"))
        except GitFailed as error:
            raise StoreError(str(error), where=self.place, hint="runproj fsck") from error
        except OSError as error:
            raise _failed(error, self.place) from error

    def _kept(self) -> Iterator[tuple[str, float]]:
        """Yield each tree that is kept, and since when, in seconds since 1970."""
        out = run(self._store.command("for-each-ref", "--format=%(refname)", _REFERENCES))
        for name in out.decode().split():
            place = self._folder / name
            place = place if place.exists() else self._folder / "packed-refs"
            yield name.removeprefix(_REFERENCES), place.stat().st_mtime

    def _unneeded(self, stay: Sequence[str]) -> Mapping[str, int]:
        """Return id and size in bytes of the objects that belong to none of the trees that stay."""
        listing = "--batch-check=%(objectname) %(objectsize:disk)"
        everything = run(self._store.command("cat-file", "--batch-all-objects", listing))
        found = {}
        for line in everything.decode().splitlines():
            identity, _, size = line.partition(" ")
            found[identity] = int(size) if size.isdigit() else 0
        if stay:
            feed = "".join(f"{tree}\n" for tree in stay).encode()
            listed = ("rev-list", "--objects", "--no-object-names", "--stdin")
            for identity in run(self._store.command(*listed, feed=feed)).decode().split():
                found.pop(identity, None)
        return found

    def _kept_at(self, identity: str) -> float:
        """Return when an object was kept; of a packed one, when the youngest pack was."""
        try:
            return self._loose(identity).stat().st_mtime
        except FileNotFoundError:
            packs = self._folder.glob("objects/pack/*.pack")
            return max((pack.stat().st_mtime for pack in packs), default=0.0)

    def _loose(self, identity: str) -> Path:
        return self._folder / "objects" / identity[:2] / identity[2:]


def _failed(error: OSError, place: str) -> StoreError:
    reason = (error.strerror or str(error)).lower()
    where = os.fsdecode(error.filename) if error.filename else place
    return StoreError(f"the source store cannot be used: {reason}", where=where)
