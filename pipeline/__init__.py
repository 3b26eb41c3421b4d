"""Jobs and the command line: raw logs -> bundle -> trained network -> export -> scores."""

import features.legacy_keras  # noqa: F401  (before anything imports TensorFlow)
