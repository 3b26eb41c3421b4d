"""Plain models and networks on the same rows: which one to use."""
