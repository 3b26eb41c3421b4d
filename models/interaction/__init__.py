"""Interaction modules: layers from tokens (batch, m, width) to tokens (batch, l, width)."""
