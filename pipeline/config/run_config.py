"""What a run is made of: its sections, typed and checked against each other."""

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Annotated, Any, Literal

import pydantic

from features.config import Count, CountFromZero, StrictModel
from features.errors import ConfigError
from features.inputs import placeholder_inputs
from features.specs import FeatureSet, Groups, HistorySpec, NamedFeatures
from models.spec.component import asks_classes
from models.spec.network_config import NetworkConfig
from pipeline.config.daily_config import DailyConfig
from pipeline.data.settings.data_config import DataConfig
from pipeline.data.sources import source_named
from serving.exporting.column_sides import candidate_columns

Positive = Annotated[float, pydantic.Field(gt=0.0)]
BatchSize = Annotated[int, pydantic.Field(ge=1, le=1 << 24)]  # whose logits alone take 64 MiB
Monitored = Literal["auc", "logloss", "gauc"]
RecalibrationMethod = Literal["platt", "isotonic"]


class TablesConfig(StrictModel):
    """The `train.tables:` section: how embedding tables are trained.

    Args:
        optimizer: `lazy_adam` moves the rows that a batch reads; `adam` moves every row at every
            step, as the published numbers did; `rowwise_adagrad` keeps one number per row.
        learning_rate: Learning rate of the tables; null is that of the dense weights.
        correct_skipped: Whether lazy Adam decays a row's moments for the steps that skipped it.
    """

    optimizer: Literal["lazy_adam", "adam", "rowwise_adagrad"] = "lazy_adam"
    learning_rate: Positive | None = None
    correct_skipped: bool = False

    @pydantic.model_validator(mode="after")
    def _fits_together(self) -> "TablesConfig":
        if self.correct_skipped and self.optimizer != "lazy_adam":
            raise ConfigError(
                f"correct_skipped is an option of lazy_adam. Received: optimizer={self.optimizer}. "
                "Set optimizer to lazy_adam, or leave correct_skipped out."
            )
        return self


class ScheduleConfig(StrictModel):
    """The `train.schedule:` section: factors of all learning rates, by the step.

    Args:
        type: `constant`; `cosine` or `linear`, from 1 down to `end` over `decay_steps`;
            `exponential`, times `end` every `decay_steps`.
        warmup_steps: Steps over which the factor rises linearly from 0 before that.
        decay_steps: See `type`; counted after the warm-up.
        end: See `type`.
    """

    type: Literal["constant", "cosine", "linear", "exponential"] = "constant"
    warmup_steps: CountFromZero = 0
    decay_steps: Count | None = None
    end: float = pydantic.Field(0.1, ge=0.0, le=1.0)

    @pydantic.model_validator(mode="after")
    def _fits_together(self) -> "ScheduleConfig":
        if (self.decay_steps is None) != (self.type == "constant"):
            raise ConfigError(
                "cosine, linear and exponential need decay_steps, and constant has none. "
                f"Received: type={self.type}, decay_steps={self.decay_steps}."
            )
        return self


class PlateauConfig(StrictModel):
    """The `train.reduce_on_plateau:` section; by default as reczoo/FuxiCTR@0245987 has it.

    Args:
        factor: Factor of the learning rates after `patience` epochs without a better monitored
            value.
        patience: See `factor`.
        min_learning_rate: Where they stop falling.
        min_delta: A smaller gain is none.
    """

    factor: float = pydantic.Field(0.1, gt=0.0, lt=1.0)
    patience: Count = 1
    min_learning_rate: float = pydantic.Field(1e-6, ge=0.0)
    min_delta: float = pydantic.Field(1e-6, ge=0.0)


class TrainConfig(StrictModel):
    """The `train:` section.

    Args:
        batch_size: Examples of a step, over all replicas together.
        eval_batch_size: Examples scored at a time, over all replicas together.
        epochs: Most passes over the training rows.
        patience: Passes without a better monitored value before training stops.
        patience_steps: Steps without one before which it does not, however many passes they are.
        monitor: What the best epoch is chosen by, on validation rows: `auc`, `logloss` or `gauc`,
            or several with their weights, of which logloss counts negatively.
        learning_rate: Learning rate of the dense weights, and of tables without one of their own.
        optimizer: Optimizer of the dense weights.
        tables: Optimizer of the embedding tables, with its settings.
        schedule: Warm-up and decay of the learning rates.
        reduce_on_plateau: Lower learning rates where validation stops improving; null for never.
        clip_norm: Gradients are scaled down to this global norm; null leaves them alone.
        precision: `bfloat16` computes matrix products in bfloat16; weights stay float32.
        shuffle_rows: Rows that are permuted together; record files and records are shuffled too.
        bucket_by_length: Whether the examples of a batch have histories of about one length, as far
            as `shuffle_rows` have them: batches are cut to their longest history.
        hide_tokens: Share of every feature's tokens that training shows as unknown, so that the row
            of the unknown token is learnt; `auto`, in a bundle that is split by time, what the
            training rows lack to have as many unknown tokens as the validation rows.
        seed: Two runs of one seed are equal on a CPU.
        deterministic: Restricts TensorFlow to operations that give equal results every time.
        recalibration: Maps predictions to probabilities by what validation rows show, when the run
            is evaluated: `platt`, a line through the logits, or `isotonic`; null does not.
        baseline: Fit a logistic regression beside, for comparison, when the run is evaluated.
        average: Factor by which a moving average of the weights forgets the earlier ones at each
            step, such as 0.99: that average is validated and kept; null keeps the weights.
        max_seconds: Seconds after which training ends, whatever step it is at; null for no limit.
            The best epoch until then is kept, and what was begun of the last one counts as one.
        log_seconds: Seconds between two lines of progress.
        curve_steps: Steps between two lines of `curves.jsonl`; null for none. Parameter servers
            write none.
        gradient_norms: Log the norm of the gradient of every cooperation loss beside that of the
            other terms; each costs a step one more way backward.
        strategy: `mirrored`, all GPUs of this machine; `multi_worker`, those of all machines that
            `TF_CONFIG` names; `parameter_server`, tables spread over parameter servers.
        steps_per_execution: Steps that run between two looks of the callbacks.
        checkpoint_seconds: Seconds between two checkpoints inside an epoch.
        profile_steps: First and last step of a TensorBoard profile; null for none.
        progressive_validation: Score the training rows before they are trained on, once, and
            report it; needs a warm start.
        teachers: Folders of finished runs on the same bundle, for a loss that distils them.
    """

    batch_size: BatchSize = 4096
    eval_batch_size: BatchSize = 8192
    epochs: Count = 20
    patience: Count = 2
    patience_steps: CountFromZero = 0
    monitor: dict[Monitored, Positive] = pydantic.Field({"auc": 1.0, "logloss": 1.0}, min_length=1)
    learning_rate: Positive = 1e-3
    optimizer: Literal["adam", "adagrad", "sgd"] = "adam"
    tables: TablesConfig = TablesConfig()
    schedule: ScheduleConfig = ScheduleConfig()
    reduce_on_plateau: PlateauConfig | None = None
    clip_norm: Positive | None = 10.0
    precision: Literal["float32", "bfloat16"] = "float32"
    shuffle_rows: Count = 40_960
    bucket_by_length: bool = False
    hide_tokens: Annotated[float, pydantic.Field(ge=0.0, lt=1.0)] | Literal["auto"] = "auto"
    seed: int = pydantic.Field(0, ge=0, lt=2**31)
    deterministic: bool = True
    recalibration: RecalibrationMethod | None = None
    baseline: bool = True
    average: float | None = pydantic.Field(None, gt=0.0, lt=1.0)
    max_seconds: Positive | None = None
    log_seconds: Positive = 10.0
    curve_steps: Count | None = 20
    gradient_norms: bool = False
    strategy: Literal["mirrored", "multi_worker", "parameter_server"] = "mirrored"
    steps_per_execution: int = pydantic.Field(1, ge=1, le=65_536)
    checkpoint_seconds: Positive = 600.0
    profile_steps: tuple[int, int] | None = None
    progressive_validation: bool = False
    teachers: list[Annotated[str, pydantic.AfterValidator(os.path.abspath)]] = []

    @pydantic.field_validator("monitor", mode="before")
    @classmethod
    def _one_metric(cls, received: Any) -> Any:
        return {received: 1.0} if isinstance(received, str) else received


class ReportConfig(StrictModel):
    """The `evaluate.report:` section: what report.html shows beside metrics and curves.

    Args:
        sample_rows: Test rows, evenly spaced, that are looked at again for it; 0 leaves out all
            that is not of metrics and curves.
        seconds: Time that importance of features and t-SNE may take, which grow with the network;
            what is not begun by then is left out, and named.
    """

    sample_rows: int = pydantic.Field(10_000, ge=0, le=1_000_000)
    seconds: float = pydantic.Field(10.0, ge=0.0, allow_inf_nan=False)


class EvaluateConfig(StrictModel):
    """The `evaluate:` section.

    Args:
        gauc_weight_by: How groups are averaged; see `models.metrics.group_auc`.
        report: What report.html shows beside metrics and curves; no part of a run's fingerprint.
    """

    gauc_weight_by: Literal["impressions", "clicks", "uniform"] = "impressions"
    report: ReportConfig = ReportConfig()


class ExportConfig(StrictModel):
    """The `export:` section. It is no part of a run's fingerprint: an export can be made again.

    Args:
        candidates: Features that differ between the candidates of one request to the signature
            `rank`, such as the item's; null takes all but histories and their keys for them.
    """

    candidates: list[str] | None = None


class DatasetConfig(StrictModel):
    """What a bundle is made of: which rows, and what their columns mean."""

    data: DataConfig
    features: NamedFeatures
    groups: Groups = {}
    histories: dict[str, HistorySpec] = {}

    @pydantic.model_validator(mode="after")
    def _check_features(self) -> "DatasetConfig":
        try:
            label = self.feature_set.label
        except pydantic.ValidationError as error:  # the same sentence, without its frame
            message = error.errors()[0]["msg"].removeprefix("Value error, ")
            raise ValueError(message) from None
        if label is None:
            raise ValueError("no feature has `role: label`. Name the column to predict.")
        source_named(self.data.source)
        return self

    @cached_property
    def feature_set(self) -> FeatureSet:
        """Features, groups and histories together."""
        return FeatureSet(features=self.features, groups=self.groups, histories=self.histories)


class RunConfig(DatasetConfig):
    """Everything that a run is made of; saved with it, resolved, as `config.yaml`."""

    model: NetworkConfig = pydantic.Field(default={}, validate_default=True)
    train: TrainConfig = TrainConfig()
    evaluate: EvaluateConfig = EvaluateConfig()
    export: ExportConfig = ExportConfig()
    daily: DailyConfig = DailyConfig()
    _given: "_Given" = pydantic.PrivateAttr(default_factory=lambda: _Given())

    def with_given(self, layers: Sequence[Mapping[str, Any]]) -> "RunConfig":
        """The same, knowing which settings a user chose: all others may follow from the data."""
        self._given = _Given(tuple(layers))
        return self

    def is_given(self, setting: str) -> bool:
        """Whether a user chose a setting, such as `train.batch_size`, or one that it is part of.

        True of all settings where the configuration was not read by `load_config`.
        """
        if self._given.layers is None:
            return True
        return any(_says(layer, setting.split(".")) for layer in self._given.layers)

    def given(self) -> dict[str, Any] | None:
        """What a user chose, by section, without Concord's presets; that of the data last.

        JSON can hold it: dates of YAML are texts. None where the configuration was not read by
        `load_config`, so that nobody knows.
        """
        if self._given.layers is None:
            return None
        merged: dict[str, Any] = {}
        for layer in reversed(self._given.layers):
            merged = _laid_over(merged, layer)
        data = DatasetConfig.model_fields
        sections = [name for name in type(self).model_fields if name not in data] + [*data]
        return {name: _for_json(merged[name]) for name in sections if name in merged}

    @pydantic.model_validator(mode="after")
    def _check(self, info: pydantic.ValidationInfo) -> "RunConfig":
        if asks_classes(info):
            from models.spec.build_network import check_needs

            check_needs(self.model, placeholder_inputs(self.feature_set), self.groups, "model.")
            self._check_teachers()
        candidate_columns(self.feature_set, self.export.candidates)
        if "gauc" in self.train.monitor and self.feature_set.group_key is None:
            raise ConfigError(
                "train.monitor names gauc, and no feature has `role: group_key`. Add one, or "
                "monitor auc and logloss."
            )
        self._check_one_process()
        if self.model.embedding.l2 and self.train.tables.optimizer != "adam":
            raise ConfigError(
                "model.embedding.l2 regularises whole tables, and train.tables.optimizer="
                f"{self.train.tables.optimizer} moves only the rows that a batch reads. Set "
                "train.tables.optimizer to adam, or model.embedding.l2_batch instead of l2."
            )
        return self

    def _check_one_process(self) -> None:
        if self.train.strategy == "mirrored":
            return
        if self.train.max_seconds is not None:
            raise ConfigError(
                "train.max_seconds is for train.strategy=mirrored: the clocks of several processes "
                f"differ. Received: {self.train.strategy}. Set it to null, or give fewer epochs."
            )
        if self.train.average is not None:
            raise ConfigError(
                "train.average is for train.strategy=mirrored. Received: "
                f"{self.train.strategy}. Set one of them to null or mirrored."
            )

    def _check_teachers(self) -> None:
        pupils = [name for name, loss in self.model.cooperation.items() if loss.needs_teachers]
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
        import tensorflow as tf

        from models.spec.build_network import build_network

        try:
            build_network(self.model, placeholder_inputs(self.feature_set), self.groups)
        except (tf.errors.ResourceExhaustedError, MemoryError):
            raise ConfigError(
                "the network does not fit into this machine's memory, even without data. Give "
                "smaller layers, or a smaller embedding.embedding_dim."
            ) from None


@dataclass(frozen=True)
class _Given:
    """What the files and --set say without Concord's presets; None: all of it is meant as it is.

    It says where settings come from, and so configurations of the same settings are equal.
    """

    layers: tuple[Mapping[str, Any], ...] | None = field(default=None, compare=False)


def _laid_over(base: Mapping[str, Any], layer: Mapping[str, Any]) -> dict[str, Any]:
    """Settings with others laid over them, mapping by mapping."""
    merged = dict(base)
    for name, value in layer.items():
        below = merged.get(name)
        both = isinstance(below, Mapping) and isinstance(value, Mapping)
        merged[name] = _laid_over(below, value) if both else value  # type: ignore[arg-type]
    return merged


def _for_json(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(name): _for_json(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_for_json(each) for each in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value if isinstance(value, str | int | float | None) else str(value)


def _says(layer: Any, places: Sequence[str]) -> bool:
    """Whether a layer has a value at a place; a mapping on the way holds only what it names."""
    for place in places:
        if not isinstance(layer, Mapping) or place not in layer:
            return False
        layer = layer[place]
    return True
