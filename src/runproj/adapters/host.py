"""What machine this is."""

import getpass
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

from runproj.ports import Remembered
from runproj.record.run import Host


def platform_tag() -> str:
    """Return system and machine, ``linux-x86_64``."""
    uname = os.uname()
    return f"{uname.sysname.lower()}-{uname.machine}"


_BOOT = Path("/proc/sys/kernel/random/boot_id")
_DRIVER = Path("/proc/driver/nvidia/version")
_PATIENCE_S = 10.0


def this_host(remembered: Remembered | None = None) -> Host:
    """Describe this machine; what cannot be found out is None.

    ``remembered`` keeps what takes time to find out.
    """
    uname = os.uname()
    model, flags = _cpu()
    gpus = _gpus(remembered)
    return Host(
        name=uname.nodename,
        user=user(),
        system=uname.sysname,
        release=uname.release,
        machine=uname.machine,
        platform=platform_tag(),
        cpu=model,
        cpu_flags=flags,
        cores=os.cpu_count(),
        memory=_memory(),
        gpus=gpus.names,
        gpu_memory=gpus.memory,
        gpu_driver=gpus.driver,
    )


def user() -> str:
    """Return the name by which the system knows the user, or else the number."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())


def _cpu() -> tuple[str | None, str | None]:
    """Return model and flags of the processor; Linux only."""
    found: dict[str, str] = {}
    try:
        with Path("/proc/cpuinfo").open(encoding="utf-8", errors="replace") as file:
            for line in file:
                key, _, value = line.partition(":")
                found.setdefault(key.strip(), value.strip())
                if not line.strip():
                    break
    except OSError:
        return None, None
    return found.get("model name"), found.get("flags") or found.get("Features")


def _memory() -> int | None:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError):
        return None


class _Gpus(NamedTuple):
    """The GPUs of NVIDIA's: names, bytes of memory as far as they are known, and the driver."""

    names: tuple[str, ...] = ()
    memory: tuple[int, ...] = ()
    driver: str | None = None


def _gpus(remembered: Remembered | None) -> _Gpus:
    """Return what ``nvidia-smi`` says, which is asked once after each start of the machine.

    Without it, what the driver lists (Linux only).
    """
    program = shutil.which("nvidia-smi")
    if program is None:
        return _listed_gpus()
    key = f"{_text(_BOOT)} {program} {Path(program).stat().st_mtime_ns}"
    known = None if remembered is None else remembered.get(key)
    if isinstance(known, _Gpus):
        return known
    try:
        found = _asked_gpus(program)
    except (subprocess.CalledProcessError, ValueError):  # as it says where there are none
        found = _listed_gpus()
    except (OSError, subprocess.TimeoutExpired):
        return _listed_gpus()
    if remembered is not None:
        remembered.put(key, found)
    return found


def _asked_gpus(program: str) -> _Gpus:
    """Return what a program says that is ``nvidia-smi``.

    Raises:
        OSError: it cannot be started.
        subprocess.CalledProcessError: it fails.
        subprocess.TimeoutExpired: it does not come to its end.
        ValueError: it says something else.
    """
    done = subprocess.run(
        [program, "--query-gpu=name,memory.total,driver_version", "--format=csv,noheader,nounits"],
        stdin=subprocess.DEVNULL, capture_output=True, check=True, timeout=_PATIENCE_S, text=True,
    )  # fmt: skip
    rows = [[cell.strip() for cell in line.rsplit(",", 2)] for line in done.stdout.splitlines()]
    return _Gpus(
        tuple(name for name, _, _ in rows),
        tuple(int(memory) * 1024 * 1024 for _, memory, _ in rows if memory.isdecimal()),
        next((driver for _, _, driver in rows), None),
    )


def _listed_gpus() -> _Gpus:
    """Return what the driver lists, without starting a program."""
    found = []
    for information in sorted(Path("/proc/driver/nvidia/gpus").glob("*/information")):
        lines = _text(information).splitlines()
        found += [line.partition(":")[2].strip() for line in lines if line.startswith("Model:")]
    version = re.search(r"Kernel Module\D*(\d+\.[\d.]+)", _text(_DRIVER))
    return _Gpus(tuple(found), driver=version[1] if version and found else None)


def _text(place: Path) -> str:
    try:
        return place.read_text(errors="replace")
    except OSError:
        return ""
