"""What every Holdings promises, and every StoreUse."""

import fcntl
import json
import os
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from tests.fakes.holdings import FakeHoldings, FakeUse

from runproj.adapters.environments.archives import HeldArchives
from runproj.adapters.environments.built import HeldEnvironments, Slot
from runproj.adapters.environments.engine import Image
from runproj.adapters.environments.images import DockerBackend, HeldImages
from runproj.adapters.environments.interpreters import Interpreter
from runproj.adapters.holdings import PathHoldings
from runproj.adapters.store.held import HeldObjects, HeldRuns
from runproj.adapters.store.objects import FolderObjects
from runproj.adapters.store.runs import FolderRuns
from runproj.adapters.store.use import FolderUse, shared
from runproj.errors import StoreError
from runproj.ports import Holdings, StoreUse

THEN = 1_000_000_000.0
SHA256 = "ab" * 32


class Full(NamedTuple):
    """Something that holds one thing of five bytes, used at a time; ``use`` uses it now."""

    holdings: Holdings
    use: Callable[[], object] | None = None


def fake(root: Path) -> Full:
    del root
    holdings = FakeHoldings("here")
    holdings.add("a", 5, THEN)
    return Full(holdings, lambda: holdings.used.add("a"))


def files(root: Path) -> Full:
    (root / "a").write_bytes(b"12345")
    return Full(PathHoldings(str(root), lambda: root.glob("*")))


def folders(root: Path) -> Full:
    (root / "a/b").mkdir(parents=True)
    (root / "a/b/c").write_bytes(b"12345")
    (root / "a/b").chmod(0o500)
    return Full(PathHoldings(str(root), lambda: root.glob("*")))


def objects(root: Path) -> Full:
    store = FolderObjects(str(root))
    store.keep(b"12345")
    return Full(HeldObjects(store))


def runs(root: Path) -> Full:
    (root / "runs/abc").mkdir(parents=True)
    (root / "runs/abc/run.json").write_bytes(b"12345")
    return Full(HeldRuns(FolderRuns(str(root))))


def archives(root: Path) -> Full:
    folder = root / SHA256[:2] / SHA256[2:]
    folder.mkdir(parents=True)
    (folder / "a.whl").write_bytes(b"12345")
    return Full(HeldArchives(str(root)), lambda: os.utime(folder))


def environments(root: Path) -> Full:
    slot = Slot(root, SHA256)
    slot.content.mkdir(parents=True)
    (slot.content / "a").write_bytes(b"12345")
    python = root.with_name("python")
    python.touch()
    slot.finish(Interpreter(str(python), "3.12.1", "CPython", "linux-x86_64"), 1)
    return Full(HeldEnvironments(root), slot.touch)


def unfinished(root: Path) -> Full:
    (root / ("a" * 20)).mkdir()
    (root / ("a" * 20) / "half").write_bytes(b"12345")
    return Full(HeldEnvironments(root))


class ForgetfulBackend(DockerBackend):
    """Forgets images without an engine."""

    def _connected(self) -> Any:  # noqa: ANN401 -- an engine that removes nothing
        return types.SimpleNamespace(remove=lambda _: None)


def images(root: Path) -> Full:
    backend = ForgetfulBackend(str(root), None, {})
    built, pulled = Image("sha256:1", (), 5, {}), Image("sha256:2", (), 7, {})
    backend.used.note("k" * 64, "runproj-build:1", built)
    backend.used.note("p" * 64, "registry/pulled:1", pulled)
    return Full(HeldImages(backend), lambda: backend.used.note("k" * 64, "runproj-build:1", built))


KINDS = [fake, files, folders, objects, runs, archives, environments, unfinished, images]


@pytest.fixture(params=KINDS, ids=lambda kind: kind.__name__)
def full(request: pytest.FixtureRequest, tmp_path: Path) -> Full:
    root = tmp_path / "root"
    root.mkdir()
    made: Full = request.param(root)
    for place in (root, *root.rglob("*")):
        os.utime(place, (THEN, THEN))
    return made


def test_what_is_there_is_told(full: Full) -> None:
    [one] = full.holdings.all()
    assert (one.size, one.used_at) == (5, THEN)


def test_what_is_removed_is_gone(full: Full) -> None:
    [one] = full.holdings.all()
    assert full.holdings.remove(one)
    assert not full.holdings.all()


def test_what_is_gone_can_be_removed(full: Full) -> None:
    [one] = full.holdings.all()
    assert full.holdings.remove(one)
    assert full.holdings.remove(one)


def test_what_was_used_meanwhile_stays(full: Full) -> None:
    if full.use is None:
        pytest.skip("it is not used by others")
    [one] = full.holdings.all()
    full.use()
    assert not full.holdings.remove(one)
    assert full.holdings.all()


def test_an_environment_in_use_stays_however_old_it_seems(tmp_path: Path) -> None:
    full = environments(tmp_path)
    assert full.use is not None
    full.use()
    full.use()
    os.utime(tmp_path / SHA256[:20] / "used", (THEN, THEN))
    [one] = full.holdings.all()
    assert one.used_at == THEN
    assert not full.holdings.remove(one)


def test_an_archive_that_somebody_fetches_stays(tmp_path: Path) -> None:
    full = archives(tmp_path)
    [one] = full.holdings.all()
    handle = os.open(tmp_path / SHA256[:2] / SHA256[2:], os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_EX)
    assert not full.holdings.remove(one)
    os.close(handle)
    assert full.holdings.remove(one)


def test_a_source_archive_names_what_was_built_from_it(tmp_path: Path) -> None:
    full = archives(tmp_path)
    notes = tmp_path / SHA256[:2] / SHA256[2:] / "built"
    notes.mkdir()
    (notes / "tag.json").write_text(json.dumps({"name": "a.whl", "sha256": "c" * 64}))
    (notes / "damaged.json").write_text("{")
    [one] = full.holdings.all()
    assert one.needs == ("c" * 64,)


@pytest.fixture(params=["fake", "folder"])
def use(request: pytest.FixtureRequest, tmp_path: Path) -> StoreUse:
    return FakeUse() if request.param == "fake" else FolderUse(tmp_path)


def test_a_store_that_nobody_uses_is_one_s_own(use: StoreUse) -> None:
    assert not use.alive()
    with use.alone():
        assert not use.alive()
    with use.alone():
        pass


def test_a_store_in_use_is_nobody_s_own(tmp_path: Path) -> None:
    use = FolderUse(tmp_path)
    handle = shared(tmp_path)
    assert handle is not None
    with pytest.raises(StoreError, match="prepares a run"), use.alone():
        pass
    os.close(handle)
    with use.alone(), pytest.raises(StoreError), use.alone():
        pass
    assert shared(tmp_path / "nowhere") is None
