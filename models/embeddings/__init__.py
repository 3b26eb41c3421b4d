"""Embeddings: the tables, how inputs lie in them, and what branches see of a batch."""

from models.embeddings.bank import EmbeddingBank
from models.embeddings.embedded import Embedded, History
from models.embeddings.embedding_layout import EmbeddingLayout

__all__ = ["Embedded", "EmbeddingBank", "EmbeddingLayout", "History"]
