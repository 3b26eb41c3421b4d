"""The signatures of an export: preprocessing and network in one graph, raw values in."""

from collections.abc import Callable, Mapping

import tensorflow as tf

from features.bundle import BundleMetadata
from features.preprocessing import Preprocessor
from features.raw_tensors import RawTensors, dense_specs, parsing_spec
from serving import names

# What scores a batch of preprocessed features: a `CooperativeNetwork`, or anything that is called
# like one. `logit` is (batch, 1), `branch_logits`, where there is one, (batch, branches).
Network = Callable[..., Mapping[str, tf.Tensor]]


class ScoringModule(tf.Module):
    """What an export saves: the preprocessing graph and the network, behind signatures.

    Only what the signatures use is tracked, and so saved: their variables and lookup tables, not
    the optimizer's moments, the metrics, or the weights of the cooperation losses.

    | signature | inputs | outputs, each float32 (batch,) |
    |---|---|---|
    | `serving_default` | `examples`: serialized tf.Examples of raw features | `prob` |
    | `raw_tensors` | one tensor a raw column, see `features.raw_tensors.dense_specs` | `prob` |
    | `branches` | as `serving_default` | `prob`, and `prob_<branch>` for each branch |

    The batch may have any size, 0 included. `branches` exists where branches have heads.

    Args:
        network: Called as `network(features, training=False)`; it has `branch_names`.
        metadata: Of the bundle that the network was trained on.
        vocabulary_dir: Folder of its vocabularies; copies become assets.
        metadata_path: Its metadata.json; a copy becomes an asset.
    """

    def __init__(
        self, network: Network, metadata: BundleMetadata, vocabulary_dir: str, metadata_path: str
    ) -> None:
        super().__init__(name="concord")
        features = metadata.features
        preprocessor = Preprocessor(features, metadata.analysis, vocabulary_dir)
        # Locals, not attributes: tracked Keras objects would be saved whole, training state and
        # a function for each layer included.
        inputs = names.tensor_names(dense_specs(features))

        # Traced once and called by every signature: a network may have thousands of operations.
        @tf.function(autograph=False)
        def score(features: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
            return probabilities(network, features)

        def outputs_of(raw: RawTensors) -> dict[str, tf.Tensor]:
            return score(preprocessor(raw))

        def parse(examples: tf.Tensor) -> RawTensors:
            return tf.io.parse_example(examples, parsing_spec(features))

        def from_examples(examples: tf.Tensor) -> dict[str, tf.Tensor]:
            return {names.PROB: outputs_of(parse(examples))[names.PROB]}

        def from_tensors(tensors: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
            raw = {raw_name: tensors[name] for raw_name, name in inputs.items()}
            return {names.PROB: outputs_of(raw)[names.PROB]}

        def branches(examples: tf.Tensor) -> dict[str, tf.Tensor]:
            return outputs_of(parse(examples))

        examples = tf.TensorSpec([None], tf.string, name=names.EXAMPLES)
        tensors = {
            inputs[raw_name]: tf.TensorSpec(spec.shape, spec.dtype, name=inputs[raw_name])
            for raw_name, spec in dense_specs(features).items()
        }
        traced = {
            names.SERVING_DEFAULT: _trace(from_examples, examples),
            names.RAW_TENSORS: _trace(from_tensors, tensors),
            names.BRANCHES: _trace(branches, examples),
        }
        if len(traced[names.BRANCHES].structured_outputs) == 1:
            del traced[names.BRANCHES]
        self.signature_functions = traced
        self.parameters = list(
            {id(each): each for function in traced.values() for each in function.variables}.values()
        )
        self.tables = [lookup.lookup_table for lookup in preprocessor.lookups.values()]
        self.metadata = tf.saved_model.Asset(metadata_path)

    def save(self, path: str) -> None:
        """Writes the SavedModel into a folder."""
        tf.saved_model.save(self, path, signatures=dict(self.signature_functions))


def probabilities(network: Network, inputs: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
    """Output name -> float32 (batch,): the network's own probability, then each branch's.

    The sigmoid is taken in float32 whatever the network computes in.
    """
    outputs = network(inputs, training=False)
    found = {names.PROB: _sigmoid(outputs["logit"][:, 0])}
    if "branch_logits" in outputs:
        columns = tf.unstack(outputs["branch_logits"], num=len(network.branch_names), axis=1)
        for branch, logit in zip(network.branch_names, columns, strict=True):
            found[names.branch_output(branch)] = _sigmoid(logit)
    return found


def _sigmoid(logit: tf.Tensor) -> tf.Tensor:
    return tf.sigmoid(tf.cast(logit, tf.float32))


def _trace(
    function: Callable, signature: tf.TensorSpec | dict
) -> tf.types.experimental.ConcreteFunction:
    return tf.function(function, input_signature=[signature]).get_concrete_function()
