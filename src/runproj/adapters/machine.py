"""How much this process may use of the machine: CPUs, memory, GPUs."""

import math
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

_GROUPS = Path("/sys/fs/cgroup")
_GPUS = Path("/proc/driver/nvidia/gpus")


def usable_cpus(groups: Path = _GROUPS, own: Path = Path("/proc/self/cgroup")) -> int:
    """Return how many CPUs this process may use, at least 1."""
    if hasattr(os, "sched_getaffinity"):
        count = float(len(os.sched_getaffinity(0)))
    else:
        count = float(os.cpu_count() or 1)
    for folder in _folders(groups, own):
        quota, _, period = _text(folder / "cpu.max").partition(" ")
        if not quota:
            quota, period = (_text(folder / f"cpu.cfs_{name}_us") for name in ("quota", "period"))
        if quota.isdigit() and period.isdigit() and int(period):
            count = min(count, int(quota) / int(period))
    return max(1, math.ceil(count))


def usable_memory(groups: Path = _GROUPS, own: Path = Path("/proc/self/cgroup")) -> int | None:
    """Return how many bytes of memory this process may use; None: that cannot be found out."""
    try:
        sizes = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    except (ValueError, OSError):
        sizes = []
    for folder in _folders(groups, own):
        limit = _text(folder / "memory.max") or _text(folder / "memory.limit_in_bytes")
        if limit.isdigit():
            sizes.append(int(limit))
    return min(sizes, default=None)


def usable_gpus(caller: Mapping[str, str], listed: Path = _GPUS) -> tuple[str, ...]:
    """Return the names of the GPUs that programs of the caller may use.

    They are those of ``CUDA_VISIBLE_DEVICES``, else all that NVIDIA's driver lists.
    """
    chosen = caller.get("CUDA_VISIBLE_DEVICES")
    if chosen is None:
        try:
            return tuple(str(index) for index, _ in enumerate(listed.iterdir()))
        except OSError:
            return ()
    names: list[str] = []
    for name in map(str.strip, chosen.split(",")):
        if name in ("", "-1", "NoDevFiles"):
            break  # CUDA takes none of what follows
        names.append(name)
    return tuple(dict.fromkeys(names))


def _folders(groups: Path, own: Path) -> Iterator[Path]:
    """Yield the control groups of this process that may hold limits, the inner ones first."""
    for line in _text(own).splitlines():
        _, controllers, path = line.split(":", 2)
        for controller in controllers.split(",") if controllers else [""]:
            if controller in ("", "cpu", "memory"):
                top = groups / (controllers if (groups / controllers).is_dir() else controller)
                place = top / path.lstrip("/")
                yield from (one for one in (place, *place.parents) if one.is_relative_to(top))


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8").strip()
    except OSError:
        return ""
