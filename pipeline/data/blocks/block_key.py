"""Blocks of rows: how large they are at most, and what orders them."""

MAX_ROWS = 16_384  # of a block
POSITION_BITS = 42


def block_key(file_index: int, position: int) -> int:
    """Orders blocks by file, then by position in it, whatever worker read them."""
    return file_index << POSITION_BITS | position


def file_index(key: int) -> int:
    """The file that `block_key` was made with."""
    return key >> POSITION_BITS
