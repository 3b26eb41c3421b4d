"""The check of GPUs, rehearsed on logical devices; and what it says where there is none."""

import math
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.gpu import check

ROOT = Path(__file__).parents[3]
REHEARSAL = ("--rehearse", "--rows=4000", "--batch=64", "--steps=3", "--timed-steps=2")


def run(*arguments, program=("-m", "benchmarks.gpu.check")):
    return subprocess.run(
        [sys.executable, *program, *arguments], cwd=ROOT, capture_output=True, text=True
    )


@pytest.mark.slow
def test_two_devices_train_as_one_does():
    done = run(*REHEARSAL)
    assert done.returncode == 0, done.stderr
    rows = [line.strip("| ").split(" | ") for line in done.stdout.splitlines()[2:]]
    assert [row[:2] for row in rows] == [
        [name, on] for name in ("MBCnet", "DCNv2") for on in ("1 CPU", "2 CPUs")
    ]
    for _, _, difference, speed, memory in rows:
        assert float(difference) <= 1e-5
        assert float(speed.replace(",", "")) > 0.0
        assert float(memory.replace(",", "")) > 100.0


@pytest.mark.slow
def test_a_device_that_trains_otherwise_is_told():
    # Dropout draws other units on each replica: the same weights, and another loss.
    program = (
        "import sys; from benchmarks.gpu import check\n"
        "dropped = {**check.NETWORKS['DCNv2'], 'branches': {'dcnv2': {'units': [64, 32]}}}\n"
        "check.NETWORKS = {'dropped': dropped}\n"
        "sys.exit(check.main())"
    )
    done = run(*REHEARSAL, program=("-c", program))
    assert done.returncode == 1
    assert "gpu-check failed: a loss differs from the processor's by" in done.stderr


def test_where_there_is_no_gpu_it_says_why():
    done = run()
    if "| network |" in done.stdout:
        pytest.skip("this machine has a GPU")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("gpu-check skipped: ")
    assert len(done.stdout.splitlines()) == 1


def test_the_reason_is_the_first_thing_that_is_missing():
    assert "no NVIDIA driver" in check.why_none(True, has_driver=False)
    assert "without CUDA" in check.why_none(False, has_driver=True)
    assert "CUDA_VISIBLE_DEVICES" in check.why_none(True, has_driver=True)


@pytest.mark.parametrize(
    ("losses", "expected", "difference"),
    [
        ([0.5, 0.25], [0.5, 0.25], 0.0),
        ([0.5, 0.3], [0.5, 0.25], 0.2),
        ([0.4, 0.25], [0.5, 0.25], 0.2),
        ([0.5, math.nan], [0.5, 0.25], math.inf),
        ([math.nan, 0.25], [0.5, 0.25], math.inf),
        ([0.5], [0.5, 0.25], math.inf),
    ],
)
def test_the_largest_difference_counts(losses, expected, difference):
    assert check.largest_difference(losses, expected) == pytest.approx(difference)
