"""The data job: raw logs in, one complete bundle out, or none."""

import hashlib
import json
import logging
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import apache_beam as beam
import tensorflow as tf
from apache_beam.runners.runner import PipelineResult

from features.bundle import FORMAT_VERSION, Bundle, FileEntry, open_bundle
from features.config import parse
from features.errors import ConfigError, DataError
from features.precision import losses_in_words, with_precision
from features.specs import FeatureSet
from features.splits import in_words
from pipeline.data.analysis.earlier_vocabularies import (
    EarlierVocabularies,
    changes_in_words,
    open_earlier,
)
from pipeline.data.job.bundle_folder import BundleFolder
from pipeline.data.job.checks import check_results, events_in_words, joins_in_words
from pipeline.data.job.describe import describe
from pipeline.data.job.examples import Examples
from pipeline.data.job.input_contents import (
    ChangedInputError,
    Content,
    check_unchanged,
    contents_of,
)
from pipeline.data.job.memory_forecast import check_memory
from pipeline.data.job.open_inputs import Inputs, open_inputs
from pipeline.data.job.text_settings import text_format_of, with_null_values
from pipeline.data.job.write_bundle import REJECTED_ROWS, RESULTS, Results, WriteBundle
from pipeline.data.runners.runner import LOCAL, check_runner, counters_of, new_pipeline, run
from pipeline.data.settings.data_config import DataConfig
from pipeline.data.settings.settings_digest import HOW_IT_IS_BUILT, settings_digest
from pipeline.system.available_memory import size
from pipeline.system.files import read_json
from pipeline.system.full_disk import full_disk
from pipeline.system.lock import only_job_at
from pipeline.system.plain_graphs import plain_graphs

log = logging.getLogger(__name__)
# What says nothing of what a bundle holds, or is said by the sources and the earlier bundle.
_IRRELEVANT = {"vocabularies", *HOW_IT_IS_BUILT}


def build_bundle(features: FeatureSet, data: DataConfig, out: str) -> Bundle:
    """Builds the bundle of a data set at `out`, or reuses the one that is there.

    A bundle with the same fingerprint (features, data settings, format version, names and
    contents of the input files) is reused at once; another one is replaced when the new one is
    complete. The same fingerprint always gives the same bytes.

    Args:
        features: What the columns mean.
        data: Which rows, and how they are split and written.
        out: Folder of the bundle, local or in an object store.

    Raises:
        ConfigError: A setting that cannot be used, such as a refused runner or one that cannot
            start.
        DataError: Input that is missing or unreadable, that changed while it was read, or that
            makes no usable bundle. Nothing is left at `out` then; rejected rows, if they are the
            reason, lie in `<out>.rejected.jsonl`.
        BundleError: Something that is not a bundle lies at `out`, somebody reads the one that is
            to be replaced, or another job builds there.
    """
    check_runner(data.runner, data.runner_options)
    if features.label is None:
        raise ConfigError(
            "no feature has the role `label`, so there is nothing to learn. Add one: "
            "`<name>: {role: label}`."
        )
    settings = settings_digest(features, data)
    inputs = open_inputs(features, data)
    features = with_null_values(features, inputs)
    earlier = open_earlier(features, data, out)
    with only_job_at(out), plain_graphs():
        return _build(features, data, inputs, earlier, out, settings)


def _build(
    features: FeatureSet,
    data: DataConfig,
    inputs: Inputs,
    earlier: EarlierVocabularies | None,
    out: str,
    settings: str,
) -> Bundle:
    started = time.monotonic()
    contents = contents_of(inputs.files)
    sources = {name: content.entry for name, content in contents.items()}
    generated = inputs.generated
    if generated:
        sources |= generated.contents(data.source)
    fingerprint = fingerprint_of(features, data, sources, earlier)
    folder = BundleFolder(out)
    if bundle := folder.existing(fingerprint):
        log.info("%s is up to date: reused", out)
        return bundle
    folder.start()
    read = sum(entry.size for entry in sources.values())
    with _publishing_or_abandoning(folder, out, read):
        log.info("building %s from %d files (%s)", out, len(sources), size(read))
        results, joins = _read_and_write(features, data, inputs, contents, earlier, folder)
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
    if earlier:
        log.info(changes_in_words(earlier, results.vocabulary_changes))
    log.info("split %s: %s", in_words(results.split_rule), _of_tables(results.rows_written))
    _log_speed(results, time.monotonic() - started)
    return open_bundle(out)


@contextmanager
def _publishing_or_abandoning(folder: BundleFolder, out: str, read: int) -> Iterator[None]:
    """Publishes the bundle at the end; after an error nothing is left but rejected rows.

    Args:
        folder: Where the bundle is being built.
        out: Folder of the bundle.
        read: Size of the input in bytes.
    """
    try:
        yield
        folder.publish()
    except ChangedInputError:
        raise
    except DataError:
        _hand_over_rejected(folder)
        raise
    except Exception as error:
        if full_disk(error) is None:
            raise
        raise DataError(
            f"the disk of {out} is full. While the job runs, about as much as the input of "
            f"{size(read)} waits there, beside the bundle itself. Free some room, or build on "
            "another disk with --bundle."
        ) from error
    finally:
        folder.abandon()


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
        result = run(pipeline)
    except Exception:
        check_unchanged(contents)  # perhaps why a step failed
        raise
    check_unchanged(contents)
    return result


def _log_speed(results: Results, seconds: float) -> None:
    rows = sum(results.rows_written.values())
    log.info(
        "wrote %s rows in %d files, %.0f s (%s rows/s)",
        f"{rows:,}",
        len(results.files),
        seconds,
        f"{rows / seconds:,.0f}",
    )


def fingerprint_of(
    features: FeatureSet,
    data: DataConfig,
    sources: Mapping[str, FileEntry],
    earlier: EarlierVocabularies | None = None,
) -> str:
    """SHA-256 of all that decides what a bundle holds."""
    unused = {
        "events": not data.events,
        "explode": data.explode is None,
        "train_positives": data.train_positives == 1.0,
        "negatives_kept": data.negatives_kept == 1.0,
    }
    irrelevant = _IRRELEVANT | {name for name, left_out in unused.items() if left_out}
    content: dict[str, Any] = {
        "format_version": FORMAT_VERSION,
        "features": features.model_dump(mode="json"),
        "data": data.model_dump(mode="json", exclude=irrelevant),
        "sources": {name: entry.model_dump() for name, entry in sorted(sources.items())},
    }
    if data.split.train_from is None:  # a bundle of before that setting is the same
        del content["data"]["split"]["train_from"]
    if earlier:
        content["vocabularies_from"] = earlier.decides()
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def _read_results(folder: BundleFolder) -> Results:
    path = os.path.join(folder.results, RESULTS)
    if not tf.io.gfile.exists(path):
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


def _hand_over_rejected(folder: BundleFolder) -> None:
    """Leaves the rejected rows where the user can look at them, if there are any."""
    path = os.path.join(folder.results, REJECTED_ROWS)
    if tf.io.gfile.exists(path) and tf.io.gfile.stat(path).length:
        tf.io.gfile.rename(path, folder.rejected, overwrite=True)
