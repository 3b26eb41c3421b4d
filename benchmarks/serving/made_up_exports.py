"""Exports to time: networks with random weights on made-up features, in the shape of Criteo."""

import features  # noqa: F401  # isort: skip  (Keras 2, before TensorFlow is imported)

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
import tf_keras

from benchmarks.training.cases import MIXTURE_OPTIONS, PAPER, dcnv2_branch, network
from benchmarks.training.workload import FIELDS, field_ids, field_names, field_sizes
from features.analysis import Analysis
from features.bundle import FORMAT_VERSION, METADATA, VOCABULARIES, BundleMetadata
from features.columns import columns_of
from features.specs import FeatureSet
from models.spec.build_network import build_network
from models.spec.network_config import NetworkConfig
from serving.export_format import names
from serving.exporting.signatures import ScoringModule

_WIDTH = 10
_ID_DRAWS = 4096

# The paper's sizes. `mbcnet` and `dcnv2` as in the training benchmark's case `mbcnet`;
# `cross_and_deep` is what the paper measures its latency against (4.2.2): "the online base model is
# DCNv2 (i.e. CrossNet and Deep branch), and MBCnet has additional EFGC branch", the same top above.
NETWORKS: Mapping[str, dict[str, Any]] = {
    "mbcnet": {"embedding": {"embedding_dim": _WIDTH}},
    "dcnv2": network(_WIDTH, {"dcnv2": dcnv2_branch("mixture", PAPER, **MIXTURE_OPTIONS)}),
    "cross_and_deep": {
        "embedding": {"embedding_dim": _WIDTH},
        "branches": {"cross": {"type": "low_rank_cross_mixture"}, "deep": {"type": "deep"}},
    },
}


def write_exports(
    folder: Path,
    rows: int,
    wanted: Mapping[str, Any] = NETWORKS,
    compiled: Sequence[int] = (),
    fields: int = FIELDS,
) -> dict[str, Path]:
    """Writes a SavedModel for each network, all over the same vocabularies.

    They are made by the module that every export is made by, but neither published nor verified:
    weights are random, and only their sizes matter.

    Args:
        folder: Where to, made where it does not exist.
        rows: Ids of all fields together.
        wanted: Name -> the `model:` section of a configuration.
        compiled: Batch sizes at which the network is compiled by XLA.
        fields: How many of the fields there are.

    Returns:
        Name -> folder of the SavedModel.
    """
    metadata = _metadata(rows, fields)
    vocabularies = folder / VOCABULARIES
    vocabularies.mkdir(parents=True)
    for name, size in metadata.analysis.vocabulary_sizes.items():
        (vocabularies / f"{name}.txt").write_text("".join(f"{_token(i)}\n" for i in range(size)))
    (folder / METADATA).write_text(metadata.model_dump_json())
    exports = {}
    for name, section in wanted.items():
        tf_keras.utils.set_random_seed(0)
        built = build_network(
            NetworkConfig.model_validate(section),
            metadata.model_inputs(),
            metadata.features.groups,
        )
        exports[name] = folder / name
        module = ScoringModule(
            built, metadata, str(vocabularies), str(folder / METADATA), compiled=compiled
        )
        module.save(str(exports[name]))
        tf_keras.backend.clear_session()
    return exports


def requests(rows: int, size: int, fields: int = FIELDS) -> dict[str, dict[str, np.ndarray]]:
    """One request of so many rows by signature: `raw_tensors` and `serving_default`.

    Args:
        rows: As given to `write_exports`.
        size: Rows of the request, 0 to 4,096.
        fields: As given to `write_exports`.
    """
    ids = field_ids(rows, _ID_DRAWS)[:fields, :size]
    sizes = field_sizes(rows)[:fields]
    tokens = {
        name: np.array([_token(each) for each in row.tolist()], object)
        for name, row in zip(
            field_names()[:fields], np.minimum(ids, sizes[:, np.newaxis] - 1), strict=True
        )
    }
    inputs = names.tensor_names(tokens)
    tensors = {inputs[name]: values for name, values in tokens.items()}
    examples = np.array([_example(tokens, row) for row in range(size)], object)
    return {names.RAW_TENSORS: tensors, names.SERVING_DEFAULT: {names.EXAMPLES: examples}}


def _metadata(rows: int, count: int) -> BundleMetadata:
    fields = field_names()[:count]
    declared = {name: {"name": name, "kind": "categorical"} for name in fields}
    declared["label"] = {"name": "label", "kind": "numeric", "role": "label"}
    third = len(fields) // 3
    groups = {
        "user": fields[:third],
        "item": fields[third : 2 * third],
        "context": fields[2 * third :],
    }
    feature_set = FeatureSet.model_validate({"features": declared, "groups": groups})
    sizes = {name: int(size) for name, size in zip(fields, field_sizes(rows)[:count], strict=True)}
    return BundleMetadata(
        format_version=FORMAT_VERSION,
        layout="block",
        block_rows=4096,
        features=feature_set,
        analysis=Analysis(vocabulary_sizes=sizes),
        columns=columns_of(feature_set),
        rows={"train": 0, "valid": 0, "test": 0},
        split_rule={},
        source="made_up",
    )


def _token(number: int) -> str:
    """Eight hexadecimal digits, as Criteo's tokens are."""
    return f"{number * 2654435761 % 2**32:08x}"


def _example(tokens: Mapping[str, np.ndarray], row: int) -> bytes:
    example = tf.train.Example()
    for name, values in tokens.items():
        example.features.feature[name].bytes_list.value.append(values[row].encode())
    return example.SerializeToString(deterministic=True)
