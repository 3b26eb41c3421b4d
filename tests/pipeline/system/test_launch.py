"""The launcher: training starts with its allocator settings, everything else as typed."""

import subprocess
import sys

import pytest

from pipeline.system.launch import environment_of_training
from serving.exporting.fresh_process import environment

# Stands for `python -m pipeline`: launches, then tells what it sees and what a child would.
PROGRAM = """
import os, subprocess, sys
pid = os.environ.setdefault("FIRST_PID", str(os.getpid()))
at_start = os.environ.get("GLIBC_TUNABLES", "")
from pipeline.system.launch import with_allocator_settings
with_allocator_settings(sys.argv[1:])
child = "import os; print(os.environ.get('GLIBC_TUNABLES', ''), 'CONCORD_LAUNCHED' in os.environ)"
print(at_start)
print(os.getpid() == int(pid), sys.flags.dont_write_bytecode, sys.argv[1:], sys.stdin.read())
print(subprocess.run([sys.executable, "-c", child], text=True, stdout=-1).stdout.strip())
sys.exit(7)
"""


def launched(*arguments: str, **variables: str) -> tuple[list[str], int]:
    """Lines of output and exit code."""
    inherited = {n: v for n, v in environment().items() if n != "GLIBC_TUNABLES"}
    done = subprocess.run(
        [sys.executable, "-B", "-c", PROGRAM, *arguments],
        env=inherited | variables,
        input="typed",
        text=True,
        stdout=subprocess.PIPE,
        timeout=30,
    )
    return done.stdout.splitlines(), done.returncode


def test_training_starts_again_with_the_settings_and_nothing_else_changes():
    arguments = ("train", "--set", "train.seed=1 2", "--out", "a b")
    (tunables, process, child), code = launched(*arguments)
    assert "glibc.malloc.hugetlb=1" in tunables
    assert "glibc.malloc.mmap_threshold=" in tunables
    assert process == f"True 1 {list(arguments)} typed"
    assert child == "False", "subprocesses start without the settings"
    assert code == 7


def test_tunables_of_the_user_stay():
    (tunables, _, child), _ = launched("train", GLIBC_TUNABLES="glibc.malloc.check=0")
    assert tunables == "glibc.malloc.check=0"
    assert child == "glibc.malloc.check=0 False"


@pytest.mark.parametrize(
    ("arguments", "variables", "libc"),
    [
        (["predict", "train"], {}, "glibc"),
        ([], {}, "glibc"),
        (["train", "--help"], {}, "glibc"),
        (["train"], {"GLIBC_TUNABLES": ""}, "glibc"),
        (["train"], {"CONCORD_LAUNCHED": "1"}, "glibc"),
        (["train"], {}, ""),
    ],
    ids=["predict", "nothing", "help", "set_empty", "launched", "musl"],
)
def test_other_processes_are_left_alone(arguments, variables, libc):
    assert environment_of_training(arguments, variables, libc) is None


def test_command_line_reports_mistakes_through_the_launcher(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "pipeline", "train", "--config", str(tmp_path / "no.yaml")],
        env={n: v for n, v in environment().items() if n != "GLIBC_TUNABLES"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 2
    assert "no.yaml cannot be read" in done.stderr
