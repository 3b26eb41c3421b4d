"""Hidden tokens: as many as asked for, the same for a seed, and nothing but tokens."""

from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf

from pipeline.batches.dataset import examples
from pipeline.batches.hidden_tokens import Hidden, hidden_shares, hide_tokens
from pipeline.batches.position import Position

HIDDEN = {"item": Hidden(0.4, 1), "seen": Hidden(0.2, 1)}


def batches(bundle, hidden=HIDDEN, **arguments):
    dataset = examples(
        bundle, "train", 20, epochs=2, seed=5, shuffle_rows=32, hidden=hidden, **arguments
    )
    return [inputs for inputs, *_ in dataset.as_numpy_iterator()]


def test_hides_the_share_that_is_asked_for_and_nothing_that_is_no_token():
    ids = tf.random.stateless_uniform([4000, 5], [1, 2], 0, 50, tf.int32)
    shown = hide_tokens(
        {"seen": ids, "row": ids[:, 0]},
        {"seen": Hidden(0.3, 4)},
        (1, tf.constant(7, tf.int64)),
        tf.constant(0),
        4000,
    )
    before, after = ids.numpy(), shown["seen"].numpy()
    np.testing.assert_array_equal(shown["row"], ids[:, 0])
    tokens = before > 4
    changed = after != before
    assert not changed[~tokens].any()
    assert changed[tokens].mean() == pytest.approx(0.3, abs=0.02)
    assert set(after[changed]) == {1, 2, 3, 4}


def test_other_batches_and_epochs_hide_other_tokens(random_bundle):
    plain, shown = batches(random_bundle, None), batches(random_bundle)
    changes = [a["item"] != b["item"] for a, b in zip(plain, shown, strict=True)]
    known = np.concatenate([batch["item"] > 1 for batch in plain])
    assert np.concatenate(changes)[known].mean() == pytest.approx(0.4, abs=0.1)
    assert any(not np.array_equal(changes[0], other) for other in changes[1:5])
    assert not np.array_equal(changes[0], changes[6])
    for a, b in zip(plain, shown, strict=True):
        np.testing.assert_array_equal(a["user"], b["user"])


def test_a_training_that_goes_on_hides_what_it_would_have(random_bundle):
    whole = batches(random_bundle)
    for start in (Position(0, 3), Position(1, 2)):
        rest = batches(random_bundle, start=start)
        for a, b in zip(whole[6 * start.epoch + start.batch :], rest, strict=True):
            np.testing.assert_array_equal(a["item"], b["item"])
            np.testing.assert_array_equal(a["seen"], b["seen"])


def test_workers_hide_what_one_alone_would(random_bundle):
    whole = batches(random_bundle)
    parts = [batches(random_bundle, shard=(index, 2)) for index in (0, 1)]
    for a, first, second in list(zip(whole, *parts, strict=True))[:5]:
        np.testing.assert_array_equal(a["item"], np.concatenate([first["item"], second["item"]]))


def bundle_of(by, train, valid, rows=100):
    """What `hidden_shares` reads of a bundle with one feature of a vocabulary."""
    spec = SimpleNamespace(name="item", vocabulary="item", transform=None)
    features = SimpleNamespace(
        vocabularies={"item": SimpleNamespace(num_oov_buckets=2)}, features={"item": spec}
    )
    shares = {"train": train, "valid": valid}
    return SimpleNamespace(
        metadata=SimpleNamespace(
            features=features, split_rule={"by": by}, model_inputs=lambda: (spec,)
        ),
        has_statistics=True,
        statistics={
            "splits": {
                split: {"rows": rows, "features": {"item": {"oov_rate": share}}}
                for split, share in shares.items()
            }
        },
    )


@pytest.mark.parametrize(
    ("by", "train", "valid", "share"),
    [
        ("time", 0.2, 0.28, 0.1),  # 0.2 + 0.8 x 0.1 = 0.28
        ("day", 0.0, 0.9, 0.2),
        ("time", 0.1, 0.105, None),
        ("time", 0.3, 0.1, None),
        ("hash", 0.0, 0.5, None),
    ],
)
def test_training_rows_are_given_the_unknown_tokens_that_validation_rows_have(
    by, train, valid, share
):
    expected = {} if share is None else {"item": Hidden(pytest.approx(share), 2)}
    assert hidden_shares(bundle_of(by, train, valid), "auto") == expected


def test_a_share_that_is_asked_for_holds_however_rows_were_split():
    assert hidden_shares(bundle_of("hash", 0.0, 0.0), 0.001) == {"item": Hidden(0.001, 2)}
    assert hidden_shares(bundle_of("time", 0.0, 0.5), 0.0) == {}
    assert hidden_shares(bundle_of("time", 0.0, 0.0, rows=0), "auto") == {}
