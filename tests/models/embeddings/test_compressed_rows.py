import numpy as np
import pytest
import tensorflow as tf

from models.embeddings.compressed_rows import Storage


def test_plain_ids_are_their_rows():
    storage = Storage(7)
    assert storage.tables == (7,)
    (rows,) = storage.rows_of(tf.range(7))
    np.testing.assert_array_equal(rows, range(7))


def test_quotient_and_remainder_tell_every_id_apart():
    storage = Storage(1003, "quotient_remainder", rows=40)
    assert storage.tables == (40, 26)
    remainder, quotient = (each.numpy() for each in storage.rows_of(tf.range(1003)))
    np.testing.assert_array_equal(remainder, np.arange(1003) % 40)
    np.testing.assert_array_equal(quotient, 40 + np.arange(1003) // 40)
    assert len(set(zip(remainder, quotient, strict=True))) == 1003
    assert quotient.max() == sum(storage.tables) - 1


@pytest.mark.parametrize("hashes", [1, 2, 4])
def test_hash_functions_are_as_written_and_spread_ids(hashes):
    storage = Storage(5_000_000, "hashed", rows=97, hashes=hashes)
    ids = np.array([0, 1, 2, 96, 97, 4_999_999], "int32")
    rows = storage.rows_of(tf.constant(ids))
    assert len(rows) == storage.rows_per_id == hashes
    multipliers = (1_103_515_245, 69_069_069, 1_664_525, 1_220_703_125)
    offsets = (12_345, 1_013_904_223, 987_654_321, 362_437)
    for received, a, b in zip(rows, multipliers, offsets, strict=False):
        # Python's integers: they do not overflow.
        np.testing.assert_array_equal(received, [(int(i) * a + b) % (2**31 - 1) % 97 for i in ids])
    many = storage.rows_of(tf.range(97_000))[0]
    counts = np.bincount(many, minlength=97)
    assert counts.min() > 700
    assert counts.max() < 1300


def test_hash_functions_differ_from_each_other():
    rows = Storage(100_000, "hashed", rows=1000, hashes=4).rows_of(tf.range(100_000))
    for i in range(4):
        for j in range(i):
            same = np.mean(rows[i].numpy() == rows[j].numpy())
            assert same == pytest.approx(1e-3, abs=1e-3)


def test_rows_of_an_id_are_summed_or_multiplied():
    rows = np.random.default_rng(0).normal(size=(5, 6, 3)).astype("float32")
    apart = rows.reshape(5, 3, 2, 3)
    hashed = Storage(100, "hashed", rows=10)
    np.testing.assert_allclose(hashed.combined(tf.constant(rows)), apart.sum(axis=2), rtol=1e-6)
    product = Storage(100, "quotient_remainder", rows=10)
    np.testing.assert_allclose(product.combined(tf.constant(rows)), apart.prod(axis=2), rtol=1e-6)


@pytest.mark.parametrize("type", ["hashed", "quotient_remainder"])
def test_a_small_vocabulary_is_stored_plainly(type):
    storage = Storage(10, type, rows=10)
    assert storage.is_plain
    assert storage.tables == (10,)
    assert storage.rows_per_id == 1


@pytest.mark.parametrize(
    "options", [{"type": "hashed"}, {"type": "hashed", "rows": 5, "hashes": 5}, {"type": "other"}]
)
def test_options_that_cannot_be_meant_are_refused(options):
    with pytest.raises(ValueError, match=r"Received: (type|hashes)="):
        Storage(100, **options)
