"""What all fusions share: the call, and what it refuses."""

import numpy as np
import pytest
import tensorflow as tf

from models.fusion import (
    ConcatFusion,
    ConfidenceFusion,
    Fusion,
    GatedFusion,
    LogitFusion,
    MeanFusion,
    SumFusion,
)

ALL = (ConcatFusion, ConfidenceFusion, GatedFusion, LogitFusion, MeanFusion, SumFusion)
TAKES_LOGITS = (ConfidenceFusion, LogitFusion)


def offered(batch=5, branches=3):
    rng = np.random.default_rng(0)
    return {
        "representations": rng.normal(size=(batch, branches, 4)).astype("float32"),
        "logits": rng.normal(size=(batch, branches)).astype("float32"),
        "gate_input": rng.normal(size=(batch, 7)).astype("float32"),
    }


def changed(received, other) -> bool:
    return not np.allclose(received, other)


@pytest.mark.parametrize("fusion", ALL)
def test_takes_says_what_it_uses(fusion):
    x, layer = offered(), fusion()
    z, kept = x["representations"], layer(**x)
    for name in ("logits", "gate_input"):
        used = changed(kept, layer(**{**x, name: 2.0 * x[name]}))
        assert used == (name in fusion.takes), name
    if not fusion.takes:
        np.testing.assert_array_equal(layer(z), kept)  # nothing else is needed


@pytest.mark.parametrize("fusion", ALL)
@pytest.mark.parametrize("branches", [1, 4])
def test_a_fusion_that_gives_the_logit_returns_one_column(fusion, branches):
    received = fusion()(**offered(branches=branches))
    assert fusion.gives_logit == (fusion is LogitFusion)
    width = 1 if fusion.gives_logit else received.shape[1]
    assert received.shape == (5, width)
    assert width in (1, 4, branches * 4)


@pytest.mark.parametrize("fusion", ALL)
def test_says_what_is_missing(fusion):
    x = offered()
    for name in fusion.takes:
        without = {key: value for key, value in x.items() if key != name}
        with pytest.raises(ValueError, match=f"{fusion.__name__} needs `{name}`, .*{name}=None"):
            fusion()(**without)
        with pytest.raises(ValueError, match=rf"needs `{name}`.*{name}=\(5,\)"):
            fusion()(**{**x, name: x[name][:, 0]})


@pytest.mark.parametrize("fusion", TAKES_LOGITS)
def test_refuses_one_logit_for_all_branches_instead_of_broadcasting_it(fusion):
    x = offered()
    with pytest.raises(ValueError, match=r"a logit for each of the 3 .* logits \(5, 1\)"):
        fusion()(x["representations"], logits=x["logits"][:, :1])


@pytest.mark.parametrize("fusion", ALL)
def test_refuses_representations_that_are_not_stacked(fusion):
    x = offered()
    with pytest.raises(ValueError, match=r"\(batch, num_branches, d\).*Received: \(5, 12\)"):
        fusion()(**{**x, "representations": x["representations"].reshape(5, 12)})


def test_a_fusion_of_ones_own_is_handed_what_it_takes():
    class Scaled(Fusion):
        takes = ("logits", "gate_input")

        def fuse(self, representations, training, logits, gate_input):
            scale = tf.reduce_sum(logits, axis=1) + tf.reduce_sum(gate_input, axis=1)
            return scale[:, tf.newaxis] * representations[:, 0]

    x = offered()
    scale = x["logits"].sum(axis=1) + x["gate_input"].sum(axis=1)
    expected = scale[:, np.newaxis] * x["representations"][:, 0]
    np.testing.assert_allclose(Scaled()(**x), expected, rtol=1e-5, atol=1e-6)
