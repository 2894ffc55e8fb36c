"""What is recorded of the machine."""

import os
import platform
from pathlib import Path

import pytest
from tests.fakes.processes import start

from runproj.adapters.host import platform_tag, this_host
from runproj.adapters.remembered import RememberedValues
from runproj.adapters.source.author import author_of


def test_a_platform_is_system_and_machine() -> None:
    assert platform_tag() == f"{platform.system().lower()}-{platform.machine()}"


def test_a_host_is_described_as_the_system_says() -> None:
    host = this_host()
    uname = os.uname()
    assert (host.name, host.system, host.release) == (uname.nodename, uname.sysname, uname.release)
    assert host.platform == platform_tag()
    assert host.cores == os.cpu_count()
    assert host.user


def test_memory_is_in_bytes() -> None:
    memory = this_host().memory
    kilobytes = Path("/proc/meminfo").read_text().split()[1]
    assert memory is not None
    assert abs(memory // 1024 - int(kilobytes)) < 10


def test_a_host_can_be_described_without_a_name_of_its_user() -> None:
    script = """
import os
from runproj.adapters.host import this_host
this_host()
for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
    os.environ.pop(name, None)
if os.geteuid() == 0:
    os.setuid(4_000_000)
print(this_host().user)
"""
    process = start(script)
    printed, errors = process.communicate()
    assert process.returncode == 0, errors
    assert printed.strip()


@pytest.fixture
def nvidia_smi(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program that answers as NVIDIA's does, and counts how often it was asked."""
    place = tmp_path / "bin" / "nvidia-smi"
    place.parent.mkdir()
    script = f'#!/bin/sh\necho >> {tmp_path}/asked\nprintf "{{}}"\nexit {{}}\n'
    place.write_text(
        script.format("NVIDIA A100, 40960, 535.104.05\\nX, Y, [N/A], 535.104.05\\n", 0)
    )
    place.chmod(0o755)
    monkeypatch.setenv("PATH", f"{place.parent}:{os.environ['PATH']}")
    return place


def test_gpus_are_told_with_memory_and_driver_and_are_asked_about_once(
    nvidia_smi: Path, tmp_path: Path
) -> None:
    remembered = RememberedValues(tmp_path / "remembered", (), 4)
    for host in (this_host(remembered), this_host(remembered)):
        assert (host.gpus, host.gpu_driver) == (("NVIDIA A100", "X, Y"), "535.104.05")
        assert host.gpu_memory == (40960 * 1024 * 1024,)
    assert (tmp_path / "asked").read_text() == "\n"
    os.utime(nvidia_smi, (1, 1))  # another driver has another program
    this_host(remembered)
    assert (tmp_path / "asked").read_text() == "\n\n"
    assert this_host().gpus == ("NVIDIA A100", "X, Y")


@pytest.mark.parametrize(
    "script", ["#!/bin/sh\nexit 6\n", "#!/bin/sh\necho no devices\n", "\0 no program"]
)
def test_where_nvidia_smi_knows_of_no_gpu_the_driver_is_looked_at(
    nvidia_smi: Path, tmp_path: Path, script: str
) -> None:
    before = this_host(None).replace(gpus=(), gpu_memory=(), gpu_driver=None)
    nvidia_smi.write_text(script)
    remembered = RememberedValues(tmp_path / "remembered", (), 4)
    found = this_host(remembered)
    assert found.replace(gpus=(), gpu_driver=None) == before
    assert found.gpus == this_host(remembered).gpus


def test_an_author_is_who_git_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "gitconfig"))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    here = str(tmp_path)
    assert author_of(here, {}) is None
    assert author_of(here, {"GIT_AUTHOR_NAME": "Ada"}) == "Ada"
    (tmp_path / "gitconfig").write_text("[user]\nname = Ada Lovelace\nemail = ada@example.org\n")
    assert author_of(here, {}) == "Ada Lovelace <ada@example.org>"
    assert author_of(here, {"GIT_AUTHOR_EMAIL": "a@b.c"}) == "Ada Lovelace <a@b.c>"
    monkeypatch.setenv("PATH", "")
    assert author_of(here, {}) is None
