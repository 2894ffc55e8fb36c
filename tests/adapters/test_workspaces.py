"""What is special about workspaces that are folders: what is noticed, swept, reused and removed."""

import os
import shutil
import signal
import stat
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.fakes.processes import as_nobody, at_once, start
from tests.fakes.source import EXECUTABLE, LINK, FakeFile, FakeSource

from runproj.adapters.store.objects import FolderObjects
from runproj.adapters.workspaces import FolderWorkspaces
from runproj.errors import Refused, RunprojError, StoreError
from runproj.ports import Changes, Furnishing
from runproj.record.artifact import Artifact

SOURCE: dict[str, bytes | FakeFile] = {
    "train.py": b"print(1)",
    "lib/run.sh": FakeFile(b"#!", EXECUTABLE),
    "lib/deep/x.py": b"x",
    "latest": FakeFile(b"lib", LINK),
}
IMPORTS = """
import sys
from runproj.adapters.store.objects import FolderObjects
from runproj.adapters.workspaces import FolderWorkspaces
from runproj.errors import StoreError
from runproj.ports import Furnishing
from tests.fakes.source import FakeSource
source = FakeSource({"train.py": b"print(1)", "lib/x.py": b""})
furnishing = Furnishing("s", source.snapshot("/p", "/p").tree, "", None, (), ())
objects = FolderObjects(sys.argv[1] + "/objects")
"""
OPEN = (
    IMPORTS
    + """
workspaces = FolderWorkspaces(sys.argv[1] + "/workspaces", source, objects)
workspace = workspaces.open(furnishing)
print(workspace.root, flush=True)
sys.stdin.readline()
"""
)
OPEN_MANY = (
    IMPORTS
    + """
from pathlib import Path
for _ in range(10):
    workspaces = FolderWorkspaces(sys.argv[1] + "/workspaces", source, objects)
    workspace = workspaces.open(furnishing)
    assert (Path(workspace.root) / "lib/x.py").exists()
    workspace.close(keep=False)
    assert workspaces.open(furnishing).changes().altered == ()
    workspaces.close()
"""
)


@dataclass
class World:
    """A folder with workspaces of one source."""

    folder: Path
    workspaces: FolderWorkspaces
    objects: FolderObjects
    source: FakeSource
    tree: str

    def open(self, *inputs: Artifact, outputs: tuple[str, ...] = (), path: str = "") -> "Opened":
        furnishing = Furnishing("step", self.tree, path, None, inputs, outputs)
        workspace = self.workspaces.open(furnishing)
        return Opened(workspace.root, workspace.changes, workspace.close)

    def artifact(self, path: str, *names: str) -> Artifact:
        for name in names or ("",):
            place = self.folder / "made" / path / name
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(b"data")
        return self.objects.put(str(self.folder / "made" / path), path)


@dataclass
class Opened:
    """A workspace, with paths."""

    root: str
    changes: Callable[[], Changes]
    close: Callable[..., None]

    def __truediv__(self, path: str) -> Path:
        return Path(self.root, path)


def world(folder: Path) -> World:
    source = FakeSource({**SOURCE})
    objects = FolderObjects(str(folder / "objects"))
    workspaces = FolderWorkspaces(str(folder / "workspaces"), source, objects)
    return World(folder, workspaces, objects, source, source.snapshot("/p", "/p").tree)


@pytest.fixture
def w(tmp_path: Path) -> Iterator[World]:
    made = world(tmp_path)
    yield made
    made.workspaces.close()


def seen(root: str) -> dict[str, object]:
    """Return all that can be told of a folder but times: names, kinds, modes, contents, links."""
    found: dict[str, object] = {".": Path(root).stat().st_mode}
    for place in Path(root).rglob("*"):
        mode = place.lstat().st_mode
        content: object = None
        if place.is_symlink():
            content = place.readlink()
        elif place.is_file():
            content = (place.read_bytes(), place.stat().st_nlink)
        found[place.relative_to(root).as_posix()] = (mode, content)
    return found


# ── what is noticed ──────────────────────────────────────────────────────────────────────────────


def rewritten_in_place(path: Path) -> None:
    """Change bytes, but neither size nor time of modification nor inode."""
    status = path.stat()
    path.write_bytes(b"X" * status.st_size)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def replaced_by_another(path: Path) -> None:
    new = path.with_name("new")
    shutil.copy2(path, new)
    new.replace(path)


def made_executable(path: Path) -> None:
    path.chmod(path.stat().st_mode ^ 0o111)


def removed(path: Path) -> None:
    path.unlink()


def replaced_by_a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def replaced_by_a_link(path: Path) -> None:
    path.rename(path.with_name("__pycache__"))
    path.symlink_to("__pycache__")


DEEDS = [
    rewritten_in_place, replaced_by_another, made_executable, removed, replaced_by_a_folder,
    replaced_by_a_link,
]  # fmt: skip


@pytest.mark.parametrize("deed", DEEDS)
@pytest.mark.parametrize("path", ["train.py", "lib/deep/x.py"])
def test_a_source_file_that_was_changed_is_noticed(
    w: World, path: str, deed: Callable[[Path], None]
) -> None:
    opened = w.open()
    deed(opened / path)
    assert opened.changes().altered == (path,)
    opened.close(keep=False)


@pytest.mark.parametrize("deed", DEEDS)
@pytest.mark.parametrize("path", ["x.csv", "lib/y.csv", "model/sub/a"])
def test_an_input_that_was_changed_is_noticed(
    w: World, path: str, deed: Callable[[Path], None]
) -> None:
    opened = w.open(w.artifact("x.csv"), w.artifact("lib/y.csv"), w.artifact("model", "sub/a", "b"))
    deed(opened / path)
    changes = opened.changes()
    assert (changes.inputs, changes.altered) == ((path,), ())
    opened.close(keep=False)


def test_a_link_that_leads_elsewhere_is_noticed(w: World) -> None:
    opened = w.open()
    (opened / "latest").unlink()
    (opened / "latest").symlink_to("libs")
    assert opened.changes().altered == ("latest",)
    opened.close(keep=False)


def test_what_was_written_through_a_link_is_noticed(w: World) -> None:
    opened = w.open()
    (opened / "latest/run.sh").write_bytes(b"#!/bin/sh")
    (opened / "latest/new").write_bytes(b"")
    changes = opened.changes()
    assert (changes.altered, changes.made) == (("lib/run.sh",), ("lib/new",))
    opened.close(keep=False)


def test_a_source_folder_that_became_a_link_is_noticed(w: World) -> None:
    opened = w.open()
    (opened / "lib").rename(opened / "__pycache__")
    (opened / "lib").symlink_to("__pycache__")
    changes = opened.changes()
    assert changes.altered == ("lib/deep/x.py", "lib/run.sh")
    assert changes.made == ("lib",)
    opened.close(keep=False)


def test_a_file_named_like_bytecode_is_a_file(w: World) -> None:
    opened = w.open()
    (opened / "__pycache__").write_bytes(b"")
    (opened / "lib/__pycache__").symlink_to("deep")
    assert opened.changes().made == ("__pycache__", "lib/__pycache__")
    opened.close(keep=False)


# ── inputs and links of the source ───────────────────────────────────────────────────────────────


def test_an_input_behind_a_link_of_the_source_is_an_input(w: World) -> None:
    opened = w.open(w.artifact("latest/data/x.csv"))
    assert (opened / "lib/data/x.csv").read_bytes() == b"data"
    assert opened.changes() == Changes()
    (opened / "latest/data/x.csv").write_bytes(b"changed")
    assert opened.changes().inputs == ("lib/data/x.csv",)
    opened.close(keep=False)


@pytest.mark.parametrize("kind", ["input", "output"])
def test_nothing_is_written_through_a_link_that_leads_out(w: World, kind: str) -> None:
    outside = w.folder / "outside"
    outside.mkdir()
    (outside / "x.csv").write_bytes(b"precious")
    assert w.source.files is not None
    w.source.files["data"] = FakeFile(os.fsencode(outside), LINK)
    w.tree = w.source.snapshot("/p", "/p").tree
    given = w.artifact("data/x.csv")
    with pytest.raises(Refused, match=r"leads out of the workspace"):
        w.open(given) if kind == "input" else w.open(outputs=("data/deep/x.csv",))
    assert (outside / "x.csv").read_bytes() == b"precious"
    assert [place.name for place in outside.iterdir()] == ["x.csv"]


def test_a_workspace_is_found_behind_a_linked_cache_folder(w: World) -> None:
    (w.folder / "real").mkdir()
    (w.folder / "cache").symlink_to("real")
    workspaces = FolderWorkspaces(str(w.folder / "cache"), w.source, w.objects)
    given = w.artifact("x.csv")
    workspace = workspaces.open(Furnishing("s", w.tree, "", None, (given,), ("o/m",)))
    made = Path(workspace.root, "o/m")
    made.write_bytes(b"made")
    inode = made.stat().st_ino
    artifact = w.objects.put(str(made), "o/m", take=True)
    place = w.objects.folder / artifact.sha256[:2] / artifact.sha256[2:]
    assert place.stat().st_ino == inode
    workspaces.close()


# ── reuse ────────────────────────────────────────────────────────────────────────────────────────


def test_a_workspace_whose_source_is_as_it_was_is_used_again(w: World) -> None:
    opened = w.open()
    inode = (opened / "train.py").stat().st_ino
    (opened / "out").mkdir()
    (opened / "out/m.json").write_bytes(b"{}")
    opened.close(keep=False)
    again = w.open()
    assert again.root == opened.root
    assert (again / "train.py").stat().st_ino == inode
    again.close(keep=False)


@pytest.mark.parametrize("deed", DEEDS)
def test_a_workspace_with_an_altered_source_is_not_used_again(
    w: World, deed: Callable[[Path], None]
) -> None:
    opened = w.open()
    deed(opened / "lib/run.sh")
    opened.close(keep=False)
    assert not Path(opened.root).exists()
    assert w.open().root != opened.root


def test_other_files_of_the_source_are_another_workspace(w: World) -> None:
    opened = w.open()
    opened.close(keep=False)
    few = w.workspaces.open(Furnishing("step", w.tree, "", frozenset({"train.py"}), (), ()))
    assert few.root != opened.root
    assert [place.name for place in Path(few.root).iterdir()] == ["train.py"]


def test_another_project_folder_is_another_workspace(w: World) -> None:
    opened = w.open()
    opened.close(keep=False)
    assert (w.open(path="elsewhere") / "elsewhere").is_dir()


def test_a_workspace_that_is_kept_is_not_used_again(w: World) -> None:
    opened = w.open()
    opened.close(keep=True)
    assert w.open().root != opened.root


def test_temporary_files_go_with_the_step(w: World) -> None:
    workspace = w.workspaces.open(Furnishing("step", w.tree, "", None, (), ()))
    temporary = Path(workspace.temporary)
    (temporary / "deep").mkdir()
    (temporary / "deep" / "x").write_bytes(b"")
    workspace.close(keep=True)
    assert not temporary.exists()


Deed = Callable[[Path], None]
PLACES = st.sampled_from(
    [
        "train.py", "lib/run.sh", "lib/deep/x.py", "latest", "lib", "lib/deep", "x.csv", "model",
        "model/a", "lib/in.csv", "out", "out/m", "out/deep", "new", "new/er", "lib/new",
        "lib/new/est", "lib/deep/new", "__pycache__", "__pycache__/x.pyc", "lib/__pycache__",
        "lib/__pycache__/y.pyc", "latest/through", "up", ".", "back\\slash", "new/\udce9",
    ]
)  # fmt: skip
OPERATIONS = st.sampled_from(
    [
        "write", "write", "write", "append", "mkdir", "mkdir", "remove", "rename", "link to lib",
        "link to nothing", "link out", "hard link", "chmod 0", "chmod 555", "chmod 777", "restore",
        "pipe", "touch",
    ]
)  # fmt: skip


def do(operation: str, place: Path, other: Path, outside: Path) -> None:  # noqa: C901, PLR0912 -- a list of deeds
    place.parent.mkdir(parents=True, exist_ok=True)
    if place.is_fifo() and operation in ("write", "append", "restore"):
        return  # nobody reads from it, so whoever writes waits for ever
    match operation:
        case "write":
            place.write_bytes(b"written")
        case "append":
            with place.open("ab") as file:
                file.write(b"more")
        case "mkdir":
            place.mkdir()
        case "remove" if place.is_dir() and not place.is_symlink():
            shutil.rmtree(place)
        case "remove":
            place.unlink()
        case "rename":
            place.rename(other)
        case "link to lib":
            place.symlink_to("lib")
        case "link to nothing":
            place.symlink_to("nothing")
        case "link out":
            place.symlink_to(outside)
        case "hard link":
            place.hardlink_to(other)
        case "pipe":
            os.mkfifo(place)
        case "touch":
            os.utime(place, (1, 1))
        case "restore":
            content = place.read_bytes()
            place.write_bytes(b"something else")
            place.write_bytes(content)
        case _ if not place.is_symlink():
            place.chmod(int(operation.removeprefix("chmod "), 8))


@settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(deeds=st.lists(st.tuples(OPERATIONS, PLACES, PLACES), max_size=8))
def test_whatever_a_step_does_the_next_workspace_is_like_a_fresh_one(
    deeds: list[tuple[str, str, str]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    w = world(tmp_path_factory.mktemp("world"))
    fresh = w.open()
    expected = seen(fresh.root)
    fresh.close(keep=True)
    inputs = (w.artifact("x.csv"), w.artifact("model", "a", "b"), w.artifact("lib/in.csv"))
    opened = w.open(*inputs, outputs=("out/m", "lib/o/m"))
    outside = w.folder / "outside"  # what a step does behind this link must hurt nobody
    outside.mkdir()
    for operation, place, other in deeds:
        if not (place == "." and operation in ("remove", "rename", "link out", "pipe")):
            try:
                do(operation, opened / place, opened / other, outside)
            except (OSError, shutil.Error):
                continue  # this deed was not possible
    opened.changes()
    opened.close(keep=False)
    again = w.open()
    assert seen(again.root) == expected
    assert again.changes() == Changes()
    again.close(keep=False)
    w.workspaces.close()


def test_a_folder_whose_mode_was_changed_is_not_used_again(w: World) -> None:
    opened = w.open()
    (opened / "lib").chmod(0o700)
    opened.close(keep=False)
    assert stat.S_IMODE((w.open() / "lib").stat().st_mode) != 0o700


def test_a_project_folder_without_files_is_there_again_when_a_step_removed_it(w: World) -> None:
    opened = w.open(path="empty")
    (opened / "empty").rmdir()
    opened.close(keep=False)
    assert (w.open(path="empty") / "empty").is_dir()


# ── what goes, and what stays ────────────────────────────────────────────────────────────────────


def test_nothing_is_left_when_all_went_well(w: World) -> None:
    w.open().close(keep=False)
    w.open().close(keep=False)
    w.workspaces.close()
    assert list((w.folder / "workspaces").iterdir()) == []


def test_workspaces_that_were_not_kept_go_and_those_that_were_stay(w: World) -> None:
    kept, other = w.open(), w.open()
    kept.close(keep=True)
    other.close(keep=False)
    w.workspaces.close()
    assert (kept / "train.py").exists()
    assert not Path(other.root).exists()


def test_a_kept_workspace_stays_when_others_are_opened_later(w: World) -> None:
    kept = w.open()
    kept.close(keep=True)
    w.workspaces.close()
    w.open()
    assert (kept / "train.py").exists()


def test_workspaces_can_be_closed_twice_and_opened_again(w: World) -> None:
    w.workspaces.close()
    w.open()
    w.workspaces.close()
    w.workspaces.close()
    assert (w.open() / "train.py").exists()


def test_what_a_dead_process_left_behind_is_removed(w: World) -> None:
    process = start(OPEN, str(w.folder))
    assert process.stdout is not None
    root = Path(process.stdout.readline().strip())
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert root.exists()
    w.open()
    assert not root.parent.exists()


def test_what_persists_stays_when_its_process_dies(w: World) -> None:
    process = start(OPEN.replace("(), ())", "(), (), ('state',))"), str(w.folder))
    assert process.stdout is not None
    root = Path(process.stdout.readline().strip())
    process.send_signal(signal.SIGKILL)
    process.communicate()
    w.open()
    assert (root / "state").is_dir()


def test_what_persists_goes_with_its_workspace_unless_another_one_is_kept(w: World) -> None:
    persisting = Furnishing("step", w.tree, "", None, (), (), ("state",))
    one, other = w.workspaces.open(persisting), w.workspaces.open(persisting)
    one.close(keep=False)
    assert (Path(other.root).parent / "kept").exists()
    other.close(keep=False)
    w.workspaces.close()
    assert list((w.folder / "workspaces").iterdir()) == []
    kept = w.workspaces.open(persisting)
    w.workspaces.open(persisting).close(keep=False)
    kept.close(keep=True)
    w.workspaces.close()
    assert (Path(kept.root) / "state").is_dir()


def test_what_a_living_process_uses_stays(w: World) -> None:
    process = start(OPEN, str(w.folder))
    assert process.stdout is not None
    root = Path(process.stdout.readline().strip())
    w.open()
    assert (root / "train.py").exists()
    process.communicate("\n")


def test_many_processes_never_remove_what_another_one_uses(w: World) -> None:
    at_once(8, OPEN_MANY, str(w.folder))
    assert list((w.folder / "workspaces").iterdir()) == []


STUBBORN = """
import os
from pathlib import Path
workspaces = FolderWorkspaces(sys.argv[1] + "/workspaces", source, objects)
workspace = workspaces.open(furnishing)
root = Path(workspace.root)
for name in ("new", "lib/new"):
    (root / name / "deep").mkdir(parents=True)
    (root / name / "deep" / "x").write_bytes(b"x")
for name in ("new/deep", "new", "lib/new/deep"):
    (root / name).chmod(0o555)
Path(workspace.temporary, "closed").mkdir()
Path(workspace.temporary, "closed", "x").write_bytes(b"x")
Path(workspace.temporary, "closed").chmod(0)
assert workspace.changes().made == ("lib/new/deep/x", "new/deep/x")
workspace.close(keep=False)
print(root.exists(), os.listdir(root.parent))
unreadable = workspaces.open(furnishing)
(Path(unreadable.root) / "closed").mkdir()
(Path(unreadable.root) / "closed" / "x").write_bytes(b"x")
(Path(unreadable.root) / "closed").chmod(0)
print(unreadable.changes().made)
unreadable.close(keep=False)
workspaces.close()
print(os.listdir(sys.argv[1] + "/workspaces"))
closed = FolderWorkspaces(sys.argv[1] + "/closed/workspaces", source, objects)
try:
    closed.open(furnishing)
except StoreError as error:
    print(error)
"""


def test_folders_that_a_step_closed_are_removed_all_the_same() -> None:
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o777)
        Path(name, "closed").mkdir(mode=0o755)
        if os.geteuid() != 0:
            Path(name, "closed").chmod(0o555)
        printed = as_nobody(IMPORTS, STUBBORN, name).splitlines()
        Path(name, "closed").chmod(0o755)
    assert printed == [
        "False ['lock']",
        "('closed/x',)",
        "[]",
        "a workspace cannot be made: permission denied",
    ]


def test_a_place_that_cannot_hold_workspaces_is_an_error_of_the_store(w: World) -> None:
    (w.folder / "file").touch()
    workspaces = FolderWorkspaces(str(w.folder / "file" / "x"), w.source, w.objects)
    with pytest.raises(StoreError, match="a workspace cannot be made: not a directory"):
        workspaces.open(Furnishing("s", w.tree, "", None, (), ()))
    workspaces.close()


def test_an_output_where_the_source_has_a_file_cannot_have_a_folder(w: World) -> None:
    with pytest.raises(RunprojError, match="a workspace cannot be made"):
        w.open(outputs=("train.py/x/m.json",))
    assert w.open().changes() == Changes()
