"""Which parts of a network fit together, and how its branches' insides are put side by side."""

from collections.abc import Mapping, Sequence
from typing import Protocol

import tensorflow as tf
import tf_keras

from models.alignment import Alignment, check_one_width
from models.branches.branch import Branch, Details
from models.cooperation import CooperationLoss
from models.embeddings.bank import EmbeddingBank
from models.fusion import Fusion


class Wired(Protocol):
    """What is asked here of a network; `CooperativeNetwork` says what each is."""

    embeddings: EmbeddingBank
    heads: str
    gate_table: int | None
    logloss_weights: dict[str, float]
    alignment: Alignment
    fusion: Fusion

    @property
    def branches(self) -> Mapping[str, Branch]: ...

    @property
    def cooperation_losses(self) -> Mapping[str, CooperationLoss]: ...

    @property
    def projections(self) -> Mapping[str, tf_keras.layers.Layer]: ...

    @property
    def widths(self) -> tuple[int, ...] | None: ...

    @property
    def embedding_sets(self) -> Mapping[str, tuple[int, ...]]: ...

    @property
    def term_names(self) -> tuple[str, ...]: ...


def check_wiring(network: Wired) -> None:
    """Refuses parts that do not fit each other.

    Raises:
        ValueError: Says which, and what would fit.
    """
    if network.heads not in ("all", "fused"):
        raise ValueError(
            "CooperativeNetwork: `heads` must be 'all' or 'fused'. "
            f"Received: heads={network.heads!r}."
        )
    _check_embedding_sets(network)
    _check_names(network)
    _check_readers(network)


def _check_embedding_sets(network: Wired) -> None:
    """Every branch has the embedding sets that it asks for, and every set has a reader."""
    names = list(network.branches)
    sets = [m for sets_of_branch in network.embedding_sets.values() for m in sets_of_branch]
    sets += [] if network.gate_table is None else [network.gate_table]
    if not names or set(network.embedding_sets) != set(names):
        raise ValueError(
            "CooperativeNetwork: expected at least one branch, and an embedding set for each. "
            f"Received: branches={names}, embedding_sets={network.embedding_sets}."
        )
    if set(sets) != set(range(network.embeddings.layout.num_sets)):
        raise ValueError(
            "CooperativeNetwork: expected embeddings with one embedding set, one per branch, or "
            f"those that `embedding_sets` and `gate_table` name. Received: branches={names}, "
            f"num_sets={network.embeddings.layout.num_sets}, "
            f"embedding sets in use {sorted(set(sets))}."
        )
    for name, branch in network.branches.items():
        expected = 1 + branch.num_extra_sets
        if len(network.embedding_sets[name]) != expected:
            raise ValueError(
                f"CooperativeNetwork: branch {name!r} asks for {expected} embedding sets. "
                f"Received: {list(network.embedding_sets[name])}."
            )


def _check_names(network: Wired) -> None:
    """Terms have names of their own, and what is given by branch names branches."""
    names, terms = list(network.branches), network.term_names
    if len(set(terms)) < len(terms) or "fused" in names:
        raise ValueError(
            "CooperativeNetwork: the names of branches and cooperation losses must be distinct "
            f"and no branch may be called 'fused'. Received terms {list(terms)}."
        )
    if network.projections and (network.heads == "fused" or set(network.projections) != set(names)):
        raise ValueError(
            "CooperativeNetwork: projections stand in front of the heads of all branches. "
            f"Received: projections of {sorted(network.projections)}, branches={names}, "
            f"heads={network.heads!r}."
        )
    unknown = set(network.logloss_weights) - {*names, "fused"}
    if unknown:
        raise ValueError(
            f"CooperativeNetwork: `logloss_weights` names {sorted(unknown)}. Expected 'fused' or "
            f"one of the branches {names}."
        )


def _check_readers(network: Wired) -> None:
    """What losses and fusion read is there: the branches' logits, the gate's embedding set."""
    readers: list[tuple[str, Sequence[str]]] = [
        (f"cooperation loss {name!r}", loss.takes)
        for name, loss in network.cooperation_losses.items()
    ]
    readers.append(("the fusion", network.fusion.takes))
    for reader, takes in readers:
        if "logits" in takes and network.heads == "fused":
            raise ValueError(
                f"CooperativeNetwork: {reader} reads the branches' logits, which need heads='all'. "
                "Received: heads='fused'."
            )
    if "gate_input" in network.fusion.takes and network.gate_table is None:
        raise ValueError(
            "CooperativeNetwork: the fusion has a gate, which reads an embedding set. "
            "Give `gate_table`."
        )


def check_representations(names: Sequence[str], hidden: Sequence[tf.Tensor]) -> None:
    """Refuses a branch that returns anything but (batch, units).

    Raises:
        ValueError: Names the branch.
    """
    for name, h in zip(names, hidden, strict=True):
        if h.shape.rank != 2 or not h.shape[1]:
            raise ValueError(
                f"branch {name!r} must return a representation of shape (batch, units), units "
                f"known. Received: {tuple(h.shape)}."
            )


def check_widths(network: Wired, hidden: Sequence[tf.Tensor]) -> None:
    """Refuses representations of unequal widths that anything but a concatenation would read.

    Raises:
        ValueError: Says which branch has which width, and how to make them equal.
    """
    if network.widths is None:
        return
    losses = network.cooperation_losses.items()
    compared = [name for name, loss in losses if "representations" in loss.takes]
    if compared or not network.fusion.concatenates:
        reader = f"cooperation loss {compared[0]!r}" if compared else network.fusion.name
        check_one_width(reader, hidden, tuple(network.branches))


def check_scalar(name: str, term: tf.Tensor) -> tf.Tensor:
    """Refuses a loss that is no scalar.

    Raises:
        ValueError: Names the loss.
    """
    if term.shape.rank != 0:
        raise ValueError(
            f"loss {name!r} must return a scalar, this replica's share of the mean over the global "
            f"batch. Received: shape {tuple(term.shape)}. End it with "
            "models.replicas.global_mean."
        )
    return term


def intermediates_by_layer(
    names: Sequence[str], details: Sequence[Details]
) -> tuple[tf.Tensor, ...]:
    """The branches' layers side by side: one (batch, branches, width) for each layer.

    Raises:
        ValueError: Branches with other numbers or widths of layers.
    """
    shapes = [[each.shape[-1] for each in detail.intermediates] for detail in details]
    if not shapes[0] or any(shape != shapes[0] for shape in shapes):
        received = "; ".join(
            f"{name} {shape or 'none'}" for name, shape in zip(names, shapes, strict=True)
        )
        raise ValueError(
            "a loss at intermediate layers compares the branches layer by layer, so all of them "
            "must have layers of the same widths. Received widths by branch: "
            f"{received}. Give the branches the same type and layers, or set `at: output`."
        )
    return tuple(
        tf.stack(layer_of_branches, axis=1)
        for layer_of_branches in zip(*(detail.intermediates for detail in details), strict=True)
    )


def embedding_set_names(network: Wired) -> tuple[str, ...]:
    """A name for each embedding set, after who reads it."""
    names = []
    for m in range(network.embeddings.layout.num_sets):
        readers = [name for name, (own, *_) in network.embedding_sets.items() if own == m]
        if len(readers) == len(network.branches) > 1:
            readers = ["shared"]
        for branch, (_, *extra) in network.embedding_sets.items():
            readers += [f"{branch}_context_{i}" for i, each in enumerate(extra, 1) if each == m]
        if network.gate_table == m and not readers:
            readers = ["gate"]
        names.append("+".join(readers))
    return tuple(names)
