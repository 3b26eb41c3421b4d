"""A bundle on disk that has everything but rows: what an export is made of."""

import json
import os
from collections.abc import Mapping, Sequence

from features.analysis import Analysis
from features.bundle import FORMAT_VERSION, METADATA, Bundle, BundleMetadata, Manifest
from features.records import columns_of
from features.specs import FeatureSet


def write_bundle_without_rows(
    path: str | os.PathLike[str],
    features: FeatureSet,
    analysis: Analysis,
    vocabularies: Mapping[str, Sequence[str]],
) -> Bundle:
    metadata = BundleMetadata(
        format_version=FORMAT_VERSION,
        layout="block",
        block_rows=4096,
        features=features,
        analysis=analysis,
        columns=columns_of(features),
        rows={"train": 0, "valid": 0, "test": 0},
        split_rule={},
        source="made up",
    )
    manifest = Manifest(format_version=FORMAT_VERSION, fingerprint="", sources={}, files={})
    bundle = Bundle(str(path), metadata, manifest)
    os.makedirs(bundle.vocabulary_dir)
    for name, tokens in vocabularies.items():
        with open(os.path.join(bundle.vocabulary_dir, f"{name}.txt"), "w") as file:
            file.write("".join(f"{token}\n" for token in tokens))
    with open(os.path.join(path, METADATA), "w") as file:
        json.dump(metadata.model_dump(mode="json"), file)
    return bundle
