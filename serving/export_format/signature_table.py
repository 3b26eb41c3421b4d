"""What the signatures of an export take and give, as a table that lies beside every export.

Standard library only, so that clients and servers may import it.
"""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from serving.export_format import names


@dataclass(frozen=True)
class TensorTemplate:
    """Dtype and shape of a tensor, and of an input what it holds.

    Args:
        dtype: `string`, `float32`, `int64`, or `float64` for numbers that float32 cannot tell
            apart, which are text in tf.Examples; a server may tell of others.
        shape: None stands for a size that is not fixed: of the batch, or of lists.
        column: Raw column that an input holds; None for serialized tf.Examples and for outputs.
        missing: What stands for a missing value, and in a list pads its end: "", the text "NaN"
            (JSON has no number for it) or the least int64. None where nothing does.
        side: In `rank`, whether the input is the user's or the candidates'.
    """

    dtype: str
    shape: tuple[int | None, ...]
    column: str | None = None
    missing: str | float | int | None = None
    side: str | None = None

    def of_side(self, side: str) -> "TensorTemplate":
        """The input as `rank` takes it: the user's has a batch of 1."""
        shape = (1 if side == names.USER else None, *self.shape[1:])
        return TensorTemplate(self.dtype, shape, self.column, self.missing, side)

    def to_json(self) -> dict[str, Any]:
        """The fields that are set, as JSON holds them."""
        fields = {**vars(self), "shape": list(self.shape)}
        return {name: value for name, value in fields.items() if value is not None}

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> "TensorTemplate":
        return cls(**{**fields, "shape": tuple(fields["shape"])})


@dataclass(frozen=True)
class SignatureTemplate:
    """Inputs and outputs of a signature, by name."""

    inputs: dict[str, TensorTemplate]
    outputs: dict[str, TensorTemplate]


SignatureTable = dict[str, SignatureTemplate]

_EXAMPLES = TensorTemplate("string", (None,))
_PROB = TensorTemplate("float32", (None,))


def signature_table(
    columns: Mapping[str, TensorTemplate],
    candidates: Collection[str] | None = None,
    branches: Sequence[str] = (),
    weights: Sequence[str] = (),
) -> SignatureTable:
    """The signatures of an export; `branches` and `rank` are absent where they would be empty.

    Args:
        columns: By raw column, its tensor in `raw_tensors`, as
            `serving.exporting.column_sides.raw_columns` says.
        candidates: Raw columns of the candidates in `rank`; the others are the user's. Without
            any, or without others, there is no `rank`.
        branches: Branches that have a probability of their own.
        weights: Branches that the fusion weighs.
    """
    inputs = names.tensor_names(columns)
    prob = {names.PROB: _PROB}
    classes = {
        names.CLASSES: TensorTemplate("string", (None, len(names.CLASS_LABELS))),
        names.SCORES: TensorTemplate("float32", (None, len(names.CLASS_LABELS))),
    }
    table = {
        names.SERVING_DEFAULT: SignatureTemplate({names.EXAMPLES: _EXAMPLES}, prob),
        names.RAW_TENSORS: SignatureTemplate(
            {inputs[column]: template for column, template in columns.items()}, prob
        ),
        names.CLASSIFY: SignatureTemplate({names.INPUTS: _EXAMPLES}, classes),
        names.REGRESS: SignatureTemplate(
            {names.INPUTS: _EXAMPLES}, {names.OUTPUTS: TensorTemplate("float32", (None, 1))}
        ),
    }
    if branches or weights:
        outputs = [*map(names.branch_output, branches), *map(names.weight_output, weights)]
        table[names.BRANCHES] = SignatureTemplate(
            {names.EXAMPLES: _EXAMPLES}, {**prob, **dict.fromkeys(outputs, _PROB)}
        )
    if candidates and set(candidates) < set(columns):
        table[names.RANK] = SignatureTemplate(
            {
                inputs[column]: template.of_side(
                    names.CANDIDATE if column in candidates else names.USER
                )
                for column, template in columns.items()
            },
            prob,
        )
    return table


def user_columns(table: SignatureTable) -> frozenset[str]:
    """The raw columns that `rank` takes once; none where there is no `rank`."""
    rank = table.get(names.RANK)
    inputs = rank.inputs.values() if rank else ()
    columns = (each.column for each in inputs if each.side == names.USER)
    return frozenset(column for column in columns if column is not None)


def dump_table(table: SignatureTable) -> str:
    """The table as signatures.json holds it."""
    content = {
        signature: {
            part: {name: each.to_json() for name, each in getattr(template, part).items()}
            for part in ("inputs", "outputs")
        }
        for signature, template in table.items()
    }
    return json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def read_table(path: str | Path) -> SignatureTable:
    """Reads signatures.json."""
    content = json.loads(Path(path).read_text(encoding="utf-8"))
    return {
        signature: SignatureTemplate(
            **{
                part: {name: TensorTemplate.from_json(each) for name, each in tensors.items()}
                for part, tensors in template.items()
            }
        )
        for signature, template in content.items()
    }
