"""Schedule factors against their formulas."""

import math

import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from features.errors import ConfigError
from models.optimizers.schedules import WarmUp, make_schedule

WARMUP, DECAY, END = 3, 5, 0.2


def expected(type: str, step: int, warmup: int) -> float:
    if step < warmup:
        return step / warmup
    done = (step - warmup) / DECAY
    return {
        "constant": 1.0,
        "cosine": END + (1 - END) * (1 + math.cos(math.pi * min(done, 1.0))) / 2,
        "linear": 1.0 + (END - 1.0) * min(done, 1.0),
        "exponential": END**done,
    }[type]


@pytest.mark.parametrize("warmup", [0, WARMUP])
@pytest.mark.parametrize("type", ["constant", "cosine", "linear", "exponential"])
def test_factors_follow_their_formula(type, warmup):
    schedule = make_schedule(type, warmup, None if type == "constant" else DECAY, END)
    if schedule is None:
        assert (type, warmup) == ("constant", 0)
        return
    config = tf_keras.optimizers.schedules.serialize(schedule)
    clone = tf_keras.optimizers.schedules.deserialize(config)
    step_of = tf.function(lambda step: (schedule(step), clone(step)))
    for step in range(12):
        factor = expected(type, step, warmup)
        for received in step_of(tf.constant(step, tf.int64)):
            assert received.dtype == tf.float32
            np.testing.assert_allclose(received, factor, rtol=1e-6)


def test_a_decay_without_its_length_or_of_no_type_is_refused():
    with pytest.raises(ConfigError, match=r"cosine.*decay_steps=None"):
        make_schedule("cosine")
    with pytest.raises(ConfigError, match="'step'"):
        make_schedule("step", decay_steps=3)
    with pytest.raises(ValueError, match="steps=0"):
        WarmUp(0)
