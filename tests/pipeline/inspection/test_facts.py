"""What a column of a sample holds, counted."""

import pyarrow as pa
import pytest

from pipeline.inspection.facts import facts_of


def test_a_quantile_counts_rows_not_distinct_numbers():
    (facts,) = facts_of({"price": pa.array(["1", "1", "1", "9"])}).values()
    assert (facts.quantile(0.5), facts.quantile(1.0)) == (1.0, 9.0)


def test_a_quantile_of_texts_is_refused():
    (facts,) = facts_of({"city": pa.array(["Oslo", "Lima"])}).values()
    with pytest.raises(ValueError, match="column 'city' holds no numbers"):
        facts.quantile(0.5)
