import numpy as np
import pytest

from features.errors import ExportError
from serving.variants.comparison import compare
from serving.variants.variant import Variant

VARIANT = Variant("float16")  # at most 1e-3 on a row, 1e-4 on average
REFERENCE = np.linspace(0.1, 0.9, 1000, dtype="float32")


def test_tells_how_far_scores_are_apart():
    received = REFERENCE.copy()
    received[3] += 8e-4
    received[7] -= 2e-4
    found = compare(VARIANT, REFERENCE, received)
    assert found.rows == 1000
    assert found.largest == pytest.approx(8e-4, rel=1e-3)
    assert found.mean == pytest.approx(1e-6, rel=1e-3)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda x: x.__setitem__(5, x[5] + 2e-3),
            r"differ by 0\.002 at most \(row 5: .*0\.001 and",
        ),
        (lambda x: x.__iadd__(np.float32(5e-4)), r"and 0\.0005 on average, and 0\.001 and 0\.0001"),
        (lambda x: x.__setitem__(9, np.nan), r"differ by nan at most \(row 9: nan instead of"),
    ],
    ids=["one row", "all rows a little", "nan"],
)
def test_refuses_what_is_further_off_than_it_may_be(change, message):
    received = REFERENCE.copy()
    change(received)
    with pytest.raises(ExportError, match=message):
        compare(VARIANT, REFERENCE, received)


def test_refuses_to_compare_nothing():
    with pytest.raises(ExportError, match="nothing to be compared on"):
        compare(VARIANT, REFERENCE[:0], REFERENCE[:0])
    with pytest.raises(ExportError, match=r"shape \(1000,\), and \(999,\)"):
        compare(VARIANT, REFERENCE[:-1], REFERENCE)
