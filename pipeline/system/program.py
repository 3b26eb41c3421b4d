"""What the command line is called: `concord` where that started it, else `python -m pipeline`."""

import os
import sys

MODULE = "python -m pipeline"
SCRIPT = "concord"


def program() -> str:
    """What the user typed before the verb."""
    return SCRIPT if os.path.basename(sys.argv[0]) == SCRIPT else MODULE


def command() -> str:
    """What starts the command line of this very installation, from where the user is."""
    return SCRIPT if program() == SCRIPT else f"{python()} -m pipeline"


def python() -> str:
    """The interpreter of this process, as it has to be typed: `make` activates no environment."""
    if sys.executable.startswith(os.getcwd()):
        return os.path.relpath(sys.executable)
    return sys.executable if program() == SCRIPT else "python"  # perhaps outside its environment


def as_typed(text: str) -> str:
    """A text whose commands, written for `python -m pipeline`, are those of this program."""
    return text.replace(MODULE, program())
