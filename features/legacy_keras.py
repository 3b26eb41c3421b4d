"""Makes sure that everything here and in its libraries speaks Keras 2.

tensorflow-recommenders builds on `tf.keras`, which TensorFlow binds to Keras 3 unless
TF_USE_LEGACY_KERAS=1 stands in the environment before TensorFlow is imported. Models that mix
the two fail far from the cause, so the mix is refused here, once.
"""

import os
import sys

from features.errors import UserError


def ensure_legacy_keras() -> None:
    """Sets TF_USE_LEGACY_KERAS=1, or refuses when TensorFlow already bound Keras 3.

    Raises:
        UserError: TensorFlow was imported before, without the variable.
    """
    tensorflow = sys.modules.get("tensorflow")
    if tensorflow is not None and hasattr(tensorflow, "keras"):
        version = getattr(tensorflow.keras, "__version__", "2")  # tf_keras' has none
        if not version.startswith("2"):
            raise UserError(
                f"TensorFlow was imported before Concord and bound tf.keras to Keras {version}, "
                "but Concord needs Keras 2 (tf_keras): set TF_USE_LEGACY_KERAS=1 in the "
                "environment, or import `features` before `tensorflow`."
            )
    os.environ["TF_USE_LEGACY_KERAS"] = "1"


ensure_legacy_keras()
