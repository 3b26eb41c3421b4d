import gzip
import io

import h5py
import numpy as np
import pyarrow as pa
import pytest

import pipeline.data.reading.vector_files as vector_files
from features.errors import DataError
from features.raw import coerce
from features.specs import FeatureSet
from pipeline.data.reading.read import UnreadableError, read_blocks, read_header
from pipeline.data.sources.base import VectorFile

FILE = VectorFile(("*",), key="item", vector="image")
MATRIX = np.random.default_rng(3).normal(size=(100, 6)).astype(np.float32)


def npy(matrix, **options):
    buffer = io.BytesIO()
    np.save(buffer, matrix, **options)
    return buffer.getvalue()


def write_h5(path, **datasets):
    with h5py.File(path, "w") as file:
        for name, data in datasets.items():
            file.create_dataset(name, data=data)
    return str(path)


def read(path, wanted=("item", "image")):
    """Keys and vectors, and the row that each block begins with."""
    assert read_header(FILE, path) == ("item", "image")
    blocks = list(read_blocks(FILE, path, ("item", "image"), wanted))
    rows = pa.Table.from_batches([block.rows for block in blocks])
    positions = np.concatenate([block.positions for block in blocks])
    np.testing.assert_array_equal(positions, np.arange(1, len(rows) + 1))
    return rows, [block.key for block in blocks]


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    monkeypatch.setattr(vector_files, "_BYTES", 4 * 6 * 30)


@pytest.mark.parametrize("dtype", ["<f4", ">f4", "<f8", "<f2", "<i4"])
def test_rows_of_a_matrix_have_their_number_as_key(tmp_path, dtype):
    matrix = (MATRIX * 10).astype(dtype)
    (tmp_path / "v.npy").write_bytes(npy(matrix))
    rows, keys = read(str(tmp_path / "v.npy"))
    assert rows["item"].to_pylist() == [str(row) for row in range(100)]
    assert rows.schema.field("image").type == pa.list_(pa.float32(), 6)
    found = rows["image"].combine_chunks().flatten().to_numpy().reshape(100, 6)
    np.testing.assert_array_equal(found, matrix.astype(np.float32))
    assert keys == [0, 30, 60, 90]


@pytest.mark.parametrize("keys", [np.arange(7, 107), [f"v{row}" for row in range(100)]])
def test_keys_and_values_of_hdf5(tmp_path, keys):
    path = write_h5(tmp_path / "v.h5", key=keys, value=MATRIX)
    rows, _ = read(path)
    assert rows["item"].to_pylist() == [str(key) for key in keys]
    found = rows["image"].combine_chunks().flatten().to_numpy().reshape(100, 6)
    np.testing.assert_array_equal(found, MATRIX)
    assert read(path, ("image",))[0].column_names == ["image"]


def test_keys_that_are_whole_doubles_join_the_whole_numbers_of_a_log(tmp_path):
    keys = np.array([12.0, -0.0, 1.5, *range(10**10, 10**10 + 97)])
    rows, _ = read(write_h5(tmp_path / "v.h5", key=keys, value=MATRIX))
    assert rows["item"].to_pylist()[:5] == ["12", "0", "1.5", "10000000000", "10000000001"]


def test_compressed_files_are_read_too(tmp_path):
    (tmp_path / "v.npy.gz").write_bytes(gzip.compress(npy(MATRIX)))
    assert len(read(str(tmp_path / "v.npy.gz"))[0]) == 100


def test_vectors_become_an_embedding_and_those_without_numbers_are_set_aside(tmp_path):
    matrix = MATRIX.astype(np.float64)
    matrix[3, 2], matrix[40, 0], matrix[50, 5] = np.nan, np.inf, 1e300
    (tmp_path / "v.npy").write_bytes(npy(matrix))
    features = FeatureSet.model_validate(
        {"features": {"image": {"kind": "embedding", "dimension": 6}}}
    )
    rows, _ = read(str(tmp_path / "v.npy"))
    typed, good, reasons = coerce(rows.combine_chunks().to_batches()[0], features)
    assert sorted(reasons) == [3, 40, 50]
    found = typed.column("image").flatten().to_numpy(zero_copy_only=False).reshape(-1, 6)
    np.testing.assert_array_equal(found, MATRIX[good])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (npy(MATRIX[:, 0]), r"shape \(100,\) and type float32, and a matrix of numbers is needed"),
        (npy(np.array([["a", "b"]])), r"shape \(1, 2\) and type <U1"),
        (npy(np.asfortranarray(MATRIX)), "stored column by column. Save np.ascontiguousarray"),
        (npy(MATRIX)[:30], "no vectors that can be read"),
        (b"", "no vectors that can be read"),
        (b"item,image\n1,2\n", "no vectors that can be read"),
        (npy(np.array([[{}]], object), allow_pickle=True), "type object"),
    ],
)
def test_what_holds_no_vectors_is_refused_before_the_job_starts(tmp_path, content, message):
    (tmp_path / "v.npy").write_bytes(content)
    with pytest.raises(DataError, match=message):
        read_header(FILE, str(tmp_path / "v.npy"))


@pytest.mark.parametrize(
    ("datasets", "message"),
    [
        ({"key": [1], "vector": [[1.0]]}, "with key, vector in it, and datasets 'key' and 'value'"),
        ({}, "with nothing in it"),
        ({"key": [1, 2], "value": [[1.0]]}, r"keys of shape \(2,\) for vectors of shape \(1, 1\)"),
        ({"key": [1], "value": [1.0]}, r"shape \(1,\)"),
    ],
)
def test_hdf5_of_another_kind_is_refused(tmp_path, datasets, message):
    path = write_h5(tmp_path / "v.h5", **datasets)
    with pytest.raises(DataError, match=message):
        read_header(FILE, path)


def test_a_file_that_is_no_hdf5_is_refused(tmp_path):
    (tmp_path / "v.h5").write_bytes(npy(MATRIX))
    with pytest.raises(DataError, match="no vectors that can be read"):
        read_header(FILE, str(tmp_path / "v.h5"))


def test_a_matrix_that_breaks_off_is_read_up_to_there(tmp_path):
    (tmp_path / "v.npy").write_bytes(npy(MATRIX)[:-30])
    path, found = str(tmp_path / "v.npy"), []
    blocks = read_blocks(FILE, path, ("item", "image"), ("item", "image"))
    with pytest.raises(UnreadableError, match="after row 60: it ends after 90 of its 100 vectors"):
        found.extend(len(block.rows) for block in blocks)
    assert found == [30, 30, 30]


def test_an_empty_matrix_has_no_rows(tmp_path):
    (tmp_path / "v.npy").write_bytes(npy(MATRIX[:0]))
    assert list(read_blocks(FILE, str(tmp_path / "v.npy"), (), ("item",))) == []
