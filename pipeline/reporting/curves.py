"""The curves of a training: by epoch, and by the number of examples."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pipeline.evaluation.scores import FUSED
from pipeline.reporting.line_charts import Line, line_chart
from pipeline.reporting.page import Picture

_EPOCHS = "By epoch."
_EXAMPLES = "By training examples, in thousands."
_FIXED = {"step", "epoch", "examples", "click_rate", "loss", "normalized_entropy"}
_DISTANCE = "_from_identity"
_START = "_from_start"


def training_pictures(
    training: Mapping[str, Any], by_step: Sequence[Mapping[str, Any]]
) -> list[Picture]:
    """Curves by epoch, and then those by the number of examples.

    Args:
        training: What metrics.json says of the training.
        by_step: Lines of `curves.jsonl`, see `pipeline.training.step_curves`.
    """
    pictures = [
        Picture(title, line_chart(_over_epochs(lines), "epoch", whole_x=True), _EPOCHS)
        for title, lines in _by_epoch(training).items()
        if lines
    ]
    return pictures + [
        Picture(title, line_chart(lines, "training examples, thousands"), _EXAMPLES)
        for title, lines in _by_examples(by_step).items()
        if lines
    ]


def _over_epochs(lines: Mapping[str, Sequence[float]]) -> dict[str, Line]:
    return {name: (range(1, len(values) + 1), values) for name, values in lines.items()}


def _by_epoch(training: Mapping[str, Any]) -> dict[str, dict[str, list[float]]]:
    """Panels of lines with a point for each epoch."""
    history, beside = training["history"], training.get("beside_terms", ())
    terms = {
        name: values
        for name, values in history.items()
        if not name.startswith("val_") and name != "loss" and name not in beside
    }
    marks = {"W's distance from the identity": _DISTANCE, "W's distance from its start": _START}
    return {
        "Validation AUC": _panel(history, "val_auc"),
        "Validation logloss": _panel(history, "val_logloss"),
        "Training loss terms": {
            name: values
            for name, values in terms.items()
            if not any(mark in name for mark in marks.values())
        },
        **{title: _behind(history, mark) for title, mark in marks.items()},
        "Gradient norms of the loss terms": _panel(history, "gradient_norm"),
        "Dead units (validation)": _panel(history, "val_dead_units"),
        "Correlation of logits (validation)": _panel(history, "val_correlation"),
    }


def _by_examples(by_step: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, Line]]:
    """Panels of lines over the number of training examples."""
    lines = [line for line in by_step if line["normalized_entropy"]]
    if not lines:
        return {}
    examples = [line["examples"] / 1000.0 for line in lines]
    others = [name for name in lines[0] if name not in _FIXED and not name.startswith("logloss")]
    losses = [name for name in others if not any(name.startswith(f"{other}_") for other in others)]

    def curves(names: Iterable[str]) -> dict[str, Line]:
        return {name: (examples, [line[name] for line in lines]) for name in names}

    diagnostics = [name for name in others if _DISTANCE not in name and _START not in name]
    return {
        "Normalized entropy so far": {
            name: (examples, [line["normalized_entropy"][name] for line in lines])
            for name in lines[0]["normalized_entropy"]
        },
        "Logloss of the last steps": {
            FUSED if name == "logloss" else name.removeprefix("logloss_"): curve
            for name, curve in curves(n for n in lines[0] if n.startswith("logloss")).items()
        },
        "Losses of the last steps": curves(losses),
        "W's distance from the identity, by step": _behind(curves(others), _DISTANCE),
        **{
            f"{loss}, last steps": {
                name.removeprefix(f"{loss}_"): curve
                for name, curve in curves(diagnostics).items()
                if name.startswith(f"{loss}_")
            }
            for loss in losses
        },
    }


def _panel(history: Mapping[str, list[float]], prefix: str) -> dict[str, list[float]]:
    return {
        FUSED if name == prefix else name.removeprefix(f"{prefix}_"): values
        for name, values in history.items()
        if name == prefix or name.startswith(f"{prefix}_")
    }


def _behind(values: Mapping[str, Any], mark: str) -> dict[str, Any]:
    """What stands behind a mark in a name, such as the pair, -> its values."""
    return {
        name.partition(f"{mark}_")[2]: each for name, each in values.items() if f"{mark}_" in name
    }
