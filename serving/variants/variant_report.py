"""What a variant gains and what it costs, beside the full export."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from serving.export_format.export_layout import EXTRA
from serving.variants.comparison import Difference
from serving.variants.variant import Variant

VARIANT_REPORT = f"{EXTRA}/variant_report.json"
_WEIGHTS = ("variables/variables.data", "model.bin")


@dataclass(frozen=True)
class Measured:
    """What was measured of one export.

    Args:
        size: Bytes of the whole version folder.
        weights: Bytes of them that hold weights, tables and all.
        auc: AUC on the validation rows; None where they have one class only.
        p50_ms: Rows of a call -> median time of one.
    """

    size: int
    weights: int
    auc: float | None
    p50_ms: dict[int, float]


def folder_sizes(version: Path) -> tuple[int, int]:
    """Bytes of a version folder, and of the files in it that hold weights."""
    files = [file for file in version.rglob("*") if file.is_file()]
    weights = [file for file in files if str(file.relative_to(version)).startswith(_WEIGHTS)]
    return sum(file.stat().st_size for file in files), sum(file.stat().st_size for file in weights)


def variant_report(
    variant: Variant,
    difference: Difference,
    reference: str,
    measured: Mapping[str, Measured],
) -> dict[str, Any]:
    """For variant_report.json.

    Args:
        variant: Which.
        difference: From what it stands for.
        reference: The output of the full network that it stands for.
        measured: Sizes and times of `full` and of the variant.
    """
    return {
        "variant": variant.to_dict(),
        "reference": reference,
        "rows_compared": difference.rows,
        "difference": {"largest": difference.largest, "mean": difference.mean},
        "difference_in_words": in_words(difference, reference),
        "tolerance": asdict(variant.tolerance),
        "exports": {
            name: {
                "bytes": variant.size,
                "bytes_of_weights": variant.weights,
                "auc": variant.auc,
                "p50_ms": {str(rows): ms for rows, ms in variant.p50_ms.items()},
            }
            for name, variant in measured.items()
        },
        "timed": "raw_tensors as `serve` calls it, preprocessing included"
        + (
            f"; {variant.name}: on preprocessed features, in float32"
            if variant.format == "openvino"
            else ""
        ),
    }


def report_rows(report: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """The report as a table of text, its headings first."""
    exports = report["exports"]
    sizes = list(next(iter(exports.values()))["p50_ms"])
    headings = ("export", "kB", "of weights", "AUC", *(f"ms at {rows}" for rows in sizes))
    table = [headings]
    for name, export in exports.items():
        auc = "–" if export["auc"] is None else f"{export['auc']:.6f}"
        times = [f"{export['p50_ms'][rows]:.3f}" for rows in sizes]
        size, weights = (f"{export[key] / 1e3:,.0f}" for key in ("bytes", "bytes_of_weights"))
        table.append((name, size, weights, auc, *times))
    return table


def in_words(difference: Difference, reference: str) -> str:
    """The comparison in a phrase."""
    return (
        f"probabilities differ from the full network's {reference} by {difference.largest:.2g} at "
        f"most and {difference.mean:.2g} on average, over {difference.rows:,} validation rows"
    )
