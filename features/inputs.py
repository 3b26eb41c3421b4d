"""What a model sees of each feature: the contract between preprocessing and the network."""

from dataclasses import asdict, dataclass
from typing import Any, Literal

from features.analysis import Analysis, NumericSummary
from features.feature_spec import BUCKETS
from features.specs import FeatureSet, FeatureSpec

InputKind = Literal["categorical", "multivalued", "sequence", "numeric", "dense"]


@dataclass(frozen=True)
class InputSpec:
    """One model input, as the preprocessing graph delivers it.

    | kind | tensor | comes from |
    |---|---|---|
    | `categorical` | int32 (batch,) | a categorical feature, or a numeric one put into buckets |
    | `multivalued` | int32 (batch, length), right padded with 0 | a multi-valued feature |
    | `sequence` | int32 (batch, length), right padded with 0, oldest step first | a sequence |
    | `numeric` | float32 (batch,); with `pieces` in [0, 1], -1 where missing | a numeric feature |
    | `dense` | float32 (batch, dimension) | a given dense embedding |

    Id 0 means *missing* for `categorical` and *padding* for `multivalued` and `sequence`. Inputs
    that name the same vocabulary share its table. Sequences that name the same history are
    aligned: step t of each describes the same earlier event.

    Args:
        name: The feature's name; the key of its tensor.
        kind: One of the kinds in the table.
        vocabulary: Name of the table the ids point into; None for `numeric` and `dense`.
        vocabulary_size: Number of ids, padding and out-of-vocabulary ids included.
        length: Padded length of a `multivalued` or `sequence` input, else 0.
        dimension: Length of a `dense` vector, else 0.
        history: Name of the history that a `sequence` belongs to.
        pieces: Of a `numeric` input that tells its place among quantiles, the number of pieces
            between them; else 0.
    """

    name: str
    kind: InputKind
    vocabulary: str | None = None
    vocabulary_size: int = 0
    length: int = 0
    dimension: int = 0
    history: str | None = None
    pieces: int = 0

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
        return InputSpec(spec.name, "dense", dimension=spec.embedding_dimension)
    buckets = BUCKETS.get(spec.transform or "")
    if spec.transform == "quantiles":
        buckets = len(analysis.numeric[spec.name].boundaries) + 1
    if buckets is not None:  # id 0 is missing
        return InputSpec(spec.name, "categorical", spec.name, buckets + 1)
    if spec.transform == "piecewise":
        pieces = len(analysis.numeric[spec.name].edges) - 1
        return InputSpec(spec.name, "numeric", pieces=pieces)
    if spec.kind == "numeric":
        return InputSpec(spec.name, "numeric")
    vocabulary = features.vocabularies[spec.vocabulary]
    size = 1 + vocabulary.num_oov_buckets + analysis.vocabulary_sizes[spec.vocabulary]
    return InputSpec(
        spec.name,
        spec.kind,
        spec.vocabulary,
        size,
        length=spec.max_length or 0,
        history=spec.events if spec.kind == "sequence" else None,
    )
