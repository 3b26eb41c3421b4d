import numpy as np
import pytest
import tensorflow as tf

from models.branches.interformer.cross_arch import CrossArch, last_steps
from tests.models.branches.dhen.interaction_oracle import randomize
from tests.models.branches.interformer import interformer_oracle as oracle


def inputs(num_cls: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(1)
    mask = np.arange(5) < np.array([[5], [0], [2], [1]])
    return {
        "tokens": rng.normal(size=(4, 6, 4)).astype("float32"),
        "events": rng.normal(size=(4, 5, 4)).astype("float32"),
        "mask": mask,
        "recent": last_steps(tf.constant(mask), 3).numpy(),
        "cls": rng.normal(size=(4, num_cls, 4)).astype("float32"),
    }


def call(arch, batch):
    others = {name: x for name, x in batch.items() if name != "tokens"}
    return arch(batch["tokens"], **others)


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("settings", [{}, {"num_pma": 0, "gating_mode": "paper"}])
def test_matches_oracle(first, settings):
    arch, batch = CrossArch(num_cls=3, **settings), inputs(3)
    if first:
        batch["cls"] = None
    call(arch, batch)
    randomize(arch)
    received = call(arch, batch)
    for b in range(4):
        events, mask = batch["events"][b].astype("float64"), batch["mask"][b]
        expected = oracle.cross_arch(
            arch,
            batch["tokens"][b].astype("float64"),
            events,
            mask,
            oracle.last_events(events, mask, 3),
            None if first else batch["cls"][b],
        )
        for part, oracles in zip(received, expected, strict=True):
            np.testing.assert_allclose(part[b], oracles, rtol=1e-4, atol=1e-5)


def test_the_last_events_are_the_last_valid_ones():
    mask = tf.constant([[True, True, True], [True, False, False], [False, False, False]])
    events = tf.constant([[1.0, 2.0, 3.0], [4.0, 9.0, 9.0], [9.0, 9.0, 9.0]])[:, :, tf.newaxis]
    received = tf.matmul(last_steps(mask, 2), events)[:, :, 0]
    np.testing.assert_array_equal(received, [[2.0, 3.0], [0.0, 4.0], [0.0, 0.0]])


@pytest.mark.parametrize("count", [0, 5])
def test_fewer_or_more_than_there_are(count):
    picks = last_steps(tf.constant([[True, True, False]]), count)
    assert picks.shape == (1, count, 3)
    assert tf.reduce_sum(picks) == min(count, 2)


def test_rejects_impossible_settings():
    with pytest.raises(ValueError, match="num_pma=-1"):
        CrossArch(num_pma=-1)
    with pytest.raises(ValueError, match="num_tokens=0"):
        CrossArch(num_cls=0)
