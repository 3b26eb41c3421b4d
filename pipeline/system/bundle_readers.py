"""No job replaces a bundle while somebody reads it."""

import contextlib
import errno
import fcntl
import logging
import os
from collections.abc import Iterator

from features.bundle import Bundle, check_not_replaced
from features.errors import BundleError

_log = logging.getLogger(__name__)
_NO_LOCKS = (errno.ENOLCK, errno.ENOTSUP, errno.EBADF, errno.EINVAL)  # some network file systems


@contextlib.contextmanager
def reading(bundle: Bundle) -> Iterator[None]:
    """Keeps jobs from replacing a bundle. Several may read one; nothing is written for it.

    Where the file system has no locks nothing keeps them, and only the end of an epoch tells.

    Raises:
        BundleError: It is gone, or another one lies there by now.
    """
    if "://" in bundle.path:
        check_not_replaced(bundle)
        yield
        return
    descriptor = _opened(bundle.path)
    try:
        _lock(descriptor, fcntl.LOCK_SH)  # waits for no longer than a swap of two folders takes
        check_not_replaced(bundle)
        yield
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def unread(bundle: str, wait: bool = False) -> Iterator[None]:
    """Keeps others from reading a bundle that is about to be replaced.

    Args:
        bundle: Path of the bundle.
        wait: Wait until nobody reads it, instead of refusing.

    Raises:
        BundleError: Somebody reads it.
    """
    if "://" in bundle:
        yield
        return
    descriptor = _opened(bundle)
    try:
        try:
            _lock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if not wait:
                raise BundleError(
                    f"{bundle} is read by another command now, such as a training. Wait for it, or "
                    "build this one in another folder with --bundle."
                ) from None
            _log.warning("%s is read by another command: waiting for its end", bundle)
            _lock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _opened(folder: str) -> int:
    try:
        return os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise BundleError(f"{folder} cannot be read: {error.strerror}. Build it again.") from None


def _lock(descriptor: int, operation: int) -> None:
    try:
        fcntl.flock(descriptor, operation)
    except BlockingIOError:
        raise
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise
