"""What a column is: feature specs, groups, vocabularies, preprocessing, the data bundle."""

import features.legacy_keras  # noqa: F401  (before anything imports TensorFlow)
