"""What a step uses over time: few samples, GPUs, and nothing left behind."""

import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from runproj.adapters.executors import keeper
from runproj.adapters.executors.gpus import GpuWatch
from runproj.adapters.executors.local import LocalExecutor, gpus_of
from runproj.adapters.executors.supervisor import SAMPLE_FROM_S, SAMPLES, Samples, counted
from runproj.ports import Container, Execution
from runproj.record.usage import GpuSample, Sample

linux = pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
NVIDIA_SMI = """\
#!/bin/sh
echo $$ > "$0.pid"
case "$*" in *--loop-ms=*) ;; *) exit 9 ;; esac
while :; do
  echo "0, 80, 1000"
  echo "1, [N/A], 3"
  echo "no line of this kind"
  sleep 0.2
done
"""
BUSY = """\
import time
end = time.monotonic() + 3.6
with open("written", "wb", 0) as file:
    while time.monotonic() < end:
        file.write(b"x" * 1000)
"""


@pytest.fixture
def nvidia_smi(tmp_path: Path) -> Path:
    place = tmp_path / "nvidia-smi"
    place.write_text(NVIDIA_SMI)
    place.chmod(0o755)
    return place


@pytest.fixture
def executor(nvidia_smi: Path) -> Iterator[LocalExecutor]:
    made = LocalExecutor(gpus=str(nvidia_smi))
    yield made
    made.close()


def execution(tmp_path: Path, script: str, samples: list[Sample | GpuSample]) -> Execution:
    return Execution(
        "step", (sys.executable, "-I", "-S", "-c", script), str(tmp_path), {},
        lambda *_: None, on_sample=samples.append,
    )  # fmt: skip


@linux
def test_a_step_of_some_seconds_is_sampled_and_a_short_one_is_not(
    executor: LocalExecutor, tmp_path: Path, nvidia_smi: Path
) -> None:
    told: list[Sample | GpuSample] = []
    executor.start(execution(tmp_path, "pass", told))
    executor.wait()
    assert told == []
    assert not Path(f"{nvidia_smi}.pid").exists()
    executor.start(execution(tmp_path, BUSY, told))
    _, outcome = executor.wait()
    samples = [one for one in told if isinstance(one, Sample)]
    assert 2 <= len(samples) <= 5
    assert samples == sorted(samples)
    first, last = samples[0], samples[-1]
    assert first.at_s >= SAMPLE_FROM_S
    assert 0 < first.cpu_s < last.cpu_s == outcome.cpu_s
    assert last.at_s == outcome.duration_s
    assert 0 < first.memory <= outcome.peak_memory
    gpus = {(one.gpu, one.busy, one.memory) for one in told if isinstance(one, GpuSample)}
    assert gpus == {("0", 80.0, 1000 * 1024 * 1024)}
    pid = Path(f"{nvidia_smi}.pid").read_text().strip()
    assert not Path(f"/proc/{pid}").exists()


def test_there_are_never_more_samples_than_can_be_kept() -> None:
    samples = Samples(0.0)
    assert samples.due == SAMPLE_FROM_S
    for second in range(1, 5_000):
        if second >= samples.due:
            memory = 10_000 if second == 77 else 1
            samples.add(second, (float(second), second / 2, memory, second, 0))
    rows = samples.rows
    assert SAMPLES / 2 <= len(rows) < SAMPLES
    assert max(row[2] for row in rows) == 10_000
    assert samples.wait_s == 8.0
    assert all(after[1] > before[1] for before, after in pairwise(rows))


def test_what_was_used_at_the_end_is_a_sample_too() -> None:
    samples = Samples(0.0)
    used = {"duration_s": 4.5, "cpu_s": 3.0, "read": 7, "written": 8, "peak_memory": 99}
    samples.add(2.0, (2.0, 1.0, 50, 0, 0))
    assert samples.told(used) == {}
    samples.add(3.0, (3.0, 2.0, 60, 0, 0))
    assert samples.told({}) == {"samples": samples.rows}
    assert samples.told(used)["samples"] == [*samples.rows, (4.5, 3.0, 60, 7, 8)]


@linux
def test_a_process_that_has_ended_has_used_nothing() -> None:
    child = subprocess.Popen(["true"])
    child.wait()
    assert counted(child.pid) == (0.0, 0, 0)


def test_what_a_container_uses_is_sampled_until_its_engine_says_no_more() -> None:
    step = keeper.Step(1, {}, [])
    step.used = {"cpu_s": 2.5, "read": 8, "written": 9}
    step.sample(4_000)
    assert step.samples.rows == []  # it has just begun
    step.samples.due = 0.0
    step.sample(0)
    assert step.samples.rows == []
    step.sample(4_000)
    [row] = step.samples.rows
    assert row[1:] == (2.5, 4_000, 8, 9)


def test_a_program_that_cannot_be_started_is_not_asked_again(tmp_path: Path) -> None:
    watch = GpuWatch(str(tmp_path / "none"))
    assert watch.start() is None
    assert not watch.running
    watch.stop()


def test_of_very_many_answers_half_are_kept(nvidia_smi: Path) -> None:
    nvidia_smi.write_text("#!/bin/sh\nyes '0, 1, 2\n1, 3, 4' | head -n 60000\n")
    watch = GpuWatch(str(nvidia_smi))
    file = watch.start()
    assert file is not None
    while watch.read(file, time.monotonic()):
        pass
    kept = list(watch.told(0.0, None))
    assert len(kept) < 20_000
    assert {one.gpu for one in kept} == {"0", "1"}
    assert {one.gpu for one in watch.told(0.0, {"1"})} == {"1"}
    assert list(watch.told(time.monotonic() + 1, None)) == []
    watch.stop()
    assert list(watch.told(0.0, None)) == []


@pytest.mark.parametrize(
    ("visible", "expected"),
    [("0,1", {"0", "1"}), ("", {""}), ("-1", {"-1"}), ("GPU-8f", None), (None, None)],
)
def test_a_process_has_the_gpus_that_it_may_see(
    visible: str | None, expected: set[str] | None, tmp_path: Path
) -> None:
    variables = {} if visible is None else {"CUDA_VISIBLE_DEVICES": visible}
    made = execution(tmp_path, "pass", [])._replace(variables=variables)
    assert gpus_of(made) == expected


def test_a_container_has_the_gpus_that_it_was_given(tmp_path: Path) -> None:
    made = execution(tmp_path, "pass", [])
    for container, expected in (
        (Container("i"), frozenset()),
        (Container("i", gpus="all"), None),
        (Container("i", devices=("1",)), {"1"}),
    ):
        assert gpus_of(made._replace(container=container)) == expected
