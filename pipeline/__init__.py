"""Jobs and the command line: raw logs -> bundle -> trained network -> export -> scores."""

import sys

try:
    import features.legacy_keras  # noqa: F401  (before anything imports TensorFlow)
except ValueError as error:  # a UserError; without `features` it has no name here
    if sys.argv[0] == "-m":  # `python -m pipeline`: the command line has not begun yet
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    raise
