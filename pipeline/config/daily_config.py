"""The `daily:` section: what a day's data and a day's model must be like to be served."""

from typing import Annotated, Literal

import pydantic

from features.config import StrictModel
from features.errors import ConfigError

Share = Annotated[float, pydantic.Field(ge=0.0, le=1.0)]
Limit = Annotated[float, pydantic.Field(ge=0.0, allow_inf_nan=False)]
Finite = Annotated[float, pydantic.Field(allow_inf_nan=False)]


def _check_order(name: str, limits: tuple[float, float] | None) -> None:
    if limits is not None and limits[0] > limits[1]:
        raise ConfigError(
            f"{name} is the least and the greatest value. Received: {list(limits)}. Exchange them."
        )


class CheckConfig(StrictModel):
    """The `daily.check:` section; null leaves a limit out.

    Args:
        days: How many of the last days that were accepted a day is compared with.
        min_rows: Fewest rows of a day.
        rows_ratio: Least and most rows, times the median of the last days.
        label_rate_ratio: Least and greatest label rate, times the mean of the last days.
        missing: How far the share of rows without a value may lie from the mean of the last days.
        unknown: How far the share of unknown tokens may lie above the mean of the last days.
        l_infinity: Greatest L-infinity distance of a feature's tokens to the nearest last day.
        jensen_shannon: Greatest Jensen-Shannon divergence of a number to the nearest last day.
        distances: Feature -> its own limit of the distance; null for none.
        same_schema: Whether the declared features, and the form of the text files, must be those
            of the last day.
        vocabulary_growth: Most new tokens of a vocabulary, as a share of those it had.
        leak_auc: AUC from which a feature that alone predicts the label is refused.
    """

    days: int = pydantic.Field(7, ge=1)
    min_rows: int = pydantic.Field(1_000, ge=1)
    rows_ratio: tuple[Limit, Limit] | None = (0.5, 1.8)
    label_rate_ratio: tuple[Limit, Limit] | None = (0.67, 1.5)
    missing: Share | None = 0.1
    unknown: Share | None = 0.1
    l_infinity: Share | None = 0.1
    jensen_shannon: Share | None = 0.1
    distances: dict[str, Share | None] = {}
    same_schema: bool = True
    vocabulary_growth: Limit | None = 1.0
    leak_auc: float | None = pydantic.Field(0.95, gt=0.5, le=1.0)

    @pydantic.model_validator(mode="after")
    def _in_order(self) -> "CheckConfig":
        for name in ("rows_ratio", "label_rate_ratio"):
            _check_order(name, getattr(self, name))
        return self


class BlessConfig(StrictModel):
    """The `daily.bless:` section; null leaves a rule out.

    Args:
        judge_by: `difference`, what the test rows say; `interval`, only what is certain: a rule is
            broken where the whole 95 % interval of the difference lies beyond it.
        auc: Least difference of the AUC to the model in service.
        gauc: Least difference of the gAUC, where a feature has `role: group_key`.
        logloss: Greatest difference of the logloss, in nats.
        calibration: Least and greatest predicted over observed clicks of the candidate.
        normalized_entropy: Greatest normalized entropy of the candidate; from 1 on, the click rate
            given to every row does better.
        auc_fall: How far the AUC may lie below the one that the model in service had when it was
            blessed: on labels that were shuffled both models are as bad.
        slices: Features by whose tokens the test rows are also compared.
        slice_rows: Fewest test rows of a slice that is compared.
        slice_auc: Least difference of the AUC in a slice.
        samples: Number of times that rows are drawn for an interval; fewer, but 100, where they are
            more than 50,000,000 over this number.
    """

    judge_by: Literal["difference", "interval"] = "difference"
    auc: Finite | None = -0.001
    gauc: Finite | None = -0.002
    logloss: Finite | None = 0.001
    calibration: tuple[Limit, Limit] | None = (0.95, 1.05)
    normalized_entropy: Limit | None = 1.0
    auc_fall: Limit | None = 0.05
    slices: list[str] = []
    slice_rows: int = pydantic.Field(1_000, ge=2)
    slice_auc: Finite | None = -0.01
    samples: int = pydantic.Field(500, ge=20)

    @pydantic.model_validator(mode="after")
    def _in_order(self) -> "BlessConfig":
        _check_order("calibration", self.calibration)
        return self


class PublishConfig(StrictModel):
    """The `daily.publish:` section.

    Args:
        name: What the model is called in `models.config`.
        base_path: Where servers find the folder `serving`, if they see it elsewhere, such as in a
            container; an absolute path.
        keep: How many versions stay in the base path; those with a label always do, and those
            that a rollback withdrew leave with the next day.
        canary_first: Whether a new version gets the label `canary` alone, until
            `daily --promote` gives it `stable`.
    """

    name: str = pydantic.Field("model", pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]*$")
    base_path: str | None = pydantic.Field(None, pattern="^/")
    keep: int = pydantic.Field(3, ge=2)
    canary_first: bool = False


class DailyConfig(StrictModel):
    """The `daily:` section. It is no part of a run's fingerprint."""

    check: CheckConfig = CheckConfig()
    bless: BlessConfig = BlessConfig()
    publish: PublishConfig = PublishConfig()
