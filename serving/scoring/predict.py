"""Scores a file of raw rows with an export: everything is read without an error, or no output."""

import json
import logging
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from features.errors import DataError
from features.input_shares import differences, in_words
from features.raw_tensors import from_arrow, to_dense
from serving.scoring.input_counter import input_counter
from serving.scoring.open_output import open_output
from serving.scoring.raw_rows import read_rows
from serving.scoring.scorer import Scorer

_log = logging.getLogger(__name__)


def predict(
    export: str | Path, input_path: str, output_path: str | None = None, branches: bool = False
) -> int:
    """Writes a JSON object a row, in order: {"prob": 0.25}, and `prob_<branch>` for `branches`.

    The output appears whole or not at all: a file is written beside and renamed, and nothing goes
    to the standard output, a device or a pipe before the last row is scored. Links are followed.

    Inputs whose share of missing values or unknown tokens is far from training's are named in
    warnings, see `features.input_shares`.

    Args:
        export: A version of an export, or the folder of its versions.
        input_path: Raw rows, as `serving.scoring.raw_rows.read_rows` takes them.
        output_path: File to write, compressed where it ends in .gz; None for the standard output.
        branches: Also write the probability of each branch.

    Returns:
        Number of rows.

    Raises:
        ExportError: The export cannot be used.
        DataError: The rows cannot be read, a score is not a number, or the output cannot be
            written.
    """
    scorer = Scorer(export)
    features = scorer.metadata.features
    counter = input_counter(scorer.version, scorer.metadata)
    num_rows = 0
    with open_output(output_path) as output:
        for rows in read_rows(input_path, features, text_format=scorer.metadata.text_format):
            scores = scorer.score(rows, branches)
            _check_scores(scores, input_path, num_rows)
            output.writelines(_lines(scores))
            num_rows += rows.num_rows
            if counter is not None:
                counter.add_dense(to_dense(from_arrow(rows, features)))
    if counter is not None:
        for line in in_words(differences(counter.counts(), counter.training)):
            _log.warning("%s: %s", input_path, line)
    return num_rows


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


def _lines(scores: dict[str, np.ndarray]) -> Iterator[str]:
    for values in zip(*scores.values(), strict=True):
        pairs = (
            f"{json.dumps(name)}: {_number(p)}" for name, p in zip(scores, values, strict=True)
        )
        yield f"{{{', '.join(pairs)}}}\n"


def _number(prob: np.float32) -> str:
    return f"{prob:.9g}"  # nine significant digits name a float32 exactly
