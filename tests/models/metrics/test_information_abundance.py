import importlib

import numpy as np
import pytest

from models.metrics import information_abundance, singular_values


def table(rows, columns, scale=1e-4, seed=0):
    rng = np.random.default_rng(seed)
    spectrum = np.geomspace(1, 0.01, columns)
    return (scale * rng.normal(size=(rows, columns)) * spectrum).astype("float32")


@pytest.mark.parametrize(("rows", "columns"), [(1, 4), (3, 8), (8, 3), (500, 16)])
def test_equals_the_singular_value_decomposition(rows, columns):
    x = table(rows, columns)
    expected = np.linalg.svd(x.astype("float64"), compute_uv=False)
    np.testing.assert_allclose(singular_values(x), expected, atol=1e-7 * expected[0])
    assert information_abundance(x) == pytest.approx(expected.sum() / expected[0], abs=1e-6)


def test_blocks_of_rows_add_up(monkeypatch):
    x = table(1000, 5)
    whole = singular_values(x)
    module = importlib.import_module("models.metrics.information_abundance")
    monkeypatch.setattr(module, "_ROWS_AT_ONCE", 7)
    np.testing.assert_allclose(singular_values(x), whole, rtol=1e-12)


def test_one_direction_is_one_and_all_directions_alike_are_their_number():
    line = np.outer(np.arange(1.0, 50.0), [1.0, -2.0, 0.5])
    assert information_abundance(line) == pytest.approx(1.0, abs=1e-6)
    assert information_abundance(np.tile(np.eye(6), (3, 1))) == pytest.approx(6.0)


def test_rotation_and_scale_do_not_matter():
    x = table(200, 4).astype("float64")
    rotation = np.linalg.qr(np.random.default_rng(1).normal(size=(4, 4)))[0]
    assert information_abundance(300 * x @ rotation) == pytest.approx(information_abundance(x))


@pytest.mark.parametrize("empty", [np.zeros((5, 3)), np.zeros((0, 3))])
def test_nothing_is_nan(empty):
    assert np.isnan(information_abundance(empty))


def test_says_what_is_wrong_with_its_table():
    with pytest.raises(ValueError, match=r"\(rows, columns\). Received: .*\(3,\)"):
        information_abundance(np.ones(3))
    with pytest.raises(ValueError, match="must be finite"):
        singular_values(np.array([[1.0, np.nan]]))
