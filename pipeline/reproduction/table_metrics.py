"""What tables of the papers measure."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class TableMetric:
    """One measure.

    Args:
        title: Heading.
        digits: Decimals that are shown.
        of_network: Whether it is about the network as a whole, not about one prediction.
    """

    title: str
    digits: int = 4
    of_network: bool = False

    def shown(self, value: float | None, signed: bool = False) -> str:
        """A value, or a dash where there is none."""
        if value is None:
            return "–"
        return f"{value:{'+' if signed else ''}.{self.digits}f}"


TABLE_METRICS: Mapping[str, TableMetric] = {
    "auc": TableMetric("AUC"),
    "gauc": TableMetric("gAUC"),
    "logloss": TableMetric("logloss"),
    "normalized_entropy": TableMetric("NE"),
    "calibration": TableMetric("calibration", 3),
    "cross_expert_correlation": TableMetric("CEC", 4, of_network=True),
    "live_cross_expert_correlation": TableMetric("CEC, live units", 4, of_network=True),
}
