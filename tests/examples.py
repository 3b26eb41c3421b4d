"""How many examples tests with random input try: few in CI, many in a night."""

import os


def num_examples(few: int) -> int:
    """CONCORD_FUZZ_EXAMPLES where it is set, such as 100000 for a night; else the given few."""
    return int(os.environ.get("CONCORD_FUZZ_EXAMPLES", few))
