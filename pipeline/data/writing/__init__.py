"""Typed rows to the preprocessed, shuffled records of a bundle."""
