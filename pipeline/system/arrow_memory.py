"""Where Arrow takes its memory from while many small columns are computed."""

from collections.abc import Iterator
from contextlib import contextmanager

import pyarrow as pa


@contextmanager
def system_memory() -> Iterator[None]:
    """Lets Arrow use the memory of the C library meanwhile.

    Arrow's own pool (mimalloc, in pyarrow 25) gives the pages of a column back as soon as it is
    gone, and the next column has to ask for them again: half of the time or more that it took to
    take rows of, encode and count columns of 16,384 tokens.
    """
    before = pa.default_memory_pool()
    pa.set_memory_pool(pa.system_memory_pool())
    try:
        yield
    finally:
        pa.set_memory_pool(before)
