"""Exports a variant of a trained network, unless it scores otherwise, and says what it gains."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import tensorflow as tf

from features.bundle import Bundle
from features.errors import ExportError
from models.branch_alone import require_branch
from models.metrics import auc
from models.network import CooperativeNetwork
from pipeline.config.run_config import RunConfig
from pipeline.dataset import column_arrays, examples, refusing_damage
from pipeline.evaluation.scores import value_or_none
from pipeline.model_card import model_card
from pipeline.run_dir import RunDir
from serving import names
from serving.export import export, publish
from serving.layout import SAMPLE_ROWS, SIGNATURES_FILE, version_folders
from serving.sides import candidate_columns
from serving.signatures import Network, probabilities
from serving.temporary import temporary_folder
from serving.variants.comparison import compare
from serving.variants.latency import BATCH_SIZES, Run, interleaved_p50, saved_model_runs
from serving.variants.openvino_ir import IrModel, ir_inputs, ir_runs, require_openvino
from serving.variants.report import (
    VARIANT_REPORT,
    Measured,
    folder_sizes,
    in_words,
    variant_report,
)
from serving.variants.variant import FULL, Variant
from serving.variants.write import Cut, cut, write_openvino, write_saved_model

SPLIT = "valid"


Features = Mapping[str, tf.Tensor]
Scores = dict[str, np.ndarray]


def export_variant(
    config: RunConfig,
    bundle: Bundle,
    run: RunDir,
    network: CooperativeNetwork,
    variant: Variant,
    sample: pa.RecordBatch,
    base: Path | None = None,
    candidates: Sequence[str] | None = None,
    rounds: int = 100,
) -> Path:
    """Writes a variant's next version, with its report beside it.

    Its scores are compared with the full network's on all validation rows, at the network's
    inputs. What was written is loaded again and scores the sample from raw rows.

    Args:
        config: Of the run.
        bundle: That it was trained on.
        run: Whose full export the variant is measured beside; where it has none, one is written
            for as long as that takes.
        network: The full one. Nothing can be done with it afterwards.
        variant: Not the full export.
        sample: Typed raw rows to verify with and to measure on.
        base: Folder of the versions; by default `run.export_of(variant.name)`.
        candidates: See `serving.export.export`.
        rounds: Calls of each export that are timed, for each number of rows.

    Returns:
        The version.

    Raises:
        ExportError: The variant cannot be made, or its scores differ by more than its tolerance.
            Nothing is left of it then.
    """
    if variant.format == "openvino":
        require_openvino()  # before anything takes its time
    if variant.branch is not None:
        require_branch(network, variant.branch)
    base = base or run.export_of(variant.name)
    try:
        with temporary_folder(base) as folder:
            full = _latest_full(run) or export(
                network, bundle, folder / FULL.name, sample, candidates=candidates
            )
            wanted = _scores(config, bundle, _scorer(network))
            made = cut(network, bundle, variant, folder / "bundle")
            output = names.branch_output(variant.branch) if variant.branch else names.PROB
            if variant.format == "openvino":  # the IR itself is compared
                version = write_openvino(made, folder / variant.name, sample, full / SAMPLE_ROWS)
                received = _scores(config, bundle, _ir_scorer(version))[names.PROB]
                difference = compare(variant, wanted[output], received)
            else:
                received = _scores(config, bundle, _scorer(made.network))[names.PROB]
                difference = compare(variant, wanted[output], received)
                named = _named(candidates, bundle)
                version = write_saved_model(
                    made, folder / variant.name, sample, named, variant.compiled
                )
            probs = {FULL.name: wanted[names.PROB], variant.name: received}
            p50 = _latency(full, version, made, variant, sample, rounds)
            labels = column_arrays(bundle, SPLIT, [bundle.metadata.features.label.name])
            measured = {
                name: Measured(
                    *folder_sizes(path),
                    auc=value_or_none(auc(*labels.values(), probs[name])),
                    p50_ms={rows: times[name] for rows, times in p50.items()},
                )
                for name, path in ((FULL.name, full), (variant.name, version))
            }
            report = variant_report(variant, difference, output, measured)
            (version / VARIANT_REPORT).write_text(json.dumps(report, indent=1) + "\n")
            for name, content in _card(
                config, bundle, run, made, variant, in_words(difference, output)
            ).items():
                (version / VARIANT_REPORT).with_name(name).write_bytes(content)
            return publish(version, base)
    except OSError as error:
        raise ExportError(
            f"cannot write an export under {base}: {error}. Give a folder that can be written to."
        ) from error


def _latest_full(run: RunDir) -> Path | None:
    """The latest version of the run's whole network, written by code like this."""
    if "export" not in run.state().get("finished", ()) or not run.export.is_dir():
        return None  # none, or one of an earlier training
    versions = version_folders(run.export)
    return next(
        (
            each
            for each in versions
            if (each / SIGNATURES_FILE).exists() and not (each / VARIANT_REPORT).exists()
        ),
        None,
    )


def _named(candidates: Sequence[str] | None, bundle: Bundle) -> Sequence[str]:
    """The candidates' features: a branch that reads fewer may not see which are the user's."""
    if candidates is not None:
        return candidates
    features = bundle.metadata.features
    columns = candidate_columns(features)
    return [spec.name for spec in features.inputs if spec.raw_name in columns]


def _scorer(network: Network) -> Callable[[Features], Scores]:
    @tf.function(autograph=False)
    def score(features: Features) -> dict[str, tf.Tensor]:
        return probabilities(network, features)

    return lambda features: {name: each.numpy() for name, each in score(features).items()}


def _ir_scorer(version: Path) -> Callable[[Features], Scores]:
    model = IrModel(version)
    return lambda features: {names.PROB: model.score(ir_inputs(features))}


def _scores(config: RunConfig, bundle: Bundle, score: Callable[[Features], Scores]) -> Scores:
    """Every output over the validation rows."""
    with refusing_damage(bundle):
        batches = [
            score(features)
            for features, *_ in examples(bundle, SPLIT, config.train.eval_batch_size)
        ]
    return {name: np.concatenate([batch[name] for batch in batches]) for name in batches[0]}


def _latency(
    full: Path, version: Path, made: Cut, variant: Variant, sample: pa.RecordBatch, rounds: int
) -> dict[int, dict[str, float]]:
    """Rows of a call -> export -> median time in milliseconds."""
    runs: dict[str, dict[int, Run]] = {FULL.name: saved_model_runs(full, sample)}
    if variant.format == "openvino":
        runs[variant.name] = ir_runs(version, made.bundle, sample, BATCH_SIZES)
    else:
        runs[variant.name] = saved_model_runs(version, sample)
    return {
        rows: interleaved_p50({name: each[rows] for name, each in runs.items()}, rounds)
        for rows in BATCH_SIZES
    }


def _card(
    config: RunConfig,
    bundle: Bundle,
    run: RunDir,
    made: Cut,
    variant: Variant,
    difference: str,
) -> dict[str, bytes]:
    metrics: dict[str, Any] = {}
    if run.metrics_file.exists():
        metrics = json.loads(run.metrics_file.read_text())
    name, features = run.path.resolve().name, made.bundle.metadata.features
    card = model_card(name, config, bundle, made.network, metrics, features, variant, difference)
    return card.to_files()
