"""Scores raw rows with an export: what `predict` does, and what an application can embed."""

import logging
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import tensorflow as tf

from features.bundle import BundleMetadata, check_vocabularies, read_metadata
from features.errors import BundleError, DataError, ExportError, did_you_mean
from features.raw import coerce
from features.raw_tensors import RawTensors, coded_tensors, to_dense
from serving.export_format import names
from serving.export_format.export_layout import (
    ASSETS,
    METADATA_ASSET,
    is_version_name,
    version_folders,
    why_incomplete,
)
from serving.scoring.raw_rows import BLOCK_ROWS
from serving.scoring.signature_inputs import named_inputs, signature_inputs

_log = logging.getLogger(__name__)


class PreparedRows(NamedTuple):
    """A block of typed rows, ready to be scored.

    Args:
        inputs: The arguments of the signature that scores it.
        coded: The same rows as an `InputCounter` takes them.
    """

    inputs: dict[str, tf.Tensor]
    coded: RawTensors


class Scorer:
    """An export in memory.

    Example:
        >>> scorer = Scorer("runs/a1/export")
        >>> scorer.score(rows)
        {'prob': array([0.18, 0.03], dtype=float32)}

    Args:
        path: A version of an export, or the folder of its versions, whose latest complete one is
            taken.

    Attributes:
        version: Folder of the version that was loaded.
        metadata: Metadata of the bundle that the network was trained on, with its feature groups.
        branch_names: Branches that have a probability of their own, sorted.

    Raises:
        ExportError: Nothing there, or nothing that can be loaded and that Concord wrote.
    """

    def __init__(self, path: str | Path) -> None:
        self.version, self.metadata, self._model = _load_latest(Path(path))
        self._signatures = self._model.signatures
        outputs = []
        if names.BRANCHES in self._signatures:
            outputs = self._signatures[names.BRANCHES].structured_outputs
        self.branch_names = names.branches_of(outputs)

    def score(
        self, rows: pa.RecordBatch | PreparedRows, branches: bool = False
    ) -> dict[str, np.ndarray]:
        """Scores raw rows, however many, in blocks of 4,096.

        Args:
            rows: A column for each input feature, typed or as text; others are ignored. Or a
                block that `prepare` made for the same choice of `branches`.
            branches: Also score with each branch alone.

        Returns:
            `prob` and, with `branches`, `prob_<branch>` for each: float32 (rows,), in the order
            of the rows.

        Raises:
            DataError: A column is missing, or a value does not fit its feature.
            ExportError: `branches`, and the export has none.
        """
        signature = self._signature(branches)
        blocks: Iterable[PreparedRows]
        blocks = [rows] if isinstance(rows, PreparedRows) else self._blocks(rows, branches)
        scores = [self._score_block(block, signature) for block in blocks]
        return {
            name: np.concatenate([block[name] for block in scores])
            for name in self.outputs(branches)
        }

    def outputs(self, branches: bool = False) -> list[str]:
        """Names of what `score` returns."""
        return [names.PROB, *(map(names.branch_output, self.branch_names) if branches else ())]

    def prepare(self, typed: pa.RecordBatch, branches: bool = False) -> PreparedRows:
        """What `score` does with a block before the network computes. Safe in another thread.

        Args:
            typed: Typed raw columns, as `features.raw.coerce` gives them: 4,096 rows at most.
            branches: As it will be scored.

        Raises:
            ExportError: `branches`, and the export has none.
        """
        signature, features = self._signature(branches), self.metadata.features
        coded = coded_tensors(typed, features)
        if signature == names.RAW_TENSORS:
            return PreparedRows(named_inputs(to_dense(coded)), coded)
        return PreparedRows(signature_inputs(signature, typed, features), coded)

    def _signature(self, branches: bool) -> str:
        if branches and not self.branch_names:
            raise ExportError(
                f"{self.version} has no probabilities of branches: its network was trained with "
                "heads: fused. Leave the branches out, or train with heads: all."
            )
        return names.BRANCHES if branches else names.RAW_TENSORS

    def _blocks(self, rows: pa.RecordBatch, branches: bool) -> Iterator[PreparedRows]:
        typed = self._typed(rows)
        for start in range(0, max(typed.num_rows, 1), BLOCK_ROWS):
            yield self.prepare(typed.slice(start, BLOCK_ROWS), branches)

    def _typed(self, rows: pa.RecordBatch) -> pa.RecordBatch:
        features = self.metadata.features
        for name in features.raw_schema(("input",)).names:
            if name not in rows.schema.names:
                raise DataError(
                    f"the rows have no column {name!r}. {did_you_mean(name, rows.schema.names)} "
                    "Where it is missing from every row, add it with empty values."
                )
        typed, _, reasons = coerce(rows, features, roles=("input",))
        if reasons:
            row = min(reasons)
            raise DataError(f"row {row} (from 0): {reasons[row]}. Correct it, or leave it empty.")
        return typed

    def _score_block(self, rows: PreparedRows, signature: str) -> dict[str, np.ndarray]:
        outputs = self._signatures[signature](**rows.inputs)
        return {name: value.numpy() for name, value in outputs.items()}


def _load_latest(path: Path) -> tuple[Path, BundleMetadata, tf.Module]:
    problems: list[ExportError] = []
    for version in _versions(path):
        try:
            loaded = load_export(version)
        except ExportError as error:
            problems.append(error)
            continue
        for problem in problems:
            _log.warning("%s Scoring with %s instead.", problem, version)
        return version, *loaded
    raise problems[0]


def _versions(path: Path) -> list[Path]:
    """The version folder that `path` is, or the ones it holds, latest first; never none."""
    if not path.is_dir():
        problem = "is not a folder" if path.exists() else "does not exist"
        raise ExportError(
            f"{path} {problem}. Give an export: a version folder, or the folder of its versions."
        )
    versions = version_folders(path)
    if versions and why_incomplete(path):
        return versions
    if is_version_name(path.name) or any(path.glob("saved_model.*")):
        return [path]
    raise ExportError(
        f"{path} holds no export: neither a SavedModel nor a version folder such as 1. "
        "Export first: python -m pipeline export ..."
    )


def load_export(version: Path) -> tuple[BundleMetadata, tf.Module]:
    """The metadata of a version, and the SavedModel with its `signatures`.

    Raises:
        ExportError: It is incomplete or damaged, or Concord did not write it.
    """
    problem = why_incomplete(version)
    if problem:
        raise ExportError(
            f"{version} is not a complete export: {problem}. "
            "Export again: python -m pipeline export ..."
        )
    try:
        metadata = read_metadata(version / METADATA_ASSET)
    except BundleError as error:
        raise ExportError(f"{version} cannot be read: {error} Then train and export.") from None
    try:
        check_vocabularies(metadata, version / ASSETS)
    except BundleError as error:
        raise ExportError(
            f"{version} cannot be used: {error} Copy it again, or export again: "
            "python -m pipeline export ..."
        ) from None
    model = _load_saved_model(version)
    for name in (names.SERVING_DEFAULT, names.RAW_TENSORS):
        if name not in model.signatures:
            raise ExportError(
                f"{version} has no signature {name!r}, only {sorted(model.signatures)}. "
                "Export again: python -m pipeline export ..."
            )
    return metadata, model


def _load_saved_model(version: Path) -> tf.Module:
    try:
        return tf.saved_model.load(str(version))
    except Exception as error:  # a damaged file may fail anywhere inside of TensorFlow
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise ExportError(
            f"{version} cannot be loaded as a SavedModel: {reason}. "
            "Export again: python -m pipeline export ..."
        ) from error
