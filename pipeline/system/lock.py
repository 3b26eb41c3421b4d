"""One job at a time works on a bundle or a run."""

import contextlib
import fcntl
import os
from collections.abc import Iterator

from features.errors import BundleError


@contextlib.contextmanager
def only_job_at(out: str) -> Iterator[None]:
    """Holds `<out>.lock` while a job runs. The system lets go of it when the job dies.

    Object stores have no locks: there the user must see to it.

    Raises:
        BundleError: Another job builds there now, or nothing can be written there.
    """
    if "://" in out:
        yield
        return
    path = f"{os.path.realpath(out)}.lock"
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        file = open(path, "a")  # noqa: SIM115  (closed below; only opening it may fail like this)
    except OSError as error:
        raise BundleError(
            f"{out} cannot be written: {error.strerror}. Choose another folder."
        ) from None
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if not os.path.exists(path) or not os.path.samestat(
                os.fstat(file.fileno()), os.stat(path)
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
