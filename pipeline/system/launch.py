"""Allocator settings that training needs before its process starts.

Training allocates and frees hundreds of megabytes a step. glibc gives large blocks back to the
system each time, and then fetches them again page by page; these settings let it keep them, on
huge pages. glibc reads them when a process starts, so the process starts again.
"""

import os
import platform
import sys
from collections.abc import Mapping, Sequence

TRAINING_COMMANDS = ("run", "train", "tune", "daily")
_VARIABLE = "GLIBC_TUNABLES"
_SETTINGS = {
    "glibc.malloc.hugetlb": "1",  # madvise: transparent huge pages, nothing reserved
    "glibc.malloc.mmap_threshold": str(2**32),  # bytes; below it blocks come from the heap
    "glibc.malloc.trim_threshold": str(2**36),  # bytes; the heap keeps what is freed
}
_MARK = "CONCORD_LAUNCHED"  # a process that started again never does so twice


def with_allocator_settings(arguments: Sequence[str]) -> None:
    """Starts this process again with the settings, where they apply; otherwise returns.

    They apply to commands that train, on glibc, where the user set no `GLIBC_TUNABLES`. Process
    id, streams and exit code stay; subprocesses do not inherit the settings.

    Args:
        arguments: Words typed behind `python -m pipeline`.
    """
    environment = environment_of_training(arguments, os.environ, platform.libc_ver()[0])
    if environment is not None:
        sys.stdout.flush()
        sys.stderr.flush()
        os.execve(sys.executable, [sys.executable, *_interpreter_arguments()], environment)
    if os.environ.pop(_MARK, None):  # read by glibc already
        os.environ.pop(_VARIABLE, None)


def environment_of_training(
    arguments: Sequence[str], environment: Mapping[str, str], libc: str
) -> dict[str, str] | None:
    """The environment to start again with; None where this process is right as it is."""
    command = next((word for word in arguments if not word.startswith("-")), None)
    if (
        command not in TRAINING_COMMANDS
        or "--help" in arguments
        or libc != "glibc"
        or not sys.executable
        or _VARIABLE in environment
        or _MARK in environment
    ):
        return None
    tunables = ":".join(f"{name}={value}" for name, value in _SETTINGS.items())
    return {**environment, _VARIABLE: tunables, _MARK: "1"}


def _interpreter_arguments() -> list[str]:
    """What stood behind `python`, with its own options such as `-X` or `-W`."""
    return sys.orig_argv[1:]
