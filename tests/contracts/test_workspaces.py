"""What all Workspaces promise."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.fakes.disk import EMPTY, Disk, FakeDisk, RealDisk, file
from tests.fakes.objects import FakeObjects
from tests.fakes.source import EXECUTABLE, FakeFile, FakeSource
from tests.fakes.workspaces import FakeWorkspaces

from runproj.adapters.store.objects import FolderObjects
from runproj.adapters.workspaces import FolderWorkspaces
from runproj.errors import Refused, StoreError
from runproj.ports import Changes, Furnishing, ObjectStore, Workspaces
from runproj.record.artifact import Artifact

SOURCE: dict[str, bytes | FakeFile] = {
    "train.py": b"print(1)",
    "lib/run.sh": FakeFile(b"#!", EXECUTABLE),
    "sub/other.py": b"x",
}
SHOWN = {
    "train.py": file(b"print(1)"),
    "lib/run.sh": file(b"#!", executable=True),
    "sub/other.py": file(b"x"),
}


@dataclass
class World:
    """Workspaces, the disk on which they are, and what they are made of."""

    workspaces: Workspaces
    disk: Disk
    objects: ObjectStore
    tree: str
    here: str

    def furnishing(
        self,
        *inputs: Artifact,
        files: frozenset[str] | None = None,
        outputs: tuple[str, ...] = (),
        project_path: str = "",
        persist: tuple[str, ...] = (),
        persisted: tuple[Artifact, ...] = (),
    ) -> Furnishing:
        return Furnishing(
            "step", self.tree, project_path, files, inputs, outputs, persist, persisted
        )

    def artifact(self, path: str, *names: str) -> Artifact:
        """Keep a file, or a folder with files of these names."""
        for name in names or ("",):
            self.disk.write(f"{self.here}/made/{path}/{name}".rstrip("/"), b"data")
        return self.objects.put(f"{self.here}/made/{path}", path)


@pytest.fixture(params=["fake", "folder"])
def w(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    source = FakeSource({**SOURCE})
    tree = source.snapshot("/project", "/project").tree
    if request.param == "fake":
        disk = FakeDisk()
        fake = FakeObjects(disk)
        yield World(FakeWorkspaces(disk, source, fake), disk, fake, tree, "/here")
        return
    objects = FolderObjects(str(tmp_path / "objects"))
    workspaces = FolderWorkspaces(str(tmp_path / "workspaces"), source, objects)
    yield World(workspaces, RealDisk(), objects, tree, str(tmp_path))
    workspaces.close()


def test_the_source_is_there_and_nothing_else(w: World) -> None:
    workspace = w.workspaces.open(w.furnishing())
    assert w.disk.show(workspace.root) == SHOWN


def test_some_files_of_the_source_can_be_shown(w: World) -> None:
    workspace = w.workspaces.open(w.furnishing(files=frozenset({"train.py"})))
    assert w.disk.show(workspace.root) == {"train.py": SHOWN["train.py"]}


def test_no_file_of_the_source_need_be_shown(w: World) -> None:
    workspace = w.workspaces.open(w.furnishing(files=frozenset()))
    assert w.disk.show(workspace.root) == {}


def test_inputs_are_at_their_paths(w: World) -> None:
    inputs = (w.artifact("data/x.csv"), w.artifact("model", "a", "b"))
    workspace = w.workspaces.open(w.furnishing(*inputs))
    more = {path: file(b"data") for path in ("data/x.csv", "model/a", "model/b")}
    assert w.disk.show(workspace.root) == SHOWN | more


def test_the_folders_of_outputs_are_there(w: World) -> None:
    workspace = w.workspaces.open(w.furnishing(outputs=("out/deep/m.json", "top.txt")))
    assert w.disk.show(workspace.root) == SHOWN | {"out/deep": EMPTY}


def test_folders_that_persist_are_there_with_what_was_in_them(w: World) -> None:
    workspace = w.workspaces.open(
        w.furnishing(persist=("state", "deep/empty"), persisted=(w.artifact("state", "a", "b"),))
    )
    more = {"state/a": file(b"data"), "state/b": file(b"data"), "deep/empty": EMPTY}
    assert w.disk.show(workspace.root) == SHOWN | more
    assert workspace.changes().inputs == ()
    workspace.close(keep=False)
    assert w.disk.show(w.workspaces.open(w.furnishing()).root) == SHOWN


def test_a_workspace_that_was_not_touched_has_no_changes(w: World) -> None:
    workspace = w.workspaces.open(w.furnishing(w.artifact("data/x.csv"), outputs=("out/m",)))
    assert workspace.changes() == Changes()


def test_what_a_step_does_is_seen(w: World) -> None:
    inputs = (w.artifact("x.csv"), w.artifact("y.csv"), w.artifact("model", "a", "b"))
    workspace = w.workspaces.open(w.furnishing(*inputs))
    for path in ("out/m.json", "lib/new", "train.py", "x.csv", "model/a", "model/new"):
        w.disk.write(f"{workspace.root}/{path}", b"more")
    w.disk.link(f"{workspace.root}/link", "train.py")
    w.disk.remove(f"{workspace.root}/sub/other.py")
    w.disk.remove(f"{workspace.root}/y.csv")
    assert workspace.changes() == Changes(
        made=("lib/new", "link", "model/new", "out/m.json"),
        altered=("sub/other.py", "train.py"),
        inputs=("model/a", "x.csv", "y.csv"),
    )


def test_a_file_written_anew_with_the_same_bytes_is_altered(w: World) -> None:
    workspace = w.workspaces.open(w.furnishing())
    w.disk.write(f"{workspace.root}/train.py", b"print(1)")
    assert workspace.changes().altered == ("train.py",)


def test_bytecode_is_no_change(w: World) -> None:
    workspace = w.workspaces.open(w.furnishing(w.artifact("model", "a")))
    for folder in (".", "lib", "model", "new/deep"):
        w.disk.write(f"{workspace.root}/{folder}/__pycache__/x.pyc", b"code")
    assert workspace.changes() == Changes()


def test_empty_folders_are_no_change(w: World) -> None:
    workspace = w.workspaces.open(w.furnishing())
    w.disk.mkdir(f"{workspace.root}/lib/new/deep")
    assert workspace.changes() == Changes()


def test_a_project_may_stand_in_a_folder_of_the_tree(w: World) -> None:
    given = w.furnishing(w.artifact("x.csv"), outputs=("out/m",), project_path="sub")
    workspace = w.workspaces.open(given)
    assert workspace.project == f"{workspace.root}/sub"
    assert w.disk.show(workspace.project) == {
        "other.py": SHOWN["sub/other.py"],
        "x.csv": file(b"data"),
        "out": EMPTY,
    }


def test_changes_are_told_as_seen_from_the_project_folder(w: World) -> None:
    workspace = w.workspaces.open(w.furnishing(w.artifact("x.csv"), project_path="sub"))
    for path in ("sub/made", "made", "train.py", "sub/other.py", "sub/x.csv"):
        w.disk.write(f"{workspace.root}/{path}", b"more")
    assert workspace.changes() == Changes(
        made=("../made", "made"), altered=("../train.py", "other.py"), inputs=("x.csv",)
    )


def test_a_project_folder_is_there_even_when_none_of_its_files_is_shown(w: World) -> None:
    given = w.furnishing(files=frozenset({"train.py"}), project_path="sub")
    workspace = w.workspaces.open(given)
    assert w.disk.exists(workspace.project)


def test_a_workspace_that_is_kept_stays(w: World) -> None:
    workspace = w.workspaces.open(w.furnishing())
    w.disk.write(f"{workspace.root}/made", b"x")
    workspace.close(keep=True)
    w.workspaces.close()
    assert w.disk.show(workspace.root) == SHOWN | {"made": file(b"x")}


def test_a_workspace_that_is_not_kept_goes(w: World) -> None:
    workspace = w.workspaces.open(w.furnishing())
    workspace.close(keep=False)
    w.workspaces.close()
    assert not w.disk.exists(workspace.root)


def test_two_workspaces_at_once_are_two_folders(w: World) -> None:
    one, two = w.workspaces.open(w.furnishing()), w.workspaces.open(w.furnishing())
    assert one.root != two.root
    assert one.temporary != two.temporary


def test_the_next_workspace_shows_nothing_of_the_one_before(w: World) -> None:
    workspace = w.workspaces.open(w.furnishing(w.artifact("lib/x.csv"), outputs=("lib/o/m",)))
    w.disk.write(f"{workspace.root}/lib/o/m", b"x")
    w.disk.remove(f"{workspace.root}/lib/run.sh")
    workspace.close(keep=False)
    again = w.workspaces.open(w.furnishing())
    assert w.disk.show(again.root) == SHOWN
    assert again.changes() == Changes()


def test_a_tree_that_is_not_kept_is_an_error_of_the_store(w: World) -> None:
    w.tree = "0" * 40
    with pytest.raises(StoreError):
        w.workspaces.open(w.furnishing())


def test_an_input_that_is_not_kept_is_an_error_of_the_store(w: World) -> None:
    with pytest.raises(StoreError, match="is not in the store"):
        w.workspaces.open(w.furnishing(Artifact(path="x", sha256="0" * 64, size=0)))
    again = w.workspaces.open(w.furnishing())
    assert w.disk.show(again.root) == SHOWN


@pytest.mark.parametrize("path", ["../x.csv", "/etc/x.csv", "sub/../../x.csv"])
def test_nothing_is_written_outside_of_a_workspace(w: World, path: str) -> None:
    artifact = w.artifact("x.csv").replace(path=path)
    with pytest.raises(Refused, match="leads out of the workspace"):
        w.workspaces.open(w.furnishing(artifact))
    with pytest.raises(Refused, match="leads out of the workspace"):
        w.workspaces.open(w.furnishing(outputs=(path,)))
