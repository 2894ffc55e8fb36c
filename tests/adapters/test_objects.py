"""What is special about objects that are files."""

import contextlib
import errno
import hashlib
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.fakes.processes import as_nobody, at_once

from runproj.adapters.store.objects import FolderObjects, _translated
from runproj.errors import StoreError, UsageError
from runproj.model import canonical
from runproj.record.artifact import Artifact, FolderManifest, FolderMember

PUT = """
import sys
from runproj.adapters.store.objects import FolderObjects
objects = FolderObjects(sys.argv[1])
for number in range(20):
    content = str(number).encode() * 1000
    source = f"{sys.argv[2]}/{sys.argv[3]}-{number}"
    with open(source, "wb") as file:
        file.write(content)
    artifact = objects.put(source, "x", take=bool(int(sys.argv[3]) % 2))
    assert objects.read(artifact.sha256) == content
    objects.keep(b"kept" + content)
"""


@pytest.fixture
def objects(tmp_path: Path) -> FolderObjects:
    return FolderObjects(str(tmp_path / "objects"))


def place_of(objects: FolderObjects, sha256: str) -> Path:
    return objects.folder / sha256[:2] / sha256[2:]


def write(path: Path, content: bytes = b"content") -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return str(path)


def files(folder: Path) -> list[str]:
    return sorted(
        str(path.relative_to(folder))
        for path in folder.rglob("*")
        if path.is_file() and "digests.db" not in path.name
    )


def test_an_object_is_a_read_only_file_named_by_its_sha256(
    objects: FolderObjects, tmp_path: Path
) -> None:
    for take in (True, False):
        content = str(take).encode()
        objects.put(write(tmp_path / "made", content), "made", take=take)
        place = place_of(objects, hashlib.sha256(content).hexdigest())
        assert place.read_bytes() == content
        assert place.stat().st_mode & 0o777 == 0o444


def test_taking_is_a_rename(objects: FolderObjects, tmp_path: Path) -> None:
    made = tmp_path / "made"
    write(made)
    inode = made.stat().st_ino
    artifact = objects.put(str(made), "made", take=True)
    assert place_of(objects, artifact.sha256).stat().st_ino == inode


def test_a_file_with_a_second_name_is_never_moved(objects: FolderObjects, tmp_path: Path) -> None:
    made, other = tmp_path / "made", tmp_path / "other"
    write(made)
    other.hardlink_to(made)
    artifact = objects.put(str(made), "made", take=True)
    other.write_bytes(b"changed")
    assert objects.read(artifact.sha256) == b"content"
    assert made.exists()


def test_what_a_linked_folder_holds_is_never_moved(objects: FolderObjects, tmp_path: Path) -> None:
    write(tmp_path / "precious" / "a" / "b.txt")
    (tmp_path / "out").symlink_to(tmp_path / "precious")
    objects.put(str(tmp_path / "out"), "out", take=True)
    assert (tmp_path / "precious" / "a" / "b.txt").read_bytes() == b"content"


def test_what_stands_behind_a_linked_folder_is_never_moved(
    objects: FolderObjects, tmp_path: Path
) -> None:
    write(tmp_path / "precious" / "b.txt")
    (tmp_path / "out").symlink_to(tmp_path / "precious")
    artifact = objects.put(str(tmp_path / "out" / "b.txt"), "out/b.txt", take=True)
    assert (tmp_path / "precious" / "b.txt").read_bytes() == b"content"
    assert objects.has(artifact)


def test_what_is_taken_from_another_file_system_is_copied(
    objects: FolderObjects, tmp_path: Path
) -> None:
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        made = Path(folder) / "made"
        write(made)
        artifact = objects.put(str(made), "made", take=True)
        assert not made.exists()
    assert objects.read(artifact.sha256) == b"content"
    assert place_of(objects, artifact.sha256).stat().st_mode & 0o777 == 0o444
    assert files(tmp_path / "objects") == [f"{artifact.sha256[:2]}/{artifact.sha256[2:]}"]


def test_an_executable_stays_executable_when_it_is_taken(
    objects: FolderObjects, tmp_path: Path
) -> None:
    made = tmp_path / "made"
    write(made)
    made.chmod(0o755)
    assert objects.put(str(made), "made", take=True).executable


def test_what_is_given_is_a_free_copy(objects: FolderObjects, tmp_path: Path) -> None:
    artifact = objects.put(write(tmp_path / "made"), "made")
    objects.give(artifact, str(tmp_path / "given"))
    given = tmp_path / "given" / "made"
    assert given.stat().st_ino != place_of(objects, artifact.sha256).stat().st_ino
    assert given.stat().st_mode & 0o200
    given.write_bytes(b"changed")
    assert objects.read(artifact.sha256) == b"content"


def test_giving_replaces_a_link_and_does_not_follow_it(
    objects: FolderObjects, tmp_path: Path
) -> None:
    write(tmp_path / "precious", b"precious")
    (tmp_path / "given").mkdir()
    (tmp_path / "given" / "made").symlink_to(tmp_path / "precious")
    objects.give(objects.put(write(tmp_path / "made"), "made"), str(tmp_path / "given"))
    assert (tmp_path / "precious").read_bytes() == b"precious"
    assert (tmp_path / "given" / "made").read_bytes() == b"content"


def test_giving_again_gives_the_same(objects: FolderObjects, tmp_path: Path) -> None:
    write(tmp_path / "out" / "run")
    (tmp_path / "out" / "run").chmod(0o755)
    (tmp_path / "out" / "link").symlink_to("run")
    artifact = objects.put(str(tmp_path / "out"), "out")
    objects.give(artifact, str(tmp_path / "given"))
    given = tmp_path / "given" / "out"
    (given / "run").unlink()
    (given / "run").write_bytes(b"not executable")
    objects.give(artifact, str(tmp_path / "given"))
    assert objects.digest(str(given), "out") == artifact


def test_a_damaged_object_is_found_before_it_is_used(
    objects: FolderObjects, tmp_path: Path
) -> None:
    artifact = objects.put(write(tmp_path / "made"), "made")
    place = place_of(objects, artifact.sha256)
    place.chmod(0o644)
    place.write_bytes(b"damaged")
    aside = objects.folder / "damaged" / artifact.sha256
    for use in (
        lambda: objects.read(artifact.sha256),
        lambda: objects.give(artifact, str(tmp_path / "given")),
    ):
        with pytest.raises(StoreError, match="is damaged") as raised:
            use()
        assert raised.value.problems[0].where == str(aside)
        assert "set aside" in str(raised.value.problems[0].hint)
        assert aside.read_bytes() == b"damaged"
        aside.replace(place)
    assert not (tmp_path / "given" / "made").exists()


def test_what_was_damaged_can_be_made_again(objects: FolderObjects, tmp_path: Path) -> None:
    artifact = objects.put(write(tmp_path / "made"), "made")
    place = place_of(objects, artifact.sha256)
    place.chmod(0o644)
    place.write_bytes(b"damaged")
    with pytest.raises(StoreError, match="is damaged"):
        objects.read(artifact.sha256)
    assert not objects.has(artifact)
    assert objects.put(write(tmp_path / "made"), "made", take=True) == artifact
    objects.read(artifact.sha256)


def test_a_damaged_member_of_a_folder_is_named(objects: FolderObjects, tmp_path: Path) -> None:
    write(tmp_path / "out" / "a.txt", b"a")
    artifact = objects.put(str(tmp_path / "out"), "out")
    place = place_of(objects, hashlib.sha256(b"a").hexdigest())
    place.chmod(0o644)
    place.write_bytes(b"b")
    with pytest.raises(StoreError) as raised:
        objects.give(artifact, str(tmp_path / "given"))
    assert (raised.value.problems[0].where or "").endswith(hashlib.sha256(b"a").hexdigest())


def test_a_damaged_list_of_members_is_found(objects: FolderObjects, tmp_path: Path) -> None:
    write(tmp_path / "out" / "a.txt", b"a")
    artifact = objects.put(str(tmp_path / "out"), "out")
    place = place_of(objects, artifact.sha256)
    place.chmod(0o644)
    place.write_bytes(b"{")
    with pytest.raises(StoreError, match="is damaged"):
        objects.has(artifact)


def test_a_store_that_was_removed_is_an_error_of_the_store(
    objects: FolderObjects, tmp_path: Path
) -> None:
    artifact = objects.put(write(tmp_path / "made"), "made")
    shutil.rmtree(objects.folder)
    assert not objects.has(artifact)
    with pytest.raises(StoreError, match="is not in the store"):
        objects.give(artifact, str(tmp_path / "given"))


# ── the memory of digests ────────────────────────────────────────────────────────────────────────

OLD = Path(os.__file__)  # a file that nobody changed lately


def pretend(objects: FolderObjects, sha256: str) -> int:
    """Alter what is remembered, so that it shows when it is used; return how much there is."""
    with contextlib.closing(sqlite3.connect(objects.remembered.path)) as connection:
        changed = connection.execute("update digest set sha256 = ?", (sha256,)).rowcount
        connection.commit()
    return changed


@pytest.fixture
def remembering(objects: FolderObjects) -> Iterator[FolderObjects]:
    yield objects
    if objects.remembered._connection is not None:
        objects.remembered._connection.close()


def test_an_unchanged_file_is_not_hashed_again(remembering: FolderObjects) -> None:
    first = remembering.digest(str(OLD), "os.py")
    assert first is not None
    assert first.sha256 == hashlib.sha256(OLD.read_bytes()).hexdigest()
    assert pretend(remembering, "remembered") == 1
    again = FolderObjects(str(remembering.folder)).digest(str(OLD), "os.py")
    assert again is not None
    assert again.sha256 == "remembered"


def test_a_kept_and_unchanged_file_is_not_copied_again(remembering: FolderObjects) -> None:
    artifact = remembering.put(str(OLD), "os.py")
    inode = place_of(remembering, artifact.sha256).stat().st_ino
    assert remembering.put(str(OLD), "os.py") == artifact
    assert place_of(remembering, artifact.sha256).stat().st_ino == inode


def test_a_remembered_file_that_the_store_lost_is_kept_again(remembering: FolderObjects) -> None:
    artifact = remembering.put(str(OLD), "os.py")
    place_of(remembering, artifact.sha256).unlink()
    assert remembering.put(str(OLD), "os.py") == artifact
    assert remembering.has(artifact)


def test_a_file_that_was_just_written_is_not_trusted(
    remembering: FolderObjects, tmp_path: Path
) -> None:
    fresh = tmp_path / "fresh"
    write(fresh)
    os.utime(fresh, (1, 1))  # its time of change is not to be set
    remembering.digest(str(fresh), "fresh")
    remembering.put(str(fresh), "fresh")
    remembering.digest(str(OLD), "os.py")
    assert pretend(remembering, "remembered") == 1


@pytest.mark.parametrize("state", ["mtime", "ctime", "size", "inode"])
def test_a_file_of_which_anything_changed_is_hashed_again(
    remembering: FolderObjects, state: str
) -> None:
    found = remembering.digest(str(OLD), "os.py")
    pretend(remembering, "remembered")
    position = ["size", "mtime", "ctime", "inode"].index(state)
    with contextlib.closing(sqlite3.connect(remembering.remembered.path)) as connection:
        ((text,),) = connection.execute("select state from digest").fetchall()
        parts = text.split(" ")
        parts[position] += "1"
        connection.execute("update digest set state = ?", (" ".join(parts),))
        connection.commit()
    assert remembering.digest(str(OLD), "os.py") == found


def test_a_damaged_memory_costs_time_only(remembering: FolderObjects) -> None:
    remembering.folder.mkdir()
    remembering.remembered.path.write_bytes(b"garbage " * 1000)
    found = remembering.digest(str(OLD), "os.py")
    assert found is not None
    assert found.sha256 == hashlib.sha256(OLD.read_bytes()).hexdigest()
    remembering.digest(str(OLD), "os.py")
    assert pretend(remembering, "remembered") == 1


def test_a_memory_that_cannot_be_written_costs_time_only(tmp_path: Path) -> None:
    write(tmp_path / "file")
    objects = FolderObjects(str(tmp_path / "file" / "objects"))
    found = objects.digest(str(OLD), "os.py")
    assert found is not None
    assert found.sha256 == hashlib.sha256(OLD.read_bytes()).hexdigest()


def test_a_place_may_have_any_name(remembering: FolderObjects, tmp_path: Path) -> None:
    folder = tmp_path / os.fsdecode(b"caf\xe9")
    write(folder / "x.csv")
    artifact = remembering.put(str(folder / "x.csv"), "x.csv")
    assert remembering.digest(str(folder / "x.csv"), "x.csv") == artifact


# ── what cannot be kept ──────────────────────────────────────────────────────────────────────────


def test_what_is_neither_file_nor_folder_is_refused_without_reading_it(
    objects: FolderObjects, tmp_path: Path
) -> None:
    os.mkfifo(tmp_path / "pipe")
    for place in (str(tmp_path / "pipe"), "/dev/zero", str(tmp_path)):
        for use in (objects.put, objects.digest):
            with pytest.raises(UsageError, match="only files and folders"):
                use(place, "x")


def test_links_in_a_circle_are_nothing(objects: FolderObjects, tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    assert objects.digest(str(tmp_path / "a"), "a") is None
    with pytest.raises(UsageError, match="nothing is there"):
        objects.put(str(tmp_path / "a"), "a")


@pytest.mark.parametrize("kind", ["file", "link", "target", "empty"])
def test_a_name_that_is_no_text_is_refused_and_nothing_is_moved(
    objects: FolderObjects, tmp_path: Path, kind: str
) -> None:
    folder = tmp_path / "out"
    name = os.fsdecode(b"caf\xe9")
    folder.mkdir()
    match kind:
        case "file":
            write(folder / name)
        case "link":
            (folder / name).symlink_to("x")
        case "target":
            (folder / "x").symlink_to(name)
        case "empty":
            (folder / name).mkdir()
    before = sorted(folder.iterdir())
    with pytest.raises(UsageError, match="not UTF-8") as raised:
        objects.put(str(folder), "out", take=True)
    assert "out" in str(raised.value.problems[0].where)
    assert sorted(folder.iterdir()) == before


def test_a_file_whose_own_name_is_no_text_is_refused(
    objects: FolderObjects, tmp_path: Path
) -> None:
    name = os.fsdecode(b"caf\xe9")
    with pytest.raises(UsageError, match="not UTF-8"):
        objects.put(write(tmp_path / name), name)
    with pytest.raises(UsageError, match="not UTF-8"):
        objects.digest(str(tmp_path / name), name)


# ── other processes, and the system's refusals ───────────────────────────────────────────────────


def test_many_processes_can_keep_the_same_content_at_once(
    objects: FolderObjects, tmp_path: Path
) -> None:
    at_once(4, PUT, str(objects.folder), str(tmp_path))
    for number in range(20):
        for content in (str(number).encode() * 1000, b"kept" + str(number).encode() * 1000):
            assert objects.read(hashlib.sha256(content).hexdigest()) == content
    assert len(files(objects.folder)) == 40


def test_a_full_disk_is_said_in_words() -> None:
    with pytest.raises(StoreError, match="no space left on device") as raised, _translated(OLD):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert raised.value.problems[0].hint == "free some space, or use another --store"
    assert raised.value.problems[0].where == str(OLD)


DENIED_IMPORTS = """
import sys
from pathlib import Path
from runproj.adapters.store.objects import FolderObjects
from runproj.errors import StoreError
from runproj.record.artifact import Artifact
nothing = Artifact(path="x", sha256="0" * 64, size=0)
"""
DENIED = """
folder = Path(sys.argv[1])
closed = FolderObjects(str(folder / "closed"))
uses = [
    lambda: closed.put(str(folder / "made"), "made"),
    lambda: closed.keep(b"x"),
    lambda: closed.read("0" * 64),
    lambda: closed.has(nothing),
    lambda: closed.give(nothing, str(folder / "given")),
    lambda: FolderObjects(str(folder / "new")).put(str(folder / "secret"), "secret"),
]
for use in uses:
    try:
        use()
    except StoreError as error:
        print(error)
"""


def test_a_missing_permission_is_said_in_words() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write(folder / "made")
        write(folder / "secret")
        (folder / "closed").mkdir()
        folder.chmod(0o777)
        (folder / "secret").chmod(0)
        (folder / "closed").chmod(0)
        assert as_nobody(DENIED_IMPORTS, DENIED, name).splitlines() == ["permission denied"] * 6
        (folder / "closed").chmod(0o700)


def test_nothing_is_left_beside_objects_when_putting_fails(
    objects: FolderObjects, tmp_path: Path
) -> None:
    write(objects.folder / hashlib.sha256(b"content").hexdigest()[:2])  # where a folder would be
    with pytest.raises(StoreError, match=r"exists|not a directory"):
        objects.put(write(tmp_path / "made"), "made")
    assert len(files(objects.folder)) == 1


def test_a_folder_where_a_file_must_go_is_an_error_of_the_store(
    objects: FolderObjects, tmp_path: Path
) -> None:
    artifact = objects.put(write(tmp_path / "made"), "made")
    (tmp_path / "given" / "made").mkdir(parents=True)
    with pytest.raises(StoreError, match="is a directory"):
        objects.give(artifact, str(tmp_path / "given"))


def test_a_folder_is_known_by_its_manifest(objects: FolderObjects, tmp_path: Path) -> None:
    write(tmp_path / "out" / "a", b"12")
    artifact = objects.put(str(tmp_path / "out"), "somewhere/else")
    assert artifact == Artifact(
        path="somewhere/else", kind="folder", sha256=artifact.sha256, size=2
    )
    text = objects.read(artifact.sha256)
    assert text.startswith(b'{"members":[{"executable":false,"kind":"file","path":"a","sha256":')


def test_what_somebody_touched_is_looked_at_again(tmp_path: Path) -> None:
    store = FolderObjects(str(tmp_path / "objects"))
    (tmp_path / "given").write_bytes(b"whole")
    artifact = store.put(str(tmp_path / "given"), "a")
    store.give(artifact, str(tmp_path / "first"))
    place = store.place(artifact.sha256)
    place.chmod(0o644)
    place.write_bytes(b"wrong")
    with pytest.raises(StoreError, match="is damaged"):
        store.give(artifact, str(tmp_path / "second"))
    assert not (tmp_path / "second/a").exists()


@pytest.mark.parametrize(
    "members",
    [
        [FolderMember(path="../x", sha256="0" * 64)],
        [FolderMember(path="/x", sha256="0" * 64)],
        [FolderMember(path="a/../../x", kind="folder")],
        [FolderMember(path="a\0", kind="folder")],
        [
            FolderMember(path="a", kind="link", target="/tmp"),  # noqa: S108 -- nothing is written
            FolderMember(path="a/b/x", sha256="0" * 64),
        ],
    ],
)
def test_a_folder_that_somebody_made_up_writes_nothing_outside_of_itself(
    tmp_path: Path, members: list[FolderMember]
) -> None:
    objects = FolderObjects(str(tmp_path / "objects"))
    sha256 = objects.keep(canonical(FolderManifest(members=tuple(members))))
    artifact = Artifact(path="d", kind="folder", sha256=sha256, size=0)
    with pytest.raises(StoreError, match="which would not stand in it"):
        objects.give(artifact, str(tmp_path / "out"))
    assert not list((tmp_path / "out").rglob("*/*"))


@pytest.mark.parametrize("sha256", ["ab/etc/hostname", "../../x", "0" * 63, "0" * 64 + "\n", ""])
def test_what_is_no_digest_leads_nowhere(tmp_path: Path, sha256: str) -> None:
    objects = FolderObjects(str(tmp_path / "objects"))
    objects.keep(b"something")
    for look in (objects.read, objects.members):
        with pytest.raises(StoreError, match="is no digest of an object"):
            look(sha256)
    with pytest.raises(StoreError, match="is no digest of an object"):
        objects.give(Artifact(path="x", sha256=sha256, size=1), str(tmp_path / "out"))
