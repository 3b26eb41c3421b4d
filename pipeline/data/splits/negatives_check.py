"""Whether features and settings fit a log that holds positives only."""

from collections.abc import Iterable, Mapping

from features.errors import ConfigError
from features.specs import FeatureSet
from pipeline.data.settings.data_config import DataConfig
from pipeline.data.sources.base import Negatives, Source
from pipeline.data.sources.own import OWN_FILES


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
    if data.negatives is not None and source.name not in OWN_FILES and data.negatives.key:
        raise ConfigError(
            f"data.negatives.key and .item are for data of your own: {source.title} says itself "
            "where the user and the item stand. Remove key, item, label and context."
        )
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
        ConfigError: A feature tells of the event, or the log has a label already.
    """
    if negatives.label in log_columns:
        raise ConfigError(
            f"a column {negatives.label!r} is made, 1 for what was chosen and 0 for the negatives "
            "that are drawn, and the log has one. Give it another name with data.negatives.label; "
            "or, where the log's own says what was not chosen, remove data.negatives."
        )
    time = features.required("timestamp").column
    shared = {negatives.key, negatives.item, *negatives.context, time}
    for spec in features.features.values():
        if spec.history or spec.column not in set(log_columns) - shared:
            continue
        raise ConfigError(
            f"feature {spec.name!r} reads column {spec.column!r} of the log, which tells of the "
            "item that was chosen: a negative that is drawn has no such value. Take it from a side "
            "table, or keep it in a sequence of a history; what is the same whatever the item goes "
            "into data.negatives.context."
        )


def check_item(
    features: FeatureSet, negatives: Negatives, columns: Mapping[str, Iterable[str]]
) -> None:
    """Refuses features that cannot tell a drawn item from the chosen one.

    Args:
        features: What is read.
        negatives: Says which column holds the item.
        columns: Table -> its columns that are needed; side tables that none needs are absent.

    Raises:
        ConfigError: No input reads the item or a table that it joins, or one reads it as what is
            no token.
    """
    for spec in features.features.values():
        if spec.column == negatives.item and not spec.history and spec.kind != "categorical":
            raise ConfigError(
                f"feature {spec.name!r} reads the item {negatives.item!r} as {spec.kind}, and a "
                "negative is drawn as another token. Set `kind: categorical`."
            )
    inputs = {spec.column for spec in features.inputs if not spec.history}
    reads_item = negatives.item in inputs
    joined = any(
        negatives.item in names and inputs & {*names} - {negatives.item}
        for table, names in columns.items()
        if table != "log"
    )
    if reads_item or joined:
        return
    raise ConfigError(
        f"negatives are other values of {negatives.item!r}, which no feature reads, nor a table "
        "that it joins: rows of label 0 would differ from those of label 1 in nothing. Add "
        f"`{negatives.item}: {{kind: categorical}}`."
    )
