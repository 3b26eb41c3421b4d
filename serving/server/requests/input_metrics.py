"""Prometheus metrics of the inputs: what is missing or unknown, and what it was in training."""

from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from features.input_shares import InputCounts, TrainingShares
from serving.server.core.serving_error import ServingError
from serving.server.lifecycle.manager import ModelManager

_LABELS = ("model_name", "version", "feature", "kind")


class InputMetrics(Collector):
    """What the loaded versions have counted since they were loaded, of a sample of the requests.

    | metric | what |
    |---|---|
    | `:concord:input_found_total` | `kind="missing"`: rows without a value; `"unknown"`: tokens
      outside of the vocabulary |
    | `:concord:input_counted_total` | the rows, or the tokens, that these are of |
    | `:concord:input_training_share` | the share in the training rows |

    Args:
        manager: The models.
    """

    def __init__(self, manager: ModelManager) -> None:
        self._manager = manager

    def collect(self) -> Iterator[CounterMetricFamily | GaugeMetricFamily]:
        """All of them; none of versions that another program exported."""
        found = CounterMetricFamily(
            ":concord:input_found", "Missing values or unknown tokens.", labels=_LABELS
        )
        counted = CounterMetricFamily(
            ":concord:input_counted", "Rows or tokens that were counted.", labels=_LABELS
        )
        trained = GaugeMetricFamily(
            ":concord:input_training_share", "Share in the training rows.", labels=_LABELS
        )
        for name, version, counts, training in self._versions():
            for feature, shares in training.inputs.items():
                of = counts[feature]
                values = [("missing", of.missing, of.rows, shares.missing)]
                if shares.unknown is not None:
                    values.append(("unknown", of.unknown, of.tokens, shares.unknown))
                for kind, some, everything, share in values:
                    labels = (name, str(version), feature, kind)
                    found.add_metric(labels, some)
                    counted.add_metric(labels, everything)
                    trained.add_metric(labels, share)
        yield from (found, counted, trained)

    def _versions(self) -> Iterator[tuple[str, int, dict[str, InputCounts], TrainingShares]]:
        for name in self._manager.names():
            for version in self._manager.available(name):
                try:
                    with self._manager.use(name, version) as model:
                        if model.inputs is not None:
                            yield name, version, model.inputs.counts(), model.inputs.training
                except ServingError:  # unloaded a moment ago
                    continue
