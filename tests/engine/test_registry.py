"""Registering models, giving versions aliases and stages, and taking that back."""

import itertools
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
from tests.fakes.disk import FakeDisk
from tests.fakes.objects import FakeObjects
from tests.fakes.records import a_run, a_step, ended
from tests.fakes.registry import FakeModels
from tests.fakes.runs import FakeRuns
from tests.fakes.source import FakeSource

from runproj.engine.diff import Differ
from runproj.engine.lookup import Lookup
from runproj.engine.models import Models
from runproj.engine.registry import Registry
from runproj.errors import NoSuchModel, NoSuchRun, RunprojError, StoreError, UsageError
from runproj.record.run import EnvironmentUse, Output
from runproj.record.tracking import LoggedModel, Tracked
from runproj.record.verdict import Annotation, Stability, Verdict

CARD = {
    "format": 1, "name": "model", "flavor": "generic", "form": "file", "files": [], "safe": True,
    "created": "", "signature": {"inputs": [{"name": "a", "type": "int64"}]},
}  # fmt: skip


@dataclass
class World:
    """A store with two runs, ``r1`` and ``r2``, each of which logged a model."""

    disk: FakeDisk = field(default_factory=FakeDisk)
    runs: FakeRuns = field(default_factory=FakeRuns)
    shelf: FakeModels = field(default_factory=FakeModels)
    rows: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    clock: Any = field(default_factory=itertools.count)

    def __post_init__(self) -> None:
        self.objects = FakeObjects(self.disk)
        for number, run_id in enumerate(("r1", "r2"), start=1):
            self.run(run_id, json.dumps({**CARD, "flavor": "g" * number}), rmse=1 / number)

    def run(self, run_id: str, card: str | None, **metrics: float) -> None:
        """Record a run whose steps made things that can be models."""
        place = f"/{run_id}/model"
        self.disk.write(f"{place}/data", run_id.encode())
        if card is not None:
            self.disk.write(f"{place}/model.json", card.encode())
        self.disk.write(f"/{run_id}/out.txt", b"out")
        kept = self.objects.put(place, "models/model")
        file = self.objects.put(f"/{run_id}/out.txt", "out.txt")
        lock = self.objects.keep(b"lock")
        logged = LoggedModel.of(kept, name="model", flavor="generic")
        steps = (
            a_step(
                outputs=(Output.of(file, name="out"), Output.of(kept, path="made", name=None)),
                tracked=Tracked(models=(logged, logged.replace(name="twice"))),
                environment=EnvironmentUse(name="default", kind="venv", key="k", lock=lock),
            ),
            a_step("again", tracked=Tracked(models=(logged.replace(name="twice"),))),
        )
        run = a_run(run_id)
        self.runs.create(run).close(ended(run, *steps))
        self.rows[run_id] = {
            "metrics": {f"train.{name}": value for name, value in metrics.items()},
            "summaries": {}, "params": {"lr": 0.1}, "tags": {"team": "a"}, "status": "succeeded",
            "verdict": None,
        }  # fmt: skip

    @property
    def models(self) -> Models:
        return Models(self.shelf, Lookup(self.runs), self.runs, self.objects)

    @property
    def registry(self) -> Registry:
        return Registry(self.models, self.rows.get, lambda: f"t{next(self.clock)}", "ann")

    def stages(self) -> list[str | None]:
        return [one.stage for one in self.models.model("wine").versions]

    def aliases(self) -> dict[str, int]:
        return self.models.model("wine").aliases


@pytest.fixture
def w() -> World:
    return World()


@pytest.fixture
def two(w: World) -> World:
    """Two versions, of which the first is in production."""
    w.registry.register("r1:model", "wine", to="production")
    w.registry.register("r2:model", "wine", to="staging")
    return w


def fails(
    error: type[RunprojError],
    text: str,
    do: Callable[..., object],
    *arguments: object,
    **more: object,
) -> str | None:
    with pytest.raises(error) as raised:
        do(*arguments, **more)
    assert text in str(raised.value)
    return raised.value.problems[0].hint


def test_a_model_of_a_run_becomes_a_version(w: World) -> None:
    version, move = w.registry.register(
        "r1/train:model", "wine", description="first", tags={"a": "1"}, reason="why"
    )
    assert move is not None
    assert (version.reference, version.description, version.tags) == ("wine/1", "first", {"a": "1"})
    assert (version.at, version.by, move.reason, move.number) == ("t0", "ann", "why", 1)
    origin = version.origin
    assert (origin.run, origin.step, origin.model.name) == ("r1", "train", "model")
    assert origin.environment is not None
    assert [one.name for one in w.models.all()] == ["wine"]


def test_a_model_that_is_registered_keeps_its_number(w: World) -> None:
    w.registry.register("r1:model", "wine")
    version, move = w.registry.register("latest~1:model", "wine")
    assert (version.number, move, len(w.shelf.moves["wine"])) == (1, None, 1)
    assert w.registry.register("r1/again:twice", "wine")[0].number == 1
    w.registry.withdraw("wine/1")
    assert w.registry.register("r1:model", "wine")[0].number == 2


def test_an_output_can_be_registered(w: World) -> None:
    version, _ = w.registry.register("r1:out", "words")
    assert (version.origin.model.name, version.origin.model.flavor) == ("out", "generic")
    assert w.models.saved(version.origin) is None
    version, _ = w.registry.register("r1:made", "words")
    assert (version.number, version.origin.model.name) == (2, "made")


def test_what_cannot_be_registered_is_told(w: World) -> None:
    register = w.registry.register
    assert fails(NoSuchRun, "r1 has no model 'modle'", register, "r1:modle", "wine") == (
        "did you mean 'model'?"
    )
    assert fails(
        UsageError, "several steps have a model 'twice'", register, "r1:twice", "wine"
    ) == ("say which: r1/train:twice, r1/again:twice")
    assert register("r1/again:twice", "wine")[0].origin.step == "again"
    fails(NoSuchRun, "r1/again has no model 'model'", register, "r1/again:model", "wine")
    for text in ("r1", "r1:", ":model"):
        fails(UsageError, "", register, text, "wine")
    fails(UsageError, "no name of a model", register, "r1:model", "../wine")
    fails(UsageError, "no name of a tag", register, "r1:model", "wine", tags={"a b": ""})
    fails(UsageError, "no name of an alias", register, "r1:model", "wine", to="a/b")
    fails(UsageError, "cannot be given", register, "r1:model", "wine", to="latest")
    w.objects.contents.clear()
    fails(StoreError, "not in the store any more", register, "r1:model", "beer")
    assert list(w.shelf.names()) == ["wine"]


def test_what_is_in_production_is_archived_when_another_comes(two: World) -> None:
    assert two.stages() == ["production", "staging"]
    came = two.registry.promote("wine@staging", "production", reason="better")
    assert two.stages() == ["archived", "production"]
    assert came.move is not None
    assert (came.move.before, came.move.archived, came.move.reason) == (1, (1,), "better")
    assert came.version.stage == "production"
    again = two.registry.promote("wine/2", "production")
    assert (again.move, again.unmet, again.version.stage) == (None, (), "production")


def test_what_is_in_production_may_stay_there(two: World) -> None:
    two.registry.promote("wine/2", "production", keep=True)
    assert two.stages() == ["production", "production"]
    assert two.aliases() == {"production": 2}
    two.registry.promote("wine/2", "production")
    assert two.stages() == ["archived", "production"]


def test_only_what_fits_all_requirements_is_promoted(two: World) -> None:
    promote = two.registry.promote
    needs = ("metrics.rmse < 0.6 and params.lr = 0.1", "tags.team = a", "tags.ok = yes")
    came = promote("wine/2", "production", needs)
    assert (came.move, came.unmet) == (None, ("tags.ok = yes: tags.ok is not there",))
    two.registry.tag("wine/2", {"ok": "yes"})
    came = promote("wine/1", "archived", ("metrics.rmse < 0.6 and params.lr = 0.1",))
    assert came.unmet == (
        "metrics.rmse < 0.6 and params.lr = 0.1: metrics.rmse is 1.0, params.lr is 0.1",
    )
    assert two.stages() == ["production", "staging"]
    came = promote("wine/2", "production", needs)
    assert came.move is not None
    assert came.move.requirements == needs
    fails(UsageError, "is no field", promote, "wine/2", "staging", ("rmsee < 1",))
    del two.rows["r2"]
    fails(NoSuchRun, "the run r2 that made wine/2 is gone", promote, "wine/2", "staging", needs)


def test_an_alias_is_given_and_taken_away(two: World) -> None:
    two.registry.alias("wine/1", "champion", "why")
    assert two.registry.alias("wine@champion", "champion").move is None
    came = two.registry.promote("wine/2", "champion")
    assert came.move is not None
    assert (came.move.before, came.version.aliases) == (1, ("champion",))
    move = two.registry.unalias("wine@champion")
    assert (move.alias, move.version, "champion" in two.aliases()) == ("champion", 2, False)
    two.registry.unalias("wine@production")
    assert two.stages() == [None, "staging"]
    fails(NoSuchModel, "no alias or stage 'champion'", two.registry.unalias, "wine@champion")
    for text in ("wine/1", "wine", "wine@latest"):
        fails(UsageError, "names no alias", two.registry.unalias, text)
    assert fails(UsageError, "is a stage", two.registry.alias, "wine/1", "production") == (
        "runproj model promote NAME/N --to production"
    )
    fails(UsageError, "cannot be given", two.registry.alias, "wine/1", "3")
    fails(UsageError, "cannot be given", two.registry.promote, "wine/1", "latest")


def test_words_are_said_of_a_model_and_of_a_version(two: World) -> None:
    two.registry.describe("wine", "all of them")
    two.registry.describe("wine@staging", "new")
    two.registry.tag("wine", {"a": "1"})
    two.registry.tag("wine", {}, ["a"])
    found = two.models.model("wine")
    assert (found.description, found.tags, found.versions[1].description) == (
        "all of them", {}, "new",
    )  # fmt: skip
    fails(UsageError, "no name of a tag", two.registry.tag, "wine", {"=": ""})


def test_a_version_can_be_withdrawn_but_not_from_production(two: World) -> None:
    assert fails(UsageError, "is in production", two.registry.withdraw, "wine/1") == (
        "first: runproj model promote wine/1 --to archived"
    )
    two.registry.withdraw("wine/2", "bad")
    assert fails(NoSuchModel, "was withdrawn", two.models.version, "wine/2") == (
        "runproj model history wine"
    )
    assert two.models.version("wine@latest").number == 1
    two.registry.undo("wine")
    assert two.models.version("wine@staging").number == 2
    two.registry.withdraw("wine/2")
    two.objects.contents.clear()
    fails(StoreError, "wine/2 is not in the store any more", two.registry.undo, "wine")


def test_what_was_done_last_is_undone_one_by_one(two: World) -> None:
    two.registry.promote("wine/2", "production")
    two.registry.describe("wine", "x")
    assert [two.registry.undo("wine", "oops")[0].kind for _ in range(2)] == ["describe", "promote"]
    assert two.stages() == ["production", "staging"]
    taken, move = two.registry.undo("wine")
    assert (taken.kind, move.undoes, move.version) == ("register", 2, 2)
    two.registry.undo("wine")
    assert two.models.model("wine").versions == ()
    fails(UsageError, "nothing of 'wine' is left to undo", two.registry.undo, "wine")
    fails(NoSuchModel, "no alias or stage 'latest'", two.models.version, "wine@latest")


def test_what_answers_to_no_name_is_told(two: World) -> None:
    version = two.models.version
    assert fails(NoSuchModel, "no registered model 'wien'", version, "wien@x") == (
        "did you mean 'wine'?"
    )
    assert fails(NoSuchModel, "wine has no version '7'", version, "wine/7") == "known: 1, 2"
    assert fails(UsageError, "'wine' says no version", version, "wine") == (
        "known: wine@latest, wine@production, wine@staging"
    )
    fails(UsageError, "is no name of a registered model", version, "wine@a@b")
    fails(NoSuchModel, "no registered model '../x'", two.models.history, "../x")
    for do in (two.registry.undo, two.models.model):
        fails(NoSuchModel, "no registered model 'beer'", do, "beer")
    hint = fails(NoSuchModel, "no registered model 'beer'", World().models.model, "beer")
    assert hint == "'runproj model register RUN:MODEL --name NAME' makes one"


def test_a_model_that_vanishes_meanwhile_is_told(two: World) -> None:
    class Vanishing(FakeModels):
        def add(self, name: str, decide: Any) -> Any:  # noqa: ANN401 -- as it is in the fake
            self.moves.clear()
            return super().add(name, decide)

    shelf = Vanishing()
    shelf.moves = two.shelf.moves
    two.shelf = shelf
    fails(NoSuchModel, "no registered model 'wine'", two.registry.alias, "wine/1", "a")


def test_a_verdict_is_the_latest(w: World) -> None:
    assert w.models.verdict("r1") is None
    for word in ("different", "identical"):
        verdict = Verdict(word=word, at="", runproj_version="0")
        w.runs.annotate("r1", Annotation(kind="verdict", verdict=verdict))
    w.runs.annotate("r1", Annotation(kind="stability", stability=Stability(labels=())))
    assert w.models.verdict("r1") == "identical"


def test_what_a_model_says_of_itself_is_read(w: World) -> None:
    saved = w.models.saved(w.models.origin("r1:model")[1])
    assert saved is not None
    assert saved.signature is not None
    assert saved.signature.columns == {"inputs.a": "int64"}
    w.run("r3", None)
    assert w.models.saved(w.models.origin("r3:model")[1]) is None
    w.run("r4", "{}")
    fails(StoreError, "model.json of the model", w.models.saved, w.models.origin("r4:model")[1])


def test_models_are_compared_with_the_runs_that_made_them(two: World) -> None:
    differ = Differ(FakeSource({}), two.objects, two.runs)
    found = two.models.difference("wine/1", "models:wine@staging", differ)
    assert (found.a, found.b) == ("wine/1", "wine/2")
    assert [one.name for one in found.model] == ["flavor", "content", "size"]
    assert found.signature == ()
    assert found.runs is not None
    same = two.models.difference("wine/1", "r1/again:twice", differ)
    assert (same.b, same.model, same.runs) == ("r1/again:twice", (), None)
