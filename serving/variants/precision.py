"""Embedding tables in fewer bits."""

import tensorflow as tf

from features.errors import ExportError
from models.embeddings import EmbeddingBank


def store_tables(bank: EmbeddingBank, precision: str) -> None:
    """Stores the tables of a bank in another type, in place; what is read of them stays float32.

    Args:
        bank: Of the network that is to be exported. It can no longer be trained afterwards.
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
