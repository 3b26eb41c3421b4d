"""`python -m pipeline`."""

import sys

from pipeline.launch import with_allocator_settings

with_allocator_settings(sys.argv[1:])

from pipeline.cli import main  # noqa: E402  (imports what the settings must precede)

main()
