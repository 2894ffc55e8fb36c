"""Checking the store: is everything there that the runs refer to, and is it what it should be?"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from runproj.engine.models import held_versions
from runproj.engine.needs import Needs, needs_of
from runproj.errors import StoreError
from runproj.ports import (
    CheckedObject,
    CheckedSource,
    ModelShelf,
    ObjectChecks,
    RecordChecks,
    SourceChecks,
)
from runproj.record.health import Damage, Health, Role, Use
from runproj.record.registry import Version
from runproj.record.run import Run

_STATE = {
    "damaged": "is damaged: its bytes are not what its name says",
    "missing": "is not in the store",
    "unreadable": "cannot be read",
}
_REPAIR = "'runproj fsck --repair' sets it aside"
_AGAIN: Mapping[Role, str] = {
    "input": "a run that gets the same file as an input keeps it again",
    "lock": "a run with the same lock keeps it again",
    "declaration": "a run with the same environment keeps it again",
    "packages": "'runproj run --keep-packages' keeps them again",
    "persisted": "without it, 'runproj resume' begins the step anew",
    "artifact": "without it, the run is what it was: no step needs it",
    "model": "a rerun of its run makes one like it, which can be registered",
    "metrics": "without it, only the last values of its metrics are known",
    "observation": "without it, the step is executed again when anything changed",
}


class Fsck(NamedTuple):
    """Checks one store.

    ``progress`` is told how many bytes of how many were read. Runs that go on meanwhile are no
    damage: records are read first, and what they refer to was kept before it was written there.
    """

    objects: ObjectChecks
    source: SourceChecks
    records: RecordChecks
    shelf: ModelShelf
    progress: Callable[[int, int], None]

    def store(self, *, repair: bool = False) -> Health:
        """Check everything.

        Args:
            repair: damaged objects are set aside, and the index is made anew where it differs from
                the records; nothing is removed.
        """
        seen = [self.records.look(run_id) for run_id in self.records.ids()]
        runs = sorted(
            (one.run for one in seen if one.run is not None),
            key=lambda run: (run.started_at, run.id),
            reverse=True,
        )
        versions, registry = self._registered({one.id for one in runs})
        needs = needs_of(runs, outputs=True, versions=versions)
        size, objects, found = self._objects(needs, self.objects.sizes())
        seen += [self.records.index(runs), self.records.others()]
        source = self.source.check(list(needs.trees), everything=True)
        damages = [
            *(damage for one in seen for damage in one.damages),
            *registry,
            *found,
            *self._trees(source, needs, repair=repair),
        ]
        notes = [note for one in seen for note in one.notes]
        health = Health(
            runs=len(runs), objects=objects, size=size, trees=len(needs.trees),
            damages=tuple(damages), notes=(*notes, *self.objects.notes(), *source.notes),
        )  # fmt: skip
        return self._repaired(health) if repair else health

    def _registered(self, runs: Collection[str]) -> tuple[list[Version], list[Damage]]:
        """Return the versions of registered models, and what is wrong with them."""
        try:
            versions = held_versions(self.shelf)
        except StoreError as error:
            problem = error.problems[0]
            wrong = Damage(
                kind="registry", message=problem.message, where=problem.where or "",
                hint=problem.hint or "see that you may read it",
            )  # fmt: skip
            return [], [wrong]
        return versions, [
            Damage(
                kind="registry", where=version.reference,
                message=f"the run {version.origin.run} that made {version.reference} is gone",
                hint="the model itself is kept; bring the run back from a copy of the store",
                uses=(Use(run=version.origin.run, role="model", path=version.reference),),
            )
            for version in versions if version.origin.run not in runs
        ]  # fmt: skip

    def run(self, run: Run) -> Health:
        """Check what a rerun of one run needs, and nothing else."""
        seen = self.records.look(run.id)
        needs = needs_of([run], outputs=False)
        size, objects, found = self._objects(needs, {})
        source = self.source.check(list(needs.trees), everything=False)
        damages = [*seen.damages, *found, *self._trees(source, needs)]
        return Health(
            runs=1, objects=objects, size=size, trees=len(needs.trees), damages=tuple(damages),
            notes=tuple(seen.notes),
        )  # fmt: skip

    def _objects(self, needs: Needs, sizes: Mapping[str, int]) -> tuple[int, int, Sequence[Damage]]:
        """Return bytes and number of the objects that were read, and what is wrong with them."""
        inside: dict[str, list[str]] = {}
        flawed: list[Damage] = []
        for folder in needs.folders:
            try:
                members = self.objects.members(folder)
            except StoreError as error:
                flawed.append(_no_folder(folder, error, needs.objects[folder]))
                continue
            inside[folder] = [member.sha256 for member in members if member.sha256 is not None]
        wanted = dict.fromkeys(
            [*sizes, *needs.objects, *(one for of in inside.values() for one in of)]
        )
        total = sum(sizes.values())
        size, count, bad = 0, 0, []
        for one in self.objects.check(wanted):
            size, count = size + one.size, count + 1
            self.progress(size, max(size, total))
            if one.state != "whole":
                bad.append(one.sha256)
        # another process may have mended what was seen: what is told is what is so now
        wrong = [one for one in self.objects.check(sorted(bad)) if one.state != "whole"]
        found = [_object(one, _uses(one.sha256, needs.objects, inside)) for one in wrong]
        known = {one.sha256 for one in wrong}
        return size, count, [*found, *(one for one in flawed if one.sha256 not in known)]

    def _trees(
        self, source: CheckedSource, needs: Needs, *, repair: bool = False
    ) -> Iterator[Damage]:
        hint = "bring the source store back from a copy of it"
        ways = f"{hint}; or 'runproj fsck --repair', and a run of the same code keeps it again"
        if repair and source.trees:
            ways = self._let_go(list(source.trees))
        for tree, flaws in source.trees.items():
            message = f"the code of tree {tree[:12]}… is not whole: {_listed(flaws)}"
            yield Damage(
                kind="source", message=message, where=self.source.place, hint=ways,
                uses=tuple(needs.trees[tree]),
            )  # fmt: skip
        for line in source.others:
            message = f"the source store is damaged: {line}"
            yield Damage(kind="source", message=message, where=self.source.place, hint=hint)

    def _let_go(self, trees: Sequence[str]) -> str:
        """Let damaged code be kept again; return what can be done now."""
        try:
            self.source.let_go(trees)
        except StoreError as error:
            return f"it could not be mended: {error}"
        return "what is damaged was set aside; a run of the same code keeps it again"

    def _repaired(self, health: Health) -> Health:
        """Return what is left to be said after everything was done that loses nothing."""
        return health.replace(damages=tuple(self._mended(damage) for damage in health.damages))

    def _mended(self, damage: Damage) -> Damage:
        try:
            if damage.kind == "index":
                self.records.reindex()
                return damage.replace(mended=True, hint="it was made anew")
            if damage.kind == "object" and damage.sha256 and _REPAIR in damage.hint:
                aside = self.objects.set_aside(damage.sha256)
                again = damage.hint.removeprefix(_REPAIR).removeprefix("; ")
                hint = f"it was set aside; {again}" if again else "it was set aside"
                return damage.replace(mended=not damage.uses, hint=hint, where=aside)
        except StoreError as error:
            return damage.replace(hint=f"it could not be mended: {error}")
        return damage


def _uses(
    sha256: str, needed: Mapping[str, Iterable[Use]], inside: Mapping[str, Sequence[str]]
) -> tuple[Use, ...]:
    """Return what an object is used for, by itself and as a member of folders."""
    of = [folder for folder, members in inside.items() if sha256 in members]
    return tuple(dict.fromkeys(use for one in (sha256, *of) for use in needed.get(one, ())))


def _object(one: CheckedObject, uses: tuple[Use, ...]) -> Damage:
    ways = [] if one.state != "damaged" else [_REPAIR]
    made = next((use for use in uses if use.role == "output"), None)
    if made is not None:
        ways.append(f"'runproj rerun {made.run}' makes it again")
    else:
        ways += dict.fromkeys(_AGAIN[use.role] for use in uses)
    return Damage(
        kind="object", sha256=one.sha256, uses=uses, where=one.where,
        message=f"the object {one.sha256[:12]}… {_STATE[one.state]}",
        hint="; ".join(ways) or "see that you may read it",
    )  # fmt: skip


def _no_folder(sha256: str, error: StoreError, uses: Iterable[Use]) -> Damage:
    problem = error.problems[0]
    return Damage(
        kind="object", sha256=sha256, uses=tuple(uses), where=problem.where or "",
        message=problem.message, hint="bring it back from a copy of the store",
    )  # fmt: skip


_NAMED = 3


def _listed(flaws: Sequence[str]) -> str:
    more = len(flaws) - _NAMED
    return ", ".join(flaws[:_NAMED]) + (f" and {more} more" if more > 0 else "")
