import numpy as np
import pytest
import tensorflow as tf

from models.branches.interformer.interformer import InterFormer
from models.embeddings.embedded import Embedded, History
from tests.models.branches.dhen.interaction_oracle import interaction_arch, mlp, randomize
from tests.models.branches.interformer import interformer_oracle as oracle
from tests.models.embedded_inputs import random_embedded

HISTORIES = {"clicks": (5, 2, 1), "buys": (3, 1, 0)}
SMALL = {
    "num_layers": 2,
    "num_cls": 3,
    "rank": 2,
    "dot_units": (5,),
    "interaction_units": (6,),
    "units": (7, 5),
}


def batch(histories=HISTORIES, size=6) -> Embedded:
    rng = np.random.default_rng(3)
    return random_embedded(rng, size, fields=7, embedding_dim=4, histories=histories)


def built(embedded, **settings) -> InterFormer:
    branch = InterFormer(**{**SMALL, **settings})
    branch(embedded)
    return randomize(branch)


def joined(histories):
    """The k-th event before the example of every history as one event, the oldest first."""
    there = {
        name: [step for step, valid in zip(each.events, each.mask, strict=True) if valid]
        for name, each in sorted(histories.items())
    }
    steps = np.zeros((max(len(each.mask) for each in histories.values()), 0))
    count = max(len(events) for events in there.values())
    for name, events in there.items():
        part = np.zeros((len(steps), histories[name].events.shape[1]))
        for k in range(1, len(events) + 1):
            part[count - k] = events[-k]
        steps = np.concatenate([steps, part], axis=1)
    return History(steps, np.arange(len(steps)) < count, None)


def one_example(branch, x, histories):
    """(representation, X after each layer) of one example: x (n, width), histories by name."""
    if branch.histories == "joined":
        histories = {"joined": joined(histories)}
    nets = dict(zip(sorted(histories), branch.mask_nets, strict=True))
    there, mask, lengths = [], [], []
    for name in sorted(histories):
        there.append(oracle.self_masked_projection(nets[name], histories[name].events))
        mask += list(histories[name].mask)
        lengths.append(len(histories[name].mask))
    events, cls, outputs = np.concatenate(there), None, []

    def recent(tokens):
        parts, start = [], 0
        for length in lengths:
            here = slice(start, start + length)
            parts += oracle.last_events(tokens[here], mask[here], branch.num_recent)
            start += length
        return parts

    for l in range(branch.num_layers):  # noqa: E741
        x_sum, s_sum = oracle.cross_arch(
            branch.cross_archs[l], x, events, mask, recent(events), cls
        )
        if l == 0:
            cls = x_sum
        x = interaction_arch(branch.interaction_archs[l], x, s_sum)
        cls, events = oracle.sequence_arch(branch.sequence_archs[l], events, cls, x_sum, mask)
        outputs.append(x.ravel())
    last = oracle.cross_arch(branch.cross_archs[-1], x, events, mask, recent(events), cls)
    return mlp(branch.head, np.concatenate(last).ravel()), outputs


def float64_example(embedded, row):
    picked = tf.nest.map_structure(lambda each: each[row], embedded._replace(extra=()))
    histories = {
        name: each._replace(events=each.events.astype("float64"))
        for name, each in picked.histories.items()
    }
    return picked.non_sequence.astype("float64"), histories


@pytest.mark.parametrize(
    ("histories", "settings"),
    [
        (HISTORIES, {}),
        (HISTORIES, {"histories": "side_by_side"}),
        (HISTORIES, {"residual": False, "gating_mode": "paper", "gating_activation": "tanh"}),
        ({"clicks": (4, 1, 1)}, {"interaction": "dot", "num_pma": 0, "num_recent": 5}),
        ({"clicks": (4, 3, 1)}, {"interaction": "cross", "num_recent": 0, "gating_mode": "none"}),
        (HISTORIES, {"num_layers": 3, "interaction_layers": 2, "num_heads": 4}),
    ],
    ids=["default", "side_by_side", "as_in_the_paper", "dot", "cross", "deeper"],
)
def test_matches_oracle(histories, settings):
    embedded = batch(histories)
    branch = built(embedded, **settings)
    received, details = branch(embedded, return_details=True)
    assert len(details.intermediates) == branch.num_layers
    for row in range(len(embedded.field_embeddings)):
        expected, outputs = one_example(branch, *float64_example(embedded, row))
        np.testing.assert_allclose(received[row], expected, rtol=2e-3, atol=2e-3)
        for each, oracles in zip(details.intermediates, outputs, strict=True):
            np.testing.assert_allclose(each[row], oracles, rtol=2e-3, atol=2e-3)


@pytest.mark.parametrize("residual", [True, False])
@pytest.mark.parametrize("settings", [{}, {"num_pma": 0, "num_recent": 0}])
def test_the_last_layer_learns(residual, settings):
    embedded = batch(size=8)
    branch = InterFormer(**SMALL, residual=residual, **settings)
    branch(embedded)
    with tf.GradientTape() as tape:
        h = branch(embedded)
        total = tf.reduce_sum(h * np.random.default_rng(0).normal(size=h.shape))
    last = {
        part.name: part.trainable_variables
        for part in (
            branch.interaction_archs[-1],
            branch.sequence_archs[-1],
            branch.cross_archs[-2],
            branch.cross_archs[-1],
        )
    }
    gradients = tape.gradient(total, last)
    for name, variables in last.items():
        assert variables
        for variable, gradient in zip(variables, gradients[name], strict=True):
            assert gradient is not None, variable.name
            assert np.abs(gradient).max() > 1e-8, variable.name


def with_steps(embedded, change) -> Embedded:
    histories = {name: change(name, each) for name, each in embedded.histories.items()}
    return embedded._replace(histories=histories)


@pytest.mark.parametrize("layout", ["joined", "side_by_side"])
@pytest.mark.parametrize("garbage", [1e3, np.nan])
def test_padding_never_changes_the_output(garbage, layout):
    embedded = batch()

    def fill(_, history):
        steps = np.where(history.mask[:, :, np.newaxis], history.events, garbage)
        return history._replace(events=steps.astype("float32"))

    branch = built(embedded, histories=layout)
    np.testing.assert_array_equal(branch(with_steps(embedded, fill)), branch(embedded))


@pytest.mark.parametrize("layout", ["joined", "side_by_side"])
def test_longer_padding_never_changes_the_output(layout):
    embedded = batch()

    def pad(name, history):
        more = 4 if name == "clicks" else 1
        return history._replace(
            events=np.pad(history.events, [(0, 0), (0, more), (0, 0)]),
            mask=np.pad(history.mask, [(0, 0), (0, more)]),
        )

    longer = with_steps(embedded, pad)
    branch, padded = built(embedded, histories=layout), built(longer, histories=layout)
    padded.set_weights(branch.get_weights())
    np.testing.assert_allclose(padded(longer), branch(embedded), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("settings", [{}, {"num_pma": 0}, {"residual": False}])
def test_empty_histories_give_finite_outputs_and_gradients(settings):
    embedded = with_steps(
        batch(),
        lambda _, history: history._replace(
            events=np.zeros_like(history.events), mask=np.zeros_like(history.mask)
        ),
    )
    branch = built(embedded, **settings)
    embedded = tf.nest.map_structure(tf.constant, embedded)
    steps = embedded.histories["clicks"].events
    with tf.GradientTape() as tape:
        tape.watch([steps, embedded.non_sequence])
        h = branch(embedded)
    assert np.isfinite(h).all()
    for gradient in tape.gradient(h, [embedded.non_sequence, *branch.trainable_variables]):
        assert gradient is None or np.isfinite(tf.convert_to_tensor(gradient)).all()
    assert not np.allclose(h[0], h[1], atol=1e-3)  # the other inputs still tell them apart


def test_an_example_does_not_see_the_others():
    embedded = batch()
    branch = built(embedded)
    alone = tf.nest.map_structure(lambda each: each[2:3], embedded)
    np.testing.assert_allclose(branch(alone), branch(embedded)[2:3], rtol=1e-4, atol=1e-5)


def test_the_order_of_events_matters_and_that_of_declarations_does_not():
    embedded = batch()
    branch = built(embedded)
    expected = branch(embedded)
    renamed = embedded._replace(histories=dict(reversed(embedded.histories.items())))
    np.testing.assert_array_equal(branch(renamed), expected)

    def reverse(_, history):
        return history._replace(
            events=np.where(
                history.mask.all(1)[:, None, None], history.events[:, ::-1], history.events
            )
        )

    changed = np.abs(branch(with_steps(embedded, reverse)) - expected).max(axis=1)
    assert changed[0] > 1e-3  # the first example's histories are full


@pytest.mark.parametrize(
    ("histories", "positions"),
    [("joined", (0, 0, 1, 2, 3, 4, 5)), ("side_by_side", (0, 0, 1, 2, 3, 1, 2, 3, 4, 5))],
)
def test_positions_start_again_with_each_history_that_stands_apart(histories, positions):
    embedded = batch()
    branch = built(embedded, num_cls=2, histories=histories)
    assert branch.sequence_archs[0].attention.positions == positions


def test_one_history_is_the_same_joined_and_side_by_side():
    embedded = batch({"clicks": (4, 2, 1)})
    branches = [built(embedded, histories=each) for each in ("joined", "side_by_side")]
    branches[1].set_weights(branches[0].get_weights())
    np.testing.assert_array_equal(branches[0](embedded), branches[1](embedded))
    assert [net.name for net in branches[0].mask_nets] == ["mask_net_clicks"]


def test_defaults_are_the_papers_sizes():
    config = InterFormer().get_config()
    assert (config["num_layers"], config["num_cls"]) == (3, 4)
    assert (config["num_pma"], config["num_recent"]) == (2, 2)
    assert (config["interaction"], config["activation"]) == ("dhen", "swish")
    assert InterFormer.takes == "embedded"
    assert InterFormer.needs == {"history"}


def test_rejects_impossible_settings_when_it_is_made():
    with pytest.raises(ValueError, match="num_layers=0"):
        InterFormer(num_layers=0)
    with pytest.raises(ValueError, match="num_recent=-1"):
        InterFormer(num_recent=-1)
    with pytest.raises(ValueError, match=r"dhen, dot, cross.*'fm'"):
        InterFormer(interaction="fm")
    with pytest.raises(ValueError, match=r"joined or side_by_side.*histories='apart'"):
        InterFormer(histories="apart")
    with pytest.raises(ValueError, match="mode='gru'"):
        InterFormer(gating_mode="gru")


def test_rejects_data_that_it_cannot_take():
    embedded = batch()
    with pytest.raises(ValueError, match="num_heads=3 and width 4"):
        InterFormer(**SMALL, num_heads=3)(embedded)
    with pytest.raises(ValueError, match=r"histories \[\].*such as `dhen`"):
        InterFormer(**SMALL)(embedded._replace(histories={}))
    with pytest.raises(ValueError, match="0 other inputs"):
        InterFormer(**SMALL)(embedded._replace(non_sequence=embedded.field_embeddings[:, :0]))
