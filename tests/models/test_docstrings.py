"""The examples in the docstrings of `models` run and give what they say."""

import doctest
import importlib
import pkgutil

import pytest

import models


@pytest.mark.parametrize(
    "module", [found.name for found in pkgutil.walk_packages(models.__path__, "models.")]
)
def test_examples_run(module):
    assert doctest.testmod(importlib.import_module(module)).failed == 0
