"""Batches of a bundle for training and evaluation."""
