"""Signatures, export, verification and prediction: a trained network as a SavedModel."""

import features.legacy_keras  # noqa: F401  (before anything imports TensorFlow)
