"""Scores a file of raw rows with an export: everything is read without an error, or no output."""

import logging
import os
from collections.abc import Mapping
from contextlib import closing
from itertools import chain, islice
from pathlib import Path

import numpy as np

from features.errors import DataError
from features.input_shares import differences, in_words
from features.prefetch import mapped_ahead, prefetched
from serving.export_format.names import PROB
from serving.scoring.input_counter import input_counter
from serving.scoring.raw_rows import read_rows
from serving.scoring.score_writers import score_writer
from serving.scoring.scorer import PreparedRows, Scorer

_BLOCKS_AT_ONCE = 2

_log = logging.getLogger(__name__)


def predict(
    export: str | Path, input_path: str, output_path: str | None = None, branches: bool = False
) -> int:
    """Writes `prob` of each row, in order, and `prob_<branch>` for `branches`.

    A JSON object a row: {"prob": 0.25}; or a column of Parquet each, see `score_writers`.

    The output appears whole or not at all: a file is written beside and renamed, and nothing goes
    to the standard output, a device or a pipe before the last row is scored. Links are followed.

    Inputs whose share of missing values or unknown tokens is far from training's are named in
    warnings, see `features.input_shares`.

    Args:
        export: A version of an export, or the folder of its versions.
        input_path: Raw rows, as `serving.scoring.raw_rows.read_rows` takes them.
        output_path: File to write: Parquet where it ends in .parquet, JSON lines otherwise,
            compressed where it ends in .gz; None for the standard output.
        branches: Also write the probability of each branch.

    Returns:
        Number of rows.

    Raises:
        ExportError: The export cannot be used.
        DataError: The rows cannot be read, a score is not a number, the output cannot be written,
            or it is the input.
    """
    if output_path is not None:
        _check_not_input(input_path, output_path)
    scorer = Scorer(export)
    metadata = scorer.metadata
    counter = input_counter(scorer.version, metadata)
    num_rows = 0

    def scored(rows: PreparedRows) -> dict[str, np.ndarray]:
        if counter is not None:
            counter.add_coded(rows.coded)
        return scorer.score(rows, branches)

    blocks = read_rows(input_path, metadata.features, text_format=metadata.text_format, coded=True)
    # Rows are read and typed in a thread of their own while TensorFlow scores those before them,
    # two blocks at once: where the threads of one wait for each other, the other goes on. Of the
    # first one TensorFlow makes its graphs ready, which two would make it do twice.
    ready = prefetched(scorer.prepare(block, branches) for block in blocks)
    first, others = map(scored, islice(ready, 1)), mapped_ahead(scored, ready, _BLOCKS_AT_ONCE)
    with (
        score_writer(output_path, scorer.outputs(branches)) as write,
        closing(ready),
        closing(others),
    ):
        for scores in chain(first, others):
            _check_scores(scores, input_path, num_rows)
            write(scores)
            num_rows += len(scores[PROB])
    if counter is not None:
        for line in in_words(differences(counter.counts(), counter.training)):
            _log.warning("%s: %s", input_path, line)
    return num_rows


def _check_not_input(rows: str, output: str) -> None:
    """Refuses to put the scores in the place of the rows.

    Raises:
        DataError: Both are one file.
    """
    if os.path.isfile(rows) and os.path.exists(output) and os.path.samefile(rows, output):
        raise DataError(
            f"{output} is the input, which its scores would replace. Give another output."
        )


def _check_scores(scores: Mapping[str, np.ndarray], path: str, before: int) -> None:
    """Refuses scores that are not numbers.

    Raises:
        DataError: One is not; the message names its row.
    """
    for name, values in scores.items():
        bad = np.flatnonzero(~np.isfinite(values))
        if len(bad):
            raise DataError(
                f"{path}, row {before + bad[0] + 1:,}: {name} is not a number. A value of the row "
                "is too large for the network: correct it, or leave it empty."
            )
