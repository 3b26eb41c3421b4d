"""Fits plain models and networks on the same rows within one budget, and says which to use."""

import hashlib
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from features.bundle import Bundle
from features.errors import UserError
from models.network.logit_map import FUSED
from pipeline.batches.dataset import column_arrays
from pipeline.comparison.candidates import NETWORKS, PLAIN, Task, fit_candidate
from pipeline.comparison.comparison_report import comparison_html, comparison_tables
from pipeline.comparison.kept_results import KeptResults, Result
from pipeline.comparison.tree_models import PACKAGES, missing
from pipeline.comparison.verdict import best_of, verdict
from pipeline.config.run_config import RunConfig
from pipeline.evaluation.decile_calibration import decile_calibration
from pipeline.evaluation.feature_importance import permutation_importance
from pipeline.evaluation.paired_bootstrap import paired_intervals
from pipeline.evaluation.print_tables import print_table
from pipeline.evaluation.scores import Scores
from pipeline.evaluation.split_rows import SplitRows, split_rows
from pipeline.evaluation.weighted_metrics import whole_log_weights
from pipeline.runs.run_dir import run_fingerprint
from pipeline.system.console import console, say
from pipeline.system.files import write_json, write_text

_FOR_FITTING = 0.8  # share of a model's time; the rest is for its importance
_LONGER = 1.2  # times its time, what a model that was cut must be given to be fitted again
_DRAWN_ROWS = 100_000_000  # rows times samples times models of the bootstrap
_log = logging.getLogger(__name__)


def compare(
    load: Callable[[str], RunConfig],
    bundle: Bundle,
    out: Path,
    seconds: float,
    networks: Sequence[str] = NETWORKS,
) -> dict[str, Any]:
    """Compares models, prints the tables, and writes compare.json and compare.html.

    What is finished of an interrupted comparison is kept, and is not fitted again.

    Args:
        load: From the name of a preset to a configuration with that network.
        bundle: Data bundle: training rows to fit, validation rows to choose by, test rows to tell.
        out: Folder of results and runs.
        seconds: Time for all of it; each model that is left gets an equal share of what is left.
        networks: Presets.

    Returns:
        What compare.json holds.

    Raises:
        UserError: No model could be fitted, or the test rows are of one class.
    """
    end = time.monotonic() + seconds
    notes = [sentence for name in PACKAGES if (sentence := missing(name)) is not None]
    names = [name for name in PLAIN if name not in PACKAGES or missing(name) is None]
    names += networks
    test = split_rows(bundle, "test")
    if test.labels.size == 0 or test.labels.min() == test.labels.max():
        raise UserError("the test rows are of one class, or there are none: nothing can be told")
    train, valid = split_rows(bundle, "train"), split_rows(bundle, "valid")
    task = Task(bundle, train, valid, load, out / "runs")
    kept = KeptResults(out / "models")
    results: list[Result] = []
    for place, name in enumerate(names):
        share = (end - time.monotonic()) / (len(names) - place)
        try:
            results.append(_result(name, task, test, kept, share))
        except UserError as error:
            notes.append(f"{name} is left out: {str(error).rstrip('.')}")
            _log.warning("%s", notes[-1])
    if not results:
        raise UserError("no model could be fitted: the warnings above say why")
    notes += [
        f"{each.model} was ended by the clock after {each.seconds:,.0f} s and may be better than "
        "this: give more --minutes"
        for each in results
        if each.cut
    ]
    report = _report(results, bundle, test, [*networks], notes)
    for table in comparison_tables(report):
        print_table(table.caption, table, console)
    for note in notes:
        say("note", note)
    say("compare", report["verdict"])
    write_json(str(out / "compare.json"), report)
    write_text(str(out / "compare.html"), comparison_html(report))
    return report


def _result(name: str, task: Task, test: SplitRows, kept: KeptResults, seconds: float) -> Result:
    """A model's result: kept from before, or fitted now and kept."""
    key = _key(name, task)
    there = kept.load(name, key)
    if there is not None and not (there.cut and seconds > _LONGER * there.seconds):
        say("compare", f"{name}: fitted before, kept")
        return there
    say("compare", f"{name}: at most {max(seconds, 1.0):,.0f} s")
    started = time.monotonic()
    predict, cut = fit_candidate(name, task, _FOR_FITTING * seconds, again=there is not None)
    specs = task.bundle.metadata.model_inputs()
    probs = predict(test.inputs)
    left = seconds - (time.monotonic() - started)
    importance = permutation_importance(predict, task.valid, specs, seconds=left)
    result = Result(name, round(time.monotonic() - started, 1), importance, cut, probs)
    kept.save(result, key)
    return result


def _key(name: str, task: Task) -> str:
    parts = [name, task.bundle.manifest.fingerprint]
    if name not in PLAIN:
        parts.append(run_fingerprint(task.load(name), task.bundle))
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _report(
    results: Sequence[Result],
    bundle: Bundle,
    test: SplitRows,
    networks: Sequence[str],
    notes: Sequence[str],
) -> dict[str, Any]:
    share = bundle.metadata.negatives_kept
    weights = whole_log_weights(test.labels, share)
    key = bundle.metadata.features.group_key
    groups = column_arrays(bundle, "test", [key.name])[key.name] if key else None
    probs = {result.model: result.test for result in results}
    scores = Scores(test.labels, {FUSED: test.labels}, groups, negatives_kept=share)
    metrics = {
        name: replace(scores, probs={FUSED: each}).metrics("impressions")[FUSED]
        for name, each in probs.items()
    }
    best = best_of(metrics)
    samples = int(np.clip(_DRAWN_ROWS / (len(test.labels) * len(probs)), 100, 1_000))
    once = {name: [each] for name, each in probs.items()}  # a model is trained once here
    to_best = paired_intervals(test.labels, once, weights, best, samples)
    order = [name for name in (*PLAIN, *networks) if name in probs]
    chosen, sentence = verdict(metrics, to_best, best, order, len(test.labels))
    return {
        "verdict": sentence,
        "use": chosen,
        "best": best,
        "rows": bundle.metadata.rows,
        "click_rate": scores.click_rate,
        "models": {
            result.model: {
                "test": metrics[result.model],
                "seconds": result.seconds,
                "deciles": decile_calibration(test.labels, result.test, weights),
                "importance": result.importance,
            }
            for result in results
        },
        "to_best": to_best,
        "samples": samples,
        "notes": list(notes),
    }
