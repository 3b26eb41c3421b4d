"""Features of one user beside those of N candidates give what N whole rows give, at less work."""

import numpy as np
import pytest
import tensorflow as tf

from models.embeddings import EmbeddingBank, EmbeddingLayout
from models.embeddings.embedded import Embedded
from models.embeddings.row_table import RowTable
from tests.models import small

# History and profile; an `id` of the candidates stands between them and splits their run.
USER = ("user", "clicked", "rating", "image")
SETTINGS = {
    "plain": {},
    "sets": {"num_sets": 3, "first_order": (0, 2)},
    "numeric token": {"numeric": "mlp", "numeric_units": (5,), "first_order": (0,)},
    "dims": {"embedding_dims": {"item": 2, "user": 5}, "num_sets": 2},
    "compressed": {
        "compressed": {
            "item": {"type": "hashed", "rows": 7},
            "user": {"type": "quotient_remainder", "rows": 4},
        }
    },
}


def one_user(candidates: int, user=USER) -> tuple[dict, dict]:
    """Features with the user's once, and the same as whole rows."""
    whole = small.features(np.random.default_rng(3), candidates + 1)
    whole["clicked"][0] = [5, 22, 7, 0]  # a history, whatever was drawn
    whole["rating"][0] = [1, 4, 2, 0]
    once = {name: x[:1] if name in user else x[1:] for name, x in whole.items()}
    rows = {
        name: np.repeat(x, candidates, axis=0) if name in user else x for name, x in once.items()
    }
    return once, rows


def tensors(embedded: Embedded) -> dict[str, tf.Tensor]:
    found = {
        name: getattr(embedded, name)
        for name in ("field_embeddings", "non_sequence", "first_order")
    }
    for history, view in embedded.histories.items():
        found |= {f"{history}/{name}": getattr(view, name) for name in view._fields}
    return found


@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS.keys())
@pytest.mark.parametrize(
    "user", [USER, ("age", "genres"), ("item",)], ids=["history", "pooled", "id"]
)
def test_branches_see_the_same(settings, user):
    bank = EmbeddingBank(EmbeddingLayout(small.INPUTS, 3, **settings), stddev=0.5)
    bank(one_user(1, user)[1])  # creates the weights

    @tf.function(input_signature=[specs(bank, user)])
    def call(features):
        return bank(features)

    for candidates in (0, 1, 6):
        once, rows = one_user(candidates, user)
        expected = bank({name: tf.constant(x) for name, x in rows.items()})
        for ours, wanted in zip(call(once), expected, strict=True):
            assert ours.field_embeddings.shape[1:] == wanted.field_embeddings.shape[1:]
            wanted = tensors(wanted)
            for name, x in tensors(ours).items():
                assert x.shape == wanted[name].shape, name
                np.testing.assert_allclose(x, wanted[name], rtol=1e-5, atol=1e-6, err_msg=name)


def specs(bank: EmbeddingBank, user=USER) -> dict[str, tf.TensorSpec]:
    return {
        name: tf.TensorSpec((1 if name in user else None, *spec.shape[1:]), spec.dtype)
        for name, spec in bank.layout.signature.items()
    }


def test_the_users_rows_are_read_and_pooled_once(monkeypatch):
    rows_read = []
    look_up = RowTable.look_up

    def counted(self, rows, training=None):
        rows_read.append(int(tf.size(rows)))
        return look_up(self, rows, training)

    bank = EmbeddingBank(EmbeddingLayout(small.INPUTS, 3))
    once, rows = one_user(100)
    bank({name: x[:2] for name, x in rows.items()})  # creates the weights
    monkeypatch.setattr(RowTable, "look_up", counted)
    bank({name: tf.constant(x) for name, x in once.items()})
    users, candidates = 1 + 4 + 4, 1 + 3  # ids of a row: user, history; item, genres
    assert sorted(rows_read) == [users, 100 * candidates]
    rows_read.clear()
    bank({name: tf.constant(x) for name, x in rows.items()})
    assert rows_read == [100 * (users + candidates)]

    graph = tf.function(bank).get_concrete_function(specs(bank)).graph
    pooled = [each for each in graph.get_operations() if each.type == "Sum"]
    pooled = [each.outputs[0].shape.as_list() for each in pooled]
    # Counts of steps and sums over them: of `clicked` and `rating` once, of `genres` for each.
    assert sorted(shape[0] or 100 for shape in pooled) == [1, 1, 1, 1, 100, 100]


def test_a_batch_of_one_in_every_feature_is_a_batch():
    bank = EmbeddingBank(EmbeddingLayout(small.INPUTS, 3))
    _, rows = one_user(1)
    assert bank(rows, training=True)[0].field_embeddings.shape[0] == 1


def test_training_refuses_it():
    bank = EmbeddingBank(EmbeddingLayout(small.INPUTS, 3))
    once, _ = one_user(4)
    with pytest.raises(ValueError, match=r"one batch\. .* for clicked, image, rating, user beside"):
        bank(once, training=True)


def test_a_network_scores_candidates_as_whole_rows():
    branches = {"deep": {"units": [8]}, "din": {"type": "din", "units": [8]}}
    network = small.network(branches=branches, tables="per_branch", cooperation={})
    once, rows = one_user(5)
    ours, expected = network(once)._asdict(), network(rows)._asdict()
    for name in ("logit", "branch_logits", "fusion_weights"):
        np.testing.assert_allclose(ours[name], expected[name], rtol=1e-5, atol=1e-6, err_msg=name)
