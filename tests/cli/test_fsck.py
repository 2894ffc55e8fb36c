"""Checking the store: each kind of damage is found, named with what it touches, and left alone."""

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from tests.cli.commandline import GIT, Computer, Digests, Project, digests, until

SCHEMA = Path(__file__).parents[2] / "schemas/output.schema.json"
SHOP = """\
runproj: 1
name: shop
parameters:
  lr: {type: float, default: 0.01}
  extra: {type: path, default: ../given.txt}
entry_points:
  main:
    steps:
      table: {command: sort data.csv, sources: [data.csv], stdout: table.csv}
      model:
        command: "mkdir -p model; echo {lr} > model/weights; cp table.csv model/; echo talk"
        sources: []
        inputs: [table.csv]
        outputs: [model/]
      page:
        command: cat {inputs.own} model/weights
        sources: []
        inputs: {own: "{extra}", all: model/}
        stdout: page.txt
"""
FILES = {"runproj.yaml": SHOP, "data.csv": "b\na\n"}
INDEX = ("index.db", "index.db-wal", "index.db-shm", "index.lock")


class Shop:
    """A project with two runs that share outputs, and ways to damage its store."""

    def __init__(self, project: Project) -> None:
        self.project = project
        (project.folder.parent / "given.txt").write_text("given\n")
        self.first = project.run("run", ".", "--json").ok().run["id"]
        self.second = project.run("run", ".", "-P", "lr=0.5", "--json").ok().run["id"]

    @property
    def store(self) -> Path:
        return self.project.folder / ".runproj"

    def output(self, run: str, step: str, path: str) -> Path:
        """Return where the object of an output is."""
        made = self.project.run("show", f"{run}/{step}", "--json").ok().json["step"]["outputs"]
        return self.object(next(one["sha256"] for one in made if one["path"] == path))

    def object(self, sha256: str) -> Path:
        return self.store / "objects" / sha256[:2] / sha256[2:]

    def record(self, run: str) -> Any:  # noqa: ANN401 -- JSON
        return json.loads((self.store / "runs" / run / "run.json").read_text())

    def state(self) -> Digests:
        return digests(self.store, without=INDEX)

    def found(self, *arguments: str, code: int = 9) -> list[Any]:
        """Check without repair, twice; return the damages, and see that nothing changed."""
        before = self.state()
        said = self.project.run("fsck", *arguments).ok(code).out
        done = self.project.run("fsck", "--json", *arguments).ok(code)
        jsonschema.validate(done.json, json.loads(SCHEMA.read_text()))
        assert self.state() == before
        damages = done.json["fsck"]["damages"]
        for one in damages:
            assert one["message"] in said, said
            assert one["where"] in said, said
            assert one["hint"] in said, said
        assert done.json["fsck"]["whole"] == (not damages)
        return list(damages)

    def only(self, *arguments: str) -> Any:  # noqa: ANN401 -- JSON
        found = self.found(*arguments)
        assert len(found) == 1, found
        return found[0]

    def uses(self, damage: Any) -> set[str]:  # noqa: ANN401 -- JSON
        """Return what damage touches as text; the runs are called first and second."""
        names = {self.first: "first", self.second: "second"}
        return {
            " ".join(filter(None, (names[one["run"]], one["step"], one["role"], one["path"])))
            for one in damage["uses"]
        }


@pytest.fixture
def shop(computer: Computer) -> Shop:
    return Shop(computer.project(FILES, git=True))


def write(place: Path, data: bytes) -> None:
    place.chmod(0o644)
    place.write_bytes(data)


def flip(place: Path) -> None:
    data = bytearray(place.read_bytes())
    data[-1] ^= 1
    write(place, bytes(data))


def truncate(place: Path) -> None:
    write(place, place.read_bytes()[:-1])


def test_a_store_without_damage_is_whole(shop: Shop) -> None:
    assert shop.found(code=0) == []
    done = shop.project.run("fsck").ok()
    assert done.out.startswith("whole: 2 runs, ")
    assert done.err == ""
    for run in (shop.first, "latest"):
        said = shop.project.run("fsck", run).ok().out
        assert "can be rerun from here" in said


def test_a_store_without_runs_is_whole(computer: Computer) -> None:
    store = computer.root / "empty"
    store.mkdir()
    assert "whole: 0 runs" in computer.run("fsck", "--store", str(store)).ok().out


@pytest.mark.parametrize("harm", [flip, truncate, lambda place: write(place, b"")])
def test_a_damaged_object_names_all_that_it_touches(
    shop: Shop, harm: Callable[[Path], None]
) -> None:
    place = shop.output(shop.first, "table", "table.csv")
    harm(place)
    damage = shop.only()
    assert damage["kind"] == "object"
    assert damage["where"] == str(place)
    assert "damaged" in damage["message"]
    assert shop.uses(damage) == {
        "first table output table.csv", "second table output table.csv",
        "first model input table.csv", "second model input table.csv",
        "first model output model", "second model output model",
        "first page input model", "second page input model",
    }  # fmt: skip


def test_a_lost_object_says_how_to_make_it_again(shop: Shop) -> None:
    place = shop.output(shop.second, "page", "page.txt")
    place.unlink()
    damage = shop.only()
    assert "is not in the store" in damage["message"]
    assert shop.uses(damage) == {"second page output page.txt"}
    assert damage["hint"] == f"'runproj rerun {shop.second}' makes it again"
    shop.project.run("rerun", shop.second).ok()
    shop.found(code=0)


@pytest.mark.parametrize("harm", [flip, truncate])
def test_a_damaged_object_is_made_again_by_a_rerun_in_its_place(
    shop: Shop, harm: Callable[[Path], None]
) -> None:
    harm(shop.output(shop.second, "page", "page.txt"))
    shop.project.run("rerun", shop.second).ok()
    shop.found(code=0)


def test_repair_sets_a_damaged_object_aside_and_a_run_makes_it_again(shop: Shop) -> None:
    place = shop.output(shop.first, "table", "table.csv")
    flip(place)
    damaged = place.read_bytes()
    said = shop.project.run("fsck", "--repair").ok(9).out
    assert "it was set aside; 'runproj rerun" in said
    aside = shop.store / "objects/damaged" / (place.parent.name + place.name)
    assert aside.read_bytes() == damaged
    assert not place.exists()
    assert "is not in the store" in shop.only()["message"]
    assert shop.project.run("run", ".", "--json").ok().steps()["table"] == "succeeded"
    shop.found(code=0)
    assert f"harmless: an object that was set aside: it is damaged\n  --> {aside}" in (
        shop.project.run("fsck").ok().out
    )


def test_a_damaged_object_that_no_run_needs_is_mended_by_setting_it_aside(shop: Shop) -> None:
    place = shop.object("ab" * 32)
    place.parent.mkdir(exist_ok=True)
    place.write_bytes(b"strange")
    damage = shop.only()
    assert damage["uses"] == []
    assert "touches no run" in shop.project.run("fsck").ok(9).out
    assert shop.project.run("fsck", "--repair").ok(0).out.startswith("mended: ")
    assert not place.exists()
    shop.found(code=0)


@pytest.mark.parametrize("harm", [flip, truncate, Path.unlink])
def test_a_damaged_manifest_touches_the_folder(shop: Shop, harm: Callable[[Path], None]) -> None:
    place = shop.output(shop.second, "model", "model")
    harm(place)
    damage = shop.only()
    assert shop.uses(damage) == {"second model output model", "second page input model"}
    shop.project.run("fsck", "--repair").ok(9)
    shop.project.run("rerun", shop.second).ok()
    shop.found(code=0)


@pytest.mark.parametrize(("role", "name"), [("lock", "lock"), ("declaration", "environment")])
def test_a_lost_lock_or_declaration_touches_every_run_that_has_it(
    shop: Shop, role: str, name: str
) -> None:
    pin = shop.record(shop.first)["plan"]["environments"][0]
    shop.object(pin[role]).unlink()
    damage = shop.only()
    assert {"first", "second"} == {use.split()[0] for use in shop.uses(damage)}
    assert {use["role"] for use in damage["uses"]} == {role}
    assert f"a run with the same {name} keeps it again" in damage["hint"]
    assert shop.only(shop.first)["uses"][0]["run"] == shop.first
    shop.project.run("run", ".").ok()
    shop.found(code=0)


def test_a_damaged_input_says_how_to_bring_it_back(shop: Shop) -> None:
    [given] = shop.record(shop.first)["inputs"]
    flip(shop.object(given["sha256"]))
    damage = shop.only(shop.first)
    assert {use["role"] for use in damage["uses"]} == {"input"}
    said = shop.project.run("fsck", shop.first).ok(9).out
    assert "cannot be rerun from here" in said
    shop.project.run("fsck", "--repair").ok(9)
    shop.project.run("run", ".").ok()
    shop.found(code=0)


def test_a_check_of_one_run_does_not_look_at_what_its_rerun_makes(shop: Shop) -> None:
    flip(shop.output(shop.first, "page", "page.txt"))
    assert shop.found(shop.first, code=0) == []
    shop.found()


def loose(shop: Shop, path: str, run: str | None = None) -> Path:
    """Return the file of a git object of the source of a run, the first if none is named."""
    tree = shop.record(run or shop.first)["source"]["tree"]
    named = f"{tree}:{path}"
    found = subprocess.run(
        [GIT, "rev-parse", named], cwd=shop.store / "source.git",
        env={"GIT_DIR": ".", "PATH": os.environ["PATH"]}, capture_output=True, text=True,
        check=True,
    ).stdout.strip()  # fmt: skip
    return shop.store / "source.git/objects" / found[:2] / found[2:]


def garbage(place: Path) -> None:
    write(place, b"garbage")


def test_damage_in_the_source_names_file_and_runs(shop: Shop) -> None:
    place = loose(shop, "data.csv")
    other = loose(shop, "runproj.yaml").read_bytes()
    whole = place.read_bytes()
    for data, word in ((b"garbage", "damaged"), (other, "damaged"), (None, "missing")):
        if data is None:
            place.unlink()
        else:
            write(place, data)
        for arguments in ((), (shop.first,)):
            damage = shop.only(*arguments)
            assert damage["kind"] == "source"
            assert f"data.csv is {word}" in damage["message"]
            runs = {"first source", "second source"} if not arguments else {"first source"}
            assert shop.uses(damage) == runs
    write_new = place.write_bytes(whole)
    assert write_new
    shop.found(code=0)


@pytest.mark.parametrize("harm", [garbage, Path.unlink])
def test_a_damaged_tree_of_the_source_is_found(shop: Shop, harm: Callable[[Path], None]) -> None:
    harm(loose(shop, ""))
    damage = shop.only()
    assert damage["kind"] == "source"
    assert shop.uses(damage) == {"first source", "second source"}
    assert len(shop.found(shop.first)) == 1


@pytest.mark.parametrize("harm", [flip, truncate, garbage, Path.unlink])
def test_a_damaged_pack_of_the_source_is_found(shop: Shop, harm: Callable[[Path], None]) -> None:
    git = shop.store / "source.git"
    subprocess.run([GIT, "--git-dir", str(git), "repack", "-adq"], check=True)
    subprocess.run([GIT, "--git-dir", str(git), "prune-packed", "-q"], check=True)
    shop.found(code=0)
    [pack] = git.glob("objects/pack/*.pack")
    harm(pack)
    assert {one["kind"] for one in shop.found()} == {"source"}
    if harm is not flip and harm is not truncate:  # there the objects themselves are whole
        assert {"first source"} <= set().union(*map(shop.uses, shop.found()))


def test_a_lost_source_store_is_found(shop: Shop) -> None:
    shutil.rmtree(shop.store / "source.git")
    assert "the source store is gone" in shop.only()["message"]
    assert "the source store is gone" in shop.only(shop.first)["message"]


@pytest.mark.parametrize("content", [b"\xff garbage", b"{}", b"", None])
def test_a_record_that_cannot_be_read_hides_no_other(shop: Shop, content: bytes | None) -> None:
    place = shop.store / "runs" / shop.first / "run.json"
    if content is None:
        place.unlink()
    else:
        write(place, content)
    [damage, *more] = shop.found()
    assert damage["kind"] == "record"
    assert damage["where"] == str(place)
    assert shop.uses(damage) == {"first record"}
    assert more == []
    flip(shop.output(shop.second, "page", "page.txt"))
    assert [one["kind"] for one in shop.found()] == ["record", "object"]


def test_a_record_of_another_run_is_damage(shop: Shop) -> None:
    runs = shop.store / "runs"
    shutil.copy(runs / shop.first / "run.json", runs / shop.second / "run.json")
    assert "is that of" in shop.found()[0]["message"]


@pytest.mark.parametrize("file", ["events.jsonl", "annotations.jsonl"])
def test_a_damaged_line_is_damage_and_a_torn_last_one_is_not(shop: Shop, file: str) -> None:
    place = shop.store / "runs" / shop.first / file
    whole = place.read_bytes() if place.exists() else b""
    place.write_bytes(whole + b'{"kind": "verd')
    assert shop.found(code=0) == []
    place.write_bytes(whole + b"garbage\n")
    damage = shop.only()
    assert damage["kind"] == file.partition(".")[0]
    assert damage["where"] == str(place)
    assert shop.uses(damage) == {"first record"}


@pytest.mark.parametrize(
    ("file", "content"), [("output.log", b""), ("output.log", None), ("output.idx", b"odd\n")]
)
def test_a_damaged_log_touches_its_step(shop: Shop, file: str, content: bytes | None) -> None:
    place = shop.store / "runs" / shop.first / "steps/model" / file
    if content is None:
        place.unlink()
    else:
        place.write_bytes(content)
    damage = shop.only()
    assert damage["kind"] == "log"
    assert shop.uses(damage) == {"first model log"}


def remove_index(store: Path) -> None:
    for name in INDEX:
        (store / name).unlink(missing_ok=True)


@pytest.mark.parametrize("content", [None, b"garbage " * 1000])
def test_an_index_that_is_made_anew_by_itself_is_no_damage(
    shop: Shop, content: bytes | None
) -> None:
    remove_index(shop.store)
    if content is not None:
        (shop.store / "index.db").write_bytes(content)
    said = shop.project.run("fsck").ok().out
    assert "harmless: the index " in said
    assert "the next command makes it anew" in said
    assert len(shop.project.run("list", "--json").ok().json["runs"]) == 2
    assert "harmless" not in shop.project.run("fsck").ok().out


def test_an_index_that_differs_from_the_runs_is_made_anew_by_repair(shop: Shop) -> None:
    shutil.rmtree(shop.store / "runs" / shop.first)
    damage = shop.only()
    assert damage["kind"] == "index"
    assert f"there is no run {shop.first}" in damage["message"]
    said = shop.project.run("fsck", "--repair").ok(0).out
    assert "it was made anew" in said
    shop.found(code=0)
    assert [one["id"] for one in shop.project.run("list", "--json").json["runs"]] == [shop.second]


def test_damaged_pages_of_the_index_are_found_and_repaired(shop: Shop) -> None:
    shop.project.run("fsck", "--repair").ok()
    place = shop.store / "index.db"
    import sqlite3  # noqa: PLC0415 -- only here

    with sqlite3.connect(place) as base:
        base.execute("pragma wal_checkpoint(truncate)")
        base.execute("pragma journal_mode=delete")
    base.close()
    data = bytearray(place.read_bytes())
    for page in range(1, len(data) // 4096):
        data[page * 4096 : page * 4096 + 200] = b"\x77" * 200
    place.write_bytes(bytes(data))
    assert shop.only()["kind"] == "index"
    shop.project.run("fsck", "--repair").ok()
    shop.found(code=0)
    assert len(shop.project.run("list", "--json").ok().json["runs"]) == 2


def test_a_damaged_lock_on_the_shelf_is_found(shop: Shop) -> None:
    place = shop.store / "locks" / ("ab" * 32)
    place.parent.mkdir(exist_ok=True)
    place.write_bytes(b"\xff")
    damage = shop.only()
    assert damage["kind"] == "lock"
    assert damage["where"] == str(place)


def test_leftovers_of_killed_processes_are_harmless(shop: Shop) -> None:
    runs = shop.store / "runs"
    (runs / "abandond").mkdir()
    places = [
        shop.store / "objects/incoming-abc", runs / shop.first / ".run.json-1-0",
        shop.store / "source.git/passing-0", shop.store / ".source-x",
    ]  # fmt: skip
    for place in places:
        place.touch()
    quiet = shop.project.run("fsck").ok().out
    assert "harmless" not in quiet  # they may be somebody's
    for place in (*places, runs / "abandond"):
        os.utime(place, (0, 0))
    said = shop.project.run("fsck").ok().out
    for place in places[:3]:
        assert str(place) in said
    assert str(runs / "abandond") in said
    assert "more like it" in said


def test_a_run_that_goes_on_is_no_damage_and_one_that_died_neither(computer: Computer) -> None:
    slow = """\
runproj: 1
entry_points:
  main:
    steps:
      quick: {command: echo x, stdout: x.txt}
      slow: {command: "sleep 60", needs: [quick]}
"""
    project = computer.project({"runproj.yaml": slow})
    running = project.start("run", ".")
    try:
        until(lambda: list((project.folder / ".runproj/runs").glob("*/steps/slow")), "it runs")
        said = project.run("fsck").ok().out
        assert "whole: 1 run," in said
        assert "harmless" not in said
    finally:
        running.send_signal(signal.SIGKILL)
        running.communicate(timeout=30)
    project.run("fsck").ok()
    project.run("list").ok()
    project.run("fsck").ok()


def test_many_runs_at_once_never_look_damaged(computer: Computer) -> None:
    project = computer.project(FILES)
    (project.folder.parent / "given.txt").write_text("given\n")
    project.run("run", ".").ok()
    running = [project.start("run", ".", "-P", f"lr={number}.5", "-f") for number in range(3)]
    while any(one.poll() is None for one in running):
        project.run("fsck").ok()
    for one in running:
        one.communicate(timeout=30)
    assert [one.returncode for one in running] == [0, 0, 0]
    assert "whole: 4 runs" in project.run("fsck").ok().out


def test_repair_needs_the_whole_store(shop: Shop) -> None:
    said = shop.project.run("fsck", shop.first, "--repair").ok(2).err
    assert "--repair goes with the whole store" in said


def test_ctrl_c_leaves_all_as_it_was(shop: Shop) -> None:
    big = shop.object("cd" * 32)
    big.parent.mkdir(exist_ok=True)
    with big.open("wb") as file:
        file.truncate(4_000_000_000)
    before = {place: place.stat().st_mtime_ns for place in shop.store.rglob("*")}
    checking = shop.project.start("fsck", "--repair")
    time.sleep(1.5)
    checking.send_signal(signal.SIGINT)
    checking.communicate(timeout=30)
    assert checking.returncode == 130
    after = {place: place.stat().st_mtime_ns for place in shop.store.rglob("*")}
    names = {place for place in {*before, *after} if before.get(place) != after.get(place)}
    assert {place.name for place in names} <= {*INDEX, ".runproj"}
