"""Whether features and settings fit a log that holds positives only."""

from collections.abc import Iterable

from features.errors import ConfigError
from features.specs import FeatureSet
from pipeline.data.settings.data_config import DataConfig
from pipeline.data.sources.base import Negatives, Source


def check_negatives(features: FeatureSet, data: DataConfig, source: Source) -> None:
    """Refuses what would make drawn negatives meaningless.

    Raises:
        ConfigError: Says what, and how to mend it.
    """
    negatives = source.negatives
    if negatives is None:
        if data.negatives is not None:
            raise ConfigError(
                f"data.negatives is for logs of positives only, and that of {source.title} says "
                "what was not chosen. Remove data.negatives."
            )
        return
    if features.timestamp is None:
        raise ConfigError(
            f"the log of {source.title} holds positives only, and their order decides which of "
            "them become examples. Add a feature with `role: timestamp`."
        )
    label = features.label
    if label is None or label.column != negatives.label or label.at_least is not None:
        raise ConfigError(
            f"the log of {source.title} holds positives only, and column {negatives.label!r} tells "
            "them from the negatives that are drawn. Declare it as the label: "
            f"`{negatives.label}: {{role: label}}`."
        )
    for name, history in features.histories.items():
        if history.events is None and history.where != negatives.label:
            raise ConfigError(
                f"history {name!r} would hold items that were drawn as negatives, which nobody "
                f"chose. Set `where: {negatives.label}`."
            )


def check_context(features: FeatureSet, negatives: Negatives, log_columns: Iterable[str]) -> None:
    """Refuses features that a drawn item would take over from the chosen one.

    Args:
        features: What is read.
        negatives: Says which columns hold for every item.
        log_columns: Names of the log's columns.

    Raises:
        ConfigError: A feature tells of the event.
    """
    time = features.required("timestamp").column
    shared = {negatives.key, negatives.item, *negatives.context, time}
    for spec in features.features.values():
        if spec.history or spec.column not in set(log_columns) - shared:
            continue
        raise ConfigError(
            f"feature {spec.name!r} reads column {spec.column!r} of the log, which tells of the "
            "item that was chosen: a negative that is drawn has no such value. Take it from a side "
            "table, or keep it in a sequence of a history."
        )
