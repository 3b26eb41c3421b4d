"""The configuration of a network: one component per point of each axis, checked when read."""

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

import pydantic

from features.config import StrictModel
from features.errors import ConfigError, did_you_mean
from models.choices import Initializer, Numeric
from models.spec import axes
from models.spec.component import (
    LARGEST_WIDTH,
    AlignmentComponent,
    BranchComponent,
    Component,
    CooperationComponent,
    FusionComponent,
    TowerComponent,
    asks_classes,
)
from models.spec.plugins import is_import_path

NonNegative = Annotated[float, pydantic.Field(ge=0.0)]
Width = Annotated[int, pydantic.Field(ge=1, le=LARGEST_WIDTH)]
# Names that stand for something else in the logs.
_RESERVED = ("loss", "logloss", "auc", "embedding_l2", "dense_l2", "gradient")


class CompressedConfig(StrictModel):
    """An entry of `model.embedding.compressed:`; see `models.embeddings.compressed_rows.Storage`.

    Args:
        type: `hashed` sums rows of one table; `quotient_remainder` multiplies rows of two.
        rows: Number of rows of the (first) table.
        hashes: Rows that make up an embedding of `hashed`.
    """

    type: Literal["hashed", "quotient_remainder"]
    rows: int = pydantic.Field(ge=1, lt=2**31)
    hashes: int = pydantic.Field(default=2, ge=1, le=4)


class GivenConfig(StrictModel):
    """An entry of `model.embedding.given:`.

    Args:
        path: A file of keys and vectors, `.h5` with the datasets `key` and `value`; relative to
            `data.path`.
        dimension: Length of a vector.
    """

    path: str
    dimension: Width


class EmbeddingConfig(StrictModel):
    """The `model.embedding:` section.

    Args:
        embedding_dim: Length of a field embedding.
        embedding_dims: By vocabulary, the embedding dimension of its rows, which are then
            projected to field embeddings.
        compressed: By vocabulary, how ids share rows, where there are too many.
        stddev: Standard deviation of the initial rows.
        initializer: Distribution of the initial rows.
        l2: Factor of the regulariser over whole tables.
        l2_batch: Factor of the regulariser over the rows that a batch reads.
        numeric: `each` numeric input has a field embedding, its value times a learned vector; `mlp`
            makes one of all of them; `periodic` learns one of sines and cosines of each.
        numeric_units: Hidden layers of that MLP.
        num_frequencies: Frequencies of each periodic input.
        frequency_stddev: Standard deviation of the initial frequencies.
        given: By vocabulary, vectors of its tokens that are read from a file and never trained; a
            token without one has zeros.
        set_dims: By the name of an embedding set, the length of its field embeddings where it is
            not `embedding_dim`; a set of a branch's own is called after the branch.
    """

    embedding_dim: Width = 16
    embedding_dims: dict[str, Width] = {}
    compressed: dict[str, CompressedConfig] = {}
    stddev: float = pydantic.Field(default=1e-4, ge=0.0)
    initializer: Initializer = "normal"
    l2: float = pydantic.Field(default=0.0, ge=0.0)
    l2_batch: float = pydantic.Field(default=0.0, ge=0.0)
    numeric: Numeric = "each"
    numeric_units: list[Width] = []
    num_frequencies: Width = 16
    frequency_stddev: float = pydantic.Field(default=0.1, ge=0.0)
    set_dims: dict[str, Width] = {}
    given: dict[str, GivenConfig] = {}

    @pydantic.model_validator(mode="before")
    @classmethod
    def _new_names(cls, received: Any) -> Any:
        for name, new_name in (("width", "embedding_dim"), ("widths", "embedding_dims")):
            if isinstance(received, Mapping) and name in received:
                raise ConfigError(
                    f"{name} is called {new_name} now. Rename it. "
                    f"Received: {name}={received[name]!r}."
                )
        return received

    @pydantic.model_validator(mode="after")
    def _units_have_an_mlp(self) -> "EmbeddingConfig":
        if self.numeric_units and self.numeric != "mlp":
            raise ConfigError(
                f"numeric_units are the layers of an MLP, which numeric={self.numeric!r} does not "
                "have. Set numeric to mlp, or leave numeric_units out."
            )
        return self


class NetworkConfig(StrictModel):
    """A network; by default MBCnet with the sizes of the paper (arXiv:2411.13057v2, 4.1.3).

    Branches and cooperation losses are listed by a name of the user's; their `type` is that name
    unless given.

    Args:
        tables: One set that all branches share, or one per branch, or for each branch the name of
            its set: branches that give the same name share it.
        gate_table: An embedding set of the gate's `own`, or the name of the branch whose set it
            reads.
        scale: How many times the embeddings are enlarged, as in CETNet's Table 4 (2x, 3x, 4x, 10x):
            with `tables: shared` field embeddings are that many times as long, with `per_branch`
            there are that many copies of every branch.
        tower: MLP between the fusion and its logit; null for none.
        projection: MLP between each branch's representation and its logit, one for each branch
            (CETNet's "projection layer (MLP)"); null for none.
        dense_l2: Factor of half the sum of squares of all weights but those of the embeddings, the
            open benchmark's `net_regularizer`.
        logloss_weights: Factors of the loglosses, by `fused` or the branch's name; others are 1.
    """

    embedding: EmbeddingConfig = EmbeddingConfig()
    tables: Literal["shared", "per_branch"] | dict[str, str] = "shared"
    scale: int = pydantic.Field(default=1, ge=1, le=64)
    gate_table: str = "own"
    branches: dict[str, BranchComponent] = pydantic.Field(
        default={"efgc": "efgc", "cross": "low_rank_cross_mixture", "deep": "deep"},
        validate_default=True,
    )
    alignment: AlignmentComponent = pydantic.Field(default="shared_mlp", validate_default=True)
    heads: Literal["all", "fused"] = "all"
    fusion: FusionComponent = pydantic.Field(default="mean", validate_default=True)
    tower: TowerComponent | None = None
    projection: TowerComponent | None = None
    dense_l2: NonNegative = 0.0
    logloss_weights: dict[str, NonNegative] = {}
    cooperation: dict[str, CooperationComponent] = pydantic.Field(
        default={"co_teaching": {"weight": 0.1}, "moderate_differentiation": {"weight": 0.1}},
        validate_default=True,
    )

    @pydantic.field_validator("branches", "cooperation", mode="before")
    @classmethod
    def _type_from_name(cls, received: Any) -> Any:
        if not isinstance(received, Mapping):
            return received
        for name in received:
            if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", str(name)):
                raise ConfigError(
                    f"{name!r} cannot be a name: use letters, digits and _, a letter first."
                )
        return {
            name: {"type": name, **(value or {})}
            if value is None or isinstance(value, Mapping)
            else value
            for name, value in received.items()
        }

    @pydantic.field_validator("tables", mode="before")
    @classmethod
    def _known_tables(cls, received: Any) -> Any:
        if received in ("shared", "per_branch") or isinstance(received, Mapping):
            return received
        raise ConfigError(
            "expected 'shared' or 'per_branch', or for each branch the name of its embedding set. "
            f"Received: {received!r}."
        )

    @pydantic.field_validator("tower", "projection", mode="before")
    @classmethod
    def _tower_is_an_mlp(cls, received: Any) -> Any:
        return {"type": "mlp", **received} if isinstance(received, Mapping) else received

    @property
    def field_dim(self) -> int:
        """Length of a field embedding, `scale` included."""
        return self.embedding.embedding_dim * (self.scale if self.tables == "shared" else 1)

    @property
    def own_classes(self) -> list[str]:
        """The import paths of the user's own classes."""
        components: list[Component] = [*self.branches.values(), *self.cooperation.values()]
        components += [self.alignment, self.fusion]
        return [component.type for component in components if is_import_path(component.type)]

    @property
    def branch_copies(self) -> dict[str, str]:
        """Name of every branch of the network -> its entry in `branches`."""
        return {
            (name if self._copies(component) == 1 else f"{name}_{i + 1}"): name
            for name, component in self.branches.items()
            for i in range(self._copies(component))
        }

    def _copies(self, component: BranchComponent) -> int:
        return component.copies * (1 if self.tables == "shared" else self.scale)

    @property
    def table_of(self) -> dict[str, str]:
        """Name of every branch of the network -> name of its embedding set."""
        if isinstance(self.tables, str):
            shared = self.tables == "shared"
            return {name: "shared" if shared else name for name in self.branch_copies}
        return {
            name: self.tables.get(name, self.tables.get(entry, ""))
            for name, entry in self.branch_copies.items()
        }

    @pydantic.model_validator(mode="after")
    def _names_fit(self) -> "NetworkConfig":
        if not self.branches:
            raise ConfigError(f"branches is empty. Name at least one: {', '.join(axes.BRANCHES)}.")
        names = self.branch_copies
        if "fused" in names:
            raise ConfigError("branches.fused: this name stands for the fusion. Choose another.")
        if len(names) < sum(map(self._copies, self.branches.values())):
            raise ConfigError(
                f"branches: copies are named {', '.join(names)}, and another branch has one of "
                "these names. Rename it."
            )
        self._check_tables(names)
        for name in self.logloss_weights:
            if name not in {*names, "fused"}:
                raise ConfigError(
                    f"logloss_weights.{name}: no branch has this name. "
                    f"{did_you_mean(name, [*names, 'fused'])}"
                )
            if name != "fused" and self.heads == "fused":
                raise ConfigError(
                    f"logloss_weights.{name}: heads='fused' gives branches no logloss. Set heads "
                    "to 'all', or remove the weight."
                )
        if self.projection is not None and self.heads == "fused":
            raise ConfigError(
                "projection stands in front of the branches' logits, which heads='fused' leaves "
                "out. Set heads to 'all', or projection to null."
            )
        return self

    @pydantic.model_validator(mode="after")
    def _classes_fit(self, info: pydantic.ValidationInfo) -> "NetworkConfig":
        if not asks_classes(info):
            return self
        if self.gate_table != "own" and "gate_input" not in self.fusion.takes:
            raise ConfigError(
                f"gate_table: fusion {self.fusion.type!r} has no gate. Set fusion to gate, or "
                "leave gate_table out."
            )
        if "logits" in self.fusion.takes and self.heads == "fused":
            raise ConfigError(
                f"fusion {self.fusion.type!r} reads the branches' logits, which heads='fused' "
                "leaves out. Set heads to 'all', or fusion to mean, sum, concat or gate."
            )
        if self.tower is not None and self.fusion.gives_logit:
            raise ConfigError(
                f"tower: fusion {self.fusion.type!r} gives the logit itself, and nothing is left "
                "for a tower. Set tower to null, or choose another fusion."
            )
        for name, loss in self.cooperation.items():
            self._check_loss(name, loss, list(self.branch_copies))
        return self

    def _check_tables(self, names: Mapping[str, str]) -> None:
        if not isinstance(self.tables, str):
            if self.scale > 1:
                raise ConfigError(
                    f"scale enlarges what is shared or copies what is per_branch, and tables names "
                    f"the sets one by one. Received: scale={self.scale}. Set copies and "
                    "embedding_dim instead."
                )
            for name in self.tables:
                if name not in {*names, *self.branches}:
                    raise ConfigError(
                        f"tables.{name}: no branch has this name. {did_you_mean(name, names)}"
                    )
            for name, entry in names.items():
                if name not in self.tables and entry not in self.tables:
                    raise ConfigError(
                        f"tables names no embedding set for branch {name!r}. Give each branch one; "
                        "equal names share."
                    )
        for name in self.embedding.set_dims:
            sets = list(dict.fromkeys(self.table_of.values()))
            if name not in sets:
                raise ConfigError(
                    f"embedding.set_dims.{name}: no embedding set has this name. "
                    f"{did_you_mean(name, sets)}"
                )
        if self.gate_table not in {"own", *names}:
            raise ConfigError(
                f"gate_table is 'own' or the name of a branch whose tables the gate reads. "
                f"Received: {self.gate_table!r}. {did_you_mean(self.gate_table, ['own', *names])}"
            )
        for name, component in self.branches.items():
            if component.share_weights and self._copies(component) == 1:
                raise ConfigError(
                    f"branches.{name}.share_weights needs copies to share them. Set copies to 2 or "
                    "more, or leave it out."
                )
            if component.share_weights:
                copies = [copy for copy, entry in names.items() if entry == name]
                if len({self.table_of[copy] for copy in copies}) < len(copies):
                    raise ConfigError(
                        f"branches.{name}.share_weights: copies with the same weights and the same "
                        "tables are one branch. Set tables to per_branch, or leave out copies."
                    )

    def _check_loss(self, name: str, loss: CooperationComponent, names: list[str]) -> None:
        layer = loss.instance()
        where = f"cooperation.{name}"
        if name in _RESERVED or name.startswith(("logloss_", "auc_", "val_")):
            raise ConfigError(
                f"{where}: the logs use this name for something else. Give the loss another name, "
                f"and `type: {loss.type}`."
            )
        if layer.pairwise and len(names) < 2:
            raise ConfigError(
                f"{where} compares branches, and branches has only {names[0]!r}. Add a branch, "
                "set copies to 2 or more, or set cooperation to {}."
            )
        if "logits" in layer.takes and self.heads == "fused":
            raise ConfigError(
                f"{where} compares the branches' logits, which heads='fused' leaves out. "
                "Set heads to 'all', or remove the loss."
            )
        if "inputs" in layer.takes and len(set(self.table_of.values())) < len(names):
            raise ConfigError(
                f"{where} compares the branches' inputs, and branches that share tables have the "
                "same. Set tables to per_branch, or apply the loss at 'output'."
            )
        if "inputs" in layer.takes and self.embedding.set_dims:
            raise ConfigError(
                f"{where} compares the branches' inputs dimension by dimension, and set_dims gives "
                "them different lengths. Remove one of them, or apply the loss at 'output'."
            )
        if "intermediates" in layer.takes:
            for branch, component in self.branches.items():
                if not component.exposes_intermediates:
                    able = [
                        branch_type
                        for branch_type, cls in axes.BRANCHES.items()
                        if cls.exposes_intermediates
                    ]
                    raise ConfigError(
                        f"{where} compares intermediate layers, and branches.{branch} "
                        f"({component.type}) exposes none. Types that do: {', '.join(able)}. "
                        "Or apply the loss at 'output'."
                    )
