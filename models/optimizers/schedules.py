"""Learning-rate schedules as factors: 1 is the whole learning rate."""

from collections.abc import Mapping
from typing import Any, Literal, TypeAlias

import tensorflow as tf
import tf_keras

from features.errors import ConfigError

Schedule: TypeAlias = tf_keras.optimizers.schedules.LearningRateSchedule
LearningRate: TypeAlias = float | Schedule
ScheduleType = Literal["constant", "cosine", "linear", "exponential"]


@tf_keras.utils.register_keras_serializable(package="concord")
class WarmUp(tf_keras.optimizers.schedules.LearningRateSchedule):
    """Rises linearly from 0 to 1 over some steps, then follows another schedule.

    The factor of step s, counted from 0, is s / steps, and after(s - steps) from s = steps on:
    as in the warm-up of `tf_keras.optimizers.schedules.CosineDecay`.

    Example:
        >>> schedule = WarmUp(4)
        >>> [float(schedule(step)) for step in (0, 1, 4, 9)]
        [0.0, 0.25, 1.0, 1.0]

    Args:
        steps: Length of the warm-up.
        after: The schedule after it, which starts from 1; None stays at 1.
    """

    def __init__(self, steps: int, after: Schedule | None = None):
        super().__init__()
        if steps < 1:
            raise ValueError(f"WarmUp: `steps` must be >= 1. Received: steps={steps}.")
        self.steps, self.after = int(steps), after

    def __call__(self, step: int | tf.Tensor) -> tf.Tensor:
        step = tf.convert_to_tensor(step)
        rising = tf.cast(step, tf.float32) / float(self.steps)
        # Clipped: a decay need not be defined before its start.
        since = tf.maximum(step - tf.cast(self.steps, step.dtype), 0)
        after = tf.constant(1.0) if self.after is None else self.after(since)
        return tf.where(rising < 1.0, rising, after)

    def get_config(self) -> dict[str, Any]:
        after = self.after and tf_keras.optimizers.schedules.serialize(self.after)
        return {"steps": self.steps, "after": after}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> "WarmUp":
        after = config["after"]
        return cls(config["steps"], after and tf_keras.optimizers.schedules.deserialize(after))


def make_schedule(
    type: ScheduleType = "constant",
    warmup_steps: int = 0,
    decay_steps: int | None = None,
    end: float = 0.1,
) -> Schedule | None:
    """The factor of all learning rates by the step; None where it is always 1.

    Example:
        >>> schedule = make_schedule("linear", warmup_steps=2, decay_steps=4, end=0.5)
        >>> [float(schedule(step)) for step in range(8)]
        [0.0, 0.5, 1.0, 0.875, 0.75, 0.625, 0.5, 0.5]

    Args:
        type: `constant`; `cosine` or `linear`, from 1 down to `end` over `decay_steps` and `end`
            from then on; `exponential`, times `end` every `decay_steps`.
        warmup_steps: Steps over which the factor rises from 0 before that.
        decay_steps: See `type`; counted from the end of the warm-up.
        end: See `type`.

    Raises:
        ConfigError: There is no such type, or it lacks its `decay_steps`.
    """
    keras = tf_keras.optimizers.schedules
    decays = {
        "constant": lambda: None,
        "cosine": lambda: keras.CosineDecay(1.0, decay_steps, alpha=end),
        "linear": lambda: keras.PolynomialDecay(1.0, decay_steps, end_learning_rate=end),
        "exponential": lambda: keras.ExponentialDecay(1.0, decay_steps, decay_rate=end),
    }
    if type not in decays or (decay_steps is None and type != "constant"):
        raise ConfigError(
            f"a schedule is one of {', '.join(decays)}, and all but constant need decay_steps. "
            f"Received: type={type!r}, decay_steps={decay_steps}. Set both in train.schedule."
        )
    decay = decays[type]()
    return WarmUp(warmup_steps, decay) if warmup_steps else decay
