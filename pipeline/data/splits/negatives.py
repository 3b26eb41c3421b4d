"""Examples of what did not happen, for logs that hold positives only."""

from collections.abc import Iterable
from dataclasses import dataclass

import apache_beam as beam
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from features.specs import FeatureSet
from pipeline.data.blocks.carried_columns import (
    EVENT_ONLY,
    flag,
    flag_columns,
    plain_text,
    text,
    text_columns,
)
from pipeline.data.blocks.stable_hash import as_share, seeded_hash, stable_hash
from pipeline.data.settings.data_config import NegativesConfig
from pipeline.data.sources.base import Negatives
from pipeline.data.splits.by_key import codes_of, ordinals


@dataclass(frozen=True)
class Sampler:
    """Adds rows of label 0 to the events of whole keys.

    Of a key's events in time order the first `min_history` become `EVENT_ONLY`: histories see
    them, and they are no examples. Each other one is followed by `per_positive` copies of itself
    that have another item, drawn uniformly from the items that no event of the key has, earlier or
    later; each draw is independent of the others. A key that has every item gets none.

    What is drawn for an event depends on the seed, the key, the event's place in the key's order
    and the items of the log, and on nothing else.

    Args:
        negatives: Where key, item and label stand.
        settings: How many are drawn, and for which events.
        seed: Two seeds draw differently.
        features: Tell which typed columns hold the item, the label and the time.
    """

    negatives: Negatives
    settings: NegativesConfig
    seed: int
    features: FeatureSet

    def __call__(self, rows: pa.RecordBatch, items: pa.Array) -> pa.RecordBatch:
        """The rows with their negatives behind them, `EVENT_ONLY`, and the label's columns.

        Args:
            rows: All rows of their keys, in the order of the log.
            items: All items of the log, each once, sorted.
        """
        keys = rows.column(text(self.negatives.key))
        codes = codes_of(keys)
        places, _ = ordinals(
            codes, rows.column(self.features.required("timestamp").raw_name).to_numpy()
        )
        is_example = places >= self.settings.min_history
        chosen = plain_text(rows.column(text(self.negatives.item)))
        touched = pc.index_in(chosen, value_set=items).to_numpy(zero_copy_only=False)
        of_rows = np.repeat(np.flatnonzero(is_example), self.settings.per_positive)
        nth = np.tile(np.arange(self.settings.per_positive), int(is_example.sum()))
        shares = self._shares(keys.take(pa.array(of_rows)), places[of_rows], nth)
        drawn = draw_untouched(codes, touched.astype(np.int64), codes[of_rows], shares, len(items))
        of_rows, drawn = of_rows[drawn >= 0], drawn[drawn >= 0]
        sources = np.concatenate([np.arange(len(rows)), of_rows])
        order = np.argsort(sources, kind="stable")  # puts each event's negatives behind it
        sources = sources[order]
        made = rows.take(pa.array(sources))
        columns = dict(zip(made.schema.names, made.columns, strict=True))
        now = pa.concat_arrays([chosen, items.take(pa.array(drawn))]).take(pa.array(order))
        for name in {self.negatives.item, text(self.negatives.item)} & columns.keys():
            columns[name] = now
        labels = np.repeat([1.0, 0.0], [len(rows), len(drawn)])[order]
        columns |= self._label_columns(labels)
        columns[EVENT_ONLY] = pa.array(~is_example[sources])
        return pa.RecordBatch.from_pydict(columns)

    def _shares(self, keys: pa.Array, places: np.ndarray, nth: np.ndarray) -> np.ndarray:
        """A number in [0, 1) for each draw."""
        draws = places * self.settings.per_positive + nth
        with np.errstate(over="ignore"):
            return as_share(
                seeded_hash(stable_hash(plain_text(keys)) + seeded_hash(draws, 0), self.seed)
            )

    def _label_columns(self, labels: np.ndarray) -> dict[str, pa.Array]:
        name = self.negatives.label
        columns = {name: pa.array(labels, self.features.required("label").raw_type)}
        if name in text_columns(self.features):
            columns[text(name)] = pa.array(labels.astype(np.int8)).cast(pa.string())
        if name in flag_columns(self.features):
            columns[flag(name)] = pa.array(labels > 0)
        return columns


def draw_untouched(
    codes: np.ndarray,
    touched: np.ndarray,
    for_codes: np.ndarray,
    shares: np.ndarray,
    num_items: int,
) -> np.ndarray:
    """Draws an item for each of `for_codes` that its code never touched.

    With u untouched items, share s stands for number floor(s u) of them. Before item t, the i-th
    touched one, lie t - i untouched ones; so the item sought is the number plus how many touched
    items have at most that many before them.

    Args:
        codes: Code of each event, int64 of shape (events,).
        touched: Item of each event, in [0, num_items).
        for_codes: int64 of shape (draws,).
        shares: In [0, 1), of shape (draws,).
        num_items: Number of items.

    Returns:
        int64 of shape (draws,); -1 where there is no such item.
    """
    wide = num_items + 1
    pairs = np.unique(codes * wide + touched)
    owners, items = pairs // wide, pairs % wide
    starts = np.searchsorted(owners, for_codes)
    counts = np.searchsorted(owners, for_codes, side="right") - starts
    untouched = num_items - counts
    numbers = np.floor(shares * untouched).astype(np.int64)
    ranks = np.arange(len(pairs)) - np.searchsorted(owners, owners)
    below = np.searchsorted(owners * wide + items - ranks, for_codes * wide + numbers, side="right")
    return np.where(untouched > 0, numbers + below - starts, -1)


class ItemsOf(beam.PTransform):
    """(block key, RecordBatch) in; one sorted array of all items out.

    Args:
        item: Column, carried as text.
    """

    def __init__(self, item: str):
        super().__init__()
        self._name = text(item)

    def expand(self, rows):  # noqa: ANN001, ANN201  (Beam takes annotations for type hints)
        items = rows | "Of" >> beam.Map(lambda block: plain_text(block[1].column(self._name)))
        return items | "Distinct" >> beam.CombineGlobally(_Distinct())


class _Distinct(beam.CombineFn):
    """All texts, each once, sorted."""

    def create_accumulator(self) -> pa.Array:
        return pa.array([], pa.string())

    def add_input(self, accumulator: pa.Array, column: pa.Array) -> pa.Array:
        return self.merge_accumulators([accumulator, column])

    def merge_accumulators(self, accumulators: Iterable[pa.Array]) -> pa.Array:
        return pa.concat_arrays([each.unique() for each in accumulators]).unique()

    def extract_output(self, accumulator: pa.Array) -> pa.Array:
        return accumulator.take(pc.sort_indices(accumulator))


def only_examples(block: tuple[int, pa.RecordBatch]) -> tuple[int, pa.RecordBatch]:
    """A block without its `EVENT_ONLY` rows, and without that column."""
    key, rows = block
    kept = rows.filter(pc.invert(rows.column(EVENT_ONLY)))
    return key, kept.drop_columns([EVENT_ONLY])
