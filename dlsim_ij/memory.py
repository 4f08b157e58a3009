"""How much memory there is."""

from __future__ import annotations

from pathlib import Path


def free_main_bytes() -> int | None:
    """Return what this process may still take of main memory; None if the system does not tell.

    The least of what the machine has available and what every control group around the process leaves
    (Linux, both versions of cgroups): a container's limit counts, not the machine's memory.
    """
    found = [_available(), *_group_limits()]
    known = [value for value in found if value is not None]
    return max(0, min(known)) if known else None


def size(count: float) -> str:
    """Return a number of bytes in GiB or MiB.

    Examples
    --------
    >>> size(3 * 2**30), size(5.4 * 2**20)
    ('3.0 GiB', '5 MiB')
    """
    return f"{count / 2**30:.1f} GiB" if count >= 2**29 else f"{count / 2**20:.0f} MiB"


def _available() -> int | None:
    try:
        lines = Path("/proc/meminfo").read_text("ascii").splitlines()
    except OSError:
        return None
    for line in lines:
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    return None


def _group_limits() -> list[int | None]:
    """Return what each control group around this process leaves; None for one without a limit."""
    try:
        lines = Path("/proc/self/cgroup").read_text("utf-8").splitlines()
    except OSError:
        return []
    left: list[int | None] = []
    for line in lines:
        _, controllers, inside = line.split(":", 2)
        if controllers == "":
            root, limit, used, cache = Path("/sys/fs/cgroup"), "memory.max", "memory.current", "inactive_file"
        elif "memory" in controllers.split(","):
            root, cache = Path("/sys/fs/cgroup/memory"), "total_inactive_file"
            limit, used = "memory.limit_in_bytes", "memory.usage_in_bytes"
        else:
            continue
        folder = root / inside.lstrip("/")
        for group in [folder, *folder.parents]:
            if root not in (group, *group.parents):
                break
            left.append(_left_in(group, limit, used, cache))
    return left


def _left_in(group: Path, limit: str, used: str, cache: str) -> int | None:
    try:
        most = int((group / limit).read_text("ascii"))  # "max": no limit
        now = int((group / used).read_text("ascii"))
        statistics = (group / "memory.stat").read_text("ascii").splitlines()
    except (OSError, ValueError):
        return None
    spare = sum(int(line.split()[1]) for line in statistics if line.split()[0] == cache)
    return most - now + spare  # file pages are given up when memory is wanted
