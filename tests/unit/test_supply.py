from collections.abc import Iterator
from typing import Any

import pytest

from runproj.engine.supply import Supply
from runproj.errors import ProjectError
from runproj.model import canonical
from runproj.plan.plan import PlannedInput, PlannedStep
from runproj.record.artifact import Artifact, FolderManifest, FolderMember
from runproj.record.run import Output, StepRun

MEMBERS = (
    FolderMember(path="a.json", sha256="a1", size=1),
    FolderMember(path="b.json", sha256="b1", size=2, executable=True),
    FolderMember(path="deep/c.json", sha256="c1", size=3),
    FolderMember(path="empty", kind="folder"),
    FolderMember(path="link.json", kind="link", target="a.json"),
)


class Objects:
    """Knows one folder, the only thing that is ever read."""

    def put(self, source: str, path: str, *, take: bool = False) -> Artifact:
        raise NotImplementedError

    def keep(self, data: bytes) -> str:
        raise NotImplementedError

    def give(self, artifact: Artifact, folder: str) -> None:
        raise NotImplementedError

    def has(self, artifact: Artifact) -> bool:
        raise NotImplementedError

    def read(self, sha256: str) -> bytes:
        assert sha256 == "folder"
        return canonical(FolderManifest(members=MEMBERS))


MADE = StepRun(
    name="make",
    status="succeeded",
    outputs=(
        Output(path="build/m", sha256="m1", size=5, name="model", executable=True),
        Output(path="cv", kind="folder", sha256="folder", size=6),
    ),
)
SUPPLY = Supply(
    {"src/a.py": "100644 1", "src/b.py": "100644 2", "train.py": "100755 3"},
    {"x": Artifact(path="x", sha256="x1", size=1)},
    Objects(),
)


def step(*inputs: dict[str, Any]) -> PlannedStep:
    planned = tuple(PlannedInput(**one) for one in inputs)
    return PlannedStep(name="a", argv=("a",), environment="e", inputs=planned)


def given(*inputs: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for artifact in SUPPLY.artifacts(step(*inputs), {"make": MADE}):
        assert type(artifact) is Artifact
        yield artifact.path, artifact.sha256


def from_step(path: str, output: str) -> dict[str, Any]:
    return {"path": path, "kind": "step", "step": "make", "output": output}


def test_a_file_from_elsewhere_is_given() -> None:
    assert list(given({"path": "x", "kind": "file"})) == [("x", "x1")]


def test_what_stands_in_the_source_need_not_be_given() -> None:
    assert list(given({"path": "train.py", "kind": "source"})) == []


def test_an_output_of_a_step_before_is_given() -> None:
    (artifact,) = SUPPLY.artifacts(step(from_step("build/m", "build/m")), {"make": MADE})
    assert artifact == Artifact(path="build/m", sha256="m1", size=5, executable=True)


def test_a_folder_is_given_whole() -> None:
    (artifact,) = SUPPLY.artifacts(step(from_step("cv", "cv")), {"make": MADE})
    assert artifact == Artifact(path="cv", kind="folder", sha256="folder", size=6)


@pytest.mark.parametrize(
    ("wanted", "paths"),
    [
        ("cv/a.json", ["cv/a.json"]), ("cv/*.json", ["cv/a.json", "cv/b.json"]),
        ("cv/deep", ["cv/deep/c.json"]), ("cv/*", ["cv/a.json", "cv/b.json", "cv/deep/c.json"]),
        ("**/c.json", ["cv/deep/c.json"]), ("cv/**/*.json", ["cv/a.json", "cv/b.json",
         "cv/deep/c.json"]),
    ],
)  # fmt: skip
def test_a_part_of_a_folder_is_given_file_by_file(wanted: str, paths: list[str]) -> None:
    assert [path for path, _ in given(from_step(wanted, "cv"))] == paths


def test_a_part_of_a_folder_keeps_size_and_executable_bit() -> None:
    (artifact,) = SUPPLY.artifacts(step(from_step("cv/b.json", "cv")), {"make": MADE})
    assert artifact == Artifact(path="cv/b.json", sha256="b1", size=2, executable=True)


def test_a_part_that_is_not_in_the_folder_is_an_error() -> None:
    with pytest.raises(ProjectError, match="'cv/z' is not in the folder 'cv'"):
        list(given(from_step("cv/z", "cv")))


def test_what_several_inputs_take_is_given_once() -> None:
    wanted = [from_step("cv/a.json", "cv"), from_step("cv/*.json", "cv")]
    assert [path for path, _ in given(*wanted)] == ["cv/a.json", "cv/b.json"]


def test_a_step_without_inputs_gets_nothing() -> None:
    assert list(given()) == []
    assert SUPPLY.digests(step(), ()) == {}


def test_digests_are_those_of_what_is_given() -> None:
    artifacts = (
        Artifact(path="x", sha256="1", size=1),
        Artifact(path="y", sha256="1", size=1, executable=True),
    )
    assert SUPPLY.digests(step(), artifacts) == {"x": "1", "y": "1+x"}


def test_the_digest_of_a_source_file_knows_its_mode() -> None:
    assert SUPPLY.digests(step({"path": "train.py", "kind": "source"}), ()) == {
        "train.py": "100755 3"
    }


def folder_digest(manifest: dict[str, str], path: str = "src") -> str:
    supply = SUPPLY._replace(manifest=manifest)
    return supply.digests(step({"path": path, "kind": "source"}), ())[path]


def test_the_digest_of_a_source_folder_is_that_of_the_files_in_it() -> None:
    digest = folder_digest({"src/a": "1", "src/b": "2", "x": "3"})
    assert digest == folder_digest({"x": "4", "src/b": "2", "src/a": "1"})
    assert digest != folder_digest({"src/a": "1", "src/b": "3", "x": "3"})
    assert digest != folder_digest({"src/a": "1", "src/c": "2", "x": "3"})
    assert digest != folder_digest({"src/a": "1", "x": "3"})


def test_the_digest_of_the_project_is_that_of_all_files() -> None:
    assert folder_digest({"a": "1", "b/c": "2"}, ".") != folder_digest({"a": "1", "b/c": "3"}, ".")
