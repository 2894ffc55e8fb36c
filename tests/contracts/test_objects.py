"""What every ObjectStore, and every Digests, promises."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.fakes.disk import EMPTY, Disk, FakeDisk, RealDisk, file, link
from tests.fakes.objects import FakeObjects

from runproj.adapters.store.objects import FolderObjects
from runproj.errors import StoreError, UsageError
from runproj.record.artifact import Artifact

NOWHERE = Artifact(path="x", sha256="0" * 64, size=0)


@dataclass
class World:
    """A store, the disk that it reads, and a folder on it."""

    store: FakeObjects | FolderObjects
    disk: Disk
    here: str
    lose: Callable[[str], None]

    def put(self, path: str, content: bytes = b"content", *, take: bool = False) -> Artifact:
        self.disk.write(f"{self.here}/{path}", content)
        return self.store.put(f"{self.here}/{path}", path, take=take)

    def given(self, artifact: Artifact) -> dict[str, object]:
        self.store.give(artifact, f"{self.here}/given")
        return {**self.disk.show(f"{self.here}/given")}


def world(kind: str, folder: Path) -> World:
    if kind == "fake":
        disk = FakeDisk()
        fake = FakeObjects(disk)
        return World(fake, disk, "/here", fake.contents.pop)  # type: ignore[arg-type] # pop returns
    store = FolderObjects(str(folder / "objects"))

    def lose(sha256: str) -> None:
        store.place(sha256).unlink()

    return World(store, RealDisk(), str(folder), lose)


KINDS = pytest.mark.parametrize("kind", ["fake", "folder"])


@pytest.fixture(params=["fake", "folder"])
def w(request: pytest.FixtureRequest, tmp_path: Path) -> World:
    return world(request.param, tmp_path)


def fill(w: World, folder: str) -> None:
    place = f"{w.here}/{folder}"
    w.disk.write(f"{place}/a.txt", b"a")
    w.disk.write(f"{place}/bin/run", b"#!", executable=True)
    w.disk.link(f"{place}/bin/latest", "../a.txt")
    w.disk.link(f"{place}/broken", "nowhere/at all")
    w.disk.mkdir(f"{place}/empty")
    w.disk.write(f"{place}/bin.txt", b"sorts between bin and bin/run")


FILLED = {
    "a.txt": file(b"a"),
    "bin/run": file(b"#!", executable=True),
    "bin/latest": link("../a.txt"),
    "broken": link("nowhere/at all"),
    "empty": EMPTY,
    "bin.txt": file(b"sorts between bin and bin/run"),
}


def test_a_file_is_known_by_the_sha256_of_its_bytes(w: World) -> None:
    artifact = w.put("out/m.json", b"{}")
    sha256 = hashlib.sha256(b"{}").hexdigest()
    assert artifact == Artifact(path="out/m.json", sha256=sha256, size=2)


def test_an_executable_file_says_so(w: World) -> None:
    w.disk.write(f"{w.here}/run", b"#!", executable=True)
    artifact = w.store.put(f"{w.here}/run", "run")
    assert artifact.executable
    assert w.given(artifact) == {"run": file(b"#!", executable=True)}


def test_a_file_comes_back_as_it_was(w: World) -> None:
    assert w.given(w.put("a/b", b"\0\xff")) == {"a/b": file(b"\0\xff")}


def test_a_folder_comes_back_with_files_links_bits_and_empty_folders(w: World) -> None:
    fill(w, "out")
    artifact = w.store.put(f"{w.here}/out", "model")
    assert artifact.kind == "folder"
    assert w.given(artifact) == {f"model/{path}": node for path, node in FILLED.items()}


def test_the_fake_gives_the_digests_that_the_folder_gives(tmp_path: Path) -> None:
    worlds = [world("fake", tmp_path), world("folder", tmp_path)]
    for one in worlds:
        fill(one, "out")
        one.disk.write(f"{one.here}/out/lib/__pycache__/x.pyc", b"")
    artifacts = [one.store.put(f"{one.here}/out", "out") for one in worlds]
    assert artifacts[0] == artifacts[1]


def test_an_empty_folder_comes_back(w: World) -> None:
    w.disk.mkdir(f"{w.here}/nothing")
    artifact = w.store.put(f"{w.here}/nothing", "nothing")
    assert artifact.size == 0
    assert w.given(artifact) == {"nothing": EMPTY}


def test_bytecode_does_not_count(w: World) -> None:
    fill(w, "out")
    before = w.store.digest(f"{w.here}/out", "out")
    w.disk.write(f"{w.here}/out/__pycache__/a.pyc", b"code")
    w.disk.write(f"{w.here}/out/empty/__pycache__/b.pyc", b"code")
    assert w.store.put(f"{w.here}/out", "out") == before


def test_a_digest_is_what_putting_would_say_and_keeps_nothing(w: World) -> None:
    fill(w, "out")
    found = w.store.digest(f"{w.here}/out", "out")
    assert found is not None
    assert not w.store.has(found)
    assert w.store.put(f"{w.here}/out", "out") == found


def test_nothing_has_no_digest_and_cannot_be_put(w: World) -> None:
    assert w.store.digest(f"{w.here}/gone", "gone") is None
    with pytest.raises(UsageError, match="nothing is there"):
        w.store.put(f"{w.here}/gone", "gone")


def test_a_link_that_leads_nowhere_is_nothing(w: World) -> None:
    w.disk.link(f"{w.here}/broken", "nowhere")
    assert w.store.digest(f"{w.here}/broken", "broken") is None
    with pytest.raises(UsageError, match="nothing is there"):
        w.store.put(f"{w.here}/broken", "broken")


def test_what_a_link_leads_to_is_kept_in_its_place(w: World) -> None:
    w.disk.write(f"{w.here}/real", b"content")
    w.disk.link(f"{w.here}/name", "real")
    assert w.given(w.store.put(f"{w.here}/name", "name")) == {"name": file(b"content")}


def test_what_is_taken_is_gone_from_where_it_was(w: World) -> None:
    artifact = w.put("made", b"content", take=True)
    assert not w.disk.exists(f"{w.here}/made")
    assert w.store.read(artifact.sha256) == b"content"


def test_what_is_not_taken_stays(w: World) -> None:
    w.put("made", b"content")
    assert w.disk.exists(f"{w.here}/made")


def test_what_is_kept_already_can_be_taken_again(w: World) -> None:
    first = w.put("made", b"content", take=True)
    assert w.put("made", b"content", take=True) == first
    assert not w.disk.exists(f"{w.here}/made")


def test_what_a_link_leads_to_is_never_taken(w: World) -> None:
    w.disk.write(f"{w.here}/precious", b"content")
    w.disk.link(f"{w.here}/made", "precious")
    w.store.put(f"{w.here}/made", "made", take=True)
    assert w.disk.exists(f"{w.here}/precious")


def test_a_folder_can_be_taken(w: World) -> None:
    fill(w, "out")
    artifact = w.store.put(f"{w.here}/out", "out", take=True)
    assert not w.disk.exists(f"{w.here}/out/a.txt")
    assert w.given(artifact) == {f"out/{path}": node for path, node in FILLED.items()}


def test_a_copy_may_change_and_the_store_does_not(w: World) -> None:
    artifact = w.put("made", b"content")
    w.store.give(artifact, f"{w.here}/given")
    w.disk.write(f"{w.here}/given/made", b"changed")
    assert w.store.read(artifact.sha256) == b"content"


def test_bytes_are_kept_under_their_sha256(w: World) -> None:
    assert w.store.read(w.store.keep(b"lock")) == b"lock"
    assert w.store.keep(b"lock") == w.store.keep(b"lock")


def test_what_is_not_there_is_an_error_of_the_store(w: World) -> None:
    assert not w.store.has(NOWHERE)
    with pytest.raises(StoreError, match="000000000000… is not in the store"):
        w.store.read(NOWHERE.sha256)
    with pytest.raises(StoreError, match="000000000000… is not in the store"):
        w.store.give(NOWHERE, f"{w.here}/given")


def test_a_folder_with_a_lost_member_is_not_there(w: World) -> None:
    fill(w, "out")
    artifact = w.store.put(f"{w.here}/out", "out")
    assert w.store.has(artifact)
    w.lose(hashlib.sha256(b"a").hexdigest())
    assert not w.store.has(artifact)
    with pytest.raises(StoreError, match="is not in the store"):
        w.store.give(artifact, f"{w.here}/given")


def test_two_paths_with_the_same_content_are_the_same_content(w: World) -> None:
    assert w.put("a", b"same").sha256 == w.put("b", b"same").sha256


NAMES = st.sampled_from(["a", "b c", "ü", "x.y", "-", "\u2028"])
PATHS = st.lists(NAMES, min_size=1, max_size=3).map("/".join)


@KINDS
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(files=st.dictionaries(PATHS, st.tuples(st.binary(max_size=3), st.booleans()), max_size=5))
def test_every_folder_comes_back(
    kind: str, files: dict[str, tuple[bytes, bool]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    w = world(kind, tmp_path_factory.mktemp("world"))
    files = {p: f for p, f in files.items() if not any(o.startswith(p + "/") for o in files)}
    w.disk.mkdir(f"{w.here}/out")
    for path, (content, executable) in files.items():
        w.disk.write(f"{w.here}/out/{path}", content, executable=executable)
    artifact = w.store.put(f"{w.here}/out", "out")
    assert artifact.size == sum(len(content) for content, _ in files.values())
    shown: dict[str, object] = {
        f"out/{path}": file(content, executable=executable)
        for path, (content, executable) in files.items()
    }
    assert w.given(artifact) == (shown or {"out": EMPTY})
