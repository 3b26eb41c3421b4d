"""A signal ends a command in one line, and what it had begun is cleaned up."""

import errno
import os
import signal
import sys
import threading

import pytest

import pipeline.__main__ as entry
from pipeline.cli import command_line
from pipeline.cli.signals import Interrupted, ended_by_signals


def inspect_ends_with(monkeypatch, act):
    """Has the command `inspect` do something else."""
    monkeypatch.setattr("pipeline.inspection.inspect_files.inspect_files", lambda *_: act())


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_is_one_line_and_its_exit_code(concord, monkeypatch, number, code):
    cleaned = []

    def act():
        try:
            os.kill(os.getpid(), number)
            signal.pause()
        finally:
            cleaned.append(True)

    inspect_ends_with(monkeypatch, act)
    done = concord("inspect", "log.csv")
    assert done.returncode == code
    assert done.stderr == f"{number.name}: ended before it was done\n"
    assert cleaned == [True]


def test_what_a_library_makes_of_it_changes_nothing(concord, monkeypatch):
    def act():
        try:
            os.kill(os.getpid(), signal.SIGTERM)
            signal.pause()
        except BaseException as error:  # as Beam does
            raise RuntimeError(f"{error} [while running 'Write']") from error

    inspect_ends_with(monkeypatch, act)
    assert concord("inspect", "log.csv").returncode == 143


def test_it_is_one_line_also_while_the_command_line_is_imported(monkeypatch, capsys):
    class Slow:
        """Whoever imports the command line is asked to end."""

        @staticmethod
        def find_spec(name, path=None, target=None):
            if name == "pipeline.cli.command_line":
                os.kill(os.getpid(), signal.SIGINT)
                signal.pause()

    monkeypatch.setattr("sys.meta_path", [Slow, *sys.meta_path])
    monkeypatch.delitem(sys.modules, "pipeline.cli.command_line")
    monkeypatch.setattr("sys.argv", ["concord", "models"])
    with pytest.raises(SystemExit) as stopped:
        entry.main()
    assert stopped.value.code == 130
    assert capsys.readouterr().err == "SIGINT: ended before it was done\n"


def test_handlers_are_put_back_and_a_second_signal_ends_at_once():
    before = signal.getsignal(signal.SIGTERM)
    with ended_by_signals() as received:
        try:
            os.kill(os.getpid(), signal.SIGTERM)
            signal.pause()
        except Interrupted:
            assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
        assert received.signal == signal.SIGTERM
    assert signal.getsignal(signal.SIGTERM) is before


def test_in_another_thread_nothing_is_changed():
    found = []

    def run():
        with ended_by_signals():
            found.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert found == [signal.getsignal(signal.SIGTERM)]


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (
            OSError(errno.ENOSPC, "No space left on device", "out/a"),
            "error: a disk is full: out/a: No space left on device. Free some room,",
        ),
        (
            PermissionError(errno.EACCES, "Permission denied", "log.csv"),
            "error: log.csv: Permission denied. Give a path that this user may use.",
        ),
    ],
)
def test_what_the_system_refuses_is_a_sentence(concord, monkeypatch, error, sentence):
    def act():
        raise error

    inspect_ends_with(monkeypatch, act)
    done = concord("inspect", "log.csv")
    assert done.returncode == 2
    assert done.stderr.startswith(sentence)
    assert len(done.stderr.splitlines()) == 1


def test_a_bug_keeps_its_traceback(monkeypatch):
    def act():
        raise KeyError("a bug")

    inspect_ends_with(monkeypatch, act)
    monkeypatch.setattr(command_line, "import_tensorflow", lambda: None)
    monkeypatch.setattr("sys.argv", ["concord", "inspect", "log.csv"])
    with pytest.raises(KeyError, match="a bug"):
        command_line.main()
