"""What every ProjectFiles promises."""

from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.fakes.disk import Disk, FakeDisk, RealDisk
from tests.fakes.files import FakeFiles

from runproj.adapters.project_files import FolderFiles
from runproj.errors import ProjectError
from runproj.ports import ProjectFiles


@dataclass
class World:
    """A project folder on a disk."""

    files: ProjectFiles
    disk: Disk
    folder: str

    def write(self, *paths: str, content: bytes = b"") -> None:
        for path in paths:
            self.disk.write(f"{self.folder}/{path}", content)


@pytest.fixture(params=["fake", "folder"])
def w(request: pytest.FixtureRequest, tmp_path: Path) -> World:
    if request.param == "fake":
        fake = FakeDisk()
        return World(FakeFiles(fake, "/project"), fake, "/project")
    return World(FolderFiles(str(tmp_path)), RealDisk(), str(tmp_path))


def test_a_file_is_read_as_it_is(w: World) -> None:
    w.write("a/b.txt", content="ü\r\n".encode())
    assert w.files.read("a/b.txt") == "ü\r\n"


def test_what_is_not_there_is_none(w: World) -> None:
    w.write("a")
    assert w.files.read("b") is None
    assert w.files.read("a/b") is None


def test_a_folder_has_no_text(w: World) -> None:
    w.write("a/b")
    assert w.files.read("a") is None


def test_what_is_no_text_is_a_mistake_of_the_project(w: World) -> None:
    w.write("a.txt", content=b"\xff")
    with pytest.raises(ProjectError, match="not UTF-8"):
        w.files.read("a.txt")


def test_a_path_names_itself_when_it_is_there(w: World) -> None:
    w.write("a/b")
    found = [list(w.files.find(path)) for path in ("a/b", "a", "a/c", "a/b/c")]
    assert found == [["a/b"], ["a"], [], []]


def test_a_star_stays_in_its_folder(w: World) -> None:
    w.write("d/b.csv", "d/a.csv", "d/e/c.csv", "d/a.txt", "f/a.csv")
    assert list(w.files.find("d/*.csv")) == ["d/a.csv", "d/b.csv"]
    assert list(w.files.find("*/a.csv")) == ["d/a.csv", "f/a.csv"]


def test_two_stars_mean_any_folders_none_included(w: World) -> None:
    w.write("d/a.csv", "d/e/b.csv", "d/e/f/c.csv", "x/a.csv")
    assert list(w.files.find("d/**/*.csv")) == ["d/a.csv", "d/e/b.csv", "d/e/f/c.csv"]
    assert list(w.files.find("**/a.csv")) == ["d/a.csv", "x/a.csv"]


def test_a_pattern_takes_folders_too(w: World) -> None:
    w.write("runs/1/a", "runs/2/a", "runs/x")
    assert list(w.files.find("runs/?")) == ["runs/1", "runs/2", "runs/x"]


def test_brackets_are_a_choice(w: World) -> None:
    w.write("f1", "f2", "f3", "[x]")
    assert list(w.files.find("f[12]")) == ["f1", "f2"]
    assert list(w.files.find("f[!12]")) == ["f3"]


def test_hidden_files_are_found(w: World) -> None:
    w.write(".env", "d/.hidden/x.csv")
    assert list(w.files.find("*")) == [".env", "d"]
    assert list(w.files.find("**/*.csv")) == ["d/.hidden/x.csv"]


def test_what_git_and_runproj_keep_is_not_found(w: World) -> None:
    w.write(".git/x.csv", ".runproj/x.csv", "d/.git/x.csv", "x.csv")
    assert list(w.files.find("**/*.csv")) == ["x.csv"]


def test_a_pattern_in_a_folder_that_is_not_there_finds_nothing(w: World) -> None:
    w.write("a")
    assert list(w.files.find("gone/*.csv")) == []
    assert list(w.files.find("a/*")) == []


def test_paths_are_below_the_project_folder(w: World) -> None:
    assert w.files.absolute("a/b") == f"{w.folder}/a/b"
    assert w.files.absolute("/data/x") == "/data/x"
