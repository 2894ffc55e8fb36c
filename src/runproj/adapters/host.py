"""What machine this is."""

import getpass
import os
from pathlib import Path

from runproj.record.run import Host


def platform_tag() -> str:
    """Return system and machine, ``linux-x86_64``."""
    uname = os.uname()
    return f"{uname.sysname.lower()}-{uname.machine}"


def this_host() -> Host:
    """Describe this machine; what cannot be found out is None."""
    uname = os.uname()
    model, flags = _cpu()
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
        gpus=_gpus(),
    )


def user() -> str:
    """Return who somebody is on this machine: a name, or a number where there is none."""
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


def _gpus() -> tuple[str, ...]:
    """Return NVIDIA's GPUs as the driver lists them; Linux only, without starting a program."""
    found = []
    for information in sorted(Path("/proc/driver/nvidia/gpus").glob("*/information")):
        try:
            lines = information.read_text(errors="replace").splitlines()
        except OSError:
            continue
        found += [line.partition(":")[2].strip() for line in lines if line.startswith("Model:")]
    return tuple(found)
