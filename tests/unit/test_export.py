"""Locks for other tools."""

import json

import pytest

from runproj.errors import EnvironmentFailed
from runproj.lock import conda
from runproj.lock.conda import CondaSpec, Wheel
from runproj.lock.export import conda_cyclonedx, cyclonedx, requirements

A, B = "a" * 64, "b" * 64
LOCK = f"""\
lock-version = "1.0"
created-by = "uv"

[[packages]]
name = "Greet_it"
version = "1.0"
marker = "sys_platform == 'linux'"
sdist = {{ url = "https://host/greet-1.0.tar.gz", hashes = {{ sha256 = "{B}" }} }}
wheels = [{{ url = "https://host/greet-1.0.whl", hashes = {{ sha256 = "{A}" }} }}]

[[packages]]
name = "greet-it"
version = "2.0"
marker = "sys_platform != 'linux'"
wheels = [{{ url = "https://host/greet-2.0.whl" }}, {{ name = "nowhere.whl" }}]

[[packages]]
name = "own"
vcs = {{ type = "git", url = "https://host/own.git", commit-id = "c0ffee", subdirectory = "sub" }}

[[packages]]
name = "plain"
vcs = {{ type = "git", path = "/repo" }}

[[packages]]
name = "packed"
archive = {{ url = "https://host/packed.zip", hashes = {{ sha256 = "{A}" }} }}

[[packages]]
name = "beside"
directory = {{ path = "../beside" }}

[[packages]]
name = "lost"
"""


def test_a_requirements_file_has_every_digest() -> None:
    assert (
        requirements(LOCK)
        == f"""\
greet-it==1.0 ; sys_platform == 'linux' \\
    --hash=sha256:{A} \\
    --hash=sha256:{B}
greet-it==2.0 ; sys_platform != 'linux'
own @ git+https://host/own.git@c0ffee#subdirectory=sub
plain @ git+/repo@
packed @ https://host/packed.zip \\
    --hash=sha256:{A}
./beside
lost @{" "}
"""
    )


def test_a_bill_of_materials_names_every_file() -> None:
    text = cyclonedx(LOCK, "wine")
    document = json.loads(text)
    assert document["metadata"]["component"]["name"] == "wine"
    first, second, *_ = document["components"]
    assert first["purl"] == "pkg:pypi/greet-it@1.0"
    assert [one["url"] for one in first["externalReferences"]] == [
        "https://host/greet-1.0.tar.gz", "https://host/greet-1.0.whl",
    ]  # fmt: skip
    assert first["externalReferences"][0]["hashes"] == [{"alg": "SHA-256", "content": B}]
    assert second["externalReferences"] == [
        {"type": "distribution", "url": "https://host/greet-2.0.whl"}
    ]
    references = [one["bom-ref"] for one in document["components"]]
    assert len(set(references)) == 7
    assert document["dependencies"] == [{"ref": "project", "dependsOn": sorted(references)}]
    assert cyclonedx(LOCK, "wine") == text


@pytest.mark.parametrize("export", [requirements, lambda text: cyclonedx(text, "p")])
def test_what_is_no_lockfile_is_said_to_be_none(export: object) -> None:
    with pytest.raises(EnvironmentFailed, match="damaged"):
        export("packages = 3")  # type: ignore[operator] # one of two functions


def test_a_commit_is_named_for_who_reads_the_bill() -> None:
    vcs = '{ type = "git", url = "https://host/own.git", commit-id = "c0ffee" }'
    lock = f'lock-version = "1.0"\n[[packages]]\nname = "own"\nversion = "1.0"\nvcs = {vcs}\n'

    [component] = json.loads(cyclonedx(lock, "wine"))["components"]

    assert component["purl"] == (
        "pkg:pypi/own@1.0?vcs_url=git%2Bhttps%3A%2F%2Fhost%2Fown.git%40c0ffee"
    )


def conda_record(name: str, channel: str, fn: str, **more: object) -> dict[str, object]:
    return {
        "name": name, "version": "1!2", "build": "py_0", "fn": fn, "sha256": A,
        "url": f"{channel}/noarch/{fn}", **more,
    }  # fmt: skip


def test_a_bill_of_a_conda_environment_names_channel_and_build() -> None:
    spec = CondaSpec(channels=("c",), dependencies=("a",), virtual_packages={})
    records = [
        conda_record("a", "https://host/conda-forge", "a-2-py_0.conda"),
        conda_record("b", "https://host/mine", "b-2-py_0.tar.bz2", subdir="noarch"),
    ]
    wheel = Wheel(name="Six", version="1", file="six-1.whl", url="https://h/six-1.whl", sha256=B)
    lock = conda.made("d" * 64, "linux-64", spec, {}, "s", records).replace(pip=(wheel,))

    document = json.loads(conda_cyclonedx(lock.text, "wine"))

    assert [one["purl"] for one in document["components"]] == [
        "pkg:conda/a@1%212?build=py_0&channel=conda-forge&subdir=noarch&type=conda",
        "pkg:conda/b@1%212?build=py_0&channel=mine&subdir=noarch&type=tar.bz2",
        "pkg:pypi/six@1",
    ]
    assert document["components"][2]["externalReferences"] == [
        {
            "type": "distribution", "url": "https://h/six-1.whl",
            "hashes": [{"alg": "SHA-256", "content": B}],
        }
    ]  # fmt: skip
    assert len(document["dependencies"][0]["dependsOn"]) == 3
