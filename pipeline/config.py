"""What a run is made of: its sections, typed and checked against each other."""

import os
from functools import cached_property
from typing import Annotated, Literal

import pydantic

from features.config import StrictModel
from features.errors import ConfigError
from features.inputs import placeholder_inputs
from features.specs import FeatureSet, Groups, HistorySpec, NamedFeatures
from models.build import build_network, check_needs
from models.config import NetworkConfig
from pipeline.data.config import DataConfig
from pipeline.data.sources import source_named


class TrainConfig(StrictModel):
    """The `train:` section.

    Args:
        batch_size: Examples of a step, over all replicas together.
        eval_batch_size: Examples scored at a time, over all replicas together.
        epochs: Most passes over the training rows.
        patience: Passes without a better validation AUC before training stops.
        learning_rate: Of Adam.
        clip_norm: Gradients are scaled down to this global norm; null leaves them alone.
        precision: `bfloat16` computes matrix products in bfloat16; weights stay float32.
        shuffle_rows: Rows that are permuted together; record files and records are shuffled too.
        seed: Two runs of one seed are equal on a CPU.
        deterministic: Restricts TensorFlow to operations that give equal results every time.
        log_seconds: Seconds between two lines of progress.
        teachers: Folders of finished runs on the same bundle, for a loss that distils them.
    """

    batch_size: int = pydantic.Field(4096, ge=1)
    eval_batch_size: int = pydantic.Field(8192, ge=1)
    epochs: int = pydantic.Field(20, ge=1)
    patience: int = pydantic.Field(2, ge=1)
    learning_rate: float = pydantic.Field(1e-3, gt=0.0, allow_inf_nan=False)
    clip_norm: float | None = pydantic.Field(10.0, gt=0.0, allow_inf_nan=False)
    precision: Literal["float32", "bfloat16"] = "float32"
    shuffle_rows: int = pydantic.Field(40_960, ge=1)
    seed: int = pydantic.Field(0, ge=0, lt=2**31)
    deterministic: bool = True
    log_seconds: float = pydantic.Field(10.0, gt=0.0)
    teachers: list[Annotated[str, pydantic.AfterValidator(os.path.abspath)]] = []


class EvaluateConfig(StrictModel):
    """The `evaluate:` section.

    Args:
        gauc_weight_by: How groups are averaged; see `models.metrics.group_auc`.
    """

    gauc_weight_by: Literal["impressions", "clicks", "uniform"] = "impressions"


class RunConfig(StrictModel):
    """Everything that a run is made of; saved with it, resolved, as `config.yaml`."""

    data: DataConfig
    features: NamedFeatures
    groups: Groups = {}
    histories: dict[str, HistorySpec] = {}
    model: NetworkConfig = NetworkConfig()
    train: TrainConfig = TrainConfig()
    evaluate: EvaluateConfig = EvaluateConfig()

    @pydantic.model_validator(mode="after")
    def _check(self) -> "RunConfig":
        try:
            label = self.feature_set.label
        except pydantic.ValidationError as error:  # the same sentence, without its frame
            message = error.errors()[0]["msg"].removeprefix("Value error, ")
            raise ValueError(message) from None
        if label is None:
            raise ValueError("no feature has `role: label`. Name the column to predict.")
        source_named(self.data.source)
        check_needs(self.model, placeholder_inputs(self.feature_set), self.groups, "model.")
        self._check_teachers()
        return self

    def _check_teachers(self) -> None:
        pupils = [
            name
            for name, loss in self.model.cooperation.items()
            if getattr(loss.cls, "needs_teachers", False)
        ]
        if pupils and not self.train.teachers:
            raise ConfigError(
                f"model.cooperation.{pupils[0]} distils trained networks, and train.teachers names "
                "none. Set train.teachers to the folders of finished runs on the same bundle."
            )
        if self.train.teachers and not pupils:
            raise ConfigError(
                "train.teachers names runs, but no cooperation loss distils them. Add "
                "model.cooperation.ensemble_distillation with a weight, or remove train.teachers."
            )

    def check_network(self) -> None:
        """Builds the network without data, so that parts which do not fit are refused at once.

        Raises:
            ConfigError: Says what does not fit.
        """
        build_network(self.model, placeholder_inputs(self.feature_set), self.groups)

    @cached_property
    def feature_set(self) -> FeatureSet:
        """Features, groups and histories together."""
        return FeatureSet(features=self.features, groups=self.groups, histories=self.histories)
