"""Writes a variant and verifies that what was written scores as what it was written from."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import tensorflow as tf

from features.bundle import Bundle
from features.errors import ExportError
from models.embeddings import EmbeddingBank
from models.network import CooperativeNetwork
from models.network.branch_alone import branch_alone
from serving.export_format import names
from serving.export_format.export_layout import SAMPLE_ROWS
from serving.exporting.export import expected_scores, export
from serving.exporting.signatures import Network
from serving.variants.narrow_bundle import narrow_bundle
from serving.variants.openvino_ir import SAMPLE_INPUTS, IrModel, preprocessed, write_ir
from serving.variants.variant import Variant


@dataclass(frozen=True)
class Cut:
    """What a variant is written from.

    Args:
        network: Called as the full network is.
        bundle: The features that it reads.
    """

    network: Network
    bundle: Bundle


def cut(network: CooperativeNetwork, bundle: Bundle, variant: Variant, folder: Path) -> Cut:
    """What is left of a network in a variant.

    Args:
        network: The full one. Its tables are stored anew where the variant has all of it in
            another precision: nothing else can be done with it afterwards than to score.
        bundle: Bundle that the network was trained on.
        variant: What is wanted.
        folder: Takes the metadata and vocabularies of a branch; it must live as long as the result.

    Raises:
        ExportError: The network has no such branch, or weights that the precision cannot hold.
    """
    left = network
    if variant.branch is not None:
        left = branch_alone(network, variant.branch)
        inputs = [spec.name for spec in left.embeddings.layout.inputs]
        bundle = narrow_bundle(bundle, inputs, folder)
    _store_tables(left.embeddings, variant.precision)
    return Cut(left, bundle)


def _store_tables(bank: EmbeddingBank, precision: str) -> None:
    """Stores the tables of a bank in another type, in place; what is read of them stays float32.

    Args:
        bank: Embeddings of the network that is to be exported; they can no longer be trained
            afterwards.
        precision: One of `variant.PRECISIONS`.

    Raises:
        ExportError: A weight is beyond the range of the type, even if no row that is compared
            reads it. Tables before that one are stored already.
    """
    if precision == "float32":
        return
    for table in bank.tables:
        try:
            table.store_as(tf.as_dtype(precision))
        except ValueError as error:
            raise ExportError(
                f"the tables cannot be stored as {precision}: {error} Export with --precision "
                "bfloat16, which has the range of float32."
            ) from None


def write_saved_model(
    made: Cut,
    base: Path,
    sample: pa.RecordBatch,
    candidates: Sequence[str] | None,
    compiled: Sequence[int] = (),
) -> Path:
    """Writes the next version under `base`, as `serving.exporting.export.export` does.

    Candidates that a branch does not read are left out.
    """
    if candidates is not None:
        read = {spec.name for spec in made.bundle.metadata.features.inputs}
        left = [name for name in candidates if name in read]
        candidates = left if 0 < len(left) < len(read) else None
    return export(made.network, made.bundle, base, sample, candidates=candidates, compiled=compiled)


def write_openvino(made: Cut, folder: Path, sample: pa.RecordBatch, sample_rows: Path) -> Path:
    """Writes OpenVINO's IR into a new folder, reads it back and scores the sample.

    Args:
        made: What to write.
        folder: Made here.
        sample: Typed raw rows.
        sample_rows: File of raw rows to put beside it.

    Raises:
        ExportError: It cannot be converted, or scores otherwise than the network.
    """
    folder.mkdir(parents=True)
    write_ir(made.network, made.bundle.metadata.model_inputs(), made.bundle, folder)
    inputs = preprocessed(made.bundle, sample)
    samples: dict[str, Any] = {name: value[:5] for name, value in inputs.items()}
    np.savez(folder / SAMPLE_INPUTS, **samples)
    expected = expected_scores(made.network, made.bundle, sample)[names.PROB]
    received = IrModel(folder).score(inputs)
    allowed = Variant(format="openvino").tolerance.largest
    worst = float(np.max(np.abs(received.astype(np.float64) - expected)))
    if not worst <= allowed:
        raise ExportError(
            f"OpenVINO does not reproduce the network: on {len(expected)} sample rows its "
            f"probabilities differ by {worst:.3g}, and {allowed:g} is allowed. It was discarded."
        )
    (folder / SAMPLE_ROWS).parent.mkdir()
    shutil.copyfile(sample_rows, folder / SAMPLE_ROWS)
    return folder
