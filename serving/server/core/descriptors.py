"""File descriptors: how many connections a server can hold open."""

import contextlib

try:
    import resource
except ImportError:  # no Unix
    resource = None  # type: ignore[assignment]

_OWN = 256  # of models, libraries and versions that are loaded
_FEWEST = 16


def raise_limit() -> None:
    """Gives this process as many descriptors as the system lets it have without asking."""
    if resource is not None:
        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def most_connections(wanted: int) -> int:
    """How many connections each of two ports may hold, so that descriptors are left to both."""
    if resource is None:
        return wanted
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if limit == resource.RLIM_INFINITY:
        return wanted
    return min(wanted, max(_FEWEST, (limit - _OWN) // 2))
