"""Private API of Keras and TensorFlow that `models` needs: all of it, each with its reason.

As of tf_keras 2.21 and TensorFlow 2.21. `tests/models/test_private_keras.py` fails when one of them
goes.

| here | private name | why |
|---|---|---|
| `graph_of_function` | `FuncGraph._get_function` | a GraphDef has functions without shapes |
| `updates_without_merge_call` | `tf.__internal__` | tells where a condition may stand |
| `error_of_layer` | frames of Keras | Keras raises a layer's error anew, with other text |
| `moments_of` | `Adam._momentums`, `._velocities` | the fused kernel writes into them |
| `inner_learning_rate`, ... | attributes of `Optimizer` | one optimizer works inside another |
| `OptimizerBase` | hooks of `Optimizer` | Keras has no public ones for a rate and for clipping |
"""

from collections.abc import Iterable
from typing import Any

import tensorflow as tf
import tf_keras


def graph_of_function(graph: tf.Graph, name: str) -> tf.Graph:
    """The graph of a function that an operation of a graph calls.

    Args:
        graph: Graph of the operation.
        name: Name of the function, as the operation's attribute has it.
    """
    return graph._get_function(name).graph  # noqa: SLF001


def updates_without_merge_call() -> bool:
    """Whether a replica may update variables inside of a condition of its own."""
    return tf.__internal__.distribute.strategy_supports_no_merge_call()


def error_of_layer(error: BaseException) -> BaseException:
    """The error as a layer's call raised it, where Keras caught it and raised one with more text.

    Keras raises its own error while it handles that of the layer, which stays the context. The
    traceback of the layer's error ends where it was caught: at a function of Keras.
    """
    cause = error.__context__
    if cause is None or cause.__traceback__ is None or error.__cause__ is not None:
        return error
    caught_in = cause.__traceback__.tb_frame.f_globals.get("__name__", "")
    return cause if caught_in.partition(".")[0] == tf_keras.__name__ else error


def moments_of(
    adam: tf_keras.optimizers.Adam, variable: tf.Variable
) -> tuple[tf.Variable, tf.Variable]:
    """First and second moment that Adam keeps of a variable it was built with."""
    index = adam._index_dict[adam._var_key(variable)]  # noqa: SLF001
    return adam._momentums[index], adam._velocities[index]  # noqa: SLF001


def inner_learning_rate(optimizer: tf_keras.optimizers.Optimizer) -> Any:
    """The learning rate as it is kept: a variable, or a schedule, which `learning_rate` applies."""
    return getattr(optimizer, "_learning_rate", None)


def is_built(optimizer: tf_keras.optimizers.Optimizer) -> bool:
    """Whether an optimizer has created its slots."""
    return getattr(optimizer, "_built", False)


def adopt_iterations(optimizer: tf_keras.optimizers.Optimizer, iterations: tf.Variable) -> None:
    """Replaces an unused optimizer's count of steps by another's.

    The public setter leaves the optimizer's own count among its variables, where checkpoints and
    strategies would find it.
    """
    optimizer.iterations = iterations
    optimizer._variables = [iterations]  # noqa: SLF001


class OptimizerBase(tf_keras.optimizers.Optimizer):
    """tf_keras' optimizer, with public names for what its subclasses set and define.

    Args:
        learning_rate: A number or a `LearningRateSchedule`.
        name: Name of the optimizer.
        **kwargs: Arguments of `tf_keras.optimizers.Optimizer`.
    """

    def __init__(self, learning_rate: Any, name: str, **kwargs: Any):
        # XLA would compile once for every number of rows. None: tf_keras would apply a weight decay
        # of 0, its default, to whole tables.
        super().__init__(name=name, **{"jit_compile": False, "weight_decay": None, **kwargs})
        self._learning_rate = self._build_learning_rate(learning_rate)

    @property
    def serialized_learning_rate(self) -> Any:
        """The learning rate as `get_config` holds it."""
        return self._serialize_hyperparameter(self._learning_rate)

    def key_of(self, variable: tf.Variable) -> str:
        """A key of a variable, equal for all replicas' parts of one."""
        return self._var_key(variable)

    def finish_build(self, inner_variables: Iterable[tf.Variable] = ()) -> None:
        """Ends `build`: slots exist from now on.

        Args:
            inner_variables: Variables of optimizers inside, to be listed among one's own.
        """
        for variable in inner_variables:
            self._variables.append(variable)
        self._built = True

    def before_step(self) -> None:
        """Called before the gradients of a step are applied. Does nothing by default."""

    def distinct_rows(self, gradients: Iterable[Any]) -> Iterable[Any]:
        """The gradients of a step, those of rows that occur several times added up."""
        return super()._deduplicate_sparse_grad(gradients)

    def _compute_current_learning_rate(self) -> None:
        super()._compute_current_learning_rate()
        self.before_step()

    def _deduplicate_sparse_grad(self, grads: Iterable[Any]) -> Iterable[Any]:
        return self.distinct_rows(grads)
