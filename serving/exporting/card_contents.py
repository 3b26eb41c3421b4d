"""What users of an export should know of the model in it: as JSON, and as a page of Markdown."""

import json
import re
from typing import Any

from features.config import StrictModel

MODEL_CARD_JSON = "model_card.json"
MODEL_CARD_MARKDOWN = "model_card.md"

_TITLES = {
    "auc": "AUC",
    "gauc": "gAUC",
    "logloss": "logloss",
    "ne": "NE",
    "calibration": "calibration",
    "weighted_logloss": "weighted logloss",
    "weighted_ne": "weighted NE",
    "weighted_calibration": "weighted calibration",
}


class CardData(StrictModel):
    """The data behind a model.

    Args:
        source: Name of the data source.
        rows: Split -> rows.
        split: How rows were split, in words.
        label: What is predicted.
    """

    source: str
    rows: dict[str, int]
    split: str
    label: str


class CardNetwork(StrictModel):
    """The network.

    Args:
        axes: Axis of the design space -> what the network has there.
        branches: Names of the branches.
        fusion: Type of the fusion; None where a branch is exported alone.
        parameters: Trained numbers of the exported network.
    """

    axes: dict[str, str]
    branches: list[str]
    fusion: str | None
    parameters: int


class CardFeature(StrictModel):
    """An input feature."""

    name: str
    kind: str


class ModelCard(StrictModel):
    """What is known of a model, and what is not.

    Args:
        name: Name of the model.
        version_of_concord: Version of Concord that exported the model.
        created: Time of the export in UTC, ISO 8601.
        data: The data that it was trained on.
        metrics: Split -> `fused` or branch -> metric -> value; None where it is not defined.
        network: Design and size of the network.
        feature_groups: Group -> features.
        features: Features that the export reads.
        variant: Form of the export, as `serving.variants.variant.Variant.to_dict` says it.
        intended_use: What the model is for, and what it is not for.
        limits: A sentence each: what was measured against it, and what was not measured.
    """

    name: str
    version_of_concord: str
    created: str
    data: CardData
    metrics: dict[str, dict[str, dict[str, float | None]]]
    network: CardNetwork
    feature_groups: dict[str, list[str]]
    features: list[CardFeature]
    variant: dict[str, str | None]
    intended_use: str
    limits: list[str]

    def to_files(self) -> dict[str, bytes]:
        """Both forms, by the names they have in `assets.extra`."""
        content = self.model_dump(mode="json")
        return {
            MODEL_CARD_JSON: (json.dumps(content, ensure_ascii=False, indent=1) + "\n").encode(),
            MODEL_CARD_MARKDOWN: self.to_markdown().encode(),
        }

    def to_markdown(self) -> str:
        """As a page. Names come from data and configurations: they are escaped."""
        data, network = self.data, self.network
        rows = ", ".join(f"{count:,} {split}" for split, count in data.rows.items())
        variant = [f"{each} {value}" for each, value in self.variant.items() if value is not None]
        facts = {
            "Label": data.label,
            "Data": f"{data.source}; rows: {rows}",
            "Split": data.split,
            "Network": "; ".join(f"{axis} {value}" for axis, value in network.axes.items()),
            "Branches": ", ".join(network.branches),
            "Fusion": network.fusion or "none: one branch alone",
            "Parameters": f"{network.parameters:,}",
            "Export": ", ".join(variant),
            "Created": f"{self.created}, by Concord {self.version_of_concord}",
        }
        parts = [f"# {escaped(self.name)}", escaped(self.intended_use)]
        parts.append("\n".join(f"- **{name}**: {escaped(text)}" for name, text in facts.items()))
        for split, predictions in self.metrics.items():
            parts += [f"## Metrics on the {escaped(split)} rows", _metrics_table(predictions)]
        parts.append("## Limits")
        parts.append("\n".join(f"- {escaped(each)}" for each in self.limits))
        parts.append("## Features")
        parts.append(
            _table(["feature", "kind"], [[each.name, each.kind] for each in self.features])
        )
        if self.feature_groups:
            groups = [[name, ", ".join(each)] for name, each in self.feature_groups.items()]
            parts += ["## Feature groups", _table(["group", "features"], groups)]
        return "\n\n".join(parts) + "\n"


def escaped(text: str) -> str:
    """Text that Markdown shows as it is: no markup, no HTML, no second line."""
    plain = " ".join(str(text).split())
    plain = plain.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    plain = re.sub(r"([\\`*_{}\[\]()#!|~])", r"\\\1", plain)
    # These are markup at the beginning of a line alone; a bare address would become a link.
    plain = re.sub(r"^([-+=])", r"\\\1", plain)
    plain = re.sub(r"^(\d+)\.(?=\s|$)", r"\1\\.", plain)
    return plain.replace("://", ":&#47;&#47;").replace("www.", "www&#46;")


def _metrics_table(predictions: dict[str, dict[str, float | None]]) -> str:
    names = list(next(iter(predictions.values()), {}))
    rows = [
        [name, *("–" if values[each] is None else f"{values[each]:.4f}" for each in names)]
        for name, values in predictions.items()
    ]
    return _table(["prediction", *(_TITLES.get(name, name) for name in names)], rows)


def _table(columns: list[str], rows: list[list[Any]]) -> str:
    head = [columns, ["---"] * len(columns)]
    lines = [*head, *([escaped(cell) for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
