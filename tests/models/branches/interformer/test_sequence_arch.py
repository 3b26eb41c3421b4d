import numpy as np
import pytest
import tensorflow as tf

from models.branches.interformer.sequence_arch import SequenceArch
from tests.models.branches.dhen.interaction_oracle import randomize
from tests.models.branches.interformer import interformer_oracle as oracle


def inputs() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(1)
    return {
        "events": rng.normal(size=(4, 5, 4)).astype("float32"),
        "cls": rng.normal(size=(4, 3, 4)).astype("float32"),
        "summary": rng.normal(size=(4, 3, 4)).astype("float32"),
        "mask": np.arange(5) < np.array([[5], [0], [2], [1]]),
    }


def call(arch, batch):
    return arch(batch["events"], cls=batch["cls"], summary=batch["summary"], mask=batch["mask"])


def built(batch, **settings) -> SequenceArch:
    arch = SequenceArch(num_cls=3, **settings)
    call(arch, batch)
    return randomize(arch)


@pytest.mark.parametrize("residual", [True, False])
@pytest.mark.parametrize("lengths", [None, (2, 3)])
def test_matches_oracle(residual, lengths):
    batch = inputs()
    arch = built(batch, residual=residual, lengths=lengths)
    assert list(arch.attention.positions) == [
        0,
        0,
        0,
        *((1, 2, 1, 2, 3) if lengths else range(1, 6)),
    ]
    received = call(arch, batch)
    for b in range(4):
        example = {name: x[b].astype("float64") for name, x in batch.items()}
        for part, expected in zip(received, oracle.sequence_arch(arch, **example), strict=True):
            np.testing.assert_allclose(part[b], expected, rtol=1e-3, atol=1e-3)


def test_starts_near_the_identity_only_with_residuals():
    batch = inputs()
    for residual in (True, False):
        arch = built(batch, residual=residual)
        arch.set_weights([np.zeros(v.shape) for v in arch.weights])
        cls, events = call(arch, batch)
        np.testing.assert_array_equal(cls, residual * batch["cls"])
        np.testing.assert_array_equal(events, residual * batch["events"])


def test_an_example_shapes_its_own_weights():
    batch = inputs()
    arch = built(batch)
    expected = call(arch, batch)
    batch["summary"][0] *= 2.0
    received = call(arch, batch)
    assert not np.allclose(received[1][0], expected[1][0], atol=1e-3)
    np.testing.assert_array_equal(received[1][1:], expected[1][1:])


def test_refuses_lengths_that_do_not_add_up():
    with pytest.raises(ValueError, match=r"lengths=\[2, 2\] for events of shape"):
        built(inputs(), lengths=(2, 2))


def test_starts_with_a_glorot_normal_pffn():
    arch = SequenceArch(num_cls=100)
    arch.build(tf.TensorShape((None, 3, 200)))
    assert arch.kernel.numpy().std() == pytest.approx(np.sqrt(2 / 300), rel=0.05)
