import apache_beam as beam
import pyarrow as pa

from pipeline.data.blocks.arrow_bytes import RecordBatchCoder, from_bytes, to_bytes

BATCH = pa.record_batch(
    {
        "id": pa.array(range(10_000), pa.int32()),
        "text": [f"row {i}" if i % 3 else None for i in range(10_000)],
        "steps": [[i, i + 1][: i % 3] for i in range(10_000)],
    }
)


def test_batches_and_slices_survive_the_trip():
    for batch in (BATCH, BATCH.slice(77, 5), BATCH.slice(0, 0)):
        assert from_bytes(to_bytes(batch), BATCH.schema).equals(batch)
        assert RecordBatchCoder().decode(RecordBatchCoder().encode(batch)).equals(batch)


def test_a_slice_does_not_drag_its_batch_along():
    assert len(to_bytes(BATCH.slice(77, 5))) < 600
    assert len(RecordBatchCoder().encode(BATCH.slice(77, 5))) < 1_500


def test_beam_chooses_this_coder_by_type():
    blocks = beam.typehints.Tuple[int, str, pa.RecordBatch]
    assert isinstance(beam.coders.registry.get_coder(blocks).coders()[2], RecordBatchCoder)
