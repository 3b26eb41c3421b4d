"""DHEN and its interaction modules: layers from vectors (batch, m, d) to vectors (batch, l, d)."""
