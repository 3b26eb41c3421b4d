import numpy as np
import pyarrow as pa

from pipeline.data.blocks.stable_hash import (
    as_share,
    parts_of_tokens,
    seeded_hash,
    stable_hash,
)

MASK = 2**64 - 1


def oracle(token: str) -> int:
    """The definition with Python's integers, one byte at a time."""
    total, power = 0, 0x9E3779B97F4A7C15
    for byte in token.encode():
        total = (total + (byte + 1) * power) & MASK
        power = power * 0x9E3779B97F4A7C15 & MASK
    total = (total ^ (total >> 30)) * 0xBF58476D1CE4E5B9 & MASK
    total = (total ^ (total >> 27)) * 0x94D049BB133111EB & MASK
    return total ^ (total >> 31)


def test_matches_the_oracle_on_empty_null_and_non_ascii_tokens():
    tokens = ["a", "", "ab", None, "café", "日本", "a" * 300]
    expected = [oracle(token or "") for token in tokens]
    assert stable_hash(pa.array(tokens)).tolist() == expected


def test_a_token_hashes_the_same_inside_any_slice():
    tokens = pa.array([f"user-{i}" for i in range(100)])
    np.testing.assert_array_equal(stable_hash(tokens.slice(37, 20)), stable_hash(tokens)[37:57])


def test_nothing_hashes_to_nothing():
    assert stable_hash(pa.array([], pa.string())).shape == (0,)
    assert stable_hash(pa.array(["", None])).tolist() == [oracle(""), oracle("")]


def test_low_bits_spread_similar_tokens_evenly():
    shards = stable_hash(pa.array([str(i) for i in range(64_000)])) % np.uint64(64)
    counts = np.bincount(shards.astype(int), minlength=64)
    assert counts.min() > 850  # mean 1,000, standard deviation 31
    assert counts.max() < 1_150


def test_seeded_hashes_spread_evenly_and_seeds_are_unrelated():
    numbers = np.arange(50_000)
    shares = [as_share(seeded_hash(numbers, seed)) for seed in (0, 1, 2**63)]
    for each in shares:
        counts = np.histogram(each, 20, (0.0, 1.0))[0]
        assert np.abs(counts - 2_500).max() < 6 * 50  # standard deviations of a bin
        assert abs(np.corrcoef(each[1:], each[:-1])[0, 1]) < 0.02
    assert abs(np.corrcoef(shares)[0, 1:]).max() < 0.02
    assert seeded_hash(numbers[7:9], 1).tolist() == seeded_hash(numbers, 1)[7:9].tolist()


def part_of(token: str, parts: int) -> int:
    """The definition, for one token."""
    data = token.encode()
    last, before = (data[-1], data[-2] if len(data) > 1 else 0) if data else (0, 0)
    first = data[0] if data else 0
    return (5 * len(data) + last + 11 * before + 31 * first) % parts


def test_the_part_of_a_token_is_its_own_wherever_it_stands():
    tokens = ["a", "", "ab", "café", "日本", "a" * 300, *map(str, range(50))]
    column = pa.array(tokens)
    assert parts_of_tokens(column, 16).tolist() == [part_of(token, 16) for token in tokens]
    for start in (0, 1, 5):
        cut = column.slice(start, 4)
        expected = [part_of(token, 7) for token in tokens[start : start + 4]]
        assert parts_of_tokens(cut, 7).tolist() == expected
    assert parts_of_tokens(pa.array([], pa.string()), 16).tolist() == []
    assert parts_of_tokens(pa.array(["", ""]), 16).tolist() == [0, 0]


def test_parts_share_out_numbers_and_hexadecimal_ids():
    rng = np.random.default_rng(1)
    for tokens in (
        map(str, range(100_000)),
        (f"{each:08x}" for each in rng.integers(1 << 32, size=100_000)),
    ):
        counts = np.bincount(parts_of_tokens(pa.array([*tokens]), 16), minlength=16)
        assert counts.max() < 3 * 100_000 / 16
