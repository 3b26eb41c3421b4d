"""What a model sees of each feature: the contract between preprocessing and the network."""

from dataclasses import asdict, dataclass
from typing import Any, Literal

from features.analysis import Analysis, NumericSummary
from features.preprocessing import BUCKETS
from features.specs import FeatureSet, FeatureSpec

InputKind = Literal["id", "ids", "steps", "value", "vector"]


@dataclass(frozen=True)
class InputSpec:
    """One model input, as the preprocessing graph delivers it.

    | kind | tensor | comes from |
    |---|---|---|
    | `id` | int32 (batch,) | a categorical feature, or a numeric one put into buckets |
    | `ids` | int32 (batch, length), right padded with 0 | a multi-valued feature |
    | `steps` | int32 (batch, length), right padded with 0, oldest step first | a sequence |
    | `value` | float32 (batch,) | a numeric feature |
    | `vector` | float32 (batch, dimension) | a given dense embedding |

    Id 0 means *missing* for `id` and *padding* for `ids` and `steps`. Inputs that name the same
    vocabulary share its table. Steps that name the same history are aligned: step t of each
    describes the same earlier event.

    Args:
        name: The feature's name; the key of its tensor.
        kind: One of the kinds in the table.
        vocabulary: Name of the table the ids point into; None for `value` and `vector`.
        vocabulary_size: Number of ids, padding and out-of-vocabulary ids included.
        length: Padded length of `ids` and `steps`, else 0.
        dimension: Length of a `vector`, else 0.
        history: Name of the history that `steps` belong to.
    """

    name: str
    kind: InputKind
    vocabulary: str | None = None
    vocabulary_size: int = 0
    length: int = 0
    dimension: int = 0
    history: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """The fields as JSON can hold them; `InputSpec(**spec.to_dict()) == spec`."""
        return asdict(self)


def model_inputs(features: FeatureSet, analysis: Analysis) -> tuple[InputSpec, ...]:
    """What the preprocessing graph of these features delivers, in the order of declaration."""
    return tuple(_input_of(spec, features, analysis) for spec in features.inputs)


def placeholder_inputs(features: FeatureSet) -> tuple[InputSpec, ...]:
    """The inputs before any data was seen: as `model_inputs`, but vocabularies hold one token.

    Enough to tell whether a network fits the features.
    """
    quantiles = {spec.name: NumericSummary(count=0) for spec in features.inputs}
    sizes = dict.fromkeys(features.vocabularies, 1)
    return model_inputs(features, Analysis(vocabulary_sizes=sizes, numeric=quantiles))


def _input_of(spec: FeatureSpec, features: FeatureSet, analysis: Analysis) -> InputSpec:
    if spec.kind == "embedding":
        return InputSpec(spec.name, "vector", dimension=spec.embedding_dimension)
    buckets = BUCKETS.get(spec.transform or "")
    if spec.transform == "quantiles":
        buckets = len(analysis.numeric[spec.name].boundaries) + 1
    if buckets is not None:  # id 0 is missing
        return InputSpec(spec.name, "id", spec.name, buckets + 1)
    if spec.kind == "numeric":
        return InputSpec(spec.name, "value")
    vocabulary = features.vocabularies[spec.vocabulary]
    size = 1 + vocabulary.num_oov_buckets + analysis.vocabulary_sizes[spec.vocabulary]
    kind: InputKind = "id"
    if spec.kind != "categorical":
        kind = "ids" if spec.kind == "multivalued" else "steps"
    return InputSpec(
        spec.name,
        kind,
        spec.vocabulary,
        size,
        length=spec.max_length or 0,
        history=(spec.history or spec.name) if kind == "steps" else None,
    )
