"""Export of a trained network: a new version appears under the base path, verified, or nothing."""

import errno
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import pyarrow as pa
import tensorflow as tf

from features.bundle import METADATA, Bundle
from features.errors import ExportError
from features.input_shares import training_shares
from features.preprocessing import Preprocessor
from features.publish import publish
from features.raw_tensors import from_arrow
from serving.export_format import names
from serving.export_format.export_layout import (
    EXTRA,
    SAMPLE_ROWS,
    SIGNATURES_FILE,
    TRAINING_SHARES,
    WARM_UP,
    next_version,
)
from serving.export_format.signature_table import SignatureTable, dump_table, user_columns
from serving.exporting.signatures import Network, ScoringModule, probabilities
from serving.exporting.temporary_folder import temporary_folder
from serving.exporting.verify import Scores, verify
from serving.exporting.warm_up_requests import BATCH_SIZES, write_warm_up
from serving.scoring.signature_inputs import with_first_user

NUM_SAMPLE_ROWS = 5


def export(
    network: Network,
    bundle: Bundle,
    base_path: str | Path,
    sample: pa.RecordBatch,
    *,
    candidates: Sequence[str] | None = None,
    compiled: Sequence[int] = (),
    extras: Mapping[str, bytes] | None = None,
) -> Path:
    """Writes the next version under `base_path`.

    The version is written under a hidden name and renamed only after a fresh process has loaded
    it and scored the sample through every signature as the network does here. So a server that
    watches the folder never meets half a version, or one with other scores.

    Args:
        network: The trained network, as `serving.exporting.signatures.ScoringModule` takes it.
        bundle: What it was trained on: preprocessing and metadata come from it.
        base_path: Folder of the versions, made where it does not exist. It must be local.
        sample: Typed raw rows to verify with, such as some of the validation split. Columns that
            are not inputs, such as the label, are ignored. The first few become a part of the
            export, so that it can be tried without other data; so do warm-up requests.
        candidates: Names of the candidates' features in `rank`, see
            `serving.exporting.column_sides.candidate_columns`.
        compiled: Batch sizes at which XLA computes the network, see
            `serving.exporting.compiled`. They are verified and warmed up like the others.
        extras: Further files of `assets.extra`, by name.

    Returns:
        The folder of the new version.

    Raises:
        ExportError: No sample rows, a folder that cannot be written, scores that differ, or
            `candidates` that cannot be told from the user's features.
    """
    sample = _inputs_of(sample, bundle)
    base = Path(base_path)
    try:
        with temporary_folder(base) as folder:
            module = ScoringModule(
                network,
                bundle.metadata,
                bundle.vocabulary_dir,
                os.path.join(bundle.path, METADATA),
                candidates,
                compiled,
            )
            module.save(str(folder))
            _write_extras(folder, module.table, sample, bundle, compiled, extras or {})
            ranked = None
            if names.RANK in module.table:
                rows = with_first_user(sample, user_columns(module.table))
                ranked = expected_scores(network, bundle, rows)[names.PROB]
            verify(folder, sample, expected_scores(network, bundle, sample), ranked, compiled)
            return publish_version(folder, base)
    except OSError as error:
        raise ExportError(
            f"cannot write an export under {base}: {error}. Give a folder that can be written to."
        ) from error


def expected_scores(network: Network, bundle: Bundle, rows: pa.RecordBatch) -> Scores:
    """Scores typed raw rows with the network itself, without any SavedModel.

    Preprocessing runs in Python, operation by operation; the network in a graph, because graphs
    fuse operations, which in bfloat16 rounds differently than one after the other.
    """
    metadata = bundle.metadata
    preprocessor = Preprocessor(metadata.features, metadata.analysis, bundle.vocabulary_dir)

    @tf.function(autograph=False)
    def score(inputs: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        return probabilities(network, inputs)

    with tf.device("/CPU:0"):
        scores = score(preprocessor(from_arrow(rows, metadata.features)))
    return {name: value.numpy() for name, value in scores.items()}


def _inputs_of(sample: pa.RecordBatch, bundle: Bundle) -> pa.RecordBatch:
    schema = bundle.metadata.features.raw_schema(("input",))
    if sample.num_rows == 0:
        raise ExportError(
            "the export has no sample rows to be verified with. Give at least one raw row."
        )
    missing = [name for name in schema.names if name not in sample.schema.names]
    if missing:
        raise ExportError(
            f"the sample rows of the export lack the columns {', '.join(missing)}. Give raw rows "
            "with every input feature, typed by features.raw.coerce."
        )
    return sample.select(schema.names).cast(schema)


def _write_extras(
    folder: Path,
    table: SignatureTable,
    sample: pa.RecordBatch,
    bundle: Bundle,
    compiled: Sequence[int],
    extras: Mapping[str, bytes],
) -> None:
    """What lies beside the SavedModel: the table of signatures, sample rows, warm-up requests."""
    (folder / EXTRA).mkdir()
    for name, content in extras.items():
        (folder / EXTRA / name).write_bytes(content)
    (folder / SIGNATURES_FILE).write_text(dump_table(table), encoding="utf-8")
    shares = training_shares(bundle)
    if shares is not None:
        (folder / TRAINING_SHARES).write_text(shares.model_dump_json(indent=1) + "\n")
    _write_sample(sample.slice(0, NUM_SAMPLE_ROWS), folder / SAMPLE_ROWS)
    sizes = sorted({*BATCH_SIZES, *compiled})
    write_warm_up(folder / WARM_UP, table, sample, bundle.metadata.features, sizes)


def _write_sample(sample: pa.RecordBatch, path: Path) -> None:
    with path.open("w", encoding="utf-8") as file:
        for row in sample.to_pylist():
            file.write(json.dumps(row, ensure_ascii=False) + "\n")


def publish_version(folder: Path, base: Path) -> Path:
    """Renames a finished folder to the next free version.

    Renaming onto a folder that has content fails, so two exports cannot both become version N:
    the second one tries N + 1.
    """
    while True:
        version = next_version(base)
        try:
            publish(folder, version)
            return version
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):
                raise
