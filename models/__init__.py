"""Tensors in, tensors out: embeddings, branches, fusion, cooperation losses, the network."""

import features.legacy_keras  # noqa: F401  (before anything imports TensorFlow)
