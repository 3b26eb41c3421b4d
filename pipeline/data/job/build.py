"""The Beam job that reads a data set and writes its bundle, into a folder of its own."""

import logging
import os
from collections.abc import Mapping

import apache_beam as beam
from apache_beam.runners.runner import PipelineResult

from features import storage
from features.bundle import FileEntry
from features.config import parse
from features.precision import losses_in_words, with_precision
from features.specs import FeatureSet
from features.splits import in_words
from pipeline.data.analysis.earlier_vocabularies import EarlierVocabularies, changes_in_words
from pipeline.data.job.bundle_folder import RESULTS, BundleFolder
from pipeline.data.job.checks import check_results, events_in_words, joins_in_words
from pipeline.data.job.describe import describe
from pipeline.data.job.examples import Examples
from pipeline.data.job.input_contents import Content, check_unchanged
from pipeline.data.job.memory_forecast import check_memory
from pipeline.data.job.open_inputs import Inputs
from pipeline.data.job.text_settings import text_format_of
from pipeline.data.job.write_bundle import Results, WriteBundle
from pipeline.data.runners.runner import LOCAL, counters_of, new_pipeline, run
from pipeline.data.settings.data_config import DataConfig
from pipeline.system.files import read_json
from pipeline.system.plain_graphs import plain_graphs

log = logging.getLogger(__name__)


def build(
    features: FeatureSet,
    data: DataConfig,
    inputs: Inputs,
    contents: Mapping[str, Content],
    sources: Mapping[str, FileEntry],
    earlier: EarlierVocabularies | None,
    folder: BundleFolder,
    fingerprint: str,
    settings: str,
) -> Results:
    """Fills the folder of a bundle that is being built.

    Args:
        features: What the columns mean.
        data: Which rows, and how they are split and written.
        inputs: The files of the data set.
        contents: What they held before they are read.
        sources: For the manifest: name, size and checksum of all that the rows come from.
        earlier: What is taken over of an earlier bundle.
        folder: Where the bundle is being built.
        fingerprint: That of the bundle.
        settings: Checksum of its settings.

    Returns:
        What the job says of it, for `log_build`.

    Raises:
        DataError: Input that cannot be read, changes meanwhile, or makes no usable bundle.
    """
    results, joins = _read_and_write(features, data, inputs, contents, earlier, folder)
    generated = inputs.generated
    describe(
        folder,
        with_precision(features, results.analysis),
        data,
        results,
        joins,
        sources,
        fingerprint,
        settings,
        known=generated.known() if generated else {},
        origin=earlier.origin if earlier else None,
        text_format=text_format_of(inputs),
    )
    return results


def log_build(results: Results, earlier: EarlierVocabularies | None, seconds: float) -> None:
    """Says what a bundle came to, and how long it took."""
    if earlier:
        log.info(changes_in_words(earlier, results.vocabulary_changes))
    log.info("split %s: %s", in_words(results.split_rule), _of_tables(results.rows_written))
    rows = sum(results.rows_written.values())
    log.info(
        "wrote %s rows in %d files, %.0f s (%s rows/s)",
        f"{rows:,}",
        len(results.files),
        seconds,
        f"{rows / seconds:,.0f}",
    )


def _read_and_write(
    features: FeatureSet,
    data: DataConfig,
    inputs: Inputs,
    contents: Mapping[str, Content],
    earlier: EarlierVocabularies | None,
    folder: BundleFolder,
) -> tuple[Results, Mapping[str, int]]:
    """Runs the Beam job and checks what came of it; its results, and its counts of joins."""
    if data.runner == LOCAL:
        check_memory(inputs, features, data)
    pipeline = new_pipeline(data.runner, data.runner_options)
    examples = pipeline | "Examples" >> Examples(inputs, features, data, folder.spill)
    examples | "Bundle" >> WriteBundle(
        features, data, folder.bundle, folder.results, folder.spill, earlier
    )
    joins = counters_of(_run_on(contents, pipeline), "join")
    results = _read_results(folder)
    check_results(results, features, data, folder.rejected)
    keys = {side.name: side.key for side in inputs.source.side_tables}
    for line in joins_in_words(joins, keys, results, data):
        log.info(line)
    for line in events_in_words(results, features, inputs.source.events):
        log.info(line)
    for line in losses_in_words(features, results.analysis):
        log.warning(line)
    return results, joins


def _run_on(contents: Mapping[str, Content], pipeline: beam.Pipeline) -> PipelineResult:
    """Runs a pipeline whose input files must not change meanwhile."""
    try:
        with plain_graphs():
            result = run(pipeline)
    except Exception:
        check_unchanged(contents)  # perhaps why a step failed
        raise
    check_unchanged(contents)
    return result


def _read_results(folder: BundleFolder) -> Results:
    path = os.path.join(folder.results, RESULTS)
    if not storage.exists(path):
        raise RuntimeError("the runner reports success, but nothing was written. Use another one.")
    results = parse(Results, read_json(path), path)
    log.info(
        "read rows: %s; rejected: %s",
        _of_tables(results.rows_read),
        _of_tables(results.rejected) or "none",
    )
    return results


def _of_tables(rows: Mapping[str, int]) -> str:
    """Such as: log 100,000, users 943."""
    return ", ".join(f"{table} {count:,}" for table, count in rows.items())
