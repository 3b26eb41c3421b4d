"""The supervisor: dummy commands of a few lines stand for the processes of a training."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.training.supervise import supervise
from tests.waiting import wait_until

# What a dummy knows: its task, and a folder where it leaves notes.
PREAMBLE = """
import json, os, pathlib, signal, sys, time
task = json.loads(os.environ["TF_CONFIG"])
job, index = task["task"]["type"], task["task"]["index"]
folder = pathlib.Path(sys.argv[1])
starts = folder / f"{job}{index}"
with starts.open("a") as file:
    file.write(f"{os.getpid()} {json.dumps(task['cluster'])}\\n")
attempt = len(starts.read_text().splitlines())
"""


def dummy(folder: Path, body: str) -> list[str]:
    return [sys.executable, "-c", PREAMBLE + body, str(folder)]


def starts(folder: Path, task: str) -> list[tuple[int, dict]]:
    """Process id and cluster of each start of a task."""
    file = folder / task
    lines = file.read_text().splitlines() if file.exists() else []
    return [(int(line.split(" ", 1)[0]), json.loads(line.split(" ", 1)[1])) for line in lines]


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    state = Path(f"/proc/{pid}/stat")
    return not state.exists() or state.read_text().rpartition(")")[2].split()[0] != "Z"


def test_every_process_finds_its_place_in_the_cluster(tmp_path):
    assert supervise(dummy(tmp_path, ""), workers=3) == 0
    clusters = [starts(tmp_path, f"worker{i}")[0][1] for i in range(3)]
    assert clusters[0] == clusters[1] == clusters[2]
    assert list(clusters[0]) == ["worker"]
    assert len(set(clusters[0]["worker"])) == 3


def test_a_killed_process_starts_the_whole_group_again(tmp_path):
    body = """
if attempt == 1:
    if index == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(60)  # as a worker that waits for the other's gradients
"""
    assert supervise(dummy(tmp_path, body), workers=2) == 0
    (first, old), (_, new) = starts(tmp_path, "worker0")
    assert len(starts(tmp_path, "worker1")) == 2
    assert not alive(first)
    assert old != new, "the ports of the first start may be held for a while"


@pytest.mark.parametrize(
    ("body", "code", "attempts"),
    [
        ("sys.exit(3)", 3, 3),
        ("os.kill(os.getpid(), signal.SIGKILL)", 137, 3),
        ("sys.exit(2)", 2, 1),
    ],
    ids=["failure", "killed", "mistake_of_the_user"],
)
def test_ends_with_the_code_of_the_group(tmp_path, body, code, attempts):
    assert supervise(dummy(tmp_path, body), workers=1, max_restarts=2) == code
    assert len(starts(tmp_path, "worker0")) == attempts


def test_with_parameter_servers_the_group_ends_with_its_chief(tmp_path):
    body = """
if job != "chief":
    time.sleep(60)
while not all((folder / each).exists() for each in ("worker0", "worker1", "ps0")):
    time.sleep(0.02)
"""
    assert supervise(dummy(tmp_path, body), workers=2, parameter_servers=1) == 0
    tasks = ("chief0", "worker0", "worker1", "ps0")
    assert not any(alive(starts(tmp_path, task)[0][0]) for task in tasks)


def test_a_process_that_ignores_sigterm_is_killed_with_what_it_started(tmp_path):
    body = """
import subprocess
if index == 0:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    (folder / "child").write_text(str(child.pid))
    time.sleep(60)
while not (folder / "child").exists():
    time.sleep(0.02)
sys.exit(1)
"""
    assert supervise(dummy(tmp_path, body), workers=2, max_restarts=0, stop_seconds=0.5) == 1
    assert not alive(starts(tmp_path, "worker0")[0][0])
    wait_until(lambda: not alive(int((tmp_path / "child").read_text())))


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGKILL, -9)])
def test_no_process_outlives_the_supervisor(tmp_path, number, code):
    command = dummy(tmp_path, "time.sleep(60)")
    program = f"import sys; from pipeline.training.supervise import supervise; sys.exit(supervise({command!r}, 2))"  # noqa: E501
    supervisor = subprocess.Popen([sys.executable, "-c", program])
    try:
        wait_until(lambda: all(starts(tmp_path, f"worker{i}") for i in range(2)))
        supervisor.send_signal(number)
        assert supervisor.wait(20) == code
    finally:
        supervisor.kill()
    pids = [starts(tmp_path, f"worker{i}")[0][0] for i in range(2)]
    wait_until(lambda: not any(map(alive, pids)))
