"""report.html: a run's metrics and curves on one page without outside parts."""

import html
import io
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from pipeline.evaluation.html_page import html_page, html_table
from pipeline.evaluation.scores import FUSED
from pipeline.evaluation.text_tables import embedding_tables, split_tables

_HEADINGS = {
    "progressive": "Progressive validation: the training rows before they were trained on",
    "valid": "Validation",
    "test": "Test",
}
_PANELS_IN_A_ROW = 4


def report_html(
    title: str,
    metrics: Mapping[str, Any],
    config: str,
    by_step: Sequence[Mapping[str, Any]] = (),
) -> str:
    """The page.

    Args:
        title: Heading, such as the run's folder.
        metrics: What metrics.json holds: `training`, and where evaluated `evaluation` and
            `tables`, `findings` and `baseline`; `data`, which rows they are of; `warm_start` where
            it started from another run.
        config: The resolved configuration, as YAML.
        by_step: Lines of `curves.jsonl`, see `pipeline.training.step_curves`.
    """
    training, epochs = metrics["training"], metrics["training"]["epochs"]
    parts = [
        f"<h1>{html.escape(title)}</h1>",
        f"<p>Best of {epochs} epoch{'s' * (epochs > 1)} on validation rows: "
        f"{training['best_epoch']}. Training took {training['seconds']:,.0f} s.</p>",
    ]
    if "data" in metrics:
        data = metrics["data"]
        rows = ", ".join(f"{count:,} {split}" for split, count in data["rows"].items())
        parts.append(
            f"<p>Data: {html.escape(data['source'])}, rows: {rows}. Split "
            f"{html.escape(data['split'])}.</p>"
        )
    if "warm_start" in metrics:
        earlier = html.escape(metrics["warm_start"]["run"])
        parts.append(f"<p>Started from the network of {earlier}.</p>")
    parts += _findings(metrics.get("findings", ()))
    for split, report in metrics.get("evaluation", {}).items():
        parts.append(f"<h2>{_HEADINGS[split]}</h2>")
        parts += map(html_table, split_tables(report))
    parts += _baseline(metrics.get("baseline"))
    tables = embedding_tables(metrics.get("tables", {}))
    if tables:
        parts += ["<h2>Embedding tables</h2>", *map(html_table, tables)]
    parts.append(f"<h2>Training</h2>{_curves(training, by_step)}")
    parts.append(f"<h2>Configuration</h2><pre>{html.escape(config)}</pre>")
    return html_page(title, parts)


def _findings(findings: Sequence[str]) -> Iterator[str]:
    if findings:
        sentences = "".join(f"<li>{html.escape(finding)}.</li>" for finding in findings)
        yield f"<h2>What to know before this is served</h2><ul>{sentences}</ul>"


def _baseline(baseline: Mapping[str, Any] | None) -> Iterator[str]:
    if baseline is not None:
        scores = ", ".join(
            f"{split} AUC {baseline[split]['auc']:.4f}, logloss {baseline[split]['logloss']:.4f}"
            for split in ("valid", "test")
            if split in baseline
        )
        yield f"<p>A logistic regression on {baseline['rows']:,} training rows has {scores}.</p>"


def _curves(training: Mapping[str, Any], by_step: Sequence[Mapping[str, Any]]) -> str:
    """Curves by epoch, and below them those by the number of examples."""
    # Imported here: it takes half a second, and only this function needs it.
    import matplotlib
    from matplotlib.figure import Figure

    by_epoch = {title: lines for title, lines in _by_epoch(training).items() if lines}
    by_examples = {title: lines for title, lines in _by_examples(by_step).items() if lines}
    rows = math.ceil((len(by_epoch) + len(by_examples)) / _PANELS_IN_A_ROW)
    figure = Figure(figsize=(3.7 * _PANELS_IN_A_ROW, 3.4 * rows), layout="constrained")
    panels = list(figure.subplots(rows, _PANELS_IN_A_ROW, squeeze=False).flat)
    for axes, (title, lines) in zip(panels, by_epoch.items(), strict=False):
        for name, values in lines.items():
            axes.plot(range(1, len(values) + 1), values, label=name, marker="o", markersize=3)
        axes.set(title=title, xlabel="epoch")
        axes.set_xlim(0.5, max(map(len, lines.values()), default=1) + 0.5)
        axes.xaxis.get_major_locator().set_params(integer=True)
    for axes, (title, curves) in zip(panels[len(by_epoch) :], by_examples.items(), strict=False):
        for name, (examples, values) in curves.items():
            axes.plot([count / 1000 for count in examples], values, label=name, linewidth=1)
        axes.set(title=title, xlabel="training examples, thousands")
    for axes in panels:
        if axes.has_data():
            axes.legend(fontsize=7)
            axes.grid(alpha=0.25)
        else:
            axes.set_visible(False)
    text = io.StringIO()
    # Without a date and with fixed ids the page depends on its metrics alone.
    with matplotlib.rc_context({"svg.hashsalt": "concord"}):
        figure.savefig(text, format="svg", metadata={"Date": None})
    return text.getvalue()[text.getvalue().index("<svg") :]


def _by_epoch(training: Mapping[str, Any]) -> dict[str, dict[str, list[float]]]:
    """Panels of lines with a point for each epoch."""
    history, beside = training["history"], training.get("beside_terms", ())
    return {
        "validation AUC": _panel(history, "val_auc"),
        "validation logloss": _panel(history, "val_logloss"),
        "training loss terms": {
            name: values
            for name, values in history.items()
            if not name.startswith("val_") and name != "loss" and name not in beside
        },
        "dead units (validation)": _panel(history, "val_dead_units"),
        "correlation of logits": _panel(history, "val_correlation"),
    }


def _by_examples(
    by_step: Sequence[Mapping[str, Any]],
) -> dict[str, dict[str, tuple[list[float], list[float]]]]:
    """Panels of lines over the number of training examples."""
    lines = [line for line in by_step if line["normalized_entropy"]]
    if not lines:
        return {}
    examples = [line["examples"] for line in lines]
    fixed = {"step", "epoch", "examples", "click_rate", "loss", "normalized_entropy"}
    others = [name for name in lines[0] if name not in fixed and not name.startswith("logloss")]
    losses = [name for name in others if not any(name.startswith(f"{other}_") for other in others)]

    def curves(names: Iterable[str]) -> dict[str, tuple[list[float], list[float]]]:
        return {name: (examples, [line[name] for line in lines]) for name in names}

    return {
        "normalized entropy so far": {
            name: (examples, [line["normalized_entropy"][name] for line in lines])
            for name in lines[0]["normalized_entropy"]
        },
        "logloss of the last steps": curves(n for n in lines[0] if n.startswith("logloss")),
        "losses of the last steps": curves(losses),
        **{
            f"{loss}, last steps": {
                name.removeprefix(f"{loss}_"): curve
                for name, curve in curves(others).items()
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
