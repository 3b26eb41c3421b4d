import numpy as np

from models.metrics import NamedMeans


def test_is_the_weighted_mean_of_each_value_and_resets():
    means = NamedMeans(("a", "b"))
    means.update_state([1.0, 4.0])
    means.update_state([4.0, 1.0], sample_weight=2.0)
    assert {name: float(each) for name, each in means.result().items()} == {"a": 3.0, "b": 2.0}
    means.reset_state()
    np.testing.assert_array_equal(list(means.result().values()), [0.0, 0.0])
    assert NamedMeans.from_config(means.get_config()).names == ("a", "b")
