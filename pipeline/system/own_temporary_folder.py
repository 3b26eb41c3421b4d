"""What a command and the processes that it starts put into the temporary folder goes with it."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from serving.exporting.temporary_folder import temporary_folder

_PREFIX = "concord-command-"
_VARIABLE = "TMPDIR"


@contextmanager
def own_temporary_folder() -> Iterator[None]:
    """Has this process, and those that it starts, use a temporary folder that is removed.

    TensorFlow leaves there what Python makes of the functions that it rewrites, Beam what belongs
    to servers that did not start. A command that is killed leaves the folder, and the next one
    removes it. Where none can be made all use the system's.
    """
    with ExitStack() as stack:
        with suppress(OSError):  # no room, or no such folder: whoever needs one will say so
            base = Path(tempfile.gettempdir())
            folder = stack.enter_context(temporary_folder(base, _PREFIX))
            stack.enter_context(_used(str(folder)))
        yield


@contextmanager
def _used(folder: str) -> Iterator[None]:
    python, variable = tempfile.tempdir, os.environ.get(_VARIABLE)
    tempfile.tempdir = os.environ[_VARIABLE] = folder
    try:
        yield
    finally:
        tempfile.tempdir = python
        del os.environ[_VARIABLE]
        if variable is not None:
            os.environ[_VARIABLE] = variable
