"""A bundle on disk that has everything but rows: what an export is made of."""

import json
import os
from collections.abc import Mapping, Sequence

from features.analysis import Analysis
from features.bundle import (
    FORMAT_VERSION,
    METADATA,
    VOCABULARIES,
    Bundle,
    BundleMetadata,
    Manifest,
    file_entry,
)
from features.columns import columns_of
from features.specs import FeatureSet


def write_bundle_without_rows(
    path: str | os.PathLike[str],
    features: FeatureSet,
    analysis: Analysis,
    vocabularies: Mapping[str, Sequence[str]],
) -> Bundle:
    folder = os.path.join(path, VOCABULARIES)
    os.makedirs(folder)
    for name, tokens in vocabularies.items():
        with open(os.path.join(folder, f"{name}.txt"), "w") as file:
            file.write("".join(f"{token}\n" for token in tokens))
    sha256 = {name: file_entry(os.path.join(folder, f"{name}.txt")).sha256 for name in vocabularies}
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
        vocabulary_sha256=sha256,
    )
    manifest = Manifest(format_version=FORMAT_VERSION, fingerprint="", sources={}, files={})
    with open(os.path.join(path, METADATA), "w") as file:
        json.dump(metadata.model_dump(mode="json"), file)
    return Bundle(str(path), metadata, manifest)
