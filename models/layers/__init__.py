"""Layers that several branches share: the MLP, attention, activations, products of vectors."""
