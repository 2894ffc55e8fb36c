"""A look around where a step executed."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from tests.engine.test_containers import SHAPE, YAML, Images
from tests.engine.world import THREE, World, fails, training, writes
from tests.fakes.workspaces import FakeWorkspaces

from runproj.engine.shell import Entered, Opener
from runproj.errors import CannotRerun
from runproj.ports import Volume
from runproj.record.run import Run


@contextmanager
def entered(w: World, run: Run, name: str) -> Iterator[Entered]:
    """Open the workspace of a step."""

    @contextmanager
    def revisit(root: str) -> Iterator[bool]:
        yield w.disk.exists(root)

    step = w.lookup.step(run, name)
    w.workspaces = FakeWorkspaces(w.disk, w.control, w.objects)
    opener = Opener(w.rerunner, w.workspaces, w.backends, revisit, w.caller, w.tracking)
    with opener.enter(run, step, lambda _: None) as found:
        yield found


def test_a_workspace_that_a_failed_step_left_is_entered_as_it_is() -> None:
    w = training()
    w.caller = {"HOME": "/home/user", "TERM": "vt100"}
    w.programs["train"] = fails()
    run = w.run()
    w.caller = {"HOME": "/home/other", "TERM": "xterm"}
    train = w.lookup.step(run, "train")
    with entered(w, run, "train") as found:
        assert found.kept
        assert found.root == train.workspace
        assert found.variables == {**train.variables, "TERM": "xterm"}
    assert w.disk.exists(found.root)
    assert w.workspaces.opened == []


def test_any_other_is_made_anew_from_the_record_and_goes() -> None:
    w = training()
    run = w.run()
    w.source["train.py"] = b"print(2)"
    with entered(w, run, "train") as found:
        assert not found.kept
        assert w.disk.find(f"{found.directory}/train.py").content == b"print(1)"  # type: ignore[union-attr] # it is there
        assert w.disk.find(f"{found.directory}/data.csv") is not None
        assert found.container is None
        assert "TERM" not in found.variables
    assert not w.disk.exists(found.root)
    assert w.workspaces.closed


def test_a_kept_workspace_that_is_gone_is_made_anew_with_the_same_devices() -> None:
    w = World(THREE, {**training().programs, "train": fails()}, {"train.py": b""})
    run = w.run()
    train = w.lookup.step(run, "train")
    w.disk.remove(train.workspace or "")
    changed = train.replace(variables={**train.variables, "CUDA_VISIBLE_DEVICES": "1"})
    run = run.replace(steps=tuple(changed if s.name == "train" else s for s in run.steps))
    with entered(w, run, "train") as found:
        assert not found.kept
        assert found.variables["CUDA_VISIBLE_DEVICES"] == "1"


def test_what_is_missing_is_said() -> None:
    w = training()
    w.programs["train"] = fails()
    run = w.run()
    pin = run.plan.environments[0].replace(lock="0" * 64)
    run = run.replace(plan=run.plan.replace(environments=(pin,)))
    with pytest.raises(CannotRerun, match="lock of the environment"), entered(w, run, "train"):
        pass


def test_a_step_in_a_container_has_its_workspace_in_it() -> None:
    w = World(YAML, {"main": writes(m="m")})
    w.backends["docker"] = Images("docker")
    run = w.run()
    with entered(w, run, "main") as found:
        client = Volume("/workspaces/client", "/workspaces/client")
        folders = (found.root, f"{found.root}.tmp")
        assert found.container == SHAPE._replace(folders=folders, volumes=(*SHAPE.volumes, client))
        assert found.variables["HOME"] == f"{found.root}.tmp"
