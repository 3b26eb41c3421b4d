"""Concord's side of the training benchmark: the training job's own network, `fit` on it."""

import features  # noqa: F401  # isort: skip  (Keras 2, before TensorFlow is imported)

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
import tf_keras

from benchmarks.training.peer_process import serve
from benchmarks.training.workload import batches, read_batches
from features.analysis import Analysis
from features.bundle import FORMAT_VERSION, Bundle, BundleMetadata, FileEntry, Manifest, file_entry
from features.columns import columns_of
from features.records import encode_block
from features.specs import FeatureSet
from models.network.cost import flops_per_example
from models.spec.network_config import NetworkConfig
from pipeline.batches.dataset import examples
from pipeline.config.run_config import RunConfig, TrainConfig
from pipeline.training.traced_steps import TracedSteps
from pipeline.training.train import new_network
from pipeline.training.utilization import product_rate

_BLOCK_ROWS = 4096
_FILES = 8
_ENDLESS = 1_000_000  # epochs
_TRACED_EPOCH = 12  # steps, of which some are traced


class ConcordTrainer:
    """A network from `pipeline.training.train`, trained from memory or from a bundle's files.

    Args:
        spec: `data`, `batch`, `network` (the `model:` section), `train` (of the `train:`
            section) and `files` (whether to train from files).
    """

    def __init__(self, spec: Mapping[str, Any]):
        batch, files = spec["batch"], spec.get("files", False)
        sizes, ids, labels = read_batches(spec["data"], batch)
        settings = TrainConfig(batch_size=batch, **spec.get("train", {}))
        config = RunConfig.model_construct(
            model=NetworkConfig.model_validate(spec["network"]), train=settings
        )
        folder = Path(spec["data"]).with_suffix(".bundle")
        bundle = made_up_bundle(folder, sizes, ids, labels, written=files)
        self._network = new_network(config, bundle)
        if files:
            self._dataset = examples(
                bundle, "train", batch, _ENDLESS, settings.seed, settings.shuffle_rows
            )
        else:
            self._dataset = batches(ids, labels)
        traced = TracedSteps(_TRACED_EPOCH, batch)
        self._network.fit(
            self._dataset, steps_per_epoch=_TRACED_EPOCH, callbacks=[traced], verbose=0
        )
        policy = tf_keras.mixed_precision.global_policy()
        weights = sum(each.shape.num_elements() for each in self._network.trainable_weights)
        self.settings = {
            "tensorflow": tf.__version__,
            "call": "pipeline.training.train.new_network, fit",
            "input": "bundle files" if files else "memory",
            "train": settings.model_dump(exclude_unset=True),
            "optimizer": type(self._network.optimizer).__name__,
            "tables": settings.tables.optimizer,
            "precision": settings.precision,
            "branches": {name: each.type for name, each in config.model.branches.items()},
            "weights": weights,
            "forward_flops": flops_per_example(self._network),
            "product_rate": round(product_rate(policy.compute_dtype)),
            "a step": f"{traced.measured}; {traced.utilization}",
        }

    def train(self, steps: int) -> None:
        self._network.fit(self._dataset, steps_per_epoch=steps, epochs=1, verbose=0)


def made_up_bundle(
    folder: Path,
    sizes: np.ndarray,
    ids: Mapping[str, np.ndarray],
    labels: np.ndarray,
    written: bool = False,
) -> Bundle:
    """The workload as a bundle: its metadata and, on request, its record files."""
    names = list(ids)
    declared = {name: {"name": name, "kind": "categorical"} for name in names}
    declared["label"] = {"name": "label", "kind": "numeric", "role": "label"}
    third = len(names) // 3
    groups = {
        "user": names[:third],
        "item": names[third : 2 * third],
        "context": names[2 * third :],
    }
    feature_set = FeatureSet(features=declared, groups=groups)
    extra = {name: 1 + each.num_oov_buckets for name, each in feature_set.vocabularies.items()}
    metadata = BundleMetadata(
        format_version=FORMAT_VERSION,
        layout="block",
        block_rows=_BLOCK_ROWS,
        features=feature_set,
        analysis=Analysis(
            vocabulary_sizes={
                name: int(size) - extra[name] for name, size in zip(names, sizes, strict=True)
            }
        ),
        columns=columns_of(feature_set),
        rows={"train": labels.size, "valid": 0, "test": 0},
        split_rule={},
        source="made_up",
    )
    files = _write_records(folder, metadata, ids, labels) if written else {}
    manifest = Manifest(format_version=FORMAT_VERSION, fingerprint="", sources={}, files=files)
    return Bundle(str(folder), metadata, manifest)


def _write_records(
    folder: Path, metadata: BundleMetadata, ids: Mapping[str, np.ndarray], labels: np.ndarray
) -> dict[str, FileEntry]:
    folder.mkdir(exist_ok=True)
    arrays = {name: each.ravel() for name, each in ids.items()} | {"label": labels.ravel()}
    starts = range(0, labels.size, _BLOCK_ROWS)
    entries = {}
    for i in range(_FILES):
        name = f"train-{i:05d}-of-{_FILES:05d}.tfrecord"
        rows = 0
        with tf.io.TFRecordWriter(str(folder / name)) as writer:
            for start in starts[i::_FILES]:
                block = {key: each[start : start + _BLOCK_ROWS] for key, each in arrays.items()}
                writer.write(encode_block(block, metadata.columns))
                rows += len(block["label"])
        entries[name] = file_entry(str(folder / name), rows)
    return entries


if __name__ == "__main__":
    serve(ConcordTrainer)
