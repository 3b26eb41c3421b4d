import numpy as np

from features.columns import Column
from pipeline.data.writing.encoded import schema_of, to_arrays, to_batch

COLUMNS = (
    Column(name="id", dtype="int32"),
    Column(name="steps", dtype="int32", length=3),
    Column(name="vector", dtype="float32", dimension=2),
    Column(name="time", dtype="int64"),
)
ARRAYS = {
    "id": np.array([1, 0, 2, 7], np.int32),
    "steps": np.array([[1, 2, 0], [0, 0, 0], [4, 5, 6], [9, 0, 0]], np.int32),
    "vector": np.arange(8, dtype=np.float32).reshape(4, 2),
    "time": np.array([2**40, -1, 0, 1]),
}


def test_arrays_survive_packing_taking_and_slicing():
    batch = to_batch(ARRAYS, COLUMNS)
    assert batch.schema == schema_of(COLUMNS)
    assert batch["steps"].to_pylist() == [[1, 2], [], [4, 5, 6], [9]]
    for rows, part in (
        ([0, 1, 2, 3], batch),
        ([2, 3], batch.slice(2, 2)),
        ([3, 1], batch.take([3, 1])),
        ([], batch.slice(0, 0)),
    ):
        for name, array in to_arrays(part, COLUMNS).items():
            np.testing.assert_array_equal(array, ARRAYS[name][rows], strict=True)
