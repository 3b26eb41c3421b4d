"""Memory that a job can still use, and bytes as people say them."""

from pathlib import Path


def available_bytes(root: Path = Path("/")) -> int:
    """Bytes that this process can still allocate: of the machine, or of its control group.

    Args:
        root: Folder that `proc` and `sys` lie in.
    """
    limits = []
    try:
        lines = (root / "proc/meminfo").read_text().splitlines()
        limits += [int(line.split()[1]) * 1024 for line in lines if line[:13] == "MemAvailable:"]
    except OSError:
        pass  # no Linux
    for folder, limit, used in _groups(root):
        try:
            statistics = dict(
                line.split() for line in (folder / "memory.stat").read_text().splitlines()
            )
            # Pages of files that nobody needs count as used; "max" is no limit.
            reclaimed = int(statistics.get("total_inactive_file", statistics["inactive_file"]))
            use = int((folder / used).read_text()) - reclaimed
            limits.append(max(int((folder / limit).read_text()) - use, 0))
        except (OSError, ValueError, KeyError):
            continue
    return min(limits, default=2**63 - 1)


def _groups(root: Path) -> list[tuple[Path, str, str]]:
    """Folder, file of the limit and file of the use of the control groups of this process."""
    first = ("memory.limit_in_bytes", "memory.usage_in_bytes")
    second = ("memory.max", "memory.current")
    mounted = root / "sys/fs/cgroup"
    groups = [(mounted, *second), (mounted / "memory", *first)]  # in a container, its own
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        lines = []
    for line in lines:
        number, controllers, path = line.split(":", 2)
        if number == "0":
            groups.append((mounted / path.strip("/"), *second))
        elif "memory" in controllers.split(","):
            groups.append((mounted / "memory" / path.strip("/"), *first))
    return groups


def size(count: int) -> str:
    """Bytes as people say them.

    Example:
        >>> size(240_000_000)
        '240 MB'
    """
    for power, name in ((4, "TB"), (3, "GB"), (2, "MB"), (1, "kB")):
        number = count / 1000**power
        if number >= 1:
            return f"{number:,.{1 if number < 10 else 0}f} {name}"
    return f"{count} B"
