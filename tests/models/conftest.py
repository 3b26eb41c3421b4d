from types import ModuleType
from unittest import mock

import pytest


@pytest.fixture(scope="session")
def peers() -> ModuleType:
    """DeepCTR's layers, whose weights are copied into ours to compare outputs."""
    with mock.patch("threading.Thread"):  # importing it asks PyPI for a newer version
        return pytest.importorskip(
            "deepctr.layers", reason="DeepCTR is not installed: pip install deepctr==0.9.4"
        )
