"""Where vocabularies lie, which fields there are, and what is refused before any table is made."""

from dataclasses import FrozenInstanceError, fields, replace

import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from features.inputs import InputSpec
from models.embeddings import EmbeddingBank
from models.embeddings.embedding_layout import EmbeddingLayout, TableLayout
from tests.models import small

EVERYTHING = EmbeddingLayout(
    small.INPUTS,
    embedding_dim=3,
    num_sets=4,
    first_order=[3, 1],
    embedding_dims={"item": 2, "genres": 5},
    compressed={"user": {"type": "quotient_remainder", "rows": 4}},
    numeric="mlp",
    numeric_units=[6, 5],
    num_frequencies=7,
)


def test_vocabularies_of_one_dimension_lie_below_each_other_in_one_table():
    places = EVERYTHING.places
    assert list(places) == ["user", "item", "genres", "rating"]
    # By hand: users take 4 remainders and 3 quotients, ratings follow them.
    assert [(p.table, p.start, p.stop, p.embedding_dim) for p in places.values()] == [
        (0, 0, 7, 3),
        (1, 0, 23, 2),
        (2, 0, 6, 5),
        (0, 7, 12, 3),
    ]
    assert EVERYTHING.tables == (
        TableLayout(12, [3, 3, 3, 3, 1, 1], [(4, 7)]),  # quotients start around 1
        TableLayout(23, [2, 2, 2, 2, 1, 1]),
        TableLayout(6, [5, 5, 5, 5, 1, 1]),
    )
    assert [table.columns for table in EVERYTHING.tables] == [14, 10, 22]


def test_a_bank_has_the_tables_of_its_layout():
    bank = EmbeddingBank(EVERYTHING)
    bank.build()
    shapes = [tuple(table.table.shape) for table in bank.tables]
    assert shapes == [(12, 14), (23, 10), (6, 22)]
    shapes = {name: tuple(x.shape) for name, x in bank.projections.items()}
    assert shapes == {"image": (3, sum(EVERYTHING.segments))} == {"image": (3, 14)}


def test_an_input_stands_in_the_field_of_its_name_or_in_the_numeric_one():
    inputs = [
        InputSpec("a", "numeric"),
        InputSpec("user", "categorical", "user", 5),
        InputSpec("b", "numeric"),
    ]
    plain = EmbeddingLayout(inputs)
    assert plain.field_names == ("a", "user", "b")
    assert [plain.position_of(name) for name in ("a", "user", "b")] == [0, 1, 2]
    joined = EmbeddingLayout(inputs, numeric="mlp")
    assert joined.field_names == ("user", "numeric")
    assert [joined.position_of(name) for name in ("a", "user", "b")] == [1, 0, 1]
    with pytest.raises(ValueError, match="not in tuple"):
        plain.position_of("c")


def test_without_values_there_is_no_numeric_field():
    layout = EmbeddingLayout([InputSpec("user", "categorical", "user", 5)], numeric="mlp")
    assert not layout.joins_numeric
    assert layout.field_names == ("user",)


def names(runs) -> list[list[str]]:
    return [[spec.name for spec in run] for run in runs]


def test_neighbours_whose_rows_are_read_alike_are_one_run():
    ids = [InputSpec(name, "categorical", name, 10) for name in "abcde"]
    inputs = [*ids[:3], InputSpec("x", "numeric"), *ids[3:]]
    layout = EmbeddingLayout(inputs)
    assert names(layout.runs()) == [["a", "b", "c"], ["x"], ["d", "e"]]
    assert names(layout.id_runs()) == [["a", "b", "c"], ["d", "e"]]
    # What is given once is apart from what each row has.
    assert names(layout.runs(["a", "b"])) == [["a", "b"], ["c"], ["x"], ["d", "e"]]
    # So is another table, and what is compressed.
    compressed = {"e": {"type": "hashed", "rows": 3}}
    layout = EmbeddingLayout(inputs, embedding_dims={"b": 2}, compressed=compressed)
    assert names(layout.runs()) == [["a"], ["b"], ["c"], ["x"], ["d"], ["e"]]


def test_lists_and_sequences_are_runs_of_their_own():
    expected = [["user"], ["age"], ["item"], ["genres"], ["clicked"], ["rating"], ["image"]]
    assert names(EmbeddingLayout(small.INPUTS).runs()) == expected


def test_the_signature_describes_its_inputs():
    layout = EmbeddingLayout(small.INPUTS)
    assert list(layout.signature) == [spec.name for spec in small.INPUTS]
    for name, x in small.features(np.random.default_rng(0), 9).items():
        assert layout.signature[name].is_compatible_with(tf.constant(x))


def test_histories_and_their_targets_are_named():
    layout = EmbeddingLayout(small.INPUTS)
    assert layout.histories == {"clicks": ("clicked", "rating")}
    assert layout.targets == {"clicked": "item"}


def test_a_value_has_no_place():
    layout = EmbeddingLayout(small.INPUTS)
    assert layout.place_of(small.INPUTS[4]) == layout.places["item"]
    with pytest.raises(KeyError, match="age"):
        layout.place_of(small.INPUTS[1])


def test_every_field_survives_a_round_trip():
    plain = EmbeddingLayout(small.INPUTS[:1])
    unequal = EmbeddingLayout(
        small.INPUTS, num_sets=2, set_dims=[2, 4], first_order=[0], given={"genres": 5}
    )
    for each in fields(EmbeddingLayout):
        layout = unequal if each.name in ("set_dims", "given") else EVERYTHING
        assert getattr(layout, each.name) != getattr(plain, each.name), each.name
    for layout in (EVERYTHING, unequal):
        assert EmbeddingLayout.from_dict(layout.to_dict()) == layout
    assert (unequal.tables[0].segments, unequal.segments) == ((2, 4, 1), (2, 4, 1))
    assert unequal.set_columns(1) == range(2, 6)
    table = EVERYTHING.tables[0]
    assert TableLayout(**table.to_dict()) == table
    layer = EmbeddingBank(EVERYTHING)
    clone = tf_keras.layers.deserialize(tf_keras.layers.serialize(layer))
    assert clone.layout == EVERYTHING


def test_it_cannot_be_changed_but_replaced():
    with pytest.raises(FrozenInstanceError):
        EVERYTHING.num_sets = 1
    one = replace(EVERYTHING, num_sets=1, first_order=[])
    assert [table.columns for table in one.tables] == [3, 2, 5]
    assert EVERYTHING.tables[0].columns == 14


def test_changing_what_it_was_made_from_changes_nothing():
    dims, inputs = {"item": 2}, list(small.INPUTS)
    layout = EmbeddingLayout(inputs, embedding_dims=dims)
    dims["item"] = 7
    inputs.clear()
    assert layout.embedding_dims == {"item": 2}
    assert layout.inputs == small.INPUTS


@pytest.mark.parametrize(
    "change", [{"embedding_dim": 0}, {"num_sets": 0}, {"embedding_dims": {"item": 0}}]
)
def test_rejects_impossible_settings(change):
    with pytest.raises(ValueError, match=r"must be >= 1\. Received: embedding_dim="):
        EmbeddingLayout(small.INPUTS, **change)


@pytest.mark.parametrize("option", ["embedding_dims", "compressed"])
def test_options_of_an_unknown_vocabulary_are_refused(option):
    value = {"itme": 4} if option == "embedding_dims" else {"itme": {"type": "hashed", "rows": 2}}
    with pytest.raises(ValueError, match=f"`{option}` names 'itme'.*Did you mean item"):
        EmbeddingLayout(small.INPUTS, **{option: value})


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ([], "at least one input"),
        ([InputSpec("a", "categorical")], "'a' points into a table"),
        ([InputSpec("a", "multivalued", "a", 3)], "'a' needs its padded length"),
        ([InputSpec("a", "dense")], "'a' needs its dimension"),
        ([InputSpec("a", "word")], "kinds categorical, multivalued, sequence, numeric, dense"),
        ([InputSpec("a", "numeric"), InputSpec("a", "numeric")], "two inputs are named 'a'"),
        (
            [InputSpec("a", "categorical", "v", 3), InputSpec("b", "categorical", "v", 4)],
            "one size.*3 and 4 ids",
        ),
        (
            [
                InputSpec(n, "sequence", "v", 3, length=k, history="h")
                for n, k in (("a", 2), ("b", 4))
            ],
            "one length. Received: a 2, b 4",
        ),
    ],
)
def test_says_what_is_wrong_with_its_inputs(inputs, message):
    with pytest.raises(ValueError, match=message):
        EmbeddingLayout(inputs)


@pytest.mark.parametrize(
    "arguments", [{"first_order": [1]}, {"first_order": [-1]}, {"numeric": "tokens"}]
)
def test_refuses_embedding_sets_that_are_not_there(arguments):
    with pytest.raises(ValueError, match=r"below num_sets=1.*Received"):
        EmbeddingLayout(small.INPUTS, **arguments)


@pytest.mark.parametrize("settings", [{"set_dims": [2]}, {"set_dims": [2, 0]}])
def test_an_embedding_set_without_a_length_is_refused(settings):
    with pytest.raises(ValueError, match=r"for each embedding set.*num_sets=2"):
        EmbeddingLayout(small.INPUTS, num_sets=2, **settings)
