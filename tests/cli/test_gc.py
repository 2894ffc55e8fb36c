"""Making room: what nothing needs goes, and whatever was recorded can still be done again."""

import contextlib
import fcntl
import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from tests.adapters.machine import serving
from tests.cli.commandline import GIT, Computer, Digests, Done, Project, digests, until
from tests.wheels import build_index, build_sdist, build_wheel

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
        inputs: {table: table.csv, own: "{extra}"}
        outputs: [model/]
"""
INDEX = ("index.db", "index.db-wal", "index.db-shm", "index.lock")
HOUR = 3600
DAY = 24 * HOUR


class Shop:
    """A project with two runs that share outputs; the second has code and a value of its own."""

    def __init__(self, project: Project) -> None:
        self.project = project
        self.given = project.folder.parent / "given.txt"
        self.given.write_text("given\n")
        self.first = self.run()
        project.write({"notes.txt": "later\n"})
        self.given.write_text("given anew\n")
        self.second = self.run("-P", "lr=0.5")

    def run(self, *arguments: str) -> str:
        done = self.project.run("run", ".", "--json", *arguments).ok()
        return str(done.run["id"])

    @property
    def store(self) -> Path:
        return self.project.folder / ".runproj"

    def objects(self) -> set[str]:
        return {
            one.parent.name + one.name
            for one in self.store.glob("objects/??/*")
        }  # fmt: skip

    def trees(self) -> set[str]:
        return {one.name for one in self.store.glob("source.git/refs/snapshots/*")}

    def tree(self, run: str) -> str:
        return str(
            json.loads((self.store / "runs" / run / "run.json").read_text())["source"]["tree"]
        )

    def state(self) -> Digests:
        return digests(self.store, without=INDEX)

    def age(self, seconds: float = 2 * HOUR) -> None:
        """Let everything in the store be as old as this."""
        age(self.store, seconds)

    def forget(self, run: str) -> None:
        """Remove a run by hand, and let time go by."""
        shutil.rmtree(self.store / "runs" / run)
        self.age()

    def gc(self, *arguments: str) -> dict[str, Any]:
        """Make room; return what is told of each kind, and everything that is told as ``all``."""
        return kinds(self.project.run("gc", "--json", *arguments).ok())


def age(folder: Path, seconds: float) -> None:
    then = time.time() - seconds
    for place in (*folder.rglob("*"), folder):
        os.utime(place, (then, then), follow_symlinks=False)


def kinds(done: Done) -> dict[str, Any]:
    jsonschema.validate(done.json, json.loads(SCHEMA.read_text()))
    found = done.json["gc"]
    return {"all": found, **{one["kind"]: one for one in found["holdings"]}}


@pytest.fixture
def shop(computer: Computer) -> Shop:
    return Shop(computer.project({"runproj.yaml": SHOP, "data.csv": "b\na\n"}, git=True))


def test_all_but_the_last_runs_go_with_what_only_they_needed(shop: Shop) -> None:
    third, name = shop.run("-P", "lr=0.7"), shop.run("-P", "lr=0.9", "--name", "good")
    shop.age()
    state = shop.state()
    before = shop.objects()

    asked = shop.project.run("gc", "--keep-last", "1", "--dry-run").ok().out
    assert shop.state() == state
    assert "runs that would go\n" in asked
    assert re.search(
        rf"^  {third}  2\d\d\d-.*  shop  main  default  succeeded  --keep-last 1$",
        asked,
        re.MULTILINE,
    )
    assert shop.gc("--keep-last", "1", "--older-than", "1d")["all"]["gone"] == []

    found = shop.gc("--keep-last", "1")
    gone = [one["id"] for one in found["all"]["gone"]]
    assert gone == [third, shop.second]  # the table of the last one was made by the first
    assert found["runs"]["removed"] == 2
    assert found["objects"]["removed"] == len(before - shop.objects()) > 0
    shown = shop.project.run("list", "--json").ok().json["runs"]
    assert [one["id"] for one in shown] == [name, shop.first]
    assert not found["all"]["reindexed"]
    assert shop.project.run("fsck").ok().out.startswith("whole: 2 runs, ")
    assert shop.project.run("verify", name, "--json").ok().json["verify"]["verdict"] == "identical"
    assert "--keep-last" in shop.project.run("gc", "--keep-last", "0").ok(2).err


def test_what_only_a_removed_run_needed_goes_and_the_rest_can_be_done_again(shop: Shop) -> None:
    before = shop.objects()
    kept = shop.project.outputs(shop.first)
    gone, other = shop.tree(shop.second), shop.tree(shop.first)
    shop.forget(shop.second)

    found = shop.gc()

    assert found["objects"]["removed"] == len(before - shop.objects()) == 3  # given, weights, model
    assert set(kept.values()) <= shop.objects()
    assert shop.trees() == {other} != {gone}
    assert found["snapshots"]["removed"] == 1
    assert found["all"]["reindexed"]
    assert shop.project.run("fsck").ok().out.startswith("whole: 1 run, ")
    assert shop.project.run("list", "--json").ok().json["runs"][0]["id"] == shop.first
    done = shop.project.run("verify", shop.first, "--json").ok()
    assert done.json["verify"]["verdict"] == "identical"
    assert shop.gc()["all"]["removed_size"] == 0


def test_code_and_results_that_went_are_kept_anew_by_the_same_run(shop: Shop) -> None:
    tree = shop.tree(shop.second)
    shop.forget(shop.second)
    shop.gc()
    again = shop.project.run("run", ".", "-P", "lr=0.5", "--json").ok()
    assert again.steps() == {"table": "cached", "model": "succeeded"}
    assert shop.tree(again.run["id"]) == tree
    shop.project.run("fsck").ok()
    shop.project.run("rerun", again.run["id"]).ok()


def test_packed_code_that_no_run_needs_goes_too(shop: Shop) -> None:
    git = [GIT, "--git-dir", str(shop.store / "source.git")]
    subprocess.run([*git, "pack-refs", "--all"], check=True)
    subprocess.run([*git, "repack", "-adq"], check=True)
    shop.forget(shop.second)
    blob = subprocess.run(
        [*git, "hash-object", "--stdin"], input=b"later\n", capture_output=True, check=True
    )
    name = blob.stdout.decode().strip()
    assert shop.gc()["snapshots"]["removed"] == 1
    assert subprocess.run(
        [*git, "cat-file", "-e", name], check=False, capture_output=True
    ).returncode
    shop.project.run("fsck").ok()
    shop.project.run("rerun", shop.first).ok()


def test_what_is_young_stays(shop: Shop) -> None:
    before = shop.objects(), shop.trees()
    shutil.rmtree(shop.store / "runs" / shop.second)
    found = shop.gc()
    assert found["objects"]["removed"] == 0
    assert (shop.objects(), shop.trees()) == before
    assert any("less than an hour old" in note for note in found["all"]["notes"])


def test_a_dry_run_changes_nothing_and_says_the_same(shop: Shop) -> None:
    shop.forget(shop.second)
    before = shop.state()
    told = shop.gc("--dry-run")
    said = shop.project.run("gc", "-n").ok().out
    assert shop.state() == before
    assert "would go: 3, " in said
    assert "the index would be made anew" in said
    done = shop.gc()
    assert told["all"]["dry_run"]
    for kind in ("objects", "snapshots"):
        assert done[kind] == told[kind]


def test_a_person_reads_what_takes_room(shop: Shop) -> None:
    shop.forget(shop.second)
    said = shop.project.run("gc").ok().out
    assert f"store {shop.store}, 1 run\n" in said
    for word in ("objects", "source snapshots", "logs", "built environments", "kept workspaces"):
        assert word in said
    assert "removed: 3, " in said
    assert "the index was made anew" in said


def test_nothing_goes_while_a_run_goes_on(computer: Computer) -> None:
    slow = "runproj: 1\nentry_points: {main: {command: 'echo x; sleep 60'}}\n"
    project = computer.project({"runproj.yaml": slow})
    running = project.start("run", ".")
    try:
        runs = project.folder / ".runproj/runs"
        until(lambda: list(runs.glob("*/steps/*/output.log")), "the step runs")
        done = project.run("gc", "--json").ok(9)
        [run] = runs.iterdir()
        assert done.json["error"]["message"].startswith(f"the run {run.name} goes on")
        assert "goes on" in project.run("gc", "--dry-run").ok().out
    finally:
        running.send_signal(signal.SIGKILL)
        running.communicate()
    until(lambda: project.run("gc").code == 0, "the store is free")
    project.run("fsck").ok()


def test_nothing_goes_while_a_run_is_prepared_or_another_gc_works(shop: Shop) -> None:
    shop.forget(shop.second)
    before = shop.state()
    for how in (fcntl.LOCK_SH, fcntl.LOCK_EX):
        handle = os.open(shop.store, os.O_RDONLY)
        fcntl.flock(handle, how)
        assert "another runproj prepares a run" in shop.project.run("gc").ok(9).err
        os.close(handle)
    assert shop.state() == before


def test_a_run_waits_for_gc(shop: Shop) -> None:
    handle = os.open(shop.store, os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_EX)
    running = shop.project.start("run", ".")
    time.sleep(1.5)
    assert running.poll() is None
    os.close(handle)
    running.communicate()
    assert running.returncode == 0


@pytest.mark.parametrize("harm", [b"{", None])
def test_nothing_goes_when_a_record_cannot_be_read(shop: Shop, harm: bytes | None) -> None:
    record = shop.store / "runs" / shop.first / "run.json"
    shop.forget(shop.second)
    if harm is None:
        record.unlink()
    else:
        record.write_bytes(harm)
    before = shop.state()
    done = shop.project.run("gc").ok(9)
    assert f"what the run {shop.first} needs" in done.err
    assert "runproj fsck" in done.err
    assert shop.state() == before


def test_objects_stay_when_the_list_of_a_folder_is_gone(shop: Shop) -> None:
    (shop.store / "objects" / shop.project.outputs(shop.first)["model"][:2]).joinpath(
        shop.project.outputs(shop.first)["model"][2:]
    ).unlink()
    shop.forget(shop.second)
    before = shop.objects()
    assert "objects stay" in shop.gc()["all"]["notes"][0]
    assert shop.objects() == before


def test_what_was_set_aside_and_left_behind_goes(shop: Shop) -> None:
    place = shop.store / "objects" / "ab" / ("ab" * 31)
    place.parent.mkdir(exist_ok=True)
    place.write_bytes(b"strange")
    shop.project.run("fsck", "--repair")
    left = [
        shop.store / "objects/incoming-x", shop.store / ".index.db-1-2", shop.store / "locks/.a-1-2",
        shop.store / "runs" / shop.first / ".run.json-1-2", shop.store / "source.git/passing-x",
        shop.store / "source.git/objects/pack/tmp_pack_x", shop.store / ".source-x" / "config",
    ]  # fmt: skip
    for one in left:
        one.parent.mkdir(exist_ok=True)
        one.write_bytes(b"1")
    (shop.store / "runs" / "begun").mkdir()
    shop.age()
    found = shop.gc()
    assert (found["damaged"]["removed"], found["damaged"]["removed_size"]) == (1, 7)
    assert found["leftovers"]["removed"] == len(left) + 1
    assert not any(one.exists() for one in left)
    assert "harmless" not in shop.project.run("fsck").ok().out


@pytest.mark.parametrize("ended_by", [signal.SIGKILL, signal.SIGINT])
def test_a_gc_that_is_ended_leaves_a_whole_store(shop: Shop, ended_by: signal.Signals) -> None:
    spare = []
    for number in range(3000):
        data = str(number).encode()
        sha256 = hashlib.sha256(data).hexdigest()
        place = shop.store / "objects" / sha256[:2] / sha256[2:]
        place.parent.mkdir(exist_ok=True)
        place.write_bytes(data)
        spare.append(place)
    shop.forget(shop.second)
    gc = shop.project.start("gc")
    until(lambda: not all(one.exists() for one in spare), "some are gone")
    gc.send_signal(ended_by)
    gc.communicate()
    shop.project.run("fsck").ok()
    shop.project.run("rerun", shop.first).ok()
    shop.age()
    shop.gc()
    assert not any(one.exists() for one in spare)
    shop.project.run("fsck").ok()


def test_the_index_is_made_anew_when_that_is_wished(shop: Shop) -> None:
    assert shop.gc("--reindex")["all"]["reindexed"]
    assert not shop.gc()["all"]["reindexed"]
    assert len(shop.project.run("list", "--json").ok().json["runs"]) == 2


def test_a_duration_that_is_none_is_a_mistake(shop: Shop) -> None:
    assert "is not a duration" in shop.project.run("gc", "--older-than", "soon").ok(2).err


def test_kept_workspaces_go_by_age(computer: Computer) -> None:
    project = computer.project(
        {"runproj.yaml": "runproj: 1\nentry_points: {main: {command: 'false'}}\n"}
    )
    failed = project.run("run", ".", "--json").ok(1).step("main")["workspace"]
    kept = Path(failed).parent
    dead = kept.with_name("run-dead")
    dead.mkdir()
    assert kinds(project.run("gc", "--json").ok())["leftovers"]["removed"] == 1
    assert kept.exists()
    assert not dead.exists()
    age(kept, 31 * DAY)
    found = kinds(project.run("gc", "--json", "--older-than", "40d").ok())["workspaces"]
    assert (found["count"], found["removed"]) == (1, 0)
    assert kinds(project.run("gc", "--json").ok())["workspaces"]["removed"] == 1
    assert not kept.exists()


PACKAGES = """\
runproj: 1
environments: {default: {kind: venv, packages: [%s]}}
entry_points:
  main: {command: python -c "import tiny; print(tiny.version)", stdout: version.txt}
"""


class Packaged:
    """A project whose packages come from an index."""

    def __init__(self, computer: Computer, more: dict[str, str]) -> None:
        self.more = more
        self.projects = [
            computer.project({"runproj.yaml": PACKAGES % names}, f"p{number}")
            for number, names in enumerate(("tiny, rocky", "tiny"))
        ]
        self.home = computer.home

    def type(self, *arguments: str, number: int = 0) -> Done:
        return self.projects[number].run(*arguments, env=self.more)

    def gc(self, *arguments: str, number: int = 0) -> dict[str, Any]:
        return kinds(self.type("gc", "--json", *arguments, number=number).ok())

    @property
    def archives(self) -> list[Path]:
        return sorted((self.home / ".local/share/runproj/archives").glob("??/*"))

    @property
    def environments(self) -> list[Path]:
        return sorted((self.home / ".cache/runproj/environments").glob("*/"))


@pytest.fixture
def packaged(computer: Computer, tmp_path: Path) -> Iterator[Packaged]:
    files = [
        build_wheel(tmp_path / "made", "tiny", "2.0"),
        build_sdist(tmp_path / "made", "rocky", "1.0"),
    ]
    build_index(tmp_path / "index" / "simple", files)
    with contextlib.ExitStack() as stack:
        address = stack.enter_context(serving(tmp_path / "index"))
        more = {
            "UV_DEFAULT_INDEX": f"{address}/simple", "UV_HTTP_RETRIES": "0",
            "UV_CACHE_DIR": str(tmp_path / "uv"), "NO_PROXY": "127.0.0.1",
        }  # fmt: skip
        yield Packaged(computer, more)


def test_environments_go_by_age_and_are_built_again(packaged: Packaged) -> None:
    packaged.type("run", ".").ok()
    packaged.type("run", ".", number=1).ok()
    old, new = packaged.environments
    stale = old.with_name("f" * 20)
    (stale / "venv").mkdir(parents=True)
    then = time.time() - 31 * DAY
    os.utime(old / "used", (then, then))
    os.utime(stale, (then, then))
    found = packaged.gc("-n")["environments"]
    assert (found["count"], found["removed"]) == (3, 2)
    assert found["used_at"] > found["oldest_at"] == pytest.approx(then)
    assert packaged.gc()["environments"]["removed"] == 2
    assert packaged.environments == [new]
    for number in range(2):
        done = packaged.type("verify", "latest", "--json", number=number).ok()
        assert done.json["verify"]["verdict"] == "identical"


def test_an_environment_whose_archives_are_gone_stays(packaged: Packaged) -> None:
    packaged.type("run", ".").ok()
    [folder] = packaged.environments
    then = time.time() - 31 * DAY
    os.utime(folder / "used", (then, then))
    assert packaged.gc("-n")["environments"]["removed"] == 1
    shutil.rmtree(packaged.home / ".local")
    assert packaged.gc()["environments"]["removed"] == 0
    assert "archives of packages are missing" in packaged.type("gc").ok().out
    assert packaged.environments == [folder]


def test_archives_go_only_when_that_is_wished_and_no_run_of_this_store_needs_them(
    packaged: Packaged,
) -> None:
    packaged.type("run", ".").ok()
    packaged.type("run", ".", number=1).ok()
    for one in packaged.archives:
        age(one, 31 * DAY)
    assert packaged.gc("--archives")["archives"]["removed"] == 0  # the first needs all of them
    found = packaged.gc(number=1)["archives"]
    assert (found["count"], found["unneeded"], found["removed"]) == (3, 2, 0)
    said = packaged.type("gc", number=1).ok().out
    assert "note: 2 archives of " in said
    assert "unless you say --archives" in said
    assert len(packaged.archives) == 3

    said = packaged.type("gc", "--archives", number=1).ok().out

    assert "archives are shared: a run of another store" in said
    assert len(packaged.archives) == 1
    shutil.rmtree(packaged.home / ".cache")
    packaged.type("verify", "latest", number=1).ok()
    packaged.type("verify", "latest").ok()  # the index has them still


def test_installing_from_an_archive_is_using_it(packaged: Packaged) -> None:
    packaged.type("run", ".").ok()
    for one in packaged.archives:
        age(one, 31 * DAY)
    shutil.rmtree(packaged.home / ".cache")
    packaged.type("rerun", "latest").ok()
    shutil.rmtree(packaged.projects[0].folder / ".runproj/runs")
    found = packaged.gc("--archives")["archives"]
    assert (found["count"], found["removed"]) == (3, 0)


def test_kept_packages_are_told_and_stay(packaged: Packaged) -> None:
    packaged.type("run", ".", "--keep-packages").ok()
    age(packaged.projects[0].folder / ".runproj", 2 * HOUR)
    found = packaged.gc()
    assert found["packages"]["count"] == 3
    assert 0 < found["packages"]["size"] < found["objects"]["size"]
    assert found["objects"]["removed"] == 0
    assert "of which kept packages" in packaged.type("gc").ok().out
    packaged.more["UV_DEFAULT_INDEX"] = "http://127.0.0.1:9/simple"
    shutil.rmtree(packaged.home / ".cache")
    shutil.rmtree(packaged.home / ".local")
    assert packaged.type("verify", "latest", "--json").ok().json["verify"]["verdict"] == "identical"
