"""Checking a store: what damage touches, and what can be done about it."""

from dataclasses import dataclass, field

import pytest
from tests.fakes.checks import FakeObjectChecks, FakeRecordChecks, FakeSourceChecks
from tests.fakes.records import a_run, a_step
from tests.fakes.registry import FakeModels

from runproj.engine.fsck import Fsck
from runproj.plan.plan import EnvironmentPin, Plan
from runproj.record.artifact import Artifact
from runproj.record.health import Damage, Health, Note, Use
from runproj.record.registry import Move, Origin
from runproj.record.run import EnvironmentUse, Output, Run, Trace
from runproj.record.source import SourceSnapshot
from runproj.record.tracking import LoggedModel

TREE = "0" * 40


@dataclass
class Store:
    """A store whose checks are fakes."""

    objects: FakeObjectChecks = field(default_factory=FakeObjectChecks)
    source: FakeSourceChecks = field(default_factory=FakeSourceChecks)
    records: FakeRecordChecks = field(default_factory=FakeRecordChecks)
    shelf: FakeModels = field(default_factory=FakeModels)
    told: list[tuple[int, int]] = field(default_factory=list)

    def fsck(self) -> Fsck:
        return Fsck(
            self.objects, self.source, self.records, self.shelf,
            lambda *one: self.told.append(one),
        )  # fmt: skip

    def check(self, *, repair: bool = False) -> Health:
        return self.fsck().store(repair=repair)

    def the_damage(self, *, repair: bool = False) -> Damage:
        [damage] = self.check(repair=repair).damages
        return damage

    def file(self, path: str, data: bytes) -> Artifact:
        return Artifact(path=path, sha256=self.objects.keep(data), size=len(data))

    def add(self, run_id: str = "r1", *, minute: int = 0, output: bytes = b"made") -> Run:
        """Record a run: given.txt and a folder in, made.txt and the same folder out."""
        lock, declaration = self.objects.keep(b"lock"), self.objects.keep(b"declaration")
        pin = EnvironmentPin(
            name="default", kind="venv", key="k", declaration=declaration, lock=lock
        )
        given, folder = self.file("given.txt", b"given"), self.objects.folder("d", a=b"a", b=b"b")
        made = [Output.of(one, name=None) for one in (self.file("made.txt", output), folder)]
        step = a_step(
            environment=EnvironmentUse(name="default", kind="venv", key="k", lock=lock),
            inputs=(given, given), outputs=tuple(made),
        )  # fmt: skip
        run = a_run(
            run_id, minute=minute, status="succeeded", inputs=(given,),
            source=SourceSnapshot(tree=TREE), steps=(step, a_step("bare")),
            plan=Plan(entry_point="main", steps=(), environments=(pin,)),
        )  # fmt: skip
        self.records.runs[run_id] = run
        return run

    def damage(self, data: bytes) -> str:
        """Flip the bytes of an object; return its digest."""
        sha256 = self.objects.keep(data)
        self.objects.contents[sha256] = data[::-1] + b"!"
        return sha256

    def lose(self, data: bytes) -> None:
        del self.objects.contents[self.objects.keep(data)]


@pytest.fixture
def store() -> Store:
    made = Store()
    made.add()
    return made


def words(damage: Damage) -> set[str]:
    return {" ".join(filter(None, (use.run, use.step, use.role, use.path))) for use in damage.uses}


def test_a_whole_store_is_whole_and_counted(store: Store) -> None:
    store.add("r2")
    found = store.check()
    assert found.whole
    assert (found.runs, found.objects, found.trees) == (2, 7, 1)
    assert found.size == sum(store.objects.sizes().values())
    assert store.told[-1] == (found.size, found.size)
    assert store.source.asked == [([TREE], True)]


def test_an_output_that_runs_share_names_all_of_them_the_latest_first(store: Store) -> None:
    store.add("r2", minute=5)
    sha256 = store.damage(b"made")
    damage = store.the_damage()
    assert damage.sha256 == sha256
    assert "is damaged" in damage.message
    assert damage.uses == (
        Use(run="r2", step="train", role="output", path="made.txt"),
        Use(run="r1", step="train", role="output", path="made.txt"),
    )
    assert damage.hint == "'runproj fsck --repair' sets it aside; 'runproj rerun r2' makes it again"


def test_packages_that_were_kept_are_needed(store: Store) -> None:
    run = store.add()
    kept = store.objects.folder("default", wheel=b"wheel")
    store.records.runs["r1"] = run.replace(packages={"default": kept})
    store.lose(b"wheel")
    damage = store.the_damage()
    assert words(damage) == {"r1 packages default"}
    assert "--keep-packages" in damage.hint


def test_what_was_observed_of_a_step_is_needed(store: Store) -> None:
    seen = store.objects.keep(b"seen")
    run = store.add()
    traced = a_step("bare", trace=Trace(observation=seen, files=1))
    store.records.runs["r1"] = run.replace(steps=(run.steps[0], traced))
    store.lose(b"seen")
    damage = store.the_damage()
    assert words(damage) == {"r1 bare observation"}
    assert "without it, the step is executed again" in damage.hint


def test_a_lost_object_need_not_be_set_aside(store: Store) -> None:
    store.lose(b"made")
    damage = store.the_damage()
    assert "is not in the store" in damage.message
    assert damage.hint == "'runproj rerun r1' makes it again"


def test_a_member_of_a_folder_touches_what_the_folder_is_used_for(store: Store) -> None:
    store.damage(b"a")
    assert words(store.the_damage()) == {"r1 train output d"}


def test_an_object_of_several_uses_names_each_once(store: Store) -> None:
    store.damage(b"given")
    damage = store.the_damage()
    assert words(damage) == {"r1 input given.txt", "r1 train input given.txt"}
    assert damage.hint.endswith("; a run that gets the same file as an input keeps it again")


@pytest.mark.parametrize(
    ("data", "uses"),
    [
        (b"lock", {"r1 lock default", "r1 train lock default"}),
        (b"declaration", {"r1 declaration default"}),
    ],
)
def test_locks_and_declarations_are_objects_too(store: Store, data: bytes, uses: set[str]) -> None:
    store.lose(data)
    damage = store.the_damage()
    assert words(damage) == uses
    assert damage.hint.startswith("a run with the same ")


def test_what_cannot_be_read_is_damage_that_is_not_set_aside(store: Store) -> None:
    sha256 = store.objects.keep(b"nobody's")
    store.objects.unreadable.add(sha256)
    damage = store.the_damage(repair=True)
    assert "cannot be read" in damage.message
    assert damage.hint == "see that you may read it"
    assert store.objects.aside == {}


def test_a_damaged_list_of_files_is_told_once(store: Store) -> None:
    run = store.records.runs["r1"]
    assert run is not None
    folder = run.steps[0].outputs[1].sha256
    store.objects.contents[folder] = b"{}"
    damage = store.the_damage()
    assert damage.sha256 == folder
    assert words(damage) == {"r1 train output d"}


def test_a_folder_that_is_no_list_of_files_is_damage(store: Store) -> None:
    odd = store.file("odd", b"no list").replace(kind="folder")
    run = store.records.runs["r1"]
    assert run is not None
    store.records.runs["r1"] = run.replace(inputs=(odd,))
    damage = store.the_damage()
    assert damage.message == "the list of files is none"
    assert words(damage) == {"r1 input odd"}


def test_what_was_mended_while_it_was_looked_at_is_no_damage(store: Store) -> None:
    sha256 = store.damage(b"made")
    store.objects.mended_meanwhile = {sha256: b"made"}
    assert store.check().whole


def test_a_source_that_is_not_whole_touches_its_runs(store: Store) -> None:
    store.add("r2", minute=1)
    store.source.flaws[TREE] = [f"{name} is missing" for name in "abcde"]
    store.source.others = ["a pack is odd"]
    of_tree, other = store.check().damages
    assert of_tree.message.endswith("a is missing, b is missing, c is missing and 2 more")
    assert words(of_tree) == {"r1 source", "r2 source"}
    assert other.message == "the source store is damaged: a pack is odd"
    assert other.uses == ()


def test_damage_and_notes_of_records_are_told(store: Store) -> None:
    odd = [Damage(kind="record", message=name, where="w", hint="h") for name in ("a", "b", "c")]
    store.records.runs["r0"] = None
    store.records.damages = {"r0": odd[:1], "index": odd[1:2], "others": odd[2:]}
    store.records.notes["r1"] = [Note(message="left", where="here")]
    store.objects.aside["x"] = b""
    found = store.check()
    assert found.damages == tuple(odd)
    assert [note.message for note in found.notes] == ["left", "set aside"]
    assert found.runs == 1


def test_repair_sets_aside_and_what_runs_need_is_still_missing(store: Store) -> None:
    sha256 = store.damage(b"made")
    found = store.check(repair=True)
    [damage] = found.damages
    assert damage.where == f"aside/{sha256}"
    assert damage.hint == "it was set aside; 'runproj rerun r1' makes it again"
    assert list(store.objects.aside) == [sha256]
    assert not found.whole


def test_repair_of_what_nobody_needs_makes_the_store_whole(store: Store) -> None:
    store.damage(b"nobody's")
    found = store.check(repair=True)
    assert found.whole
    assert found.damages[0].hint == "it was set aside"


def test_repair_makes_the_index_anew(store: Store) -> None:
    wrong = Damage(kind="index", message="m", where="w", hint="h")
    store.records.damages["index"] = [wrong]
    assert not store.check().whole
    assert store.records.rebuilt == 0
    found = store.check(repair=True)
    assert found.whole
    assert found.damages[0].hint == "it was made anew"
    assert store.records.rebuilt == 1


def test_a_repair_that_fails_says_so(store: Store) -> None:
    store.objects.stuck.add(store.damage(b"made"))
    damage = store.the_damage(repair=True)
    assert damage.hint == "it could not be mended: permission denied"
    assert not damage.mended


def test_repair_lets_damaged_code_be_kept_again(store: Store) -> None:
    store.source.flaws[TREE] = ["a is missing"]
    assert "or 'runproj fsck --repair'" in store.the_damage().hint
    assert store.source.let_gone == []
    damage = store.the_damage(repair=True)
    assert damage.hint == ("what is damaged was set aside; a run of the same code keeps it again")
    assert not damage.mended
    assert store.source.let_gone == [TREE]
    store.source.stuck = True
    assert store.the_damage(repair=True).hint == "it could not be mended: permission denied"


def test_a_run_is_checked_for_what_its_rerun_needs(store: Store) -> None:
    run = store.add("r2")
    store.lose(b"made")
    store.damage(b"nobody's")
    found = store.fsck().run(run)
    assert found.whole
    assert (found.runs, found.objects, found.trees) == (1, 3, 1)
    assert store.source.asked == [([TREE], False)]
    store.lose(b"given")
    store.source.flaws[TREE] = ["a is missing"]
    said = [damage.message for damage in store.fsck().run(run).damages]
    assert len(said) == 2


@pytest.fixture
def registered() -> Store:
    """A store with a registered model, whose environment is not known."""
    store = Store()
    run = store.add()
    model = LoggedModel.of(store.file("models/m", b"model"), name="m", flavor="generic")
    origin = Origin(run=run.id, step="train", model=model)
    store.shelf.moves["wine"] = [
        Move(number=1, kind="register", at="", by="ann", version=1, origin=origin)
    ]
    return store


def test_a_registered_model_is_looked_at(registered: Store) -> None:
    assert registered.check().damages == ()
    [sha256] = [one for one, data in registered.objects.contents.items() if data == b"model"]
    del registered.objects.contents[sha256]
    damage = registered.the_damage()
    assert (damage.kind, damage.sha256) == ("object", sha256)
    assert damage.uses == (Use(run="r1", step="train", role="model", path="wine/1"),)
    assert "makes one like it" in damage.hint


def test_what_a_model_of_a_folder_is_made_of_and_with_is_looked_at(store: Store) -> None:
    model = LoggedModel.of(store.objects.folder("d", w=b"weights"), name="m", flavor="generic")
    lock = store.objects.keep(b"its lock")
    use = EnvironmentUse(name="default", kind="venv", key="k", lock=lock)
    origin = Origin(run="r1", step="train", model=model, environment=use)
    store.shelf.moves["wine"] = [
        Move(number=1, kind="register", at="", by="ann", version=1, origin=origin)
    ]
    assert store.check().whole
    for data in (b"weights", b"its lock"):
        store.lose(data)
        assert words(store.the_damage()) == {"r1 train model wine/1"}
        store.objects.keep(data)


def test_a_version_without_its_run_is_told(registered: Store) -> None:
    registered.records.runs.clear()
    [damage] = [one for one in registered.check().damages if one.kind == "registry"]
    assert damage.message == "the run r1 that made wine/1 is gone"


def test_a_history_that_cannot_be_read_is_told(registered: Store) -> None:
    registered.shelf.damaged.add("wine")
    damage = registered.the_damage()
    assert (damage.kind, damage.where) == ("registry", "models/wine")
    assert damage.message == "the history of wine cannot be read"
