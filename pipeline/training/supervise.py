"""A group of processes on this machine that train together, started again when one dies."""

import json
import logging
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from types import FrameType

log = logging.getLogger(__name__)

USER_ERROR = 2  # exit code of a mistake that starting again does not mend
_STOP_SECONDS = 20.0  # from SIGTERM to SIGKILL
_POLL_SECONDS = 0.1
# In which order the tasks of a group are listed; the first task of the first job is the chief.
_JOBS = ("chief", "worker", "ps")


def supervise(
    command: Sequence[str],
    workers: int,
    parameter_servers: int = 0,
    max_restarts: int = 10,
    stop_seconds: float = _STOP_SECONDS,
) -> int:
    """Runs a command in every process of a group until it is done.

    Each process finds its place in `TF_CONFIG`, as `train.strategy` expects it: workers alone,
    of which worker 0 is the chief, or with parameter servers also a chief of its own. When one
    process dies, those that wait for it cannot go on: all are stopped and started again, on other
    ports, and continue from their last checkpoint. SIGTERM and SIGINT are passed on and end it.

    Args:
        command: Program and arguments.
        workers: Number of workers.
        parameter_servers: Number of parameter servers.
        max_restarts: How often the group is started again at most.
        stop_seconds: How long processes have to end after SIGTERM before they are killed.

    Returns:
        0 when the group is done: every worker, or the chief where there are parameter servers.
        Otherwise the code of the process that ended first, 128 + n for one that signal n killed.
    """
    sizes = {"worker": workers}
    if parameter_servers:
        sizes = {"chief": 1, "worker": workers, "ps": parameter_servers}
    with _Signals() as signals:
        for attempt in range(max_restarts + 1):
            group = _Group(command, sizes)
            try:
                code = group.wait(signals)
            finally:
                group.stop(stop_seconds)
            if signals.received is not None:
                return 128 + signals.received
            if code in (0, USER_ERROR):
                return code
            if attempt < max_restarts:
                log.warning(
                    "%s ended with code %d: the group starts again (%d of at most %d times)",
                    group.first_to_fail, code, attempt + 1, max_restarts,
                )  # fmt: skip
        log.error("%s ended with code %d: no start is left", group.first_to_fail, code)
        return code


class _Signals:
    """Notes SIGTERM and SIGINT instead of dying of them."""

    def __enter__(self) -> "_Signals":
        self.received: int | None = None
        self._before = {number: signal.signal(number, self._note) for number in _PASSED_ON}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.received = number


_PASSED_ON = (signal.SIGTERM, signal.SIGINT)


class _Group:
    """The processes of one start.

    Each leads a process group of its own, so that what it started ends with it; and each is killed
    by the system when the supervisor dies, however that happens.
    """

    def __init__(self, command: Sequence[str], sizes: Mapping[str, int]) -> None:
        self.first_to_fail = ""
        self._processes: dict[str, subprocess.Popen] = {}
        ports = iter(free_ports(sum(sizes.values())))
        cluster = {
            job: [f"localhost:{next(ports)}" for _ in range(sizes[job])]
            for job in _JOBS
            if job in sizes
        }
        self._waits_for = ("chief",) if "chief" in cluster else ("worker",)
        try:
            for job, addresses in cluster.items():
                for index in range(len(addresses)):
                    task = {"cluster": cluster, "task": {"type": job, "index": index}}
                    self._processes[f"{job} {index}"] = subprocess.Popen(
                        command,
                        env={**os.environ, "TF_CONFIG": json.dumps(task)},
                        stdin=subprocess.DEVNULL,
                        start_new_session=True,
                        preexec_fn=_die_with_parent,
                    )
        except BaseException:
            self.stop(0.0)
            raise

    def wait(self, signals: _Signals) -> int:
        """Until the group is done, one process failed, or a signal came; 0 or the exit code."""
        while signals.received is None:
            codes = {name: process.poll() for name, process in self._processes.items()}
            for name, code in codes.items():
                if code not in (None, 0):
                    self.first_to_fail = name
                    # A mistake of the user's is found by all: another code may only be earlier.
                    told = USER_ERROR if USER_ERROR in codes.values() else code
                    return told if told > 0 else 128 - told
            if all(codes[name] == 0 for name in codes if name.split()[0] in self._waits_for):
                return 0
            time.sleep(_POLL_SECONDS)
        return 0

    def stop(self, seconds: float) -> None:
        """Ends what is left: SIGTERM, then SIGKILL, to each process and what it started."""
        self._send(signal.SIGTERM)
        until = time.monotonic() + seconds
        for process in self._processes.values():
            try:
                process.wait(max(0.0, until - time.monotonic()))
            except subprocess.TimeoutExpired:
                break
        self._send(signal.SIGKILL)
        for process in self._processes.values():
            process.wait()

    def _send(self, number: int) -> None:
        for process in self._processes.values():
            try:
                os.killpg(process.pid, number)
            except ProcessLookupError:
                continue


def _die_with_parent() -> None:
    """Linux: the kernel sends SIGKILL to this process when the supervisor is gone."""
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None, use_errno=True).prctl(1, signal.SIGKILL)  # 1: PR_SET_PDEATHSIG


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on; asked for together, so that they differ."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for listener in sockets:
            listener.bind(("localhost", 0))
        return [listener.getsockname()[1] for listener in sockets]
