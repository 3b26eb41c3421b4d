import re

import pytest
import tensorflow as tf

from features.scope_name import scope_name

NODE = re.compile(r"[A-Za-z0-9.][A-Za-z0-9_.\\/-]*")  # TensorFlow's rule, of which `>` is half


@pytest.mark.parametrize("name", ["user_id", "I1", "a.b", "a-b", "_x", "1st"])
def test_a_plain_name_stays_as_it_is(name):
    assert scope_name(name) == name


def test_any_character_makes_a_node_that_tensorflow_takes():
    names = [*map(chr, range(32, 127)), "größe", "日本", "a>b>", "a/b", "👍"]
    with tf.Graph().as_default():
        for name in names:
            with tf.name_scope(f"of_{scope_name(name)}"):
                assert NODE.fullmatch(tf.zeros([]).op.name)
