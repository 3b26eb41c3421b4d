"""What reaches the terminal, and what does not in a process beside the chief."""

import logging

import pytest

from pipeline.system import console


@pytest.fixture
def terminal(capsys):
    """What is printed; loggers are as before after the test."""
    names = (None, *console.PACKAGES, "tensorflow", "absl")
    loggers = [logging.getLogger(name) for name in names]
    levels, handlers = [each.level for each in loggers], logging.getLogger().handlers[:]
    yield capsys
    console.console.quiet = False
    logging.getLogger().handlers[:] = handlers
    for logger, level in zip(loggers, levels, strict=True):
        logger.setLevel(level)


def test_a_process_beside_the_chief_shows_warnings_only(terminal):
    console.log_to_terminal()
    log = logging.getLogger("pipeline.training.train")
    log.info("before")
    console.say("data", "before")
    console.only_warnings()
    log.info("progress")
    log.warning("slow")
    console.say("data", "result")
    out, err = terminal.readouterr()
    assert out == "data      before\n"
    assert err == "train     before\nwarning   slow\n"
