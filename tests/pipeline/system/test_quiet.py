"""What TensorFlow's runtime prints is held back, unless the import fails."""

import subprocess
import sys

import pytest


def test_importing_tensorflow_prints_nothing():
    done = subprocess.run(
        [sys.executable, "-c", "from pipeline.system.quiet import import_tensorflow as i; i()"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert (done.stdout, done.stderr) == ("", "")


@pytest.mark.parametrize("fails", [False, True])
def test_what_was_held_back_shows_when_it_fails(fails):
    code = (
        "import os, sys; from pipeline.system.quiet import _held_back\n"
        "with _held_back(2):\n"
        "    os.write(2, b'noise')\n"
        f"    assert not {fails}\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert ("noise" in done.stderr) is fails
    assert (done.returncode != 0) is fails


def test_what_an_import_makes_is_not_collected_and_later_garbage_is():
    code = (
        "import gc, weakref\n"
        "from pipeline.system.quiet import nothing_to_collect\n"
        "class Node: pass\n"
        "with nothing_to_collect():\n"
        "    assert not gc.isenabled()\n"
        "    kept = [Node() for _ in range(1000)]\n"
        "assert gc.isenabled() and gc.get_freeze_count() >= 1000\n"
        "node = Node(); node.own = node; alive = weakref.ref(node); del node\n"
        "gc.collect(); assert alive() is None\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
