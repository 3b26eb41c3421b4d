"""Fills the model card of an export from what was measured of the run."""

import math
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timezone
from typing import Any

import tf_keras

from features.bundle import Bundle
from features.feature_spec import FeatureSpec
from features.specs import FeatureSet
from features.splits import in_words, valid_is_test
from models.network import CooperativeNetwork
from models.network.cost import num_parameters
from pipeline.config.run_config import RunConfig
from pipeline.system.version import VERSION
from serving.exporting.card_contents import CardData, CardFeature, CardNetwork, ModelCard
from serving.variants.variant import FULL, Variant

# Names in the card, where they differ.
_METRICS = {"normalized_entropy": "ne", "weighted_normalized_entropy": "weighted_ne"}
_OOV_WORTH_SAYING = 0.05  # share of the test rows
_SHOWN = 5  # features with the most tokens out of vocabulary


def model_card(
    name: str,
    config: RunConfig,
    bundle: Bundle,
    network: tf_keras.Model,
    metrics: Mapping[str, Any],
    features: FeatureSet,
    variant: Variant = FULL,
    difference: str | None = None,
) -> ModelCard:
    """The card of an export.

    Args:
        name: Name of the model.
        config: Configuration of the run.
        bundle: Data bundle that the run was trained on.
        network: Network that is exported.
        metrics: What metrics.json holds; without `evaluation` the card says that there is none.
        features: Features that the export reads.
        variant: How it is exported.
        difference: A phrase that says how far the variant's scores are from the full export's.
    """
    metadata = bundle.metadata
    model = config.model
    axes = {"tables": _axis(model.tables), "alignment": model.alignment.type, "heads": model.heads}
    if model.cooperation:
        axes["cooperation"] = ", ".join(model.cooperation)
    label, alone = features.required("label"), variant.branch
    return ModelCard(
        name=name,
        version_of_concord=VERSION,
        created=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        data=CardData(
            source=metadata.source,
            rows=metadata.rows,
            split=in_words(metadata.split_rule),
            label=_label(label),
        ),
        metrics={
            split: {
                prediction: {_METRICS.get(name, name): value for name, value in values.items()}
                for prediction, values in report["metrics"].items()
            }
            for split, report in metrics.get("evaluation", {}).items()
        },
        network=CardNetwork(
            axes=axes,
            branches=[alone] if alone is not None else list(model.branch_copies),
            fusion=None if alone is not None else model.fusion.type,
            parameters=sum(map(num_parameters, _exported_weights(network))),
        ),
        feature_groups={name: list(members) for name, members in features.groups.items()},
        features=[CardFeature(name=spec.name, kind=spec.kind) for spec in features.inputs],
        variant=variant.to_dict(),
        intended_use=_intended_use(label, metadata.source),
        limits=[*_limits(config, bundle, metrics, features), *_limits_of(variant, difference)],
    )


def auc_standard_error(auc: float, positives: float, negatives: float) -> float:
    """Standard error of an AUC over independent rows.

    Args:
        auc: The AUC that was measured.
        positives: Number of rows with label 1.
        negatives: Number of rows with label 0.

    Reference: Hanley and McNeil, Radiology 143 (1982), 29-36, Eq. 1 with the exponential
    approximations of Q1 and Q2.
    """
    q1, q2 = auc / (2.0 - auc), 2.0 * auc * auc / (1.0 + auc)
    variance = auc * (1.0 - auc) + (positives - 1.0) * (q1 - auc * auc)
    variance += (negatives - 1.0) * (q2 - auc * auc)
    return math.sqrt(max(variance, 0.0) / (positives * negatives))


def _limits(
    config: RunConfig, bundle: Bundle, metrics: Mapping[str, Any], features: FeatureSet
) -> Iterator[str]:
    evaluation = metrics.get("evaluation", {})
    if not evaluation:
        yield "The network was not evaluated: nothing is known of how well it predicts."
    for split, report in evaluation.items():
        yield from _certainty(split, report)
    for sentence in metrics.get("findings", ()):
        yield f"{sentence[:1].upper()}{sentence[1:]}."
    yield from _of_probabilities(bundle, metrics)
    yield from _of_the_split(bundle.metadata.split_rule)
    yield from _out_of_vocabulary(bundle, features)
    if config.data.negatives is not None:
        yield (
            "Negatives were drawn, not observed: probabilities rank, and are no click rates of "
            "real traffic."
        )
    if "training" in metrics:
        yield (
            f"The weights are those of epoch {metrics['training']['best_epoch']}, chosen by the "
            "validation metrics, which are therefore a little too good. One training was run with "
            f"seed {config.train.seed}; how much others would differ was not measured here."
        )
    if "warm_start" in metrics:
        yield "Training began from the network of an earlier run, whose rows it has seen too."
    yield (
        "Not measured: clicks of live traffic, how fast the model ages, and whether it treats "
        "groups of people alike. Positions and what was shown before bias the labels of click "
        "logs; nothing here corrects that."
    )


def _certainty(split: str, report: Mapping[str, Any]) -> Iterator[str]:
    auc, rows = report["metrics"]["fused"]["auc"], report["rows"]
    if auc is None:
        yield f"The {split} rows have one class only: AUC says nothing there."
        return
    positives = report.get("clicks", rows * report["click_rate"])
    error = auc_standard_error(auc, positives, rows - positives)
    yield (
        f"The AUC of {auc:.4f} is over {rows:,} {split} rows; its standard error is about "
        f"{error:.4f}, if rows were independent. Smaller differences between predictions mean "
        "little."
    )


def _of_probabilities(bundle: Bundle, metrics: Mapping[str, Any]) -> Iterator[str]:
    method, kept = metrics.get("recalibration"), bundle.metadata.negatives_kept
    if method is not None:
        yield (
            f"Probabilities are recalibrated ({method}) by the validation rows, whose logloss and "
            "calibration are therefore a little too good."
        )
    if kept < 1.0:
        yield (
            f"Of the log's negatives a share of {kept:g} was kept: probabilities, logloss, NE and "
            "calibration are those of the whole log."
        )


def _of_the_split(rule: Mapping[str, Any]) -> Iterator[str]:
    if valid_is_test(rule):
        yield "The validation rows are the test rows, so the test metrics are a little too good."
    if rule.get("by") in ("time", "day"):
        yield (
            "Rows were split by time: the metrics are those of the days right after training, and "
            "say nothing of later ones."
        )
    elif rule:
        yield (
            "Rows were not split by time: training saw rows later than those it was tested on, and "
            "live metrics may be lower."
        )


def _out_of_vocabulary(bundle: Bundle, features: FeatureSet) -> Iterator[str]:
    yield (
        "A token that was rare or absent in the training rows has no embedding of its own: all "
        "such tokens of a vocabulary share a few. So new users and items are told apart by their "
        "other features alone."
    )
    try:
        counted = bundle.statistics["splits"]["test"]["features"]
    except (FileNotFoundError, KeyError):  # bundles of other makers
        return
    rates = {
        spec.name: counted.get(spec.name, {}).get("oov_rate") or 0.0 for spec in features.inputs
    }
    unseen = sorted(rates, key=lambda name: -rates[name])[:_SHOWN]
    shares = [f"{name} {rates[name]:.0%}" for name in unseen if rates[name] > _OOV_WORTH_SAYING]
    if shares:
        yield f"Tokens of the test rows that are out of vocabulary: {', '.join(shares)}."


def _limits_of(variant: Variant, difference: str | None) -> Iterator[str]:
    if variant.branch is not None:
        yield (
            f"This export scores with the branch {variant.branch} alone: of the metrics, those of "
            "that branch are its own."
        )
    if variant.precision != "float32":
        yield (
            f"Its embedding tables are stored as {variant.precision}; the metrics are those of the "
            "network in float32."
        )
    if variant.format == "openvino":
        yield "It takes preprocessed features: OpenVINO has no operations to look strings up."
    if difference is not None:
        yield f"Its {difference}."


def _intended_use(label: FeatureSpec, source: str) -> str:
    return (
        f"Estimates the probability of {_label(label)} for a row of raw features, to rank the "
        f"candidates of one user. It was trained on {source} and evaluated there alone: on other "
        "data, evaluate it first. Not meant for decisions about people, such as credit, work, "
        "housing or health."
    )


def _label(label: FeatureSpec) -> str:
    if label.at_least is None:
        return label.name
    return f"{label.name} ({label.column} >= {label.at_least:g})"


def _axis(tables: Any) -> str:
    if isinstance(tables, Mapping):
        return ", ".join(f"{branch}: {name}" for branch, name in tables.items())
    return str(tables)


def _exported_weights(network: tf_keras.Model) -> Sequence[Any]:
    """Without what only the cooperation losses use."""
    if not isinstance(network, CooperativeNetwork):  # a branch alone has no such losses
        return network.trainable_weights
    losses = network.cooperation_losses.values()
    unused = {id(weight) for loss in losses for weight in loss.weights}
    return [weight for weight in network.trainable_weights if id(weight) not in unused]
