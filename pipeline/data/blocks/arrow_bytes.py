"""Arrow batches as compressed bytes between workers.

Beam would pickle a batch, and a pickled slice drags along all rows of the batch it was cut from
(apache/arrow issue 26685); Arrow's own format writes the rows inside the slice.
"""

import struct

import apache_beam as beam
import pyarrow as pa

_CODEC = pa.Codec("lz4_raw")
_SIZE = struct.Struct("<q")  # bytes before compression, ahead of the compressed ones


def to_bytes(batch: pa.RecordBatch) -> bytes:
    """Serializes the rows of a batch, without the schema."""
    return _compress(batch.serialize())


def from_bytes(data: bytes, schema: pa.Schema) -> pa.RecordBatch:
    """The inverse of `to_bytes`."""
    return pa.ipc.read_record_batch(_decompress(data), schema)


class RecordBatchCoder(beam.coders.Coder):
    """How Beam encodes elements whose type is `pa.RecordBatch`; the schema travels with them."""

    def encode(self, value: pa.RecordBatch) -> bytes:
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, value.schema) as writer:
            writer.write_batch(value)
        return _compress(sink.getvalue())

    def decode(self, encoded: bytes) -> pa.RecordBatch:
        with pa.ipc.open_stream(_decompress(encoded)) as reader:
            return reader.read_next_batch()

    def estimate_size(self, value: pa.RecordBatch) -> int:
        return value.nbytes  # Beam samples sizes, and would encode the batch to learn its own

    def is_deterministic(self) -> bool:
        return False  # equal batches may differ in buffers that do not count

    def to_type_hint(self) -> type:
        return pa.RecordBatch


beam.coders.registry.register_coder(pa.RecordBatch, RecordBatchCoder)


def _compress(buffer: pa.Buffer) -> bytes:
    return _SIZE.pack(buffer.size) + _CODEC.compress(buffer, asbytes=True)


def _decompress(data: bytes) -> pa.Buffer:
    (size,) = _SIZE.unpack_from(data)
    return _CODEC.decompress(memoryview(data)[_SIZE.size :], size)
