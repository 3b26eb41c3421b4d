"""What metrics.json says of a trained network: its predictions, its branches, its tables."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import tf_keras

from features.bundle import Bundle
from models.metrics import information_abundance, singular_values
from models.metrics.group_auc import WeightBy
from models.network.logit_map import LogitMaps
from pipeline.batches.dataset import examples, refusing_damage
from pipeline.evaluation.branch_life import branch_life
from pipeline.evaluation.cooperation import cooperation_report
from pipeline.evaluation.scores import Scores, scores_of, value_or_none
from pipeline.evaluation.split_outputs import OutputReader


@dataclass(frozen=True)
class Evaluation:
    """What the validation and test rows say of a network.

    Args:
        report: `valid` and `test` -> what metrics.json says.
        scores: `valid` and `test` -> the scores that its metrics are of.
        before: The same without a recalibration, where that stands beside; else empty.
    """

    report: dict[str, Any]
    scores: dict[str, Scores]
    before: dict[str, Scores]


def evaluate(
    network: tf_keras.Model,
    bundle: Bundle,
    batch_size: int,
    gauc_weight_by: WeightBy,
    maps: LogitMaps | None = None,
    before: LogitMaps | None = None,
) -> Evaluation:
    """The scores and the metrics of validation and test rows, with what they were computed on.

    Args:
        network: Trained network.
        bundle: Data bundle whose rows are scored.
        batch_size: Rows that are scored at a time.
        gauc_weight_by: How groups count in gAUC; see `models.metrics.group_auc`.
        maps: What the network's logits go through before they are probabilities.
        before: The maps without a recalibration, where that is to stand beside; else None.

    Returns:
        The report of a split has what `split_facts` returns, `life` (as `BranchLife.report`);
        where `before` is given, `before_recalibration`, metrics with those maps; and, with two
        branches or more, `cooperation` (as `cooperation_report`). `life` and `cooperation` are
        about the network itself, and know no maps.
    """
    report: dict[str, Any] = {}
    scores: dict[str, Scores] = {}
    unmapped: dict[str, Scores] = {}
    reader = OutputReader(network)
    for split in ("valid", "test"):
        with refusing_damage(bundle):
            outputs = reader.read(examples(bundle, split, batch_size, trimmed=True))

        def scores_by(maps: LogitMaps | None, split: str = split, said: Any = outputs) -> Scores:
            names = network.branch_names
            return scores_of(bundle, split, names, said.logit, said.branch_logits, maps)

        scores[split] = scores_by(maps)
        report[split] = {
            **split_facts(scores[split], bundle, gauc_weight_by),
            "life": branch_life(network.branch_names, asdict(outputs)).report(),
        }
        if before is not None:
            unmapped[split] = scores_by(before)
            metrics = unmapped[split].metrics(gauc_weight_by)
            report[split]["before_recalibration"] = metrics
        cooperation = cooperation_report(network.branch_names, scores_by(None), outputs)
        if cooperation:
            report[split]["cooperation"] = cooperation
    return Evaluation(report, scores, unmapped)


def split_facts(scores: Scores, bundle: Bundle, gauc_weight_by: WeightBy) -> dict[str, Any]:
    """What is told of any split that was scored.

    Returns:
        `rows`, `clicks`, `click_rate` (that of the whole log where it had more negatives, whose
        share then is `negatives_kept`), `gauc_groups`, `gauc_weight_by` and `metrics` (as
        `Scores.metrics`).
    """
    group_key = bundle.metadata.features.group_key
    facts = {
        "rows": len(scores.labels),
        "clicks": int(scores.labels.sum(dtype=np.float64)),
        "click_rate": scores.click_rate,
        "gauc_groups": group_key.column if group_key else None,
        "gauc_weight_by": gauc_weight_by if group_key else None,
        "metrics": scores.metrics(gauc_weight_by),
    }
    if scores.negatives_kept < 1.0:
        facts["negatives_kept"] = scores.negatives_kept
    return facts


def tables_report(network: tf_keras.Model) -> dict[str, dict[str, dict[str, Any]]]:
    """Size and information abundance of every embedding table.

    Returns:
        Name of the embedding set -> vocabulary -> `rows`, `width`, `information_abundance` (None
        for a table of zeros) and the `singular_values` it comes from, the largest first.
    """
    bank = network.embeddings
    report: dict[str, dict[str, Any]] = {}
    for position, embedding_set in enumerate(network.embedding_set_names):
        report[embedding_set] = {}
        for vocabulary in bank.layout.places:
            table = bank.rows_of(vocabulary, position).numpy()  # one vocabulary at a time
            report[embedding_set][vocabulary] = {
                "rows": table.shape[0],
                "width": table.shape[1],
                "information_abundance": value_or_none(information_abundance(table)),
                "singular_values": [float(f"{value:.6g}") for value in singular_values(table)],
            }
    return report
