"""A hash of tokens that is the same in every process, on every machine, whatever the batch."""

import numpy as np
import pyarrow as pa

_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)


def stable_hash(tokens: pa.Array) -> np.ndarray:
    """Hashes a column of strings: uint64 of shape (len(tokens),); null hashes like "".

    A polynomial in the bytes of the token modulo 2^64, then the finalizer of splitmix64, so that
    the low bits can choose a shard. Not for use against an adversary.

    Reference: Steele, Lea and Flood, "Fast splittable pseudorandom number generators", OOPSLA
    2014, listing of mix64 as in Java's SplittableRandom.
    """
    tokens = tokens.cast(pa.large_string())
    _, offsets_buffer, data_buffer = tokens.buffers()
    offsets = np.frombuffer(offsets_buffer, np.int64, len(tokens) + 1, tokens.offset * 8)
    first, last = int(offsets[0]), int(offsets[-1])
    data = np.zeros(0, np.uint64)
    if last > first:  # without any text there may be no buffer
        data = np.frombuffer(data_buffer, np.uint8)[first:last].astype(np.uint64)
    offsets = offsets - first
    lengths = np.diff(offsets)
    with np.errstate(over="ignore"):
        powers = np.cumprod(np.full(int(lengths.max(initial=0)) + 1, _MULTIPLIER, np.uint64))
        position = np.arange(len(data)) - np.repeat(offsets[:-1], lengths)
        # Differences of a running sum: right even where the sum itself wraps around.
        sums = np.concatenate([np.zeros(1, np.uint64), np.cumsum((data + 1) * powers[position])])
        return mix(sums[offsets[1:]] - sums[offsets[:-1]])


def parts_of_tokens(tokens: pa.Array, parts: int) -> np.ndarray:
    """Sends each token to a part of its own choice: uint8 of shape (len(tokens),).

    Decided by length, first byte and last two bytes alone: quicker than a hash of the token, and
    even enough to share out work. What comes of the tokens must not depend on it.

    Args:
        tokens: Strings without null.
        parts: At most 256.
    """
    tokens = tokens.cast(pa.large_string())
    _, offsets_buffer, data_buffer = tokens.buffers()
    offsets = np.frombuffer(offsets_buffer, np.int64, len(tokens) + 1, tokens.offset * 8)
    data = np.zeros(1, np.uint8)  # without any text there may be no buffer
    if offsets[-1] > offsets[0]:
        data = np.frombuffer(data_buffer, np.uint8)
    lengths = np.diff(offsets)
    mixed = lengths * 5
    for factor, place in ((1, offsets[1:] - 1), (11, offsets[1:] - 2), (31, offsets[:-1])):
        inside = (place >= offsets[:-1]) & (lengths > 0)
        mixed += np.where(inside, data[np.where(inside, place, 0)], 0).astype(np.int64) * factor
    return (mixed % parts).astype(np.uint8)


def seeded_hash(numbers: np.ndarray, seed: int) -> np.ndarray:
    """Hashes whole numbers with a seed: uint64 of the same shape."""
    with np.errstate(over="ignore"):
        salt = mix(np.array(seed, np.uint64) * _MULTIPLIER + np.uint64(1))
        return mix((numbers.astype(np.uint64) + np.uint64(1)) * _MULTIPLIER ^ salt)


def as_share(hashes: np.ndarray) -> np.ndarray:
    """Hashes as numbers in [0, 1), float64 of the same shape."""
    return (hashes >> np.uint64(11)) * 2.0**-53


def mix(bits: np.ndarray) -> np.ndarray:
    """The finalizer of splitmix64, a bijection of uint64: close numbers come out unrelated."""
    bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return bits ^ (bits >> np.uint64(31))
