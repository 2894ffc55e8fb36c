"""What is recorded of the machine."""

import os
import platform
from pathlib import Path

from tests.fakes.processes import start

from runproj.adapters.host import platform_tag, this_host


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
