"""The signatures of an export: preprocessing and network in one graph, raw values in."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from types import SimpleNamespace
from typing import Any, Protocol

import tensorflow as tf

from features.bundle import BundleMetadata
from features.preprocessing import Preprocessor
from features.raw_tensors import check_dense_steps, parse_examples
from features.specs import FeatureSet
from models.network.outputs import NetworkOutputs
from serving.export_format import names
from serving.export_format.signature_table import (
    SignatureTable,
    SignatureTemplate,
    signature_table,
)
from serving.exporting.column_sides import candidate_columns, raw_columns
from serving.exporting.compiled import compiled_at

Tensors = dict[str, tf.Tensor]
_Scored = Callable[[Tensors], Tensors]


class Network(Protocol):
    """Scores a batch of preprocessed features: a `CooperativeNetwork`, or what is called like one.

    Features with a batch of 1 beside others of N hold for all N.
    """

    @property
    def branch_names(self) -> Sequence[str]:
        """Names of the branches, in the order of the columns of `branch_logits`."""

    def __call__(self, inputs: Any, /, *, training: bool) -> NetworkOutputs:
        """Logits, and what belongs to them."""


class ScoringModule(tf.Module):
    """What an export saves: the preprocessing graph and the network, behind signatures.

    Only what the signatures use is tracked, and so saved: their variables and lookup tables, not
    the optimizer's moments, the metrics, or the weights of the cooperation losses.

    | signature | inputs | outputs |
    |---|---|---|
    | `serving_default` | `examples`: serialized tf.Examples of raw features | `prob` |
    | `raw_tensors` | one tensor a raw column | `prob` |
    | `classify` | `inputs`: as `examples` | `classes` and `scores`, (batch, 2) |
    | `regress` | `inputs`: as `examples` | `outputs`, (batch, 1) |
    | `branches` | `examples` | `prob`, `prob_<branch>` and `weight_<branch>` of each branch |
    | `rank` | as `raw_tensors`, the user's columns with a batch of 1 | `prob` of each candidate |

    The batch may have any size, 0 included; `table` has every name, type and shape. There is no
    `branches` where branches have neither heads nor weights, and no `rank` where every column is
    the candidates'. `rank` preprocesses, looks up and pools what is the user's once.

    Args:
        network: Called as `network(features, training=False)`; it has `branch_names`.
        metadata: Metadata of the bundle that the network was trained on.
        vocabulary_dir: Folder of the bundle's vocabularies; copies become assets.
        metadata_path: The bundle's metadata.json; a copy becomes an asset.
        candidates: Names of the candidates' features, see
            `serving.exporting.column_sides.candidate_columns`.
        compiled: Batch sizes at which XLA computes the network, see `serving.exporting.compiled`.

    Raises:
        ExportError: The candidates' features cannot be told from the user's.
    """

    def __init__(
        self,
        network: Network,
        metadata: BundleMetadata,
        vocabulary_dir: str,
        metadata_path: str,
        candidates: Sequence[str] | None = None,
        compiled: Sequence[int] = (),
    ) -> None:
        super().__init__(name="concord")
        features = metadata.features
        columns = raw_columns(features)
        of_candidates = candidate_columns(features, candidates)
        preprocessor = Preprocessor(features, metadata.analysis, vocabulary_dir)
        # Locals, not attributes: tracked Keras objects would be saved whole, training state and
        # a function for each layer included.
        score_examples, of_rows, of_candidate_rows = _scorers(
            network, preprocessor, features, columns, compiled
        )
        examples = tf.TensorSpec([None], tf.string)
        outputs = score_examples.get_concrete_function(examples).structured_outputs
        table = signature_table(
            columns, of_candidates, names.branches_of(outputs), names.weighted_branches_of(outputs)
        )
        functions = _signature_functions(score_examples, of_rows, of_candidate_rows)
        traced = {name: _trace(functions[name], template) for name, template in table.items()}
        self.signature_functions = traced
        self.parameters = list(
            {id(each): each for function in traced.values() for each in function.variables}.values()
        )
        self.tables = [lookup.lookup_table for lookup in preprocessor.lookups.values()]
        self.metadata = tf.saved_model.Asset(metadata_path)
        self._fixed = SimpleNamespace(table=table)  # not tracked

    @property
    def table(self) -> SignatureTable:
        """What the signatures take and give."""
        return self._fixed.table

    def save(self, path: str) -> None:
        """Writes the SavedModel into a folder."""
        tf.saved_model.save(self, path, signatures=dict(self.signature_functions))


def probabilities(network: Network, inputs: Mapping[str, tf.Tensor]) -> Tensors:
    """Output of `branches` -> float32 (batch,).

    The network's own probability; each branch's, where branches have heads; and each branch's
    weight, where the fusion weighs them. The sigmoid is taken in float32 whatever the network
    computes in.
    """
    outputs = network(inputs, training=False)
    probs = {names.PROB: _sigmoid(outputs.logit[:, 0])}
    for columns, name_of, convert in (
        (outputs.branch_logits, names.branch_output, _sigmoid),
        (outputs.fusion_weights, names.weight_output, lambda weight: tf.cast(weight, tf.float32)),
    ):
        if columns is not None:
            by_branch = tf.unstack(columns, num=len(network.branch_names), axis=1)
            for branch, column in zip(network.branch_names, by_branch, strict=True):
                probs[name_of(branch)] = convert(column)
    return probs


def _sigmoid(logit: tf.Tensor) -> tf.Tensor:
    return tf.sigmoid(tf.cast(logit, tf.float32))


def _scorers(
    network: Network,
    preprocessor: Preprocessor,
    features: FeatureSet,
    columns: Iterable[str],
    compiled: Sequence[int],
) -> tuple[tf.types.experimental.PolymorphicFunction, _Scored, _Scored]:
    """How serialized examples are scored, how raw columns are, and how those of candidates."""

    def probabilities_of(features: Tensors) -> Tensors:
        return probabilities(network, features)

    # Traced once and called by every signature: a network may have thousands of operations.
    # `rank` has a trace of its own, as the other would do for a batch of 1 too.
    score = tf.function(compiled_at(probabilities_of, compiled), autograph=False)
    score_candidates = tf.function(compiled_at(probabilities_of, compiled), autograph=False)

    @tf.function(autograph=False)
    def score_examples(examples: tf.Tensor) -> Tensors:
        return score(preprocessor(parse_examples(examples, features)))

    def preprocessed(tensors: Tensors) -> Tensors:
        raw = {column: tensors[name] for column, name in names.tensor_names(columns).items()}
        check_dense_steps(raw, features)
        return preprocessor(raw)  # shapes keep a batch of 1, which the network looks for

    return (
        score_examples,
        lambda tensors: score(preprocessed(tensors)),
        lambda tensors: score_candidates(preprocessed(tensors)),
    )


def _signature_functions(
    score_examples: Callable[[tf.Tensor], Tensors], of_rows: _Scored, of_candidates: _Scored
) -> dict[str, _Scored]:
    """What each signature computes, from how its inputs are scored."""

    def of_examples(tensors: Tensors) -> Tensors:
        (examples,) = tensors.values()
        return score_examples(examples)

    return {
        names.SERVING_DEFAULT: lambda tensors: _only_prob(of_examples(tensors)),
        names.RAW_TENSORS: lambda tensors: _only_prob(of_rows(tensors)),
        names.CLASSIFY: lambda tensors: _classified(of_examples(tensors)),
        names.REGRESS: lambda tensors: _regressed(of_examples(tensors)),
        names.BRANCHES: of_examples,
        names.RANK: lambda tensors: _only_prob(of_candidates(tensors)),
    }


def _only_prob(outputs: Tensors) -> Tensors:
    return {names.PROB: outputs[names.PROB]}


def _classified(outputs: Tensors) -> Tensors:
    prob = outputs[names.PROB]
    labels = tf.constant([names.CLASS_LABELS])
    return {
        names.CLASSES: tf.tile(labels, (tf.shape(prob)[0], 1)),
        names.SCORES: tf.stack([1.0 - prob, prob], axis=1),
    }


def _regressed(outputs: Tensors) -> Tensors:
    return {names.OUTPUTS: outputs[names.PROB][:, tf.newaxis]}


def _trace(
    function: Callable[[Tensors], Tensors], template: SignatureTemplate
) -> tf.types.experimental.ConcreteFunction:
    specs = {
        name: tf.TensorSpec(each.shape, tf.as_dtype(each.dtype), name=name)
        for name, each in template.inputs.items()
    }
    traced = tf.function(function, input_signature=[specs], autograph=False)
    return traced.get_concrete_function()
