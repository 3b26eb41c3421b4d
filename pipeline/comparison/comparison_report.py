"""A comparison as JSON, as tables in the terminal, and as a page."""

from collections.abc import Iterator, Mapping
from typing import Any

from pipeline.evaluation.text_tables import TITLES, TextTable, shown
from pipeline.reporting.bar_charts import interval_chart
from pipeline.reporting.line_charts import line_chart
from pipeline.reporting.page import Gallery, Paragraph, Picture, render_page

_MOST_FEATURES = 15
_NONE = "–"


def comparison_tables(report: Mapping[str, Any]) -> list[TextTable]:
    """The tables of a comparison: metrics, differences, deciles, importance.

    Args:
        report: What `pipeline.comparison.compare.compare` writes as compare.json.
    """
    models = report["models"]
    tables = [_metrics(report)]
    if report["to_best"]:
        tables.append(_differences(report))
    deciles = [
        (name, *(shown(each["calibration"], 2) for each in model["deciles"]))
        for name, model in models.items()
    ]
    count = max(len(row) for row in deciles) - 1
    tables.append(
        TextTable(
            "calibration by tenths of the test rows, from the least probability of each model to "
            "its largest: predicted over observed clicks",
            ("model", *(str(part + 1) for part in range(count))),
            [(*row, *[_NONE] * (count + 1 - len(row))) for row in deciles],
        )
    )
    return [*tables, _importance(models)]


def comparison_html(report: Mapping[str, Any]) -> str:
    """The page of a comparison."""
    sentences = [report["verdict"], *report["notes"]]
    lead = [Paragraph(f"{sentence[:1].upper()}{sentence[1:]}.") for sentence in sentences]
    deciles = {
        name: (
            [each["predicted"] for each in model["deciles"]],
            [each["clicked"] for each in model["deciles"]],
        )
        for name, model in report["models"].items()
    }
    curve = line_chart(deciles, "mean probability", diagonal=True, y_label="share of clicks")
    note = "By tenths of the test rows. On the grey line, what is predicted happens."
    pictures = Gallery([*_difference_pictures(report), Picture("Calibration", curve, note)])
    return render_page("Comparison", [*lead, *comparison_tables(report), pictures])


def _difference_pictures(report: Mapping[str, Any]) -> Iterator[Picture]:
    titles = {"auc": "AUC", "logloss": "logloss"}
    for name, title in titles.items():
        values = {model: each[name] for model, each in report["to_best"].items()}
        if values:
            label = f"{title} less that of {report['best']}"
            picture = interval_chart(values, label)
            yield Picture(f"Difference of {title} to {report['best']}", picture)


def _metrics(report: Mapping[str, Any]) -> TextTable:
    models = report["models"]
    names = [name for name in TITLES if name in next(iter(models.values()))["test"]]
    rows = [
        (model, *(shown(each["test"][name]) for name in names), f"{each['seconds']:,.0f}")
        for model, each in models.items()
    ]
    counts = report["rows"]
    caption = (
        f"{counts['test']:,} test rows, click rate {report['click_rate']:.3f}; fitted on "
        f"{counts['train']:,} rows, {counts['valid']:,} rows for validation"
    )
    return TextTable(caption, ("model", *(TITLES[name] for name in names), "seconds"), rows)


def _differences(report: Mapping[str, Any]) -> TextTable:
    rows = [
        (
            model,
            *(
                f"{each[name][0]:+.4f} ({each[name][1]:+.4f} to {each[name][2]:+.4f})"
                for name in ("auc", "logloss", "auc_less_logloss")
            ),
        )
        for model, each in report["to_best"].items()
    ]
    caption = (
        f"differences to {report['best']} on test rows, with 95 % intervals of "
        f"{report['samples']:,} paired bootstrap samples of the rows"
    )
    return TextTable(caption, ("model", "AUC", "logloss", "AUC less logloss"), rows)


def _importance(models: Mapping[str, Mapping[str, Any]]) -> TextTable:
    largest: dict[str, float] = {}
    for model in models.values():
        for feature, rise in model["importance"].items():
            largest[feature] = max(rise, largest.get(feature, rise))
    features = sorted(largest, key=lambda feature: -largest[feature])
    caption = (
        "importance: rise of the logloss, in thousandths, when a feature's values change places "
        "among validation rows, alike for all models; a dash where its time was over"
    )
    if len(features) > _MOST_FEATURES:
        caption += f"; the {_MOST_FEATURES} largest of {len(features)}"
    rows = [
        (feature, *(_thousandths(model["importance"].get(feature)) for model in models.values()))
        for feature in features[:_MOST_FEATURES]
    ]
    return TextTable(caption, ("feature", *models), rows)


def _thousandths(value: float | None) -> str:
    return _NONE if value is None else f"{1000.0 * value:.2f}"
