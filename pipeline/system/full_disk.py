"""A disk without room, whoever found it out: Python, TensorFlow or a worker of Beam."""

import errno
import os
import shutil
from collections.abc import Iterator

from pipeline.system.available_memory import size

_SAID = (os.strerror(errno.ENOSPC), os.strerror(errno.EDQUOT))


def full_disk(error: BaseException) -> str | None:
    """What a chain of errors says of a full disk, in one line; None where it is none."""
    for each in _chain(error):
        if isinstance(each, OSError) and each.errno in (errno.ENOSPC, errno.EDQUOT):
            return f"{each.filename}: {each.strerror}" if each.filename else str(each.strerror)
        for line in str(each).splitlines():
            if any(said in line for said in _SAID):
                return " ".join(line.split())[:300]
    return None


def room_at(path: str) -> str:
    """How many bytes are free where a path lies, as people say them."""
    folder = os.path.abspath(path)
    while not os.path.exists(folder):
        folder = os.path.dirname(folder)
    return size(shutil.disk_usage(folder).free)


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    following: BaseException | None = error
    while following is not None and id(following) not in seen:
        seen.add(id(following))
        yield following
        following = following.__cause__ or following.__context__
