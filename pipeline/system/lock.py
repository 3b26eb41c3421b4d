"""One job at a time works on a bundle or a run."""

import contextlib
import fcntl
import os
import stat
from collections.abc import Iterator

from features.errors import BundleError


@contextlib.contextmanager
def only_job_at(out: str) -> Iterator[None]:
    """Holds `<out>.lock` while a job runs. The system lets go of it when the job dies.

    A lock is an empty file; one of that name with content is the user's, such as poetry.lock.

    Object stores have no locks: there the user must see to it.

    Raises:
        BundleError: Another job builds there now, nothing can be written there, or the lock would
            take the place of something else.
    """
    if "://" in out:
        yield
        return
    path = f"{os.path.realpath(out)}.lock"
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        # Not through a link, and without waiting for who reads a pipe.
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK, 0o666)
    except OSError as error:
        raise BundleError(
            f"{out} cannot be written: {error.strerror}. Choose another folder."
        ) from None
    with os.fdopen(descriptor) as file:
        _check_is_lock(os.fstat(descriptor), path, out)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if not os.path.exists(path) or not os.path.samestat(
                os.fstat(descriptor), os.stat(path)
            ):
                raise BlockingIOError  # another job just ended, and took the file along
        except BlockingIOError:
            raise BundleError(
                f"another job is working on {out} now. Wait for it, or choose another folder."
            ) from None
        try:
            yield
        finally:
            os.unlink(path)


def _check_is_lock(found: os.stat_result, path: str, out: str) -> None:
    if not stat.S_ISREG(found.st_mode) or found.st_size:
        raise BundleError(
            f"{path} is no lock of Concord's, and the one of {out} would take its place. Rename "
            "it, or choose another folder."
        )
