import json
from collections.abc import Iterable, Sequence
from typing import Any

import pytest

from runproj.model import from_data, to_json
from runproj.plan.command import RUN_ID
from runproj.plan.fingerprint import Fingerprint
from runproj.plan.plan import Reason
from runproj.plan.reasons import reasons

BEFORE = Fingerprint(
    digest="d", argv=("python", "train.py"), environment="e" * 64, source="s",
    platform="linux-x86_64",
    env={"A": "1"}, inputs={"data/x": "1"}, outputs=("o",), parameters={"lr": "0.1"},
)  # fmt: skip


def said(
    packages: Iterable[tuple[str, str | None, str | None]] = (),
    files: Sequence[str] = (),
    **changed: Any,  # noqa: ANN401 -- any part of a fingerprint
) -> list[str]:
    after = BEFORE.replace(**changed)
    return [one.text for one in reasons(BEFORE, after, packages=packages, files=files)]


@pytest.mark.parametrize(
    ("changed", "text"),
    [
        ({"argv": ("python", "t.py")}, ["command changed"]),
        ({"directory": "sub"}, ["command changed"]),
        ({"streams": ("in", None)}, ["command changed"]),
        ({"argv": ("x",), "parameters": {"lr": "0.01"}}, ["parameter lr: 0.1 → 0.01"]),
        ({"argv": ("x",), "parameters": {}}, ["parameter lr: 0.1 → nothing"]),
        ({"parameters": {"lr": "0.1", "n": "1"}}, ["parameter n: nothing → 1"]),
        ({"directory": "x", "parameters": {"lr": "1"}}, ["parameter lr: 0.1 → 1",
         "command changed"]),
        ({"environment": "f" * 64}, [f"environment: key {'e' * 12} → {'f' * 12}"]),
        ({"inputs": {"data/x": "2"}}, ["input changed: data/x"]),
        ({"inputs": {"data/y": "1"}}, ["input added: data/y", "input removed: data/x"]),
        ({"source": "t"}, ["source: which files belong to it"]),
        ({"env": {"A": "2"}}, ["variable A: 1 → 2"]),
        ({"env": {"A": None}}, ["variable A: 1 → nothing"]),
        ({"env": {"A": "1", "B": f"r-{RUN_ID}"}}, ["variable B: nothing → r-{run.id}"]),
        ({"outputs": ("o", "m")}, ["outputs declared: o, m"]),
        ({"outputs": ()}, ["outputs declared: none"]),
        ({"platform": "darwin-arm64"}, ["platform: linux-x86_64 → darwin-arm64"]),
        ({"env": {"A": "1", "RUNPROJ_VALUE_1": "x"}}, ["command changed"]),
        ({}, ["command changed"]),
    ],
)  # fmt: skip
def test_each_kind_of_change_is_named(changed: dict[str, Any], text: list[str]) -> None:
    assert said(**changed) == text


def test_packages_that_differ_are_named_instead_of_a_key() -> None:
    packages: list[tuple[str, str | None, str | None]] = [
        ("numpy", "1.0", "2.0"),
        ("scipy", None, "1.0"),
    ]
    assert said(packages, environment="f" * 64) == [
        "environment: numpy 1.0 → 2.0", "environment: scipy nothing → 1.0",
    ]  # fmt: skip


def test_packages_are_not_named_when_the_environment_is_the_same() -> None:
    assert said([("numpy", "1.0", "2.0")], argv=("x",)) == ["command changed"]


def test_source_files_that_differ_are_named() -> None:
    assert said(files=["a.py", "b.py"], source="t") == ["source: a.py", "source: b.py"]


def test_a_source_file_that_is_an_input_too_is_named_once() -> None:
    changed: dict[str, Any] = {"source": "t", "inputs": {"data/x": "2"}}
    assert said(files=["a.py", "data/x"], **changed) == ["input changed: data/x", "source: a.py"]
    assert said(files=["data/x"], **changed) == ["input changed: data/x"]


def test_source_files_are_not_named_when_what_the_step_sees_is_the_same() -> None:
    assert said(files=["a.py"], argv=("x",)) == ["command changed"]


def test_all_that_changed_is_named() -> None:
    found = said(
        argv=("x",), parameters={"lr": "1"}, environment="f", inputs={}, source="t", files=["a"],
        env={}, outputs=(), platform="p",
    )  # fmt: skip
    assert [one.split(":")[0] for one in found] == [
        "parameter lr", "environment", "input removed", "source", "variable A", "outputs declared",
        "platform",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("reason", "text"),
    [
        (Reason(kind="new"), "new"), (Reason(kind="forced"), "forced"),
        (Reason(kind="uncached"), "cache: false"), (Reason(kind="upstream", name="a"), "after a"),
        (Reason(kind="unchanged", name="r1"), "unchanged since r1"),
        (Reason(kind="missing", name="o"), "its outputs are no longer in the store: o"),
        (Reason(kind="rerun", name="r1"), "rerun of r1"),
        (Reason(kind="damaged", name="r1"), "its environment was changed during r1"),
    ],
)  # fmt: skip
def test_a_reason_has_words(reason: Reason, text: str) -> None:
    assert reason.text == text


def test_a_reason_is_written_with_from_and_to() -> None:
    reason = Reason(kind="parameter", name="lr", before=0.1, after=None)
    written = json.loads(to_json(reason))
    assert written == {"kind": "parameter", "name": "lr", "from": 0.1, "to": None}
    assert from_data(Reason, written) == reason
