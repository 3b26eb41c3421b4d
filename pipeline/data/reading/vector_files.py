"""Matrices of given vectors, from NumPy and HDF5 files, as Arrow columns; floats stay floats."""

from collections.abc import Callable, Iterator
from typing import BinaryIO

import h5py
import numpy as np
import pyarrow as pa

from features.raw_values import text_of

_BYTES = 4 << 20  # of a block of vectors
KEY, VALUE = "key", "value"  # datasets of an HDF5 file


def read_vectors(path: str, stream: BinaryIO) -> Iterator[tuple[int, pa.Array, pa.Array]]:
    """Reads a file in blocks of rows: (rows before it, text of their keys, float32 vectors).

    Args:
        path: Its name; `.h5` and `.npy` are known, whatever stands behind them.
        stream: It, decompressed.

    Raises:
        ValueError: It does not hold vectors with keys; the message says what it holds.
        EOFError: It breaks off.
        OSError: It is damaged.
    """
    if ".h5" in path.rsplit("/", 1)[-1]:
        return _read_h5(stream)
    return _read_npy(stream)


def check_vectors(path: str, stream: BinaryIO) -> None:
    """Reads what stands before the vectors; raises as `read_vectors` does."""
    next(read_vectors(path, stream), None)


def _read_npy(stream: BinaryIO) -> Iterator[tuple[int, pa.Array, pa.Array]]:
    version = np.lib.format.read_magic(stream)
    read_header = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }.get(version)
    if read_header is None:
        raise ValueError(f"a .npy file of version {version}, and 1.0 and 2.0 can be read")
    shape, by_column, dtype = read_header(stream)
    _check(shape, dtype)
    if by_column:
        raise ValueError(
            "vectors stored column by column. Save np.ascontiguousarray of the matrix instead"
        )

    def rows(start: int, stop: int) -> np.ndarray:
        wanted = (stop - start) * shape[1] * dtype.itemsize
        data = stream.read(wanted)
        if len(data) < wanted:
            raise EOFError(f"it ends after {start:,} of its {shape[0]:,} vectors")
        return np.frombuffer(data, dtype).reshape(-1, shape[1])

    return _blocks(shape, lambda start, stop: np.arange(start, stop), rows)


def _read_h5(stream: BinaryIO) -> Iterator[tuple[int, pa.Array, pa.Array]]:
    file = h5py.File(stream, "r")
    datasets = [name for name in (KEY, VALUE) if isinstance(file.get(name), h5py.Dataset)]
    if len(datasets) < 2:
        raise ValueError(
            f"an HDF5 file with {', '.join(file) or 'nothing'} in it, and datasets {KEY!r} and "
            f"{VALUE!r} are needed"
        )
    keys, values = file[KEY], file[VALUE]
    _check(values.shape, values.dtype)
    if keys.shape != values.shape[:1]:
        raise ValueError(
            f"keys of shape {keys.shape} for vectors of shape {values.shape}: expected a key each"
        )
    return _blocks(
        values.shape, lambda start, stop: keys[start:stop], lambda start, stop: values[start:stop]
    )


def _check(shape: tuple[int, ...], dtype: np.dtype) -> None:
    if len(shape) != 2 or not shape[1] or dtype.kind not in "fiu":
        raise ValueError(
            f"an array of shape {shape} and type {dtype}, and a matrix of numbers is needed, a "
            "vector a row"
        )


def _blocks(
    shape: tuple[int, ...],
    keys: Callable[[int, int], np.ndarray],
    rows: Callable[[int, int], np.ndarray],
) -> Iterator[tuple[int, pa.Array, pa.Array]]:
    step = max(_BYTES // (4 * shape[1]), 1)
    for start in range(0, shape[0], step):
        stop = min(start + step, shape[0])
        with np.errstate(over="ignore"):  # infinity is no number of a vector: the row is rejected
            flat = np.ascontiguousarray(rows(start, stop), np.float32).reshape(-1)
        vectors = pa.FixedSizeListArray.from_arrays(pa.array(flat), shape[1])
        yield start, _as_text(keys(start, stop)), vectors


def _as_text(keys: np.ndarray) -> pa.Array:
    """Their texts by the rule of all raw values; HDF5's text comes as bytes."""
    if keys.dtype.kind in "iu":
        return pa.array(keys).cast(pa.string())
    texts = [key.decode() if isinstance(key, bytes) else text_of(key) for key in keys.tolist()]
    return pa.array(texts, pa.string())
