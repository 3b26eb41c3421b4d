"""A folder that is written under a hidden name, and appears under its own one whole or never."""

import fcntl
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from serving.export_format.export_layout import TEMPORARY_PREFIX


@contextmanager
def temporary_folder(base: Path, prefix: str = TEMPORARY_PREFIX) -> Iterator[Path]:
    """Makes a folder under `base`; whatever is left of it at the end is removed.

    So are `base` and its parents, where they were made for it and nothing is in them.

    Its process holds a lock on it, which the operating system releases however the process ends.
    That tells the leftovers of dead processes, which are removed first, from the folders of live
    ones, even where process ids mean nothing to each other, as between containers.

    Args:
        base: Folder that it is made in.
        prefix: How its name begins, and that of no other folder there; hidden for exports, so that
            no server takes it for a version.
    """
    made = [each for each in (base, *base.parents) if not each.exists()]
    _remove_leftovers(base, prefix)
    path, lock = _make_locked(base, prefix)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)
        os.close(lock)
        with suppress(OSError):  # another process may have written into them by now
            for parent in made:
                parent.rmdir()


def _make_locked(base: Path, prefix: str) -> tuple[Path, int]:
    while True:
        path = base / f"{prefix}{secrets.token_hex(8)}"
        # Not mkdtemp: servers run as other users must be able to read the version.
        path.mkdir(parents=True)
        lock = _try_lock(path)
        if lock is not None:
            return path, lock
        # Another process took it for a leftover before the lock was taken.


def _try_lock(path: Path) -> int | None:
    """Descriptor that holds the lock of a folder; None where another has it, or it is gone."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.path.samestat(os.fstat(descriptor), os.stat(path)):
            return descriptor
    except (BlockingIOError, FileNotFoundError):
        pass
    os.close(descriptor)
    return None


def _remove_leftovers(base: Path, prefix: str) -> None:
    for path in base.glob(f"{prefix}*"):
        lock = _try_lock(path)
        if lock is not None:
            shutil.rmtree(path, ignore_errors=True)
            os.close(lock)
