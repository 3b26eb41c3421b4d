"""One branch of a trained network by itself, without whatever it does not need."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import tensorflow as tf
import tf_keras

from features.errors import ExportError, did_you_mean
from features.inputs import InputSpec
from models.alignment import WrappedAlignment
from models.branches.branch import feed
from models.embeddings.bank import EmbeddingBank
from models.embeddings.embedding_layout import EmbeddingLayout
from models.network.cooperative_network import CooperativeNetwork, Features
from models.network.outputs import NetworkOutputs


def branch_alone(network: CooperativeNetwork, name: str) -> tf_keras.Model:
    """A model whose logit is the one that a branch of the network has from its own head.

    It is for scoring. Dense weights are those of the network itself, not copies. Its tables are
    new ones with the columns of the branch's own embedding sets. Inputs that the branch does not
    read are left out; a history is kept whole, because its sequences are aligned with each other.

    Args:
        network: A trained network, its optimizer's slots dropped.
        name: Name of the branch.

    Returns:
        A model called as the network is. Of `NetworkOutputs` it returns the logit alone; it has no
        `branch_names`, and `embeddings` of its own.

    Raises:
        ExportError: There is no such branch, or its logit cannot be computed from it alone.
    """
    require_branch(network, name)
    return _BranchAlone(network, name)


def require_branch(network: CooperativeNetwork, name: str) -> None:
    """Refuses what `branch_alone` cannot make, without making anything.

    Raises:
        ExportError: There is no such branch, or its logit cannot be computed from it alone.
    """
    if name not in network.branch_names:
        raise ExportError(
            f"the network has no branch {name!r}. {did_you_mean(name, network.branch_names)}"
        )
    if network.heads == "fused":
        raise ExportError(
            f"branch {name!r} has no logit of its own: the network was trained with heads: fused. "
            "Export the whole network, or train with heads: all."
        )
    if network.alignment.alone(network.branch_names.index(name)) is None:
        alignment = network.alignment
        own = alignment.layer if isinstance(alignment, WrappedAlignment) else alignment
        raise ExportError(
            f"branch {name!r} cannot be cut out: {type(own).__name__} aligns branches with each "
            "other. Give it a method `alone` (models/alignment/alignment.py), or export the whole "
            "network."
        )


class _BranchAlone(tf_keras.Model):
    branch_names: tuple[str, ...] = ()

    def __init__(self, network: CooperativeNetwork, name: str):
        super().__init__(dtype=network.dtype_policy)
        position = network.branch_names.index(name)
        self.branch = network.branches[name]
        self.head = network.head_layers[name]
        self.projection = network.projections.get(name) or tf_keras.layers.Identity()
        alignment = network.alignment.alone(position)
        assert alignment is not None  # refused by `require_branch`
        self.alignment = alignment
        layout = network.embeddings.layout
        fields = layout.field_names
        read = self.branch.fields_read
        # Of the fields that are left, among all that the branch counts.
        self.places: list[int | None] | None = None
        sets = tuple(dict.fromkeys(network.embedding_sets[name]))
        self.sets = [sets.index(embedding_set) for embedding_set in network.embedding_sets[name]]
        inputs: Sequence[InputSpec] = layout.inputs
        if read is not None and len(set(read)) < len(fields):
            inputs = _needed(layout, [fields[i] for i in read])
        self.embeddings = _cut(network.embeddings, inputs, sets, self.branch.uses_first_order)
        if len(inputs) < len(layout.inputs):
            kept_fields = self.embeddings.layout.field_names
            self.places = [
                kept_fields.index(field) if field in kept_fields else None for field in fields
            ]

    def call(self, features: Features, training: bool = False) -> NetworkOutputs:
        tables = self.embeddings(features)
        own, *extra = [tables[m] for m in self.sets]
        view = own._replace(extra=tuple(extra))
        if self.places is not None:
            view = view._replace(field_embeddings=_in_place(view.field_embeddings, self.places))
        z = self.alignment(feed(self.branch, view))
        return NetworkOutputs(logit=self.head(self.projection(z)))


def _in_place(field_embeddings: tf.Tensor, places: Sequence[int | None]) -> tf.Tensor:
    """Field embeddings at the positions that the branch knows them by; zeros elsewhere."""
    by_field = tf.unstack(field_embeddings, axis=1)
    nothing = tf.zeros_like(by_field[0])
    return tf.stack([nothing if i is None else by_field[i] for i in places], axis=1)


def _needed(layout: EmbeddingLayout, fields: Sequence[str]) -> list[InputSpec]:
    """The inputs of these field embeddings, and those aligned with them, in their order."""

    def is_read(spec: InputSpec) -> bool:
        return layout.field_names[layout.position_of(spec.name)] in fields

    histories = {spec.history or spec.name for spec in layout.inputs if is_read(spec)}
    return [
        spec
        for spec in layout.inputs
        if is_read(spec) or (spec.kind == "sequence" and (spec.history or spec.name) in histories)
    ]


def _cut(
    bank: EmbeddingBank, inputs: Sequence[InputSpec], sets: Sequence[int], uses_first_order: bool
) -> EmbeddingBank:
    """A bank of some inputs and embedding sets, with the weights of another one."""
    whole = bank.layout
    linear = [m for m in sets if m in whole.first_order] if uses_first_order else []
    layout = _cut_layout(whole, inputs, sets, linear)
    config = {**bank.get_config(), "layout": layout.to_dict(), "slots": None}
    cut = EmbeddingBank.from_config(config)
    cut.build(())
    # As the bank orders first-order weights: by embedding set.
    linear.sort(key=sets.index)

    def columns(embedding_dim: int | None = None) -> np.ndarray:
        """Of a row of the whole bank: those of the sets, then their first-order weights."""
        own = [np.array(whole.set_columns(m, embedding_dim)) for m in sets]
        behind = whole.set_columns(whole.num_sets - 1, embedding_dim).stop
        first_order = [behind + whole.first_order.index(m) for m in linear]
        return np.concatenate([*own, first_order]).astype(int)

    tables = [table.table.numpy() for table in cut.tables]
    for vocabulary, place in layout.places.items():
        old = whole.places[vocabulary]
        rows = bank.tables[old.table].weights_between(old.start, old.stop, slice(None)).numpy()
        tables[place.table][place.start : place.stop] = rows[:, columns(old.embedding_dim)]
        if vocabulary in cut.rows.projections:
            kernel = bank.rows.projections[vocabulary].numpy()
            cut.rows.projections[vocabulary].assign(kernel[list(sets)])
    for table, rows in zip(cut.tables, tables, strict=True):
        table.table.assign(rows)
    for name, kernel in cut.projections.items():
        kernel.assign(bank.projections[name].numpy()[:, columns()])
    for name, frequencies in cut.frequencies.items():
        frequencies.assign(bank.frequencies[name].numpy()[list(sets)])
    for vocabulary, vectors in cut.given.items():
        vectors.assign(bank.given[vocabulary])
    if cut.numeric_token is not None:
        cut(_no_rows(cut))  # creates its weights
        for part in ("outputs", "hidden"):
            for layer, m in zip(getattr(cut.numeric_token, part), sets, strict=False):
                layer.set_weights(getattr(bank.numeric_token, part)[m].get_weights())
        if linear:
            columns_kept = [whole.first_order.index(m) for m in linear]
            cut.numeric_first_order.assign(bank.numeric_first_order.numpy()[:, columns_kept])
    return cut


def _cut_layout(
    whole: EmbeddingLayout, inputs: Sequence[InputSpec], sets: Sequence[int], linear: Sequence[int]
) -> EmbeddingLayout:
    """The layout of some inputs and sets, those of `linear` with first-order weights."""
    vocabularies = {spec.vocabulary for spec in inputs}
    return replace(
        whole,
        inputs=inputs,
        num_sets=len(sets),
        set_dims=[whole.dims[m] for m in sets] if whole.set_dims else (),
        first_order=[sets.index(m) for m in linear],
        embedding_dims={n: dim for n, dim in whole.embedding_dims.items() if n in vocabularies},
        compressed={n: options for n, options in whole.compressed.items() if n in vocabularies},
        given={n: length for n, length in whole.given.items() if n in vocabularies},
    )


def _no_rows(bank: EmbeddingBank) -> dict[str, tf.Tensor]:
    return {
        name: tf.zeros((0, *spec.shape[1:]), spec.dtype)
        for name, spec in bank.layout.signature.items()
    }
