"""Jobs and the command line: raw logs -> bundle -> trained network -> export -> scores."""

import os
import sys

try:
    import features.legacy_keras  # noqa: F401  (before anything imports TensorFlow)
except ValueError as error:  # a UserError; without `features` it has no name here
    # `python -m pipeline` or `concord`: the command line has not begun yet.
    if sys.argv[0] == "-m" or os.path.basename(sys.argv[0]) == "concord":
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    raise
