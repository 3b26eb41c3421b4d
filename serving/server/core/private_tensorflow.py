"""What serving uses of TensorFlow beyond its public API: why, and with which version it was tried.

| name | tried with | why |
|---|---|---|
| `Session._make_callable_from_options` | 2.21 | names feeds and fetches once, not at each call |

`tests/serving/server/core/test_private_tensorflow.py` fails when one of them goes.
"""

from collections.abc import Callable, Sequence

import numpy as np
import tensorflow as tf
from tensorflow.core.protobuf import config_pb2


def make_callable(
    session: tf.compat.v1.Session,
    feeds: Sequence[str],
    fetches: Sequence[str],
    in_callers_thread: bool,
) -> Callable[..., list[np.ndarray]]:
    """A function that runs a part of a session's graph.

    Keras runs its graphs by the underscored method. `Session.make_callable`, which is public, names
    every feed and fetch anew at each call: 0.6 ms with 11 inputs.

    Args:
        session: The session.
        feeds: Names of the tensors that are fed, in the order of the function's arguments.
        fetches: Names of the tensors that come out.
        in_callers_thread: Compute in the thread that calls, not in those of the session.
    """
    options = config_pb2.CallableOptions(feed=feeds, fetch=fetches)
    options.run_options.inter_op_thread_pool = -1 if in_callers_thread else 0
    make = session._make_callable_from_options  # noqa: SLF001
    run: Callable[..., list[np.ndarray]] = make(options)
    return run
