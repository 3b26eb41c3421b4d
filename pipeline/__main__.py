"""`python -m pipeline`, and the command `concord`."""

import sys

from pipeline.system.launch import with_allocator_settings


def main() -> None:
    """Runs the command line, in a process that has the allocator's settings where it trains."""
    with_allocator_settings(sys.argv[1:])
    from pipeline.cli.command_line import (
        main as command_line,
    )  # imports what the settings must precede

    command_line()


if __name__ == "__main__":
    main()
