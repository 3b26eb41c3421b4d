"""`python -m pipeline`, and the command `concord`."""

import sys

from pipeline.cli.signals import Interrupted, ended_by_signals, exit_by
from pipeline.system.launch import with_allocator_settings


def main() -> None:
    """Runs the command line, in a process that has the allocator's settings where it trains."""
    with ended_by_signals() as received:  # as the command line does once it is imported
        try:
            with_allocator_settings(sys.argv[1:])
            from pipeline.cli.command_line import (
                main as command_line,
            )  # imports what the settings must precede
        except Interrupted:
            assert received.signal is not None
            exit_by(received.signal)
    command_line()


if __name__ == "__main__":
    main()
