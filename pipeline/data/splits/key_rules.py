"""What is decided for all rows of a key together: which are its last, what it never touched."""

from collections.abc import Iterator

import apache_beam as beam
import numpy as np
import pyarrow as pa

from features.specs import FeatureSet
from pipeline.data.blocks.accounts import ROWS_KEPT
from pipeline.data.blocks.carried_columns import EVENT_ONLY
from pipeline.data.settings.data_config import DataConfig, NegativesConfig
from pipeline.data.sources.base import Negatives
from pipeline.data.splits.by_key import ByKey
from pipeline.data.splits.last import LeaveLastOut
from pipeline.data.splits.negatives import ItemsOf, Sampler


class KeyRules(beam.PTransform):
    """Splits by `last` and draws negatives, where the configuration and the source say so.

    Input: (block key, RecordBatch) of the log. Outputs, a dict of `rows`, the same with `SPLIT`,
    and with negatives, their label and `EVENT_ONLY`; and `rows_kept`, to be added up: rows of the
    log that are no examples, less the negatives.

    Args:
        features: Tell the columns of time, item and label.
        data: Settings.
        negatives: The source's; None draws nothing.
        partitions: Number of parts, by key, that are in memory one at a time.
    """

    def __init__(
        self, features: FeatureSet, data: DataConfig, negatives: Negatives | None, partitions: int
    ):
        super().__init__()
        self._negatives, self._partitions = negatives, partitions
        self._steps: dict[str, list] = {}
        if data.split.by == "last" and data.split.key is not None:
            time = features.required("timestamp").raw_name
            rule = LeaveLastOut(data.split.key, time, data.split.validation == "clean")
            self._steps[data.split.key] = [rule]
        if negatives is not None:
            settings = data.negatives or NegativesConfig()
            sampler = Sampler(negatives, settings, data.seed, features)
            # Behind the split, so that negatives inherit that of their positive.
            self._steps.setdefault(negatives.key, []).append(sampler)

    # Beam takes annotations for type hints, and has none for a dict of collections.
    def expand(self, rows):  # noqa: ANN001, ANN201
        kept, sides = [], []
        if self._negatives is not None:
            sides = [beam.pvalue.AsSingleton(rows | "Items" >> ItemsOf(self._negatives.item))]
        for key, steps in self._steps.items():
            rows = rows | f"By:{key}" >> ByKey(key, self._partitions, steps, sides)
        if self._negatives is not None:
            kept = [rows | "Account" >> beam.FlatMap(_account, self._negatives.label)]
        return {"rows": rows, ROWS_KEPT: kept}


def _account(block: tuple[int, pa.RecordBatch], label: str) -> Iterator[tuple[str, int]]:
    rows = block[1]
    negatives = np.count_nonzero(rows.column(label).to_numpy() == 0.0)
    yield "log", int(rows.column(EVENT_ONLY).true_count - negatives)
