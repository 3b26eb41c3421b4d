"""The rows with which an endpoint is checked: of the export, incomplete ones, unknown tokens."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from serving.client.request_rows import Row, rank_tensors, to_examples, to_tensors
from serving.export_format import names
from serving.export_format.signature_table import SignatureTable

UNKNOWN_TOKEN = "never seen \u2603"
SEVERAL = 7


@dataclass(frozen=True)
class Case:
    """Rows to score.

    Args:
        name: What they are, for the report.
        rows: The rows. `rank` takes the user of the first, or of no row at all.
    """

    name: str
    rows: tuple[Row, ...]


def cases(rows: Sequence[Row]) -> list[Case]:
    """What an endpoint is asked for, made of an export's sample rows."""
    columns = list(dict.fromkeys(column for row in rows for column in row))
    several = tuple(rows[number % len(rows)] for number in range(SEVERAL))
    incomplete = [{key: row for key, row in rows[0].items() if key != gone} for gone in columns]
    return [
        Case("1 row", (rows[0],)),
        Case(f"{SEVERAL} rows", several),
        Case("0 rows", ()),
        Case("missing features", ({}, *incomplete)),
        Case("unknown tokens", tuple(map(_with_unknown_tokens, rows))),
    ]


def _with_unknown_tokens(row: Row) -> Row:
    unknown: dict[str, Any] = {}
    for column, value in row.items():
        if isinstance(value, str):
            unknown[column] = UNKNOWN_TOKEN
        elif isinstance(value, list) and all(isinstance(each, str) for each in value):
            unknown[column] = [UNKNOWN_TOKEN] * len(value)
        else:
            unknown[column] = value
    return unknown


def arrays(signature: str, case: Case, table: SignatureTable) -> dict[str, np.ndarray]:
    """The inputs of a signature for the rows of a case."""
    inputs = table[signature].inputs
    examples_input = names.examples_input(signature)
    if examples_input is not None:
        examples = np.empty(len(case.rows), object)
        examples[:] = to_examples(case.rows, table[names.RAW_TENSORS].inputs)
        return {examples_input: examples}
    if signature != names.RANK:
        return to_tensors(case.rows, inputs)
    of_user = {
        key
        for name, each in inputs.items()
        if each.side == names.USER
        for key in (name, each.column)
    }
    user = {key: value for key, value in (*case.rows, {})[0].items() if key in of_user}
    candidates = [
        {key: value for key, value in row.items() if key not in of_user} for row in case.rows
    ]
    return rank_tensors(user, candidates, inputs)
