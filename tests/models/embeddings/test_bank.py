import numpy as np
import pytest
import tensorflow as tf

from features.inputs import InputSpec
from models.embeddings import EmbeddingBank, EmbeddingLayout
from models.optimizers import RowSlots
from tests.models import small


def bank_and_batch(rows: int = 9, l2=0.0, l2_batch=0.0, slots=None, **settings):
    layout = EmbeddingLayout(small.INPUTS, embedding_dim=3, **settings)
    bank = EmbeddingBank(layout, stddev=0.5, l2=l2, l2_batch=l2_batch, slots=slots)
    batch = small.features(np.random.default_rng(0), rows)
    return bank, batch, bank(batch)


def oracle_token(bank, spec, value, first, stop):
    """One token, one id at a time; columns [first, stop) of the table are its set."""
    table = bank.tables[0].table.numpy().astype("float64")
    if spec.kind in ("numeric", "dense"):
        kernel = bank.projections[spec.name].numpy().astype("float64")[:, first:stop]
        return np.atleast_1d(value).astype("float64") @ kernel
    start = bank.layout.places[spec.vocabulary].start
    if spec.kind == "categorical":
        return table[start + value, first:stop]
    found = [table[start + each, first:stop] for each in value if each != 0]
    return np.mean(found, axis=0) if found else np.zeros(stop - first)


@pytest.mark.parametrize("dims", [(3,), (3, 3, 3), (2, 4, 3)])
def test_tokens_match_oracle(dims):
    unequal = {"set_dims": dims} if len(set(dims)) > 1 else {}
    bank, batch, sets = bank_and_batch(num_sets=len(dims), first_order=[0], **unequal)
    assert len(sets) == len(dims)
    for m, embedded in enumerate(sets):
        first = sum(dims[:m])
        expected = [
            [
                oracle_token(bank, spec, batch[spec.name][b], first, first + dims[m])
                for spec in bank.layout.inputs
            ]
            for b in range(9)
        ]
        np.testing.assert_allclose(embedded.field_embeddings, expected, rtol=1e-5, atol=1e-6)


def test_given_vectors_are_projected_by_each_input_and_never_trained():
    layout = EmbeddingLayout(small.INPUTS, 3, num_sets=2, given={"item": 5}, first_order=[1])
    bank, batch = EmbeddingBank(layout, stddev=0.5), small.features(np.random.default_rng(0), 9)
    bank(batch)
    vectors = np.random.default_rng(1).normal(size=(23, 5)).astype("float32")
    bank.given["item"].assign(vectors)
    assert "item" not in layout.places
    assert [w.shape[0] for w in bank.non_trainable_weights] == [23]
    with tf.GradientTape() as tape:
        sets = bank(batch, training=True)
        total = tf.add_n([tf.reduce_sum(each.field_embeddings**2) for each in sets])
    for m, embedded in enumerate(sets):
        columns = slice(3 * m, 3 * m + 3)
        item, clicked = (bank.projections[name].numpy() for name in ("item", "clicked"))
        expected = vectors[batch["item"]] @ item[:, columns]
        np.testing.assert_allclose(embedded.field_embeddings[:, 2], expected, rtol=1e-4, atol=1e-6)
        steps, mask, target = embedded.histories["clicks"]
        expected = vectors[batch["clicked"]] @ clicked[:, columns] * mask.numpy()[:, :, None]
        np.testing.assert_allclose(steps[:, :, :3], expected, rtol=1e-4, atol=1e-6)
        np.testing.assert_array_equal(target, embedded.field_embeddings[:, 2])
    gradients = tape.gradient(total, [bank.projections["item"], bank.projections["clicked"]])
    assert all(np.abs(each).max() > 0.0 for each in gradients)
    with pytest.raises(ValueError, match=r"`embedding_dims` names 'item'.*`given`"):
        EmbeddingLayout(small.INPUTS, 3, given={"item": 5}, embedding_dims={"item": 2})


@pytest.mark.parametrize("num_sets", [1, 2])
def test_histories_join_the_aligned_sequences_step_by_step(num_sets):
    bank, batch, sets = bank_and_batch(num_sets=num_sets)
    for m, embedded in enumerate(sets):
        steps, mask, _ = embedded.histories["clicks"]
        np.testing.assert_array_equal(mask, batch["clicked"] > 0)
        parts = []
        for name, vocabulary in (("clicked", "item"), ("rating", "rating")):
            start = bank.layout.places[vocabulary].start
            found = bank.tables[0].table.numpy()[start + batch[name], 3 * m : 3 * m + 3]
            parts.append(np.where(batch[name][:, :, None] > 0, found, 0.0))
        np.testing.assert_allclose(steps, np.concatenate(parts, axis=-1))


def test_inputs_that_name_one_vocabulary_share_its_rows():
    bank, *_ = bank_and_batch()
    assert (bank.layout.places["user"].start, bank.layout.places["user"].stop) == (0, 11)
    # Of `item` and `clicked`.
    assert (bank.layout.places["item"].start, bank.layout.places["item"].stop) == (11, 34)
    assert bank.tables[0].table.shape == (11 + 23 + 6 + 5, 3)


def test_more_padding_changes_nothing():
    table = np.random.default_rng(0).normal(size=(9, 4))

    def tokens(length):
        bank = EmbeddingBank(
            EmbeddingLayout([InputSpec("a", "multivalued", "a", 9, length=length)], embedding_dim=4)
        )
        bank.build()
        bank.set_weights([table])
        ids = np.zeros((2, length), "int32")
        ids[:, :3] = [[4, 5, 8], [2, 0, 0]]
        return bank({"a": ids})[0].field_embeddings

    np.testing.assert_allclose(tokens(3), tokens(7), rtol=1e-6)


def test_an_empty_list_is_zeros_with_a_finite_gradient():
    bank = EmbeddingBank(
        EmbeddingLayout([InputSpec("a", "multivalued", "a", 9, length=2)], embedding_dim=4)
    )
    with tf.GradientTape() as tape:
        (embedded,) = bank({"a": tf.zeros((3, 2), tf.int32)})
        total = tf.reduce_sum(embedded.field_embeddings)
    np.testing.assert_array_equal(embedded.field_embeddings, np.zeros((3, 1, 4)))
    gradient = tf.convert_to_tensor(tape.gradient(total, bank.tables[0].table))
    np.testing.assert_array_equal(gradient, np.zeros((9, 4)))


@pytest.mark.parametrize("bad", [-1, 11], ids=["negative", "first id of the next vocabulary"])
def test_an_id_outside_its_vocabulary_fails(bad):
    bank, batch, _ = bank_and_batch()
    batch["user"][4] = bad
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"\[4,0\] = -1"):
        bank(batch)


def test_rows_start_normal_with_the_given_deviation():
    bank = EmbeddingBank(
        EmbeddingLayout([InputSpec("a", "categorical", "a", 20000)], embedding_dim=5)
    )
    bank({"a": tf.zeros(1, tf.int32)})
    assert bank.tables[0].table.numpy().std() == pytest.approx(1e-4, rel=0.02)


def test_regularization_reaches_rows_that_no_batch_reads():
    bank, *_ = bank_and_batch(l2=0.2)
    with tf.GradientTape() as tape:
        term = bank.regularization()
    table = bank.tables[0].table.numpy()
    np.testing.assert_allclose(term, 0.1 * np.sum(table.astype("float64") ** 2), rtol=1e-5)
    np.testing.assert_allclose(tape.gradient(term, bank.tables[0].table), 0.2 * table, rtol=1e-5)


def test_rows_of_another_dimension_are_projected_to_field_embeddings():
    dims = {"item": 5, "genres": 1}
    bank, batch, sets = bank_and_batch(num_sets=2, first_order=[1], embedding_dims=dims)
    assert [table.table.shape[1] for table in bank.tables] == [2 * 3 + 1, 2 * 5 + 1, 2 * 1 + 1]
    for vocabulary, name in (("item", "item"), ("genres", "genres"), ("item", "clicked")):
        kernel = bank.rows.projections[vocabulary].numpy().astype("float64")
        position = bank.layout.field_names.index(name)
        for m, embedded in enumerate(sets):
            rows = bank.rows_of(vocabulary, m).numpy().astype("float64")
            for b, value in enumerate(batch[name]):
                found = [rows[each] @ kernel[m] for each in np.atleast_1d(value)]
                if name != "item":
                    found = [each for each, v in zip(found, value, strict=True) if v] or [[0] * 3]
                expected = np.mean(found, axis=0)
                np.testing.assert_allclose(
                    embedded.field_embeddings[b, position], expected, rtol=1e-4, atol=1e-6
                )
    place = bank.layout.places["item"]
    last = bank.tables[place.table].table.numpy()[place.start + batch["item"], -1]
    np.testing.assert_array_equal(sets[1].first_order[:, 2], last)


def test_ids_may_share_rows():
    compressed = {
        "item": {"type": "hashed", "rows": 7, "hashes": 3},
        "user": {"type": "quotient_remainder", "rows": 4},
    }
    bank, batch, sets = bank_and_batch(num_sets=2, compressed=compressed)
    table = bank.tables[0].table.numpy().astype("float64")
    assert table.shape == ((4 + 3) + 7 + 6 + 5, 6)
    for vocabulary, combine in (("item", np.sum), ("user", np.prod)):
        place = bank.layout.places[vocabulary]
        position = bank.layout.field_names.index(vocabulary)
        rows = [each.numpy() for each in place.storage.rows_of(tf.constant(batch[vocabulary]))]
        for m, embedded in enumerate(sets):
            parts = [table[place.start + each, 3 * m : 3 * m + 3] for each in rows]
            np.testing.assert_allclose(
                embedded.field_embeddings[:, position], combine(parts, axis=0), rtol=1e-4, atol=1e-6
            )
    steps = sets[0].histories["clicks"].events[:, :, :3].numpy()
    place = bank.layout.places["item"]
    rows = [each.numpy() for each in place.storage.rows_of(tf.constant(batch["clicked"]))]
    expected = sum(table[place.start + each, :3] for each in rows)
    expected[batch["clicked"] == 0] = 0.0
    np.testing.assert_allclose(steps, expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("slots", [None, RowSlots(per_column=2)])
def test_the_penalty_of_a_batch_is_over_the_rows_it_read(slots):
    bank, batch, _ = bank_and_batch(l2_batch=0.2, slots=slots, embedding_dims={"item": 2})
    with tf.GradientTape() as tape:
        _, read = bank(batch, training=True, return_read=True)
        term = bank.regularization(read)
    expected = 0.0
    for vocabulary, names in {
        "user": ["user"],
        "item": ["item", "clicked"],
        "genres": ["genres"],
        "rating": ["rating"],
    }.items():
        ids = np.unique(np.concatenate([batch[name].reshape(-1) for name in names]))
        expected += 0.1 * np.sum(bank.rows_of(vocabulary, 0).numpy().astype("float64")[ids] ** 2)
    np.testing.assert_allclose(term, expected, rtol=1e-5)
    place = bank.layout.places["user"]
    table = bank.tables[place.table]
    gradient = tf.convert_to_tensor(tape.gradient(term, table.table))[:, :3]
    read_users = np.isin(np.arange(11), batch["user"])[:, np.newaxis]
    weights = bank.rows_of("user", 0).numpy()
    np.testing.assert_allclose(gradient[:11], 0.2 * weights * read_users, rtol=1e-5)


def test_works_without_any_vocabulary():
    bank = EmbeddingBank(EmbeddingLayout([InputSpec("a", "numeric")], embedding_dim=4), l2=1.0)
    (embedded,) = bank({"a": tf.ones(2)})
    assert embedded.field_embeddings.shape == (2, 1, 4)
    assert embedded.histories == {}
    assert bank.regularization() == 0.0


def test_the_signature_describes_its_inputs():
    bank, batch, _ = bank_and_batch()
    assert (
        list(bank.layout.signature)
        == list(bank.layout.field_names)
        == [spec.name for spec in small.INPUTS]
    )
    for name, spec in bank.layout.signature.items():
        assert spec.is_compatible_with(tf.constant(batch[name]))


@pytest.mark.parametrize("change", [{"stddev": -1}, {"l2": -1}, {"l2_batch": float("nan")}])
def test_rejects_impossible_settings(change):
    with pytest.raises(ValueError, match="must be >= 0"):
        EmbeddingBank(EmbeddingLayout(small.INPUTS), **change)


def test_names_a_missing_input_and_a_wrong_shape():
    bank, batch, _ = bank_and_batch()
    with pytest.raises(ValueError, match=r"input 'item' is missing.*Received: \['age'"):
        bank({name: value for name, value in batch.items() if name != "item"})
    with pytest.raises(ValueError, match=r"'user' must have shape \(None,\)"):
        bank({**batch, "user": batch["user"][:, None]})


def test_a_sequence_is_aimed_at_the_feature_that_shares_its_vocabulary():
    _, _, (embedded,) = bank_and_batch(num_sets=1)
    steps, _, target = embedded.histories["clicks"]
    item = small.INPUTS[2]
    assert item.name == "item"
    np.testing.assert_array_equal(target, embedded.field_embeddings[:, 2])
    np.testing.assert_array_equal(embedded.histories["clicks"].keys, steps[:, :, : target.shape[1]])


def test_without_such_a_feature_a_history_has_no_target():
    inputs = [InputSpec("a", "categorical", "a", 5), InputSpec("h", "sequence", "b", 5, length=3)]
    bank = EmbeddingBank(EmbeddingLayout(inputs, embedding_dim=2))
    (embedded,) = bank({"a": tf.constant([1]), "h": tf.constant([[1, 2, 0]])})
    history = embedded.histories["h"]
    assert history.target.shape == (1, 0)
    assert history.keys.shape == (1, 3, 0)


def test_sequences_with_a_target_come_first_in_the_steps():
    inputs = [
        InputSpec("stars", "sequence", "stars", 6, length=3, history="h"),
        InputSpec("items", "sequence", "item", 9, length=3, history="h"),
        InputSpec("item", "categorical", "item", 9),
    ]
    bank = EmbeddingBank(EmbeddingLayout(inputs, embedding_dim=2), stddev=1.0)
    items = tf.constant([[4, 2, 0]])
    batch = {"stars": tf.constant([[1, 5, 0]]), "items": items, "item": tf.constant([7])}
    (embedded,) = bank(batch)
    start = bank.layout.places["item"].start
    rows = bank.tables[0].table.numpy()[start:]
    expected = np.concatenate([rows[[4, 2]], np.zeros((1, 2))])
    np.testing.assert_array_equal(embedded.histories["h"].keys[0], expected)
    np.testing.assert_array_equal(embedded.histories["h"].target[0], rows[7])


def test_tokens_of_sequences_are_left_out_of_the_other_ones():
    _, _, (embedded,) = bank_and_batch(num_sets=1)
    kept = [i for i, spec in enumerate(small.INPUTS) if spec.kind != "sequence"]
    expected = embedded.field_embeddings.numpy()[:, kept]
    np.testing.assert_array_equal(embedded.non_sequence, expected)


@pytest.mark.parametrize("numeric", ["each", "mlp"])
def test_first_order_weights_are_columns_of_their_own(numeric):
    layout = EmbeddingLayout(
        small.INPUTS, embedding_dim=3, num_sets=3, first_order=[2, 0], numeric=numeric
    )
    bank = EmbeddingBank(layout, stddev=0.5)
    batch, *_ = small.rows(1, 6)
    sets = bank(batch)
    assert bank.tables[0].table.shape[1] == 3 * 3 + 2
    assert [each.first_order.shape for each in sets] == [(6, 7), (6, 0), (6, 7)]
    start = bank.layout.places["user"].start
    rows = bank.tables[0].table.numpy()[start + batch["user"]]
    np.testing.assert_array_equal(sets[0].first_order[:, 0], rows[:, 9])
    np.testing.assert_array_equal(sets[2].first_order[:, 0], rows[:, 10])
    for embedding_set in (0, 2):
        first_order = sets[embedding_set].first_order.numpy()
        age = first_order[:, -1] if numeric == "mlp" else first_order[:, 1]
        ratio = age / batch["age"]
        np.testing.assert_allclose(ratio, ratio[0], rtol=1e-4)  # linear in the value


def test_numeric_inputs_can_share_one_token_by_an_mlp():
    inputs = [
        InputSpec("a", "numeric"),
        InputSpec("user", "categorical", "user", 5),
        InputSpec("b", "numeric"),
    ]
    layout = EmbeddingLayout(inputs, embedding_dim=3, num_sets=2, numeric="mlp", numeric_units=[4])
    bank = EmbeddingBank(layout)
    batch = {"a": tf.constant([1.0]), "user": tf.constant([2]), "b": tf.constant([-2.0])}
    sets = bank(batch)
    assert bank.layout.field_names == ("user", "numeric")
    assert [bank.layout.position_of(name) for name in ("a", "user", "b")] == [1, 0, 1]
    for m, embedded in enumerate(sets):
        hidden, output = bank.numeric_token.hidden[m], bank.numeric_token.outputs[m]
        (kernel, bias), (top, top_bias) = hidden.get_weights(), output.get_weights()
        expected = np.maximum(np.array([[1.0, -2.0]]) @ kernel + bias, 0.0) @ top + top_bias
        np.testing.assert_allclose(embedded.field_embeddings[:, 1], expected, rtol=1e-5)


def test_numeric_inputs_alone_are_one_token():
    bank = EmbeddingBank(
        EmbeddingLayout([InputSpec("a", "numeric")], embedding_dim=3, numeric="mlp")
    )
    (embedded,) = bank({"a": tf.constant([1.0, 2.0])})
    assert embedded.field_embeddings.shape == (2, 1, 3)
