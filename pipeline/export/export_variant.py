"""Exports a variant of a trained network, unless it scores otherwise, and says what it gains."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import tensorflow as tf

from features.bundle import Bundle
from features.errors import ExportError
from models.metrics import auc
from models.network import CooperativeNetwork
from models.network.branch_alone import require_branch
from models.network.logit_map import FUSED, LogitMaps, with_maps
from pipeline.batches.dataset import column_arrays, examples, refusing_damage
from pipeline.config.run_config import RunConfig
from pipeline.evaluation.scores import value_or_none
from pipeline.export.fill_model_card import model_card
from pipeline.runs.run_dir import RunDir
from serving.export_format import names
from serving.export_format.export_layout import SAMPLE_ROWS, SIGNATURES_FILE, version_folders
from serving.exporting.column_sides import candidate_columns
from serving.exporting.export import export, publish_version
from serving.exporting.signatures import Network, probabilities
from serving.exporting.temporary_folder import temporary_folder
from serving.variants.comparison import compare
from serving.variants.openvino_ir import IrModel, ir_inputs, ir_runs, require_openvino
from serving.variants.side_by_side_latency import (
    BATCH_SIZES,
    Run,
    interleaved_p50,
    saved_model_runs,
)
from serving.variants.variant import FULL, Variant
from serving.variants.variant_report import (
    VARIANT_REPORT,
    Measured,
    folder_sizes,
    in_words,
    variant_report,
)
from serving.variants.write_variant import Cut, cut, write_openvino, write_saved_model

SPLIT = "valid"

Features = Mapping[str, tf.Tensor]
Probabilities = dict[str, np.ndarray]
Scorer = Callable[[Features], Probabilities]


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
    maps: LogitMaps | None = None,
) -> Path:
    """Writes a variant's next version, with its report beside it.

    Its scores are compared with the full network's on all validation rows, at the network's
    inputs. What was written is loaded again and scores the sample from raw rows.

    Args:
        config: Configuration of the run.
        bundle: Data bundle that the run was trained on.
        run: Run whose full export the variant is measured beside; where it has none, one is
            written for as long as that takes.
        network: The full network. Nothing can be done with it afterwards.
        variant: What to export; not the full export.
        sample: Typed raw rows to verify with and to measure on.
        base: Folder of the versions; by default `run.export_of(variant.name)`.
        candidates: Features that differ between candidates, as for `serving.exporting.export`.
        rounds: Calls of each export that are timed, for each number of rows.
        maps: What the network's logits go through before they are probabilities.

    Returns:
        Folder of the version.

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
            mapped = with_maps(network, maps or {})
            full = _latest_full(run) or export(
                mapped, bundle, folder / FULL.name, sample, candidates=candidates
            )
            full_probs = _score_rows(config, bundle, _scorer(mapped))
            uncovered = cut(network, bundle, variant, folder / "bundle")
            own_maps = _maps_of(variant, maps or {})
            part = replace(uncovered, network=with_maps(uncovered.network, own_maps))
            output = names.branch_output(variant.branch) if variant.branch else names.PROB
            target = folder / variant.name
            if variant.format == "openvino":  # the IR itself is compared
                version = write_openvino(part, target, sample, full / SAMPLE_ROWS)
                probs = _score_rows(config, bundle, _ir_scorer(version))[names.PROB]
                difference = compare(variant, full_probs[output], probs)
            else:
                probs = _score_rows(config, bundle, _scorer(part.network))[names.PROB]
                difference = compare(variant, full_probs[output], probs)
                columns = _candidates(candidates, bundle)
                version = write_saved_model(part, target, sample, columns, variant.compiled)
            p50 = _latency(full, version, part, variant, sample, rounds)
            scored = {FULL.name: (full, full_probs[names.PROB]), variant.name: (version, probs)}
            measured = _measured(bundle, scored, p50)
            report = variant_report(variant, difference, output, measured)
            card = _card(config, bundle, run, uncovered, variant, in_words(difference, output))
            _write_beside(version, report, card)
            return publish_version(version, base)
    except OSError as error:
        raise ExportError(
            f"cannot write an export under {base}: {error}. Give a folder that can be written to."
        ) from error


def _maps_of(variant: Variant, maps: LogitMaps) -> LogitMaps:
    """A branch alone answers with its own map, as what was its own prediction."""
    if variant.branch is None:
        return maps
    return {FUSED: maps[variant.branch]} if variant.branch in maps else {}


def _write_beside(version: Path, report: Mapping[str, object], card: Mapping[str, bytes]) -> None:
    (version / VARIANT_REPORT).write_text(json.dumps(report, indent=1) + "\n")
    for name, content in card.items():
        (version / VARIANT_REPORT).with_name(name).write_bytes(content)


def _measured(
    bundle: Bundle,
    exports: Mapping[str, tuple[Path, np.ndarray]],
    p50: Mapping[int, Mapping[str, float]],
) -> dict[str, Measured]:
    """Size, AUC and latency of each export, by its name; its folder and its scores are given."""
    label = bundle.metadata.features.required("label").name
    labels = column_arrays(bundle, SPLIT, [label])[label]
    return {
        name: Measured(
            *folder_sizes(path),
            auc=value_or_none(auc(labels, probs)),
            p50_ms={rows: times[name] for rows, times in p50.items()},
        )
        for name, (path, probs) in exports.items()
    }


def _latest_full(run: RunDir) -> Path | None:
    """The latest version of the run's whole network, written by code like this."""
    if "export" not in run.state().get("finished", ()) or not run.export.is_dir():
        return None  # none, or one of an earlier training
    versions = version_folders(run.export)
    return next(
        (
            version
            for version in versions
            if (version / SIGNATURES_FILE).exists() and not (version / VARIANT_REPORT).exists()
        ),
        None,
    )


def _candidates(candidates: Sequence[str] | None, bundle: Bundle) -> Sequence[str]:
    """The candidates' features: a branch that reads fewer may not see which are the user's."""
    if candidates is not None:
        return candidates
    features = bundle.metadata.features
    columns = candidate_columns(features)
    return [spec.name for spec in features.inputs if spec.raw_name in columns]


def _scorer(network: Network) -> Scorer:
    @tf.function(autograph=False)
    def score(features: Features) -> dict[str, tf.Tensor]:
        return probabilities(network, features)

    return lambda features: {name: probs.numpy() for name, probs in score(features).items()}


def _ir_scorer(version: Path) -> Scorer:
    model = IrModel(version)
    return lambda features: {names.PROB: model.score(ir_inputs(features))}


def _score_rows(config: RunConfig, bundle: Bundle, score: Scorer) -> Probabilities:
    """Every output over the validation rows."""
    with refusing_damage(bundle):
        batches = [
            score(features)
            for features, *_ in examples(bundle, SPLIT, config.train.eval_batch_size)
        ]
    return {name: np.concatenate([batch[name] for batch in batches]) for name in batches[0]}


def _latency(
    full: Path, version: Path, part: Cut, variant: Variant, sample: pa.RecordBatch, rounds: int
) -> dict[int, dict[str, float]]:
    """Rows of a call -> export -> median time in milliseconds."""
    runs: dict[str, dict[int, Run]] = {FULL.name: saved_model_runs(full, sample)}
    if variant.format == "openvino":
        runs[variant.name] = ir_runs(version, part.bundle, sample, BATCH_SIZES)
    else:
        runs[variant.name] = saved_model_runs(version, sample)
    return {
        rows: interleaved_p50({name: calls[rows] for name, calls in runs.items()}, rounds)
        for rows in BATCH_SIZES
    }


def _card(
    config: RunConfig,
    bundle: Bundle,
    run: RunDir,
    part: Cut,
    variant: Variant,
    difference: str,
) -> dict[str, bytes]:
    name, features = run.path.resolve().name, part.bundle.metadata.features
    card = model_card(
        name, config, bundle, part.network, run.metrics(), features, variant, difference
    )
    return card.to_files()
