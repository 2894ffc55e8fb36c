"""Making room: what takes it, and removing what nothing needs."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

from runproj.engine.needs import Needs, needs_of
from runproj.engine.run import timestamp
from runproj.errors import RunprojError, StoreError
from runproj.lock.formats import format_of, format_of_text
from runproj.ports import (
    Claim,
    Held,
    HeldSnapshots,
    Holdings,
    ObjectChecks,
    RecordChecks,
    SeenRun,
    SnapshotHoldings,
    StoreUse,
)
from runproj.record.organising import Organised, organised
from runproj.record.retention import Retention, Rule
from runproj.record.room import GoneRun, Holding, HoldingKind, Room
from runproj.record.run import EnvironmentUse, Run
from runproj.spec.project import Retention as Declared

DELETED_S = 30 * 86400.0
"""So long a run that was deleted can be restored, unless somebody says otherwise."""

YOUNG_S = 3600.0
"""What was kept in the store so recently stays: a run that begins may be about to refer to it."""

_SHARED = ("environments", "images", "workspaces", "models", "archives")
_NO_PACKAGE = ".json"  # notes among kept packages, which say what was built from what


class ProjectRules(NamedTuple):
    """Which of its runs a project, known by its name, wants to keep."""

    name: str
    retention: Declared


class Wish(NamedTuple):
    """What is asked for.

    ``older_than_s`` is for how many seconds something beside the store was not used to go;
    ``archives`` of packages go only if wanted; ``reindex`` makes the index anew in any case.
    ``keep_last`` is how many runs stay of each entry point and experiment; of the others
    those go that started ``runs_older_than_s`` ago or earlier, None: all. Where that is not said,
    runs go by the rules of a ``project``, if it has some. Deleted ones go ``deleted_older_than_s``
    after they were deleted.
    """

    older_than_s: float
    dry_run: bool = False
    archives: bool = False
    reindex: bool = False
    keep_last: int | None = None
    runs_older_than_s: float | None = None
    project: ProjectRules | None = None
    deleted_older_than_s: float = DELETED_S


class Places(NamedTuple):
    """What takes room, kind by kind; the last five are shared with other stores."""

    runs: Holdings
    objects: Holdings
    logs: Holdings
    damaged: Holdings
    leftovers: Holdings
    environments: Holdings
    images: Holdings
    workspaces: Holdings
    models: Holdings
    archives: Holdings


class Gc(NamedTuple):
    """Makes room in one store.

    ``read`` returns the bytes of an object, and leaves it where it is when it is damaged.
    ``now`` is in seconds since 1970. ``claims`` returns what is kept beside the runs, ``locks`` the
    texts of all lockfiles that are not those of runs.
    """

    use: StoreUse
    records: RecordChecks
    checks: ObjectChecks
    read: Callable[[str], bytes]
    snapshots: SnapshotHoldings
    places: Places
    now: float
    claims: Callable[[], Sequence[Claim]] = tuple
    locks: Callable[[], Iterable[str]] = tuple

    def collect(self, wish: Wish) -> Room:
        """Remove what nothing needs, or only tell what that is.

        It may be ended at any moment: what is removed is needed by nothing, and each thing goes by
        itself.

        Raises:
            StoreError: a run goes on, or a record cannot be read; nothing was removed then.
        """
        if wish.dry_run:
            return _Visit(self, wish).room()
        self._refuse_if_alive()
        with self.use.alone():
            self._refuse_if_alive()
            return _Visit(self, wish).room()

    def _refuse_if_alive(self) -> None:
        for run_id in self.use.alive():
            raise StoreError(
                f"the run {run_id} goes on, and nothing is removed meanwhile",
                hint="try again when it has ended; 'runproj gc --dry-run' may look",
            )

    def runs(self) -> dict[str, SeenRun]:
        """Return all runs that have a record, as they were found, by id.

        Raises:
            StoreError: the record of one cannot be read: nobody knows what it refers to.
        """
        seen = {run_id: self.records.look(run_id) for run_id in self.records.ids()}
        for run_id, one in seen.items():
            if one.run is None and one.damages:
                raise StoreError(
                    f"nothing is removed: nobody knows what the run {run_id} needs: "
                    f"{one.damages[0].message}",
                    where=one.damages[0].where,
                    hint=f"'runproj fsck' says what can be done; {one.damages[0].hint}",
                )
        return {run_id: one for run_id, one in seen.items() if one.run is not None}


class _Visit:
    """What is found, and what goes, in one go."""

    def __init__(self, gc: Gc, wish: Wish) -> None:
        self.gc = gc
        self.wish = wish
        self.notes: list[str] = []
        self.claims = gc.claims()

    def room(self) -> Room:
        seen = self.gc.runs()
        there = [one.run for one in seen.values() if one.run is not None]
        holding, gone = self._runs(there, seen)  # first: what only they needed goes, too
        went = {one.id for one in gone}
        runs = [run for run in there if run.id not in went]
        needs = needs_of(runs, outputs=True)
        for artifact in (one for claim in self.claims for one in claim.artifacts):
            needs.objects[artifact.sha256]  # it is needed, by no run
            if artifact.kind == "folder":
                needs.folders[artifact.sha256] = None
        for use in self._claimed_environments():
            needs.objects[use.lock]
        if self.wish.dry_run:
            self.notes += [
                f"the run {one} goes on: until it has ended, nothing can be removed"
                for one in self.gc.use.alive()
            ]
        wanted = self._archives(runs)  # before anything is removed
        members = self._members(needs)
        reindexed = self._reindex(there if self.wish.dry_run else runs)
        places = self.gc.places
        needed = None
        if members is not None:
            needed = {*needs.objects, *(one for of in members.values() for one in of)}
        holdings = (
            holding,
            self._of("logs", places.logs, lambda _: False),
            self._objects(needed),
            self._packages(runs),
            self._snapshots(list(needs.trees)),
            self._of("damaged", places.damaged, lambda _: needed is not None),
            self._of("leftovers", places.leftovers, lambda _: True),
            self._aged("environments", places.environments),
            self._aged("images", places.images, self._keys(runs)),
            self._aged("workspaces", places.workspaces),
            self._aged("models", places.models),
            self._aged("archives", places.archives, wanted, goes=self.wish.archives),
        )
        return Room(
            dry_run=self.wish.dry_run, older_than_s=self.wish.older_than_s, runs=len(there),
            holdings=holdings, gone=tuple(gone),
            reindexed=reindexed, notes=tuple(self.notes),
        )  # fmt: skip

    def _runs(
        self, runs: Sequence[Run], seen: Mapping[str, SeenRun]
    ) -> tuple[Holding, list[GoneRun]]:
        """Remove runs that are not to stay; return which went."""
        said = {run.id: _said(run, seen[run.id]) for run in runs}
        limit = timestamp(self.gc.now - self.wish.deleted_older_than_s)
        claimed = {run_id for claim in self.claims for run_id in claim.runs}
        retention = Retention(self._rule, limit, said, claimed)
        going = {run.id: GoneRun.of(run, why=why) for run, why in retention.leaving(runs)}
        if claimed:
            free = retention._replace(claimed=()).leaving(runs)
            self._tell_claimed({one.run.id for one in free} - going.keys())
        late = [run_id for run_id, one in said.items() if one is not None and _is_due(one, limit)]
        self._tell_needed(len({*late} - going.keys() - claimed))
        went: set[str] = set()
        holding = self._of("runs", self.gc.places.runs, lambda one: one.name in going, went=went)
        return holding, [run for run in going.values() if run.id in went]

    def _tell_claimed(self, runs: Collection[str]) -> None:
        """Say which runs stay for what claims them, and for nothing else."""
        names = [claim.by for claim in self.claims if not set(runs).isdisjoint(claim.runs)]
        if names:
            stay = "stays" if len(runs) == 1 else "stay"
            self.notes.append(f"{_count(len(runs), 'run')} {stay} for {', '.join(names)}")

    def _tell_needed(self, count: int) -> None:
        if count:
            stay = "stays" if count == 1 else "stay"
            self.notes.append(
                f"{_count(count, 'deleted run')} {stay}: what is kept was made from "
                f"{'it' if count == 1 else 'them'}"
            )

    def _rule(self, run: Run) -> Rule | None:
        """Return what holds for a run: what was asked for, or what its project says."""
        wish = self.wish
        if wish.keep_last is not None:
            return Rule(
                f"--keep-last {wish.keep_last}", wish.keep_last, self._ago(wish.runs_older_than_s)
            )
        if wish.project is None or wish.project.name != run.project:
            return None
        where, kept = wish.project.retention.rule(run.experiment)
        return Rule(f"{where}: {kept.text}", kept.keep_last, self._ago(kept.keep))

    def _ago(self, seconds: float | None) -> str | None:
        return None if seconds is None else timestamp(self.gc.now - seconds)

    def _reindex(self, runs: Sequence[Run]) -> bool:
        """Make the index anew where that is wanted, or it knows runs that are gone."""
        wanted = self.wish.reindex or bool(self.gc.records.index(runs).damages)
        if wanted and not self.wish.dry_run:
            self.gc.records.reindex()
        return wanted

    def _members(self, needs: Needs) -> Mapping[str, Sequence[str]] | None:
        """Return what is in the folders that runs need; None when a list of files is not there."""
        found = {}
        for folder in needs.folders:
            try:
                members = self.gc.checks.members(folder)
            except StoreError as error:
                self.notes.append(
                    f"objects stay, since nobody knows which of them are needed: {error}; "
                    "see 'runproj fsck'"
                )
                return None
            found[folder] = [one.sha256 for one in members if one.sha256 is not None]
        return found

    def _objects(self, needed: set[str] | None) -> Holding:
        young = 0

        def goes(one: Held) -> bool:
            nonlocal young
            if needed is None or one.name in needed:
                return False
            young += self._is_young(one)
            return not self._is_young(one)

        holding = self._of("objects", self.gc.places.objects, goes)
        self._tell_young(young, "object")
        return holding

    def _is_young(self, one: Held) -> bool:
        return self.gc.now - one.used_at < YOUNG_S

    def _tell_young(self, count: int, what: str) -> None:
        if count:
            stay = "stays" if count == 1 else "stay"
            self.notes.append(
                f"{_count(count, what)} that no run needs {stay} for now: less than an hour old"
            )

    def _packages(self, runs: Iterable[Run]) -> Holding:
        """Return the archives of packages that runs keep in the store."""
        kept: dict[str, int] = {}
        for folder in {one.sha256 for run in runs for one in run.packages.values()}:
            try:
                members = self.gc.checks.members(folder)
            except StoreError:
                continue  # it was told already
            kept |= {
                one.sha256: one.size for one in members
                if one.sha256 is not None and not one.path.endswith(_NO_PACKAGE)
            }  # fmt: skip
        place = self.gc.places.objects.place
        return Holding(kind="packages", place=place, count=len(kept), size=sum(kept.values()))

    def _snapshots(self, needed: Sequence[str]) -> Holding:
        port = self.gc.snapshots
        found = port.look(needed, YOUNG_S)
        if found.problem is not None:
            self.notes.append(f"source snapshots stay: {found.problem}; see 'runproj fsck'")
        self._tell_young(found.young, "source snapshot")
        gone = bool(found.unneeded or found.unneeded_size) and self._let_go(found)
        return Holding(
            kind="snapshots", place=port.place, count=found.kept, size=found.size,
            unneeded=len(found.unneeded), unneeded_size=found.unneeded_size,
            removed=len(found.unneeded) if gone else 0,
            removed_size=found.unneeded_size if gone else 0,
        )  # fmt: skip

    def _let_go(self, found: HeldSnapshots) -> bool:
        if self.wish.dry_run:
            return True
        try:
            self.gc.snapshots.remove(found.unneeded, YOUNG_S)
        except StoreError as error:
            self.notes.append(f"source snapshots stay: {error}")
            return False
        return True

    def _of(
        self, kind: HoldingKind, port: Holdings, is_unneeded: Callable[[Held], bool], *,
        goes: bool = True, went: set[str] | None = None,
    ) -> Holding:  # fmt: skip
        """Remove what is not needed of a kind, and return what was there; ``went`` gets names."""
        there = port.all()
        unneeded = [one for one in there if is_unneeded(one)]
        used = [one.used_at for one in there] if kind in _SHARED else []
        gone = [one for one in unneeded if goes and self._is_removed(port, one)]
        if went is not None:
            went.update(one.name for one in gone)
        return Holding(
            kind=kind, place=port.place, count=len(there), size=_size(there),
            unneeded=len(unneeded), unneeded_size=_size(unneeded),
            removed=len(gone), removed_size=_size(gone),
            used_at=max(used, default=None), oldest_at=min(used, default=None),
        )  # fmt: skip

    def _is_removed(self, port: Holdings, one: Held) -> bool:
        if one.stuck is not None:
            note = f"{port.place}: {one.stuck}"
            self.notes += [note] if note not in self.notes else []
            return False
        if self.wish.dry_run:
            return True
        try:
            return port.remove(one)
        except RunprojError as error:  # the rest can go all the same
            self.notes.append(f"{one.name} stays: {error}")
            return False

    def _aged(
        self, kind: HoldingKind, port: Holdings, needed: Collection[str] | None = (), *,
        goes: bool = True,
    ) -> Holding:  # fmt: skip
        """Remove what is shared by stores and was not used for long; None: all of it is needed."""
        if needed:
            needed = _closed(port.all(), needed)
        unique = 0

        def is_unneeded(one: Held) -> bool:
            nonlocal unique
            old = self.gc.now - one.used_at >= self.wish.older_than_s
            unique += old and one.unique
            return needed is not None and old and one.name not in needed and not one.unique

        holding = self._of(kind, port, is_unneeded, goes=goes)
        if unique:
            stay = "stays" if unique == 1 else "stay"
            self.notes.append(
                f"{_count(unique, 'environment')} not used for long {stay}: archives of packages "
                "are missing, and a rerun might not get them again; 'runproj env remove' removes "
                "environments all the same"
            )
        return holding

    def _keys(self, runs: Iterable[Run]) -> set[str]:
        """Return the keys of environments; an image may come out otherwise next time."""
        pins = {pin.key for run in runs for pin in run.plan.environments}
        steps = (step.environment for run in runs for step in run.steps)
        uses = [used for used in steps if used is not None]
        return pins | {used.key for used in (*uses, *self._claimed_environments())}

    def _claimed_environments(self) -> list[EnvironmentUse]:
        return [use for claim in self.claims for use in claim.environments]

    def _archives(self, runs: Iterable[Run]) -> set[str] | None:
        """Return the digests of all archives that locks name; None when that is not known."""
        pins = {(pin.kind, pin.lock) for run in runs for pin in run.plan.environments}
        steps = (step.environment for run in runs for step in run.steps)
        uses = [use for use in steps if use is not None]
        used = {(use.kind, use.lock) for use in (*uses, *self._claimed_environments())}
        found: set[str] = set()
        try:
            for kind, lock in sorted(pins | used):
                form = format_of(kind)
                if form is not None:
                    found.update(*form.archives(self.gc.read(lock).decode()))
            for text in self.gc.locks():
                found.update(*format_of_text(text).archives(text))
        except (RunprojError, UnicodeDecodeError) as error:
            self.notes.append(
                f"archives stay, since a lock cannot be read: {error}; see 'runproj fsck'"
            )
            return None
        return found


def _said(run: Run, seen: SeenRun) -> Organised | None:
    """Return what is said of a run; None: that cannot be read."""
    return None if seen.said is None else organised(run, seen.said)


def _is_due(one: Organised, limit: str) -> bool:
    return one.deleted_at is not None and one.deleted_at <= limit


def _closed(there: Iterable[Held], needed: Collection[str]) -> set[str]:
    """Return what is needed with all that serves with it, such as wheels built from it."""
    with_it = {one.name: one.needs for one in there}
    found: set[str] = set()
    waiting = list(needed)
    while waiting:
        one = waiting.pop()
        if one not in found:
            found.add(one)
            waiting += with_it.get(one, ())
    return found


def _size(several: Iterable[Held]) -> int:
    return sum(one.size for one in several)


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'s' * (number != 1)}"
