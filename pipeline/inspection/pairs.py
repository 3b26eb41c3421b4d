"""What the columns of libsvm and libffm text are: indices are tokens, whatever numbers they are."""

from collections.abc import Collection

from pipeline.data.reading.pair_lines import INDICES, LABEL, VALUES
from pipeline.inspection.column import Column

_SOURCES = ("libsvm", "libffm")


def label_of(source: str) -> str | None:
    """The column that such text has for a label; None for other sources."""
    return LABEL if source in _SOURCES else None


def is_index(source: str, column: str) -> bool:
    """Whether a column holds indices."""
    return source in _SOURCES and (column == INDICES or column.startswith("field_"))


def as_of_pairs(column: Column, source: str, columns: Collection[str]) -> Column:
    """The proposal for a column of such text; that of other sources as it is.

    Args:
        column: What is proposed by its values.
        source: The source.
        columns: All columns.
    """
    if source not in _SOURCES:
        return column
    has_own = any(name.startswith("x") for name in columns)
    if column.column in (INDICES, VALUES) and has_own:
        return column.without("each index has a column of its own, such as x1")
    if column.column == VALUES or (
        column.column.startswith("value_") and column.kind in ("sequence", "multivalued")
    ):
        return column.without("weights of indices, which no kind reads")
    if is_index(source, column.column) and column.kind == "sequence":
        settings = {
            name: value for name, value in column.settings.items() if name != "vocabulary"
        } | {"kind": "multivalued"}
        note = "" if VALUES not in columns else "; their values are left out"
        return Column(
            column.column, settings, f"a set of indices{note}", column.left_out, auc=column.auc
        )
    return column
