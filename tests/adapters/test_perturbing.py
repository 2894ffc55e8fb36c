"""What this machine can perturb: never pretended, and proved by looking."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.fakes.source import FakeSource

from runproj.adapters import perturbing
from runproj.adapters.executors.local import LocalExecutor
from runproj.adapters.perturbing import (
    ReorderedWorkspaces,
    faketime,
    installed_locale,
    listings,
    ordered_folder,
    reorder,
    sweep_faketime,
)
from runproj.adapters.store.objects import FolderObjects
from runproj.adapters.workspaces import FolderWorkspaces
from runproj.errors import StoreError
from runproj.ports import Changes, Execution, Furnishing

SHM = "/dev/shm"  # noqa: S108 -- the folder in memory of Linux
linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux keeps a process on a CPU")


@pytest.fixture
def memory() -> str:
    """A folder whose entries are listed in the order in which they were made."""
    folder, why = ordered_folder(0, [SHM])
    if folder is None:
        pytest.skip(why)
    return folder


@pytest.fixture
def clock() -> str:
    """The library that gives a process another time."""
    library, why = faketime()
    if library is None:
        assert "RUNPROJ_CI" not in os.environ, why
        pytest.skip(why)
    return library


def started(cpus: int | None) -> bytes:
    heard = bytearray()
    program = "import os; print(len(os.sched_getaffinity(0)))"
    executor = LocalExecutor()
    argv = (sys.executable, "-c", program)
    executor.start(Execution("s", argv, "/", {}, lambda _, chunk: heard.extend(chunk), cpus=cpus))
    _, outcome = executor.wait()
    executor.close()
    assert outcome.succeeded, bytes(heard)
    return bytes(heard).strip()


@linux
def test_a_process_can_be_kept_on_one_cpu_and_the_next_one_is_not() -> None:
    assert started(1) == b"1"
    assert started(None) == str(len(os.sched_getaffinity(0))).encode()


def world(folder: Path, memory: str) -> tuple[FolderWorkspaces, ReorderedWorkspaces, Furnishing]:
    files: dict[str, bytes] = {f"entry-{n}": b"x" for n in range(9)}
    files |= {f"deep/er/{n}": b"y" for n in range(9)} | {"alone/one": b"z", "entry-0": b"source"}
    source = FakeSource({**files})
    objects = FolderObjects(str(folder / "objects"))
    made = folder / "made" / "data"
    made.mkdir(parents=True)
    for number in range(9):
        (made / f"in-{number}").write_bytes(b"data")
    (folder / "made" / "entry-0").write_bytes(b"an input in place of a source file")
    inputs = (
        objects.put(str(made), "data"), objects.put(str(folder / "made/entry-0"), "entry-0"),
    )  # fmt: skip
    tree = source.snapshot("/p", "/p").tree
    furnishing = Furnishing("step", tree, "", None, inputs, ("out/m", "in/n"))
    usual = FolderWorkspaces(str(folder / "usual"), source, objects)
    own = FolderWorkspaces(str(folder / "other"), source, objects)
    reordered = ReorderedWorkspaces(
        lambda arrange: FolderWorkspaces(memory, source, objects, arrange=arrange), own
    )
    return usual, reordered, furnishing


def test_every_folder_lists_its_entries_in_another_order(tmp_path: Path, memory: str) -> None:
    usual, reordered, furnishing = world(tmp_path, memory)
    roots = set()
    for _ in range(2):  # the second has what the first gave back
        ordinary, workspace = usual.open(furnishing), reordered.open(furnishing)
        before, after = listings(ordinary.root), listings(workspace.root)
        assert {path: sorted(names) for path, names in before.items()} == {
            path: sorted(names) for path, names in after.items()
        }
        same = [path for path in before if len(before[path]) > 1 and before[path] == after[path]]
        assert same == []
        assert workspace.changes() == Changes()
        assert Path(workspace.root, "entry-0").read_bytes().startswith(b"an input")
        Path(workspace.root, "out/m").write_bytes(b"made")
        assert workspace.changes().made == ("out/m",)
        workspace.close(keep=False)
        ordinary.close(keep=False)
        roots.add(workspace.root)
    reordered.close()
    usual.close()
    assert list((tmp_path / "other").iterdir()) == []
    assert all(root.startswith(memory) and not Path(root).exists() for root in roots)


def test_a_step_that_changes_its_source_there_is_found_out(tmp_path: Path, memory: str) -> None:
    _, reordered, furnishing = world(tmp_path, memory)
    workspace = reordered.open(furnishing)
    Path(workspace.root, "deep/er/3").write_bytes(b"changed")
    Path(workspace.root, "data/in-1").unlink()
    assert workspace.changes() == Changes(altered=("deep/er/3",), inputs=("data/in-1",))
    workspace.close(keep=False)
    reordered.close()


def test_an_order_that_stays_is_an_error(tmp_path: Path) -> None:
    if ordered_folder(0, [str(tmp_path)])[0] is not None:
        pytest.skip("this file system lists entries as they were made")
    for number in range(9):
        (tmp_path / "root" / str(number)).mkdir(parents=True)
    with pytest.raises(StoreError, match="cannot be put into another order"):
        reorder(str(tmp_path / "root"), listings(str(tmp_path / "root")))
    assert len(list((tmp_path / "root").iterdir())) == 9


def test_where_no_order_can_be_had_it_is_said_why(tmp_path: Path) -> None:
    folder, why = ordered_folder(0, [str(tmp_path / "none")])
    assert (folder, why) == (None, f"{tmp_path}/none: there is no such folder")
    folder, why = ordered_folder(10**18, [str(tmp_path)])
    assert folder is None
    assert "MB are free, 2000000000016 are needed" in why


def test_a_folder_that_somebody_else_made_is_not_used(tmp_path: Path) -> None:
    (tmp_path / f"runproj-{os.getuid()}").symlink_to("/")
    folder, why = ordered_folder(0, [str(tmp_path)])
    assert folder is None
    assert why.endswith("is somebody else's")
    (tmp_path / f"runproj-{os.getuid()}").unlink()
    (tmp_path / f"runproj-{os.getuid()}").mkdir(mode=0o777)
    (tmp_path / f"runproj-{os.getuid()}").chmod(0o777)
    assert ordered_folder(0, [str(tmp_path)])[0] is None


def test_the_library_gives_a_process_another_time(clock: str) -> None:
    date = shutil.which("date")
    assert date is not None
    done = subprocess.run(
        [date, "-u", "+%Y"], check=True, capture_output=True,
        env={"LD_PRELOAD": clock, "FAKETIME": "0", "FAKETIME_FMT": "%s"},
    )  # fmt: skip
    assert done.stdout == b"1970\n"


def test_a_library_that_is_not_there_or_does_not_work_is_none(tmp_path: Path) -> None:
    library, why = faketime([str(tmp_path)])
    assert library is None
    assert "apt-get install libfaketime" in why
    (tmp_path / "libfaketime.so.1").write_bytes(b"nothing")
    library, why = faketime([str(tmp_path)])
    assert (library, why) == (None, f"{tmp_path}/libfaketime.so.1 does not work here")


def test_what_the_library_left_in_memory_is_removed(tmp_path: Path) -> None:
    for name in ("faketime_shm_999999999", "sem.faketime_sem_999999999", "other_shm_999999999"):
        (tmp_path / name).touch()
    (tmp_path / f"faketime_shm_{os.getpid()}").touch()
    sweep_faketime(str(tmp_path))
    assert {place.name for place in tmp_path.iterdir()} == {
        "other_shm_999999999", f"faketime_shm_{os.getpid()}",
    }  # fmt: skip


def test_a_locale_of_the_machine_is_not_that_of_c(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "locale"
    program.write_text(
        "#!/bin/sh\nprintf 'C\\nC.utf8\\nPOSIX\\nen_GB.utf8\\nde_DE\\nde_DE.utf8\\n'\n"
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert installed_locale() == "de_DE.utf8"
    program.write_text("#!/bin/sh\nprintf 'C\\nC.utf8\\nPOSIX\\n'\n")
    assert installed_locale() is None
    program.unlink()
    assert installed_locale() is None
    assert not perturbing._fakes(Path("x"))


def test_workspaces_can_have_a_path_of_their_choice(tmp_path: Path) -> None:
    source = FakeSource({"a": b""})
    furnishing = Furnishing("s", source.snapshot("/p", "/p").tree, "", None, (), ())
    objects = FolderObjects(str(tmp_path / "objects"))

    def opened() -> FolderWorkspaces:
        return FolderWorkspaces(str(tmp_path / "w"), source, objects, own="held")

    first = opened()
    assert first.open(furnishing).root == str(tmp_path / "w/run-held/w1")
    second = opened()  # the first one is still there
    assert second.open(furnishing).root != str(tmp_path / "w/run-held/w1")
    second.close()
    first.close()
    third = opened()
    assert third.open(furnishing).root == str(tmp_path / "w/run-held/w1")
    third.close()
