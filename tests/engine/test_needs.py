"""What registered models refer to by themselves, whatever became of their runs."""

import pytest

from runproj.engine.needs import needs_of
from runproj.record.artifact import ArtifactKind
from runproj.record.registry import Origin, Version
from runproj.record.run import EnvironmentUse
from runproj.record.tracking import LoggedModel

USE = EnvironmentUse(name="default", kind="venv", key="k", lock="l" * 64)


@pytest.mark.parametrize("kind", ["file", "folder"])
@pytest.mark.parametrize("environment", [None, USE])
def test_a_version_needs_its_model_and_the_lock_of_its_environment(
    kind: ArtifactKind, environment: EnvironmentUse | None
) -> None:
    model = LoggedModel(
        path="models/m", kind=kind, sha256="m" * 64, size=1, name="m", flavor="onnx"
    )
    origin = Origin(run="gone", step="train", model=model, environment=environment)
    version = Version(name="wine", number=1, origin=origin, at="2026-01-31", by="me")
    needs = needs_of([], outputs=True, versions=[version])
    wanted = {model.sha256, *([USE.lock] if environment else [])}
    assert set(needs.objects) == wanted
    assert set(needs.folders) == ({model.sha256} if kind == "folder" else set())
    assert {(use.run, use.role, use.path) for uses in needs.objects.values() for use in uses} == {
        ("gone", "model", "wine/1")
    }
