"""The files of a bundle that describe its records: metadata, schemas, statistics, manifest."""

import os
from collections.abc import Mapping
from typing import Any

from features import schema, storage
from features.bundle import (
    FORMAT_VERSION,
    MANIFEST,
    METADATA,
    SPLITS,
    VOCABULARIES,
    BundleMetadata,
    FileEntry,
    Manifest,
    VocabularyOrigin,
    file_entry,
)
from features.columns import columns_of
from features.specs import FeatureSet
from features.splits import in_words
from features.text_format import TextFormat
from pipeline.data.job.bundle_folder import REJECTED_ROWS, BundleFolder
from pipeline.data.job.write_bundle import Results
from pipeline.data.settings.data_config import DataConfig
from pipeline.data.writing.row_layout import write_tfds_metadata
from pipeline.data.writing.statistics import summarize
from pipeline.system.files import write_json, write_text


def describe(
    folder: BundleFolder,
    features: FeatureSet,
    data: DataConfig,
    results: Results,
    joins: Mapping[str, int],
    sources: Mapping[str, FileEntry],
    fingerprint: str,
    settings: str,
    known: Mapping[str, Any] | None = None,
    origin: VocabularyOrigin | None = None,
    text_format: TextFormat | None = None,
) -> None:
    """Writes everything that describes the records, the manifest last.

    Args:
        folder: Where the bundle is being built.
        features: What the columns mean.
        data: The configuration.
        results: What the workers found and wrote.
        joins: `unmatched_<side table>` -> rows of the log without a match in it.
        sources: Name -> entry of the input files.
        fingerprint: Fingerprint of configuration and input.
        settings: Digest of the configuration as it was given.
        known: What is known of generated rows, for `statistics.json`.
        origin: The bundle whose vocabularies were taken over.
        text_format: How the log was read, where it is delimited text.
    """
    _remove_strays(folder.bundle, set(results.files))
    rejected = os.path.join(folder.bundle, "rejected")
    storage.make_folders(rejected)
    rejected_rows = os.path.join(folder.results, REJECTED_ROWS)
    storage.rename(rejected_rows, os.path.join(rejected, "rows.jsonl"))
    statistics = _statistics(features, results, joins, known, origin)
    write_json(os.path.join(folder.bundle, "statistics.json"), statistics)
    rows = schema.record_schema(features, results.analysis, data.layout)
    write_text(os.path.join(folder.bundle, "schema.pbtxt"), schema.to_text(rows))
    raw = schema.raw_schema(features)
    write_text(os.path.join(folder.bundle, "raw_schema.pbtxt"), schema.to_text(raw))
    metadata = _metadata(folder, features, data, results, origin, text_format)
    write_json(os.path.join(folder.bundle, METADATA), metadata.model_dump(mode="json"))
    if data.layout == "row":
        _write_tfds_metadata(folder, features, data, results)
    manifest = Manifest(
        format_version=FORMAT_VERSION,
        fingerprint=fingerprint,
        sources=dict(sorted(sources.items())),
        files=_entries(folder.bundle, results.files),
        settings=settings,
    )
    write_json(os.path.join(folder.bundle, MANIFEST), manifest.model_dump(mode="json"))


def _statistics(
    features: FeatureSet,
    results: Results,
    joins: Mapping[str, int],
    known: Mapping[str, Any] | None,
    origin: VocabularyOrigin | None,
) -> dict[str, Any]:
    """Content of `statistics.json`."""
    tables = {
        table: {"rows": rows, "rejected": results.rejected.get(table, 0)}
        for table, rows in results.rows_read.items()
    }
    statistics = summarize(results.statistics, features, tables, joins)
    statistics["split"] = in_words(results.split_rule)
    if known:
        statistics["known"] = dict(known)
    if origin:
        statistics["vocabularies"] = results.vocabulary_changes
    return statistics


def _metadata(
    folder: BundleFolder,
    features: FeatureSet,
    data: DataConfig,
    results: Results,
    origin: VocabularyOrigin | None,
    text_format: TextFormat | None,
) -> BundleMetadata:
    vocabularies = {
        name: file_entry(os.path.join(folder.bundle, VOCABULARIES, f"{name}.txt")).sha256
        for name in sorted(results.analysis.vocabulary_sizes)
    }
    return BundleMetadata(
        format_version=FORMAT_VERSION,
        layout=data.layout,
        block_rows=data.block_rows,
        features=features,
        analysis=results.analysis,
        columns=columns_of(features),
        rows={split: results.rows_written.get(split, 0) for split in SPLITS},
        split_rule=results.split_rule,
        source=data.source,
        vocabulary_sha256=vocabularies,
        vocabularies_from=origin,
        text_format=text_format,
        negatives_kept=data.negatives_kept,
    )


def _write_tfds_metadata(
    folder: BundleFolder, features: FeatureSet, data: DataConfig, results: Results
) -> None:
    description = f"Rows of {data.source}, preprocessed by Concord."
    columns = columns_of(features)
    name = data.source.replace(":", "_").replace("/", "_")
    write_tfds_metadata(folder.bundle, name, columns, results.files, description)


def _remove_strays(folder: str, files: set[str]) -> None:
    """Removes files that workers left which failed and were retried."""
    for name in storage.files_below(folder):
        stray_record = name.endswith(".tfrecord") and name not in files
        if stray_record or ".part-" in os.path.basename(name):
            storage.remove(os.path.join(folder, name))


def _entries(folder: str, files: Mapping[str, FileEntry]) -> dict[str, FileEntry]:
    return {
        name: files.get(name) or file_entry(os.path.join(folder, name))
        for name in sorted(storage.files_below(folder))
    }
