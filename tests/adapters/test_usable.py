"""How much of the machine may be used."""

from pathlib import Path

import pytest

from runproj.adapters.machine import usable_cpus, usable_gpus, usable_memory


def group(root: Path, own: str, **files: str) -> tuple[Path, Path]:
    """Make control groups; ``__`` in a name stands for a slash, ``_`` after that for a dot."""
    for name, text in files.items():
        place = root / "groups" / name.replace("__", "/")
        place = place.with_name(place.name.replace("_", ".", 1))
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
    (root / "own").write_text(own)
    return root / "groups", root / "own"


def test_cpus_are_those_that_the_control_groups_leave(tmp_path: Path) -> None:
    free = usable_cpus(tmp_path / "none", tmp_path / "none")
    assert free >= 1
    places = group(tmp_path, "0::/a/b\n", a__cpu_max="50000 100000", a__b__cpu_max="max 100000")
    assert usable_cpus(*places) == 1


def test_the_older_control_groups_count_as_well(tmp_path: Path) -> None:
    places = group(
        tmp_path, "4:cpu,cpuacct:/x\n3:memory:/y\n1:name=systemd:/\n",
        **{"cpu,cpuacct__x__cpu_cfs_quota_us": "100", "memory__y__memory_limit_in_bytes": "4096"},
    )  # fmt: skip
    (tmp_path / "groups/cpu,cpuacct/x/cpu.cfs_period_us").write_text("100000")
    assert usable_cpus(*places) == 1
    assert usable_memory(*places) == 4096


def test_memory_is_what_the_control_groups_leave(tmp_path: Path) -> None:
    whole = usable_memory(tmp_path / "none", tmp_path / "none")
    places = group(tmp_path, "0::/a\n", memory_max="8192", a__memory_max="max")
    assert usable_memory(*places) == 8192
    assert whole is None or whole > 8192


@pytest.mark.parametrize(
    ("said", "names"),
    [("0,2", ("0", "2")), ("", ()), ("-1", ()), ("1,-1,2", ("1",)), ("GPU-8f, 1", ("GPU-8f", "1"))],
)
def test_gpus_are_those_that_the_caller_may_see(said: str, names: tuple[str, ...]) -> None:
    assert usable_gpus({"CUDA_VISIBLE_DEVICES": said}) == names


def test_without_a_word_gpus_are_those_of_the_driver(tmp_path: Path) -> None:
    assert usable_gpus({}, tmp_path / "none") == ()
    for name in ("0000:01:00.0", "0000:02:00.0"):
        (tmp_path / name).mkdir()
    assert usable_gpus({}, tmp_path) == ("0", "1")
