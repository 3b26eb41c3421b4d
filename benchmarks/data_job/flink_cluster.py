"""Flink as separate processes of this machine: a JobManager, TaskManagers, and their workers.

    with flink_cluster(folder) as cluster:
        options = {"runner": "FlinkRunner", "runner_options": cluster.options}
        build_bundle(features, data.model_copy(update=options), out)

Java processes are started from the jars of `make flink-server`, Beam's among them: a job brings
its own, but workers of those end whenever no stage runs, and start again for the next. Each
TaskManager starts Python workers of its own (`--environment_type=PROCESS`). Beam's worker pool
(`EXTERNAL`) would not do here: findings/beam_worker_pool_is_for_one_runner.sh.
"""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from pipeline.data.runners.job_server import flink_jar

ROOT = Path(__file__).parents[2]
JOB_MANAGER = "org.apache.flink.runtime.entrypoint.StandaloneSessionClusterEntrypoint"
TASK_MANAGER = "org.apache.flink.runtime.taskexecutor.TaskManagerRunner"
_WORKER = "pipeline.data.runners.worker_process"
_HERE = "127.0.0.1"
_WORKERS_WAIT_MS = 10_000  # for the next stage; by default they end at once
_RESTART_SECONDS = 20  # longer, lest what is done again gets a worker that is dead
_SLOTS = 2  # of a TaskManager: one can do the work of two
_START_SECONDS = 120.0
_SECONDS_BETWEEN_LOOKS = 0.05
# MB of a TaskManager beside the heap of its tasks and what it sorts in.
_FRAMEWORK_HEAP, _FRAMEWORK_DIRECT, _TASK_DIRECT, _NETWORK = 128, 128, 384, 384
_LOG_SHOWN = 3000  # characters


class FlinkCluster:
    """The processes of a cluster; `flink_cluster` starts and ends them.

    Args:
        folder: Receives the configuration, logs (`NAME.log`) and temporary files.
        heap: MB of Java heap that the tasks of one TaskManager share.
        managed: MB of memory in which one TaskManager sorts.
    """

    def __init__(self, folder: Path, heap: int, managed: int):
        self._folder = folder
        self._heap = heap
        self._rpc, self._rest = _free_ports(2)
        self._started = 0
        self._processes: dict[subprocess.Popen, Path] = {}  # each with its log
        self._task_managers: list[subprocess.Popen] = []
        temporary = folder / "tmp"
        temporary.mkdir(parents=True)
        settings = _settings(self._rpc, self._rest, heap, managed, temporary)
        lines = [f"{name}: {value}\n" for name, value in settings.items()]
        (folder / "config.yaml").write_text("".join(lines))
        self._worker = folder / "worker"
        start = f'cd "{ROOT}" && exec "{sys.executable}" -m {_WORKER} "$@"'
        self._worker.write_text(f'#!/bin/sh\n{start} >>"{folder}/workers.log" 2>&1\n')
        self._worker.chmod(0o755)

    @property
    def options(self) -> tuple[str, ...]:
        """`data.runner_options` of a job that runs here."""
        return (
            f"--flink_master=http://{_HERE}:{self._rest}",
            "--environment_type=PROCESS",
            f"--environment_config={json.dumps({'command': str(self._worker)})}",
            f"--environment_cache_millis={_WORKERS_WAIT_MS}",
            "--parallelism=2",
            "--job_server_jvm_properties=-Xmx512m",
        )

    def start(self, task_managers: int) -> None:
        """Starts all processes, and returns when every TaskManager has reported for work.

        Raises:
            RuntimeError: One of them ended, with the end of its log; or they take too long.
        """
        self._java("jobmanager", JOB_MANAGER, 512)
        for _ in range(task_managers):
            self.start_task_manager()
        self.wait_for_task_managers()

    def start_task_manager(self) -> None:
        """Starts one more TaskManager."""
        self._started += 1
        name = f"taskmanager-{self._started}"
        direct = _FRAMEWORK_DIRECT + _TASK_DIRECT + _NETWORK
        heap = self._heap + _FRAMEWORK_HEAP
        limit = f"-XX:MaxDirectMemorySize={direct}m"
        self._task_managers.append(self._java(name, TASK_MANAGER, heap, limit))

    def kill_task_manager(self) -> None:
        """Ends the oldest TaskManager at once, as a machine that fails would."""
        process = self._task_managers.pop(0)
        process.kill()
        process.wait()
        del self._processes[process]

    def kill_worker(self) -> None:
        """Ends a Python worker of the oldest TaskManager at once.

        Raises:
            RuntimeError: It has none now.
        """
        for task in Path(f"/proc/{self._task_managers[0].pid}/task").iterdir():
            for worker in (task / "children").read_text().split():
                os.kill(int(worker), signal.SIGKILL)
                return
        raise RuntimeError("no Python worker runs")

    def wait_for_task_managers(self) -> None:
        """Returns when all that were started, and not killed, have reported for work.

        Raises:
            RuntimeError: One of them ended, or they take too long; with the end of a log.
        """
        end = time.monotonic() + _START_SECONDS
        while self._reported() != len(self._task_managers):
            for process, log in self._processes.items():
                if process.poll() is not None:
                    tail = log.read_text()[-_LOG_SHOWN:]
                    raise RuntimeError(f"a process of the Flink cluster ended; {log}:\n{tail}")
            if time.monotonic() > end:
                raise RuntimeError(f"the Flink cluster takes too long; see {self._folder}/*.log")
            time.sleep(_SECONDS_BETWEEN_LOOKS)

    def failures(self) -> list[str]:
        """What made tasks fail since the cluster began, one entry a time that a job went on."""
        jobs = self._ask("/jobs/overview")["jobs"]
        history = [
            self._ask(f"/jobs/{job['jid']}/exceptions")["exceptionHistory"]["entries"]
            for job in jobs
        ]
        return [entry["exceptionName"] for entries in history for entry in entries]

    def stop(self) -> None:
        """Ends all processes, and what they started."""
        for process in reversed(list(self._processes)):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        self._processes.clear()

    def _reported(self) -> int:
        try:
            return int(self._ask("/overview")["taskmanagers"])
        except (urllib.error.URLError, ConnectionError):
            return -1  # the JobManager is not there yet

    def _ask(self, path: str) -> Any:
        with urllib.request.urlopen(f"http://{_HERE}:{self._rest}{path}", timeout=30) as answer:
            return json.load(answer)

    def _java(self, name: str, main: str, heap: int, *options: str) -> subprocess.Popen:
        command = ["java", f"-Xmx{heap}m", *options, *_opened_packages(), "-cp", _classpath()]
        return self._start(name, [*command, main, "--configDir", str(self._folder)])

    def _start(self, name: str, command: list[str]) -> subprocess.Popen:
        if shutil.which("setpriv"):  # the kernel ends it with this process
            command = ["setpriv", "--pdeathsig", "KILL", *command]
        path = self._folder / f"{name}.log"
        with open(path, "wb") as log:
            process = subprocess.Popen(
                command,
                cwd=ROOT,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._processes[process] = path
        return process


@contextlib.contextmanager
def flink_cluster(
    folder: Path, task_managers: int = 2, heap: int = 1024, managed: int = 256
) -> Iterator[FlinkCluster]:
    """A cluster that runs as long as the block does.

    Args:
        folder: Is made; receives the configuration, logs and temporary files.
        task_managers: How many of them.
        heap: MB of Java heap that the tasks of one TaskManager share.
        managed: MB of memory in which one TaskManager sorts.

    Raises:
        RuntimeError: It cannot start; with the end of a log.
    """
    cluster = FlinkCluster(folder, heap, managed)
    try:
        cluster.start(task_managers)
        yield cluster
    finally:
        cluster.stop()


@contextlib.contextmanager
def killing(kill: Callable[[], None], when: Callable[[], bool]) -> Iterator[None]:
    """Calls `kill` while the block runs, as soon as `when` holds.

    Raises:
        RuntimeError: It did not come to hold.
    """
    over = threading.Event()
    killed = []

    def wait_and_kill() -> None:
        while not over.wait(_SECONDS_BETWEEN_LOOKS):
            if when():
                kill()
                killed.append(True)
                return

    thread = threading.Thread(target=wait_and_kill)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
    if not killed:
        raise RuntimeError("the job was over before anything could be killed")


def _settings(rpc: int, rest: int, heap: int, managed: int, temporary: Path) -> dict[str, Any]:
    """Flink's configuration: what its start scripts would compute, and what a lost machine asks."""
    return {
        "jobmanager.rpc.address": _HERE,
        "jobmanager.bind-host": _HERE,
        "jobmanager.rpc.port": rpc,
        "rest.address": _HERE,
        "rest.bind-address": _HERE,
        "rest.port": rest,
        "taskmanager.host": _HERE,
        "taskmanager.bind-host": _HERE,
        "taskmanager.numberOfTaskSlots": _SLOTS,
        "taskmanager.cpu.cores": 1.0,
        "taskmanager.memory.framework.heap.size": f"{_FRAMEWORK_HEAP}m",
        "taskmanager.memory.task.heap.size": f"{heap}m",
        "taskmanager.memory.framework.off-heap.size": f"{_FRAMEWORK_DIRECT}m",
        "taskmanager.memory.task.off-heap.size": f"{_TASK_DIRECT}m",
        "taskmanager.memory.managed.size": f"{managed}m",
        "taskmanager.memory.network.min": f"{_NETWORK}m",
        "taskmanager.memory.network.max": f"{_NETWORK}m",
        "taskmanager.memory.jvm-metaspace.size": "256m",
        "taskmanager.memory.jvm-overhead.min": "192m",
        "taskmanager.memory.jvm-overhead.max": "192m",
        "io.tmp.dirs": temporary,
        "classloader.resolve-order": "parent-first",
        "cluster.evenly-spread-out-slots": "true",
        # What a lost TaskManager had done is done again; without it the job fails.
        "restart-strategy.type": "fixed-delay",
        "restart-strategy.fixed-delay.attempts": 5,
        "restart-strategy.fixed-delay.delay": f"{_RESTART_SECONDS} s",
        "heartbeat.interval": 2000,
        "heartbeat.timeout": 30000,
    }


def _classpath() -> str:
    return str(flink_jar().parent / "lib" / "*")


def _opened_packages() -> list[str]:
    """What Flink asks of Java 17, as the job server's jar has it in its manifest."""
    with zipfile.ZipFile(flink_jar()) as jar:
        manifest = jar.read("META-INF/MANIFEST.MF").decode().replace("\r\n ", "")
    lines = dict(line.split(": ", 1) for line in manifest.splitlines() if ": " in line)
    return [f"--add-opens={package}=ALL-UNNAMED" for package in lines["Add-Opens"].split()]


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind((_HERE, 0))
        return [each.getsockname()[1] for each in sockets]
