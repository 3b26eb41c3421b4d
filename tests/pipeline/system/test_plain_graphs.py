import pytest
import tensorflow as tf

from pipeline.system.plain_graphs import plain_graphs


def is_off() -> bool:
    return tf.config.optimizer.get_experimental_options().get("disable_meta_optimizer", False)


def test_the_optimizer_is_off_meanwhile_and_comes_back_also_after_an_error():
    seen = []

    def work():
        with plain_graphs():
            seen.append(is_off())
            raise KeyError

    with pytest.raises(KeyError):
        work()
    assert seen == [True]
    assert not is_off()


def test_what_was_off_before_stays_off():
    with plain_graphs():
        with plain_graphs():
            pass
        assert is_off()
    assert not is_off()
