"""What is special about a real project folder."""

import os
import tempfile
from pathlib import Path

import pytest
from tests.fakes.processes import as_nobody

from runproj.adapters.project_files import FolderFiles
from runproj.errors import ProjectError


@pytest.fixture
def files(tmp_path: Path) -> FolderFiles:
    return FolderFiles(str(tmp_path))


def test_a_byte_order_mark_is_a_part_of_the_text(files: FolderFiles, tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"\xef\xbb\xbfa")
    assert files.read("x") == "\ufeffa"


def test_text_that_is_not_utf_8_is_named(files: FolderFiles, tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes("ü".encode("latin-1"))
    with pytest.raises(ProjectError) as raised:
        files.read("x")
    problem = raised.value.problems[0]
    assert (problem.where, problem.hint) == (str(tmp_path / "x"), "save it as UTF-8")


def test_a_name_that_is_no_text_is_named(files: FolderFiles, tmp_path: Path) -> None:
    (tmp_path / os.fsdecode(b"caf\xe9.csv")).touch()
    assert list(files.find("*.txt")) == []
    with pytest.raises(ProjectError, match="not UTF-8") as raised:
        files.find("*.csv")
    assert raised.value.problems[0].where == f"{tmp_path}/caf\\xe9.csv"


def test_what_can_be_no_name_is_not_there(files: FolderFiles) -> None:
    assert list(files.find("x" * 300)) == []
    assert list(files.find("x/" * 3000)) == []
    assert files.read("gone/" + "x" * 20) is None


def test_a_name_that_is_too_long_cannot_be_read(files: FolderFiles) -> None:
    with pytest.raises(ProjectError, match="cannot be read"):
        files.read("x" * 300)


def test_a_link_is_what_it_leads_to(files: FolderFiles, tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "a.csv").touch()
    (tmp_path / "data").symlink_to("real")
    (tmp_path / "broken.csv").symlink_to("nowhere")
    assert list(files.find("data")) == ["data"]
    assert list(files.find("data/*.csv")) == ["data/a.csv"]
    assert list(files.find("broken.csv")) == []


def test_links_in_a_circle_end(files: FolderFiles, tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("a")
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "up").symlink_to("..")
    (tmp_path / "d" / "x.csv").touch()
    assert list(files.find("a")) == []
    assert list(files.find("**/x.csv")) == ["d/x.csv"]


DENIED = """
for use in (lambda: files.read("secret"), lambda: files.find("closed/x")):
    try:
        print(use())
    except ProjectError as error:
        print(error)
"""


def test_a_missing_permission_is_said_in_words() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "closed").mkdir()
        (folder / "closed" / "x").touch()
        (folder / "secret").touch()
        (folder / "secret").chmod(0)
        (folder / "closed").chmod(0)
        folder.chmod(0o755)
        imports = (
            "import sys\nfrom runproj.adapters.project_files import FolderFiles\n"
            "from runproj.errors import ProjectError\nfiles = FolderFiles(sys.argv[1])"
        )
        printed = as_nobody(imports, DENIED, name).splitlines()
        (folder / "closed").chmod(0o700)
    assert printed == ["the file cannot be read: Permission denied", "[]"]
