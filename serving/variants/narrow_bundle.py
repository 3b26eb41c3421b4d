"""A bundle as a network sees it that does not read all of its features."""

import json
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

import tensorflow as tf

from features.bundle import METADATA, STATISTICS, VOCABULARIES, Bundle
from features.specs import FeatureSet


def narrow_bundle(bundle: Bundle, inputs: Collection[str], folder: Path) -> Bundle:
    """The metadata and vocabularies of some inputs, in a folder of their own.

    What is kept means what it meant: ids, buckets and numbers are the same. There are no records.

    Args:
        bundle: A complete one.
        inputs: Names of the input features to keep. Of a history all sequences or none, for they
            are aligned with each other.
        folder: Where to write; made here.

    Returns:
        The same bundle where it has no other inputs.
    """
    metadata = bundle.metadata
    if {spec.name for spec in metadata.features.inputs} <= set(inputs):
        return bundle
    features = _narrowed(metadata.features, inputs)
    kept = metadata.model_copy(
        update={
            "features": features,
            "columns": tuple(each for each in metadata.columns if each.name in features.features),
            "vocabulary_sha256": {
                name: sha256
                for name, sha256 in metadata.vocabulary_sha256.items()
                if name in features.vocabularies
            },
        }
    )
    (folder / VOCABULARIES).mkdir(parents=True)
    for name in features.vocabularies:
        file = f"{name}.txt"
        tf.io.gfile.copy(f"{bundle.vocabulary_dir}/{file}", str(folder / VOCABULARIES / file))
    statistics = f"{bundle.path}/{STATISTICS}"
    if tf.io.gfile.exists(statistics):
        tf.io.gfile.copy(statistics, str(folder / STATISTICS))
    content = json.dumps(kept.model_dump(mode="json"), ensure_ascii=False, indent=1)
    (folder / METADATA).write_text(content, encoding="utf-8")
    return replace(bundle, path=str(folder), metadata=kept)


def _narrowed(features: FeatureSet, inputs: Collection[str]) -> FeatureSet:
    kept = {}
    for name, spec in features.features.items():
        if spec.role == "input" and name not in inputs:
            continue
        if spec.role == "input" and spec.has_vocabulary:
            # The feature that these were set on may be gone.
            vocabulary = features.vocabularies[spec.vocabulary]
            update = {
                setting: getattr(vocabulary, setting)
                for setting in ("min_count", "max_tokens", "num_oov_buckets")
            }
            spec = spec.model_copy(update=update)
        kept[name] = spec
    groups = {
        group: tuple(each for each in members if each in kept)
        for group, members in features.groups.items()
    }
    histories = {spec.history for spec in kept.values()}
    return FeatureSet(
        features=kept,
        groups={group: members for group, members in groups.items() if members},
        histories={name: each for name, each in features.histories.items() if name in histories},
    )
