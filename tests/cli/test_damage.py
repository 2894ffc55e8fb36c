"""Damage in the store is found before it is used, is named, and never reaches a step or a user."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.cli.commandline import GIT, Computer
from tests.cli.test_fsck import FILES, Shop, flip, garbage, loose, truncate, write


@pytest.fixture
def shop(computer: Computer) -> Shop:
    return Shop(computer.project(FILES, git=True))


MARK = b"damaged bytes\n"


def swap(place: Path) -> None:
    write(place, MARK)


HARMS = [flip, truncate, swap]


def no_mark(*folders: Path) -> None:
    """See that nothing got the damaged bytes."""
    for folder in folders:
        for place in folder.rglob("*"):
            if place.is_file() and "damaged" not in place.parts:
                assert MARK not in place.read_bytes(), place


@pytest.mark.parametrize("harm", HARMS)
@pytest.mark.parametrize(("step", "path"), [("table", "table.csv"), ("model", "model")])
def test_get_gives_no_damaged_output(
    shop: Shop, harm: Callable[[Path], None], step: str, path: str
) -> None:
    harm(shop.output(shop.first, step, path))
    said = shop.project.run("get", shop.first, "--to", "got").ok(9).err
    assert "damaged" in said
    assert "the next run of the step that made it makes it again" in said
    no_mark(shop.project.folder / "got")
    shop.project.run("run", ".").ok()
    shop.project.run("get", shop.first, "--to", "got", "--force").ok()


@pytest.mark.parametrize("harm", HARMS)
@pytest.mark.parametrize(
    ("step", "path"), [("table", "table.csv"), ("model", "model"), ("page", "page.txt")]
)
def test_a_run_gives_no_step_a_damaged_output_of_a_cached_one(
    shop: Shop, harm: Callable[[Path], None], step: str, path: str
) -> None:
    harm(shop.output(shop.first, step, path))
    done = shop.project.run("run", ".", "-P", "lr=0.7", "--get", "got")
    if done.code:
        done.ok(1 if "failed" in done.err else 9)
        assert "is damaged" in done.err
        done = shop.project.run("run", ".", "-P", "lr=0.7", "--get", "got").ok()
    no_mark(shop.project.folder / "got")


@pytest.mark.parametrize(("step", "path"), [("table", "table.csv"), ("model", "model")])
def test_what_can_be_seen_to_be_damaged_is_made_again_at_once(
    shop: Shop, step: str, path: str
) -> None:
    truncate(shop.output(shop.second, step, path))
    done = shop.project.run("run", ".", "-P", "lr=0.5", "--json").ok()
    assert done.step(step)["status"] == "succeeded"
    assert "no longer in the store" in done.step(step)["reason"]
    shop.found(code=0)


@pytest.mark.parametrize("harm", HARMS)
def test_a_damaged_input_is_not_given_and_kept_again(
    shop: Shop, harm: Callable[[Path], None]
) -> None:
    [given] = shop.record(shop.first)["inputs"]
    harm(shop.object(given["sha256"]))
    done = shop.project.run("rerun", shop.first)
    assert done.code in (1, 7, 9), done.said
    assert "damaged" in done.err or "no longer in the store" in done.err
    done = shop.project.run("run", ".", "-f", "--json")
    assert done.code == 0, done.said
    shop.project.run("rerun", shop.first).ok()


@pytest.mark.parametrize("harm", HARMS)
@pytest.mark.parametrize("role", ["lock", "declaration"])
def test_a_damaged_lock_or_declaration_is_not_used(
    shop: Shop, harm: Callable[[Path], None], role: str
) -> None:
    place = shop.object(shop.record(shop.first)["plan"]["environments"][0][role])
    if place.stat().st_size == 0:
        write(place, MARK)
    else:
        harm(place)
    said = shop.project.run("rerun", shop.first).ok(7).err
    assert "is damaged" in said
    shop.project.run("run", ".").ok()
    shop.project.run("rerun", shop.first).ok()
    shop.found(code=0)


@pytest.mark.parametrize("harm", HARMS)
@pytest.mark.parametrize("role", ["lock", "declaration"])
def test_a_run_mends_a_damaged_lock_or_declaration(
    shop: Shop, harm: Callable[[Path], None], role: str
) -> None:
    place = shop.object(shop.record(shop.first)["plan"]["environments"][0][role])
    harm(place) if place.stat().st_size else write(place, MARK)
    shop.project.run("run", ".").ok()
    shop.found(code=0)


def other(shop: Shop) -> bytes:
    return loose(shop, "runproj.yaml").read_bytes()


@pytest.mark.parametrize("content", ["garbage", "nothing", "other", "gone"])
def test_damaged_code_is_not_executed(shop: Shop, content: str) -> None:
    place = loose(shop, "data.csv")
    data = other(shop)
    if content == "gone":
        place.unlink()
    else:
        write(place, {"garbage": b"garbage", "nothing": b"", "other": data}[content])
    done = shop.project.run("rerun", shop.first)
    assert done.code in (7, 9), done.said
    assert "not whole in the store" in done.err


def test_a_damaged_list_of_files_of_the_code_is_not_executed(shop: Shop) -> None:
    text = FILES["runproj.yaml"].replace("[data.csv]", "[data.csv, code]")
    for content in ("old", "new"):
        shop.project.write({"runproj.yaml": text, "code/a.txt": content})
        shop.project.run("run", ".").ok()
    old, new = (
        shop.project.run("show", name, "--json").run["id"] for name in ("latest~1", "latest")
    )
    write(loose(shop, "code", old), loose(shop, "code", new).read_bytes())
    said = shop.project.run("rerun", old).ok(9).err
    assert "its list of files is damaged" in said
    [damage] = shop.project.run("fsck", old, "--json").ok(9).json["fsck"]["damages"]
    assert "code is damaged" in damage["message"]
    shop.project.run("rerun", new).ok()


def test_a_pack_that_is_damaged_is_taken_apart(shop: Shop) -> None:
    git = shop.store / "source.git"
    subprocess.run([GIT, "--git-dir", str(git), "repack", "-adfq"], check=True)
    subprocess.run([GIT, "--git-dir", str(git), "prune-packed", "-q"], check=True)
    [pack] = git.glob("objects/pack/*.pack")
    data = bytearray(pack.read_bytes())
    data[20:24] = b"\0\0\0\0"  # in the content of the first object
    write(pack, bytes(data))
    shop.found()
    shop.project.run("fsck", "--repair").ok(9)
    assert not pack.exists()
    assert (git / "damaged" / pack.name).read_bytes() == bytes(data)
    shop.project.run("run", ".", "-f").ok()
    shop.found(code=0)
    shop.project.run("rerun", shop.first).ok()


@pytest.mark.parametrize("content", ["garbage", "other", "gone"])
def test_a_run_keeps_code_again_that_was_damaged(shop: Shop, content: str) -> None:
    place = loose(shop, "data.csv")
    data = other(shop)
    garbage(place) if content == "garbage" else write(place, data)
    if content == "gone":
        place.unlink()
    shop.project.run("fsck", "--repair").ok(9)
    shop.project.run("run", ".", "-f").ok()
    shop.found(code=0)
