import numpy as np
import pytest

from serving.server.core.score_check import check_scores
from serving.server.core.serving_error import ServingError


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize(
    ("name", "shape"),
    [("prob", (3,)), ("prob_deep", (3,)), ("scores", (3, 2)), ("outputs", (3, 1))],
)
def test_a_score_that_is_no_number_is_an_error_of_its_row(name, shape, bad):
    values = np.full(shape, 0.5, np.float32)
    check_scores({name: values})
    values[1] = bad
    with pytest.raises(ServingError, match=rf"row 1 \(from 0\): '{name}' is not a number"):
        check_scores({name: values})


def test_other_outputs_may_hold_anything():
    check_scores({"weight_deep": np.array([np.nan]), "classes": np.array([b"0"], object)})
    check_scores({"prob": np.float32(np.nan), "outputs": np.empty((0, 1), np.float32)})
