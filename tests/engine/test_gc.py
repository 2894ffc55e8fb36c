"""Making room: what goes, what stays, and when nothing goes at all."""

from dataclasses import dataclass, field
from typing import Any, Literal

import pytest
from tests.fakes.checks import FakeObjectChecks, FakeRecordChecks
from tests.fakes.holdings import FakeHoldings, FakeSnapshots, FakeUse
from tests.fakes.records import a_run, a_step

from runproj.engine.gc import Gc, Places, ProjectRules, Wish
from runproj.engine.run import timestamp
from runproj.errors import StoreError
from runproj.lock.conda import CondaSpec, made
from runproj.lock.image import ImageLock
from runproj.plan.plan import EnvironmentPin, Plan
from runproj.ports import Claim, Held
from runproj.record.artifact import Artifact
from runproj.record.health import Damage
from runproj.record.room import Holding, HoldingKind, Room
from runproj.record.run import EnvironmentUse, Output, Run, Trace
from runproj.record.source import SourceSnapshot
from runproj.record.verdict import Annotation
from runproj.spec.project import Kept, Retention

NOW = 1_000_000_000.0
HOUR = 3600.0
DAY = 24 * HOUR
TREE, OTHER = "0" * 40, "1" * 40
WISH = Wish(30 * DAY)
LOCK = """\
lock-version = "1.0"
[[packages]]
name = "rocky"
version = "1.0"
sdist = {name = "rocky-1.0.tar.gz", hashes = {sha256 = "%s"}}
"""
SDIST, WHEEL, STRANGE = "a" * 64, "b" * 64, "c" * 64


def places() -> dict[str, FakeHoldings]:
    return {name: FakeHoldings(name) for name in Places._fields}


@dataclass
class World:
    """A store with a run, and things that nothing needs."""

    checks: FakeObjectChecks = field(default_factory=FakeObjectChecks)
    records: FakeRecordChecks = field(default_factory=FakeRecordChecks)
    snapshots: FakeSnapshots = field(default_factory=lambda: FakeSnapshots(NOW))
    use: FakeUse = field(default_factory=FakeUse)
    there: dict[str, FakeHoldings] = field(default_factory=places)
    claims: list[Claim] = field(default_factory=list)
    lockfiles: list[str] = field(default_factory=list)

    def gc(self) -> Gc:
        for sha256, data in self.checks.contents.items():
            self.there["objects"].things.setdefault(sha256, Held(sha256, len(data), NOW - 2 * HOUR))
        return Gc(
            self.use, self.records, self.checks, self.read, self.snapshots,
            Places(**self.there), NOW, lambda: self.claims, lambda: self.lockfiles,
        )  # fmt: skip

    def read(self, sha256: str) -> bytes:
        if sha256 not in self.checks.contents:
            raise StoreError("the object cannot be read")
        return self.checks.contents[sha256]

    def collect(self, wish: Wish = WISH) -> Room:
        return self.gc().collect(wish)

    def of(self, kind: HoldingKind, wish: Wish = WISH) -> Holding:
        return next(one for one in self.collect(wish).holdings if one.kind == kind)

    def stay(self, kind: str) -> set[str]:
        return set(self.there[kind].things)

    def file(self, path: str, data: bytes) -> Artifact:
        return Artifact(path=path, sha256=self.checks.keep(data), size=len(data))

    def past(self, *names: str, **fields: Any) -> None:  # noqa: ANN401 -- of any type
        """Record runs that refer to little, each a minute after the one before."""
        for minute, name in enumerate(names, start=len(self.records.runs)):
            given = {"minute": minute, "status": "succeeded", **fields}
            self.records.runs[name] = a_run(name, **given)
        for name in self.records.runs:
            self.there["runs"].add(name, 100, NOW)

    def say(self, name: str, kind: Literal["archived", "deleted"], age_s: float) -> None:
        self.records.said[name] = [Annotation(kind=kind, at=timestamp(NOW - age_s))]

    def run(self) -> Run:
        """Record a run that refers to an object in every way."""
        lock = self.checks.keep((LOCK % SDIST).encode())
        declaration = self.checks.keep(b"declaration")
        pins = [
            EnvironmentPin(name=kind, kind=kind, key="k", declaration=declaration, lock=lock)
            for kind in ("venv", "system")
        ]
        made = [self.file("made", b"made"), self.checks.folder("d", a=b"a", b=b"b")]
        packages = self.checks.folder(
            "default", **{"w.whl": b"wheel", "built/t.json": b"{}", "s.tar.gz": b"source"}
        )
        step = a_step(
            environment=EnvironmentUse(name="default", kind="venv", key="k", lock=lock),
            inputs=(self.file("in", b"in"),),
            outputs=tuple(Output.of(one, name=None) for one in made),
            trace=Trace(observation=self.checks.keep(b"seen"), files=1),
        )
        run = a_run(
            "r1", minute=0, status="succeeded", inputs=(self.file("given", b"given"),),
            source=SourceSnapshot(tree=TREE), steps=(step, a_step("bare")),
            packages={"default": packages},
            plan=Plan(entry_point="main", steps=(), environments=tuple(pins)),
        )  # fmt: skip
        self.records.runs["r1"] = run
        self.snapshots.trees[TREE] = NOW - DAY
        return run


@pytest.fixture
def world() -> World:
    made = World()
    made.run()
    return made


def test_what_a_run_refers_to_stays_and_the_rest_goes(world: World) -> None:
    needed = set(world.checks.contents)
    spare = world.checks.keep(b"spare")
    world.snapshots.trees[OTHER] = NOW - DAY
    room = world.collect()
    assert world.stay("objects") == needed
    assert list(world.snapshots.trees) == [TREE]
    kinds = {one.kind: (one.removed, one.removed_size) for one in room.holdings if one.removed}
    assert kinds == {"objects": (1, 5), "snapshots": (1, 10)}
    assert room.removed_size == 15
    assert (room.runs, room.notes, room.dry_run) == (1, (), False)
    assert spare not in world.stay("objects")


def test_a_store_without_anything_to_remove_is_left_alone(world: World) -> None:
    assert world.collect().removed_size == 0
    assert world.snapshots.removed == []
    assert world.records.rebuilt == 0


def test_a_dry_run_says_what_would_go(world: World) -> None:
    world.checks.keep(b"spare")
    world.snapshots.trees[OTHER] = NOW - DAY
    world.there["damaged"].add("d", 3, NOW)
    world.use.running = ["r1"]
    room = world.collect(Wish(DAY, dry_run=True, reindex=True))
    assert room.removed_size == 18
    assert room.dry_run
    assert room.reindexed
    assert room.notes == ("the run r1 goes on: until it has ended, nothing can be removed",)
    assert len(world.stay("objects")) == len(world.checks.contents)
    assert (world.snapshots.removed, world.records.rebuilt, world.use.entered) == ([], 0, 0)


def test_what_is_young_stays(world: World) -> None:
    for name in ("x", "y"):
        world.there["objects"].add(name, 5, NOW - HOUR + 1)
    world.snapshots.trees[OTHER] = NOW - 10
    room = world.collect()
    assert {"x", "y"} <= world.stay("objects")
    assert OTHER in world.snapshots.trees
    assert room.notes == (
        "2 objects that no run needs stay for now: less than an hour old",
        "1 source snapshot that no run needs stays for now: less than an hour old",
    )


def test_nothing_goes_while_a_run_goes_on(world: World) -> None:
    world.there["damaged"].add("d", 3, NOW)
    world.use.running = ["r1"]
    with pytest.raises(StoreError, match="the run r1 goes on"):
        world.collect()
    assert world.stay("damaged") == {"d"}


def test_nothing_goes_when_a_run_began_while_it_was_waited(world: World) -> None:
    world.there["damaged"].add("d", 3, NOW)
    world.use.begins = ["r2"]
    with pytest.raises(StoreError, match="the run r2 goes on"):
        world.collect()
    world.use = FakeUse()
    world.use.busy = True
    with pytest.raises(StoreError, match="prepares a run"):
        world.collect()
    assert world.stay("damaged") == {"d"}


@pytest.mark.parametrize("dry_run", [True, False])
def test_nothing_goes_when_a_record_cannot_be_read(world: World, *, dry_run: bool) -> None:
    world.records.runs["r0"] = None
    world.records.damages["r0"] = [Damage(kind="record", message="odd", where="w", hint="h")]
    world.checks.keep(b"spare")
    with pytest.raises(StoreError, match="what the run r0 needs: odd") as raised:
        world.collect(Wish(DAY, dry_run=dry_run))
    assert raised.value.problems[0].hint == "'runproj fsck' says what can be done; h"
    assert len(world.stay("objects")) == len(world.checks.contents)


def test_a_folder_without_a_record_and_damage_beside_one_stop_nothing(world: World) -> None:
    world.records.runs["r0"] = None
    world.records.damages["r1"] = [Damage(kind="log", message="odd", where="w", hint="h")]
    world.checks.keep(b"spare")
    assert world.of("objects").removed == 1


def test_objects_stay_when_nobody_knows_what_is_in_a_folder(world: World) -> None:
    [run] = filter(None, world.records.runs.values())
    del world.checks.contents[run.packages["default"].sha256]
    world.checks.keep(b"spare")
    world.there["damaged"].add("d", 3, NOW)
    world.there["leftovers"].add("l", 4, NOW)
    room = world.collect()
    assert len(world.stay("objects")) == len(world.checks.contents)
    assert world.stay("damaged") == {"d"}
    assert world.stay("leftovers") == set()
    assert [note.partition(":")[0] for note in room.notes] == [
        "objects stay, since nobody knows which of them are needed"
    ]


def test_kept_packages_are_counted_without_their_notes(world: World) -> None:
    kept = world.of("packages")
    assert (kept.count, kept.size, kept.removed) == (2, 0, 0)
    assert kept.place == "objects"


def test_runs_go_that_are_not_among_the_last_and_what_only_they_needed(world: World) -> None:
    for minute, name in enumerate(("r2", "r3"), start=1):
        world.records.runs[name] = a_run(name, minute=minute, status="succeeded")
    for name in world.records.runs:
        world.there["runs"].add(name, 100, NOW)
    assert world.of("runs").removed == 0
    wish = WISH._replace(keep_last=2)
    old = world.collect(wish._replace(runs_older_than_s=NOW))
    assert old.gone == ()
    asked = world.collect(wish._replace(dry_run=True))
    assert [one.id for one in asked.gone] == ["r1"]
    assert world.stay("runs") == {"r1", "r2", "r3"}
    world.there["runs"].stuck = {"r1"}
    failed = world.collect(wish)
    assert (failed.gone, failed.notes) == ((), ("r1 stays: permission denied",))
    assert world.stay("objects")
    world.there["runs"].stuck = set()
    room = world.collect(wish)
    assert [one.id for one in room.gone] == ["r1"]
    assert room.runs == 3
    assert world.stay("runs") == {"r2", "r3"}
    assert world.stay("objects") == set()
    assert room.removed_size == asked.removed_size


def test_a_deleted_run_goes_in_its_time_or_at_once_where_that_is_wished(world: World) -> None:
    world.past("r2", "r3")
    world.say("r2", "deleted", 31 * DAY)
    world.say("r3", "deleted", 29 * DAY)
    asked = world.collect(WISH._replace(dry_run=True))
    assert [(one.id, one.why) for one in asked.gone] == [("r2", "deleted 2001-08-09")]
    assert world.collect().gone == asked.gone
    del world.records.runs["r2"]
    assert world.collect().gone == ()
    assert [one.id for one in world.collect(WISH._replace(deleted_older_than_s=0.0)).gone] == ["r3"]


def test_a_deleted_run_from_which_another_was_made_stays_and_that_is_told(world: World) -> None:
    world.past("r2", "r3", rerun_of="r1")
    world.say("r1", "deleted", 31 * DAY)
    room = world.collect()
    assert room.gone == ()
    assert room.notes == ("1 deleted run stays: what is kept was made from it",)
    world.past("r4", "r5", rerun_of="r2")
    world.say("r2", "deleted", 31 * DAY)
    assert world.collect().notes == ("2 deleted runs stay: what is kept was made from them",)


def test_runs_go_by_the_rules_of_their_project_unless_others_are_given(world: World) -> None:
    world.past("r2", "r3")
    world.past("s1", "s2", experiment="sweep")
    world.past("o1", "o2", project="other")
    rules = Retention(keep_last=2, keep=90 * DAY, experiments={"sweep": Kept(keep_last=1)})
    wish = WISH._replace(dry_run=True, project=ProjectRules("p", rules))
    started = 1_767_225_600.0  # when 2026 began

    def gone(wish: Wish, days: float) -> list[tuple[str, str]]:
        room = world.gc()._replace(now=started + days * DAY).collect(wish)
        return [(one.id, one.why) for one in room.gone]

    sweep = ("s1", "retention.experiments.sweep: keep_last: 1")
    assert gone(wish, 80) == [sweep]
    assert gone(wish, 100) == [sweep, ("r1", "retention: keep_last: 2, keep: 90d")]
    asked = gone(wish._replace(keep_last=1), 80)
    assert [one for one, _ in asked] == ["o1", "s1", "r2", "r1"]
    assert {why for _, why in asked} == {"--keep-last 1"}


def test_a_run_of_which_nobody_knows_what_was_said_stays(world: World) -> None:
    world.past("r2", "r3")
    world.records.said["r1"] = None
    assert [one.id for one in world.collect(WISH._replace(keep_last=1)).gone] == ["r2"]


def test_what_is_kept_beside_the_runs_keeps_them_and_what_it_is_made_of(world: World) -> None:
    world.past("r2")
    world.say("r2", "deleted", 31 * DAY)
    file, folder = world.file("f", b"model"), world.checks.folder("d", part=b"part")
    world.checks.keep(b"spare")
    world.claims = [Claim("the model 'wine' 3", ("r2",), (file, folder))]
    room = world.collect()
    assert room.gone == ()
    assert next(one for one in room.holdings if one.kind == "objects").removed == 1
    assert {file.sha256, folder.sha256} < world.stay("objects")
    assert room.notes == ("1 run stays for the model 'wine' 3",)


def test_the_environment_of_what_is_kept_stays_when_somebody_removed_its_run(world: World) -> None:
    lock = world.checks.keep((LOCK % WHEEL).encode())
    use = EnvironmentUse(name="default", kind="venv", key="k2", lock=lock)
    world.claims = [Claim("the model", ("gone",), (), (use,))]
    world.there["archives"].add(WHEEL, 5, NOW - 90 * DAY)
    world.there["images"].add("k2", 5, NOW - 90 * DAY)
    room = world.collect(WISH._replace(archives=True))
    assert lock in world.stay("objects")
    assert (world.stay("archives"), world.stay("images")) == ({WHEEL}, {"k2"})
    assert room.notes == ()


@pytest.mark.parametrize("dry_run", [True, False])
def test_what_cannot_be_removed_now_is_not_promised(world: World, *, dry_run: bool) -> None:
    images = world.there["images"]
    for name in ("a", "b"):
        images.things[name] = Held(name, 7, NOW - 90 * DAY, stuck="no engine")
    room = world.collect(Wish(DAY, dry_run=dry_run))
    found = next(one for one in room.holdings if one.kind == "images")
    assert (found.unneeded, found.removed) == (2, 0)
    assert room.notes == ("images: no engine",)


def test_logs_are_counted_and_stay(world: World) -> None:
    world.there["logs"].add("r1/train", 7, 0.0)
    found = world.of("logs")
    assert (found.count, found.size, found.unneeded, found.used_at) == (1, 7, 0, None)


def test_the_index_is_made_anew_when_it_differs_or_that_is_wished(world: World) -> None:
    assert world.collect(Wish(DAY, reindex=True)).reindexed
    assert world.records.rebuilt == 1
    world.records.damages["index"] = [Damage(kind="index", message="m", where="w", hint="h")]
    assert world.collect().reindexed
    assert world.records.rebuilt == 2


def test_what_is_shared_goes_by_age(world: World) -> None:
    for kind in ("environments", "workspaces"):
        world.there[kind].add("old", 3, NOW - 30 * DAY)
        world.there[kind].add("new", 4, NOW - 29 * DAY)
    room = world.collect()
    for kind in ("environments", "workspaces"):
        assert world.stay(kind) == {"new"}
        found = next(one for one in room.holdings if one.kind == kind)
        assert (found.count, found.removed_size) == (2, 3)
        assert (found.used_at, found.oldest_at) == (NOW - 29 * DAY, NOW - 30 * DAY)


def test_an_image_that_a_run_used_stays_however_old_it_is(world: World) -> None:
    [run] = world.records.runs.values()
    assert run is not None
    there = world.there["images"]
    there.add("old", 3, 0.0)
    there.add(run.plan.environments[0].key, 3, 0.0)
    there.add("new", 4, NOW)
    assert world.of("images").removed == 1
    assert world.stay("images") == {run.plan.environments[0].key, "new"}


def test_an_environment_that_cannot_be_built_again_stays(world: World) -> None:
    there = world.there["environments"]
    there.things["old"] = Held("old", 3, 0.0, unique=True)
    there.things["new"] = Held("new", 3, NOW, unique=True)
    room = world.collect()
    assert world.stay("environments") == {"old", "new"}
    assert room.notes[0].startswith("1 environment not used for long stays: ")


def test_what_cannot_be_removed_is_told_and_the_rest_goes(world: World) -> None:
    there = world.there["environments"]
    for name in ("stuck", "used", "free"):
        there.add(name, 1, 0.0)
    there.stuck, there.used = {"stuck"}, {"used"}
    room = world.collect()
    assert world.stay("environments") == {"stuck", "used"}
    assert room.notes == ("stuck stays: permission denied",)
    assert room.removed_size == 1


def add_archives(world: World) -> None:
    world.there["archives"].add(SDIST, 1, 0.0, WHEEL)
    world.there["archives"].add(WHEEL, 2, 0.0, SDIST)
    world.there["archives"].add(STRANGE, 4, 0.0)
    world.there["archives"].add("new", 8, NOW)


def test_archives_stay_unless_that_is_wished(world: World) -> None:
    add_archives(world)
    found = world.of("archives")
    assert (found.unneeded, found.unneeded_size, found.removed) == (1, 4, 0)
    assert len(world.stay("archives")) == 4


def test_archives_that_runs_need_stay_with_what_was_built_from_them(world: World) -> None:
    add_archives(world)
    assert world.of("archives", Wish(DAY, archives=True)).removed_size == 4
    assert world.stay("archives") == {SDIST, WHEEL, "new"}


def test_archives_that_a_lock_of_conda_names_stay(world: World) -> None:
    add_archives(world)
    record = {"name": "tiny", "version": "1", "build": "0", "fn": "tiny.conda", "sha256": STRANGE}
    record |= {"subdir": "noarch", "url": "https://example.com/tiny.conda"}
    spec = CondaSpec(channels=(), dependencies=(), virtual_packages={})
    lock = made("d" * 64, "linux-64", spec, {}, "r", [record])
    [run] = filter(None, world.records.runs.values())
    pin = EnvironmentPin(
        name="conda", kind="conda", key="k", declaration=run.plan.environments[0].declaration,
        lock=world.checks.keep(lock.text.encode()),
    )  # fmt: skip
    plan = run.plan.replace(environments=(*run.plan.environments, pin))
    world.records.runs[run.id] = run.replace(plan=plan)
    room = world.collect(Wish(DAY, archives=True))
    assert not room.notes
    assert world.stay("archives") == {SDIST, WHEEL, STRANGE, "new"}


def test_archives_that_a_lockfile_names_stay_though_no_run_has_it(world: World) -> None:
    world.records.runs.clear()
    add_archives(world)
    record = {"name": "tiny", "version": "1", "build": "0", "fn": "tiny.conda", "sha256": STRANGE}
    record |= {"subdir": "noarch", "url": "https://example.com/tiny.conda"}
    spec = CondaSpec(channels=(), dependencies=(), virtual_packages={})
    image = ImageLock("d" * 64, "python:3", None, "sha256:1")
    conda = made("d" * 64, "linux-64", spec, {}, "r", [record])
    world.lockfiles = [LOCK % SDIST, conda.text, image.text]
    world.collect(Wish(DAY, archives=True))
    assert world.stay("archives") == {SDIST, WHEEL, STRANGE, "new"}


def test_archives_of_a_store_without_runs_go_by_age(world: World) -> None:
    world.records.runs.clear()
    add_archives(world)
    world.collect(Wish(DAY, archives=True))
    assert world.stay("archives") == {"new"}


@pytest.mark.parametrize("lock", [None, b"\xff", b"no = [lock"])
def test_archives_stay_when_a_lock_cannot_be_read(world: World, lock: bytes | None) -> None:
    add_archives(world)
    [run] = filter(None, world.records.runs.values())
    sha256 = run.plan.environments[0].lock
    if lock is None:
        del world.checks.contents[sha256]
    else:
        world.checks.contents[sha256] = lock
    room = world.collect(Wish(DAY, archives=True))
    assert len(world.stay("archives")) == 4
    assert room.notes[0].startswith("archives stay, since a lock cannot be read: ")


def test_snapshots_stay_when_the_source_is_not_whole(world: World) -> None:
    world.snapshots.trees[OTHER] = 0.0
    world.snapshots.problem = "it is not whole"
    room = world.collect()
    assert OTHER in world.snapshots.trees
    assert room.notes == ("source snapshots stay: it is not whole; see 'runproj fsck'",)


def test_snapshots_that_cannot_be_removed_are_told(world: World) -> None:
    world.snapshots.trees[OTHER] = 0.0
    world.snapshots.stuck = True
    room = world.collect()
    assert room.removed_size == 0
    assert room.notes == ("source snapshots stay: permission denied",)


def test_what_is_left_of_snapshots_goes_without_one(world: World) -> None:
    world.snapshots.loose = 7
    assert world.of("snapshots").removed_size == 7
    assert world.snapshots.removed == [()]
