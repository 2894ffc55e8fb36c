from typing import Any

import pytest
from pydantic import ValidationError

from runproj.spec.environment import (
    CondaEnvironment,
    DockerEnvironment,
    Environment,
    PyprojectSource,
    SystemEnvironment,
    VenvEnvironment,
)
from runproj.spec.fields import adapter


def environment(**fields: Any) -> Any:  # noqa: ANN401 -- raw YAML
    return adapter(Environment).validate_python(fields)


@pytest.mark.parametrize(
    ("fields", "kind"),
    [
        ({"kind": "venv"}, VenvEnvironment), ({"kind": "conda", "file": "x"}, CondaEnvironment),
        ({"kind": "docker", "image": "x"}, DockerEnvironment), ({"kind": "system"},
         SystemEnvironment),
    ],
)  # fmt: skip
def test_the_kind_says_what_it_is(fields: dict[str, Any], kind: type) -> None:
    assert type(environment(**fields)) is kind


@pytest.mark.parametrize(
    "version",
    ["3", "3.12", "3.12.1", "3.12.*", ">=3.10,<3.13", ">=3.10, <3.13", "==3.12", "~=3.12", "!=3.11",
     "== 3.12", ">3", "<=3.13"],
)  # fmt: skip
def test_a_python_version_is_a_number_or_a_range(version: str) -> None:
    assert environment(kind="venv", python=version).python == version


@pytest.mark.parametrize(
    "version", ["", "abc", "3.x", ">=3.10 <3.13", "3,", "python3", "=3.12", "~3.12"]
)
def test_what_is_no_python_version_is_refused(version: str) -> None:
    with pytest.raises(ValidationError, match="is not a version"):
        environment(kind="venv", python=version)


@pytest.mark.parametrize(
    ("given", "meant"),
    [(True, PyprojectSource()), ({}, PyprojectSource()), (False, None), (None, None),
     ({"extras": "train", "groups": ["dev"]}, PyprojectSource(extras=("train",), groups=("dev",)))],
)  # fmt: skip
def test_a_pyproject_is_taken_whole_or_in_parts(given: object, meant: object) -> None:
    assert environment(kind="venv", pyproject=given).pyproject == meant


def test_one_text_is_a_list_of_one() -> None:
    found = environment(kind="venv", requirements="r.txt", packages="numpy")
    assert (found.requirements, found.packages) == (("r.txt",), ("numpy",))


def test_conda_takes_a_file_or_what_is_written_here() -> None:
    found = environment(
        kind="conda", channels="conda-forge", dependencies=["r-base", {"pip": ["x"]}]
    )
    assert found.dependencies == ("r-base", {"pip": ("x",)})


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"channels": ["a"]},
        {"file": "x", "channels": ["a"]},
        {"file": "x", "dependencies": ["a"]},
    ],
)
def test_conda_takes_exactly_one_of_them(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="'file', or 'channels' and 'dependencies'"):
        environment(kind="conda", **fields)


@pytest.mark.parametrize("gpus", ["all", 0, 2, None])
def test_docker_gpus_are_all_or_a_number(gpus: object) -> None:
    assert environment(kind="docker", image="x", gpus=gpus).gpus == gpus


def test_a_docker_build_has_defaults() -> None:
    build = environment(kind="docker", build={}).build
    assert (build.context, build.dockerfile, build.args) == (".", "Dockerfile", {})


IMAGE_ID = "sha256:" + "0" * 64


@pytest.mark.parametrize(
    "image",
    ["python", "library/python:3.12-slim", "127.0.0.1:5000/a/b__c:1.0", "Host.Example/a",
     "localhost:5000/a", f"[::1]:5000/a@{IMAGE_ID}", IMAGE_ID],
)  # fmt: skip
def test_an_image_has_a_name_or_an_id(image: str) -> None:
    assert environment(kind="docker", image=image).image == image


@pytest.mark.parametrize(
    "image",
    ["Python", "UPPER/case", "a b", "a:b:c", "-a", "a/", "a:", "a@sha256:12", "http://x/y", "ä",
     "sha256:12", f"{IMAGE_ID}0"],
)  # fmt: skip
def test_what_cannot_be_the_name_of_an_image_is_refused(image: str) -> None:
    with pytest.raises(ValidationError, match="is not the name of an image"):
        environment(kind="docker", image=image)


@pytest.mark.parametrize(
    ("name", "version", "problem"),
    [("cuda", "12.4", "'cuda' is no virtual package"), ("__x y", "1", "is no virtual package"),
     ("__cuda", "", "'' is not a version of __cuda"), ("__cuda", "12 4", "is not a version")],
)  # fmt: skip
def test_virtual_packages_have_names_and_versions(name: str, version: str, problem: str) -> None:
    declared = {"kind": "conda", "dependencies": ["a"], "virtual_packages": {name: version}}
    with pytest.raises(ValidationError, match=problem):
        environment(**declared)
    right = {"__cuda": "12.4", "__glibc": "2.17", "__archspec": "x86_64_v3", "__unix": "0"}
    assert environment(**{**declared, "virtual_packages": right}).virtual_packages == right


@pytest.mark.parametrize("fields", [{}, {"image": "x", "build": {}}, {"image": None}])
def test_docker_takes_exactly_an_image_or_a_build(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="needs either 'image' or 'build'"):
        environment(kind="docker", **fields)
