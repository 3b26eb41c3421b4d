"""Raw logs to bundles: the data job in rooms, which `tests/test_architecture.py` orders."""
