"""report.html: a run's metrics, pictures and configuration on one page without outside parts."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pipeline.evaluation.text_tables import embedding_tables, prediction_tables, split_tables
from pipeline.reporting.branch_sections import branch_parts
from pipeline.reporting.curves import training_pictures
from pipeline.reporting.data_sections import (
    activity_parts,
    calibration_parts,
    importance_parts,
    interval_parts,
    slice_parts,
)
from pipeline.reporting.line_charts import line_chart
from pipeline.reporting.page import (
    Bullets,
    Code,
    Folded,
    Gallery,
    Paragraph,
    Part,
    Picture,
    Section,
    render_page,
)

_HEADINGS = {
    "progressive": "Progressive validation: the training rows before they were trained on",
    "valid": "Validation",
    "test": "Test",
}
_MOST_TABLES = 8  # lines of a picture


def report_html(
    title: str,
    metrics: Mapping[str, Any],
    config: str,
    by_step: Sequence[Mapping[str, Any]] = (),
    numbers: Mapping[str, Any] | None = None,
    given: str = "",
) -> str:
    """The page.

    Args:
        title: Heading, such as the run's folder.
        metrics: What metrics.json holds: `training`, and where evaluated `evaluation` and
            `tables`, `findings` and `baseline`; `data`, which rows they are of; `warm_start` where
            it started from another run.
        config: The resolved configuration, as YAML.
        by_step: Lines of `curves.jsonl`, see `pipeline.training.step_curves`.
        numbers: What report.json holds, from `pipeline.reporting.numbers`; None where
            `evaluate.report` was turned off.
        given: The settings of the configuration that a user chose, as YAML.
    """
    numbers = numbers or {}
    evaluation = metrics.get("evaluation", {})
    sections = [Section("What to know before this is served", _findings(metrics))]
    for split, report in evaluation.items():
        is_last = split == [*evaluation][-1]
        intervals = numbers.get("intervals", {}).get(split, {})
        parts = _split(report, interval_parts(intervals, report, is_last), is_last)
        baseline = _baseline(metrics.get("baseline")) if is_last else ()
        sections.append(Section(_HEADINGS[split], [*parts, *baseline]))
    # Of the rows that were looked at again; where none were, of the last ones.
    split = numbers.get("split") or ([*evaluation][-1] if evaluation else None)
    sections += [
        Section("Calibration", [*calibration_parts(numbers)]),
        Section("gAUC by activity", [*activity_parts(numbers, evaluation.get(split, {}))]),
        Section("Slices by feature", [*slice_parts(numbers, evaluation.get(split, {}))]),
        Section("Importance of features", [*importance_parts(numbers)]),
        Section("Branches together", [*branch_parts(evaluation.get(split, {}), numbers)]),
        Section("Embedding tables", [*_tables(metrics.get("tables", {}))]),
        Section("Training", [Gallery(training_pictures(metrics["training"], by_step))]),
        Section("Left out", _left_out(numbers)),
        Section("Configuration", [*_configuration(config, given)]),
    ]
    return render_page(title, [*_lead(metrics)], sections)


def _lead(metrics: Mapping[str, Any]) -> Iterator[Part]:
    training, epochs = metrics["training"], metrics["training"]["epochs"]
    yield Paragraph(
        f"Best of {epochs} epoch{'s' * (epochs > 1)} on validation rows: "
        f"{training['best_epoch']}. Training took {training['seconds']:,.0f} s."
    )
    if "data" in metrics:
        data = metrics["data"]
        rows = ", ".join(f"{count:,} {split}" for split, count in data["rows"].items())
        yield Paragraph(f"Data: {data['source']}, rows: {rows}. Split {data['split']}.")
    if "warm_start" in metrics:
        yield Paragraph(f"Started from the network of {metrics['warm_start']['run']}.")


def _split(report: Mapping[str, Any], intervals: Sequence[Part], in_full: bool) -> list[Part]:
    """The tables of a split; what is not its metrics is folded away unless it is shown in full."""
    if in_full:
        return [*split_tables(report), *intervals]
    metrics = prediction_tables(report)
    others: list[Part] = [*intervals, *split_tables(report)[len(metrics) :]]
    return [*metrics, *([Folded("Intervals and branches on these rows", others)] if others else [])]


def _findings(metrics: Mapping[str, Any]) -> list[Part]:
    findings = metrics.get("findings", ())
    return [Bullets([f"{finding}." for finding in findings])] if findings else []


def _left_out(numbers: Mapping[str, Any]) -> list[Part]:
    notes = numbers.get("notes", ())
    return [Bullets([f"{note[:1].upper()}{note[1:]}." for note in notes])] if notes else []


def _baseline(baseline: Mapping[str, Any] | None) -> Iterator[Part]:
    if baseline is not None:
        scores = ", ".join(
            f"{split} AUC {baseline[split]['auc']:.4f}, logloss {baseline[split]['logloss']:.4f}"
            for split in ("valid", "test")
            if split in baseline
        )
        yield Paragraph(
            f"A logistic regression on {baseline['rows']:,} training rows has {scores}."
        )


def _tables(tables: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> Iterator[Part]:
    yield from embedding_tables(tables)
    pictures = []
    for embedding_set, of_set in tables.items():
        spectra = {
            name: table["singular_values"]
            for name, table in sorted(of_set.items(), key=lambda item: -item[1]["rows"])
            if table.get("singular_values") and table["singular_values"][0] > 0.0
        }
        lines = {
            name: (range(1, len(values) + 1), [value / values[0] for value in values])
            for name, values in [*spectra.items()][:_MOST_TABLES]
        }
        if lines:
            pictures.append(
                Picture(
                    f"Singular values of the tables {embedding_set}",
                    line_chart(lines, "place, from the largest", y_label="share of the largest"),
                    "A table whose line falls early uses few of its dimensions.",
                )
            )
    if pictures:
        yield Gallery(pictures)


def _configuration(config: str, given: str) -> Iterator[Part]:
    if given:
        yield Folded("Settings that you chose", [Code("Set by files and --set", given)])
    if config:
        yield Folded("All settings", [Code("The resolved configuration", config)])
