"""One pass over the training rows for all features: vocabularies, moments, quantiles.

Blocks are reduced where they are read, and only what is left travels: a table of counts for each
vocabulary, five numbers for each numeric feature and block. No element stands for a token.
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import apache_beam as beam
import numpy as np
import pyarrow as pa
from apache_beam.pvalue import AsDict, AsList, TaggedOutput
from apache_beam.transforms.window import GlobalWindows

from features.analysis import Analysis, NumericSummary
from features.specs import FeatureSet, FeatureSpec
from pipeline.data.analysis import moments
from pipeline.data.analysis.earlier_vocabularies import EarlierVocabularies
from pipeline.data.analysis.histogram import (
    AdaptiveHistogram,
    HistogramFn,
    float32_keys,
    float32_values,
)
from pipeline.data.analysis.moments import Moments, moments_of
from pipeline.data.analysis.token_counts import TokenCounts
from pipeline.data.analysis.vocabulary_files import (
    WrittenVocabulary,
    nothing_counted,
    select_part,
    why_empty,
    write_vocabulary,
)
from pipeline.data.blocks.arrow_bytes import to_bytes
from pipeline.data.blocks.stable_hash import parts_of_tokens

log = logging.getLogger(__name__)
_TOKEN_SHARDS = 16  # parts, by hash, in which a vocabulary is merged
# Typed, so that Beam and mypy know what comes out under which name.
_ROWS: Literal["rows"] = "rows"
_QUANTILES: Literal["quantiles"] = "quantiles"
_MOMENTS: Literal["moments"] = "moments"
_FLUSH_AT = 1_000_000  # distinct tokens of one vocabulary that a worker holds


@dataclass(frozen=True)
class Fitted:
    """The analysis of the training rows.

    Args:
        analysis: For the preprocessing graph.
        rows: Split -> rows.
        problems: Why no bundle can be made of these rows: a sentence each.
        vocabulary_changes: Vocabulary -> what an earlier bundle's knew of the training rows;
            empty without `data.vocabularies`.
    """

    analysis: Analysis
    rows: dict[str, int]
    problems: tuple[str, ...] = ()
    vocabulary_changes: Mapping[str, dict[str, int]] = field(default_factory=dict)


class Analyse(beam.PTransform):
    """(key, split, raw rows) in; one `Fitted` out, and the vocabulary files written.

    Args:
        features: What to count and to measure.
        vocabulary_dir: Folder that receives `<name>.txt` for each vocabulary.
        earlier: An earlier bundle's, to take over.
    """

    def __init__(
        self,
        features: FeatureSet,
        vocabulary_dir: str,
        earlier: EarlierVocabularies | None = None,
    ):
        super().__init__()
        self._features = features
        self._vocabulary_dir = vocabulary_dir
        self._earlier = earlier

    def expand(self, blocks: beam.PCollection) -> beam.PCollection:
        counted = blocks | "Count" >> beam.ParDo(CountBlocks(self._features)).with_outputs(
            "moments", "quantiles", "rows", main="tokens"
        )
        specs, earlier = self._features.vocabularies, self._earlier
        tokens = counted.tokens
        if earlier is not None:
            nothing = blocks.pipeline | "Nothing" >> beam.Create(nothing_counted(specs))
            tokens = (tokens, nothing) | "WithNothing" >> beam.Flatten()
        vocabularies = (
            tokens
            | "SameTokens" >> beam.GroupByKey()
            | "Select" >> beam.Map(select_part, specs, earlier)
            | "SameVocabulary" >> beam.GroupByKey()
            | "WriteVocabulary" >> beam.Map(write_vocabulary, specs, self._vocabulary_dir, earlier)
        )
        histograms = counted.quantiles | "Histograms" >> beam.CombinePerKey(HistogramFn())
        rows = counted.rows | "Rows" >> beam.CombinePerKey(sum)
        return (
            blocks.pipeline
            | "Once" >> beam.Create([self._features])
            | "Fit"
            >> beam.Map(
                fit,
                AsList(vocabularies),
                AsList(counted.moments),
                AsDict(histograms),
                AsDict(rows),
                earlier,
            )
        )


class CountBlocks(beam.DoFn):
    """Reduces blocks to ((vocabulary, part), token counts), moments, quantile keys and rows."""

    def __init__(self, features: FeatureSet, flush_at: int = _FLUSH_AT):
        self._features = features
        self._flush_at = flush_at

    def start_bundle(self) -> None:
        self._tokens = {name: TokenCounts() for name in self._features.vocabularies}

    def process(
        self, element: tuple[int, str, pa.RecordBatch]
    ) -> Iterator[
        tuple[tuple[str, int], bytes]
        | TaggedOutput[Literal["rows"], tuple[str, int]]
        | TaggedOutput[Literal["quantiles"], tuple[str, np.ndarray]]
        | TaggedOutput[Literal["moments"], tuple[int, dict[str, Moments]]]
    ]:
        key, split, block = element
        yield TaggedOutput(_ROWS, (split, block.num_rows))
        if split != "train":
            return
        for name, vocabulary in self._features.vocabularies.items():
            for feature in vocabulary.counted_from:
                column = block.column(self._features.features[feature].raw_name)
                self._tokens[name].add(column)
            if self._tokens[name].num_rows >= self._flush_at:
                yield from self._flush(name)
        of_feature = {}
        for spec in _numeric(self._features):
            numbers = _numbers(block.column(spec.raw_name), spec)
            of_feature[spec.name] = moments_of(numbers, spec.transform == "log")
            if spec.needs_quantiles:
                keys = float32_keys(numbers.drop_null().to_numpy(zero_copy_only=False))
                yield TaggedOutput(_QUANTILES, (spec.name, keys))
        yield TaggedOutput(_MOMENTS, (key, of_feature))

    def finish_bundle(self) -> Iterator:
        for name in self._tokens:
            for element in self._flush(name):
                yield GlobalWindows.windowed_value_at_end_of_window(element)

    def _flush(self, name: str) -> Iterator[tuple[tuple[str, int], bytes]]:
        counts = self._tokens[name].result().combine_chunks()
        self._tokens[name] = TokenCounts()
        for batch in counts.to_batches():
            part_of_token = parts_of_tokens(batch["token"], _TOKEN_SHARDS)
            order = np.argsort(part_of_token, kind="stable")
            batch = batch.take(pa.array(order))
            ends = np.cumsum(np.bincount(part_of_token, minlength=_TOKEN_SHARDS))
            for part, (start, end) in enumerate(zip([0, *ends[:-1]], ends, strict=True)):
                if end > start:
                    yield (name, part), to_bytes(batch.slice(start, end - start))


def fit(
    features: FeatureSet,
    vocabularies: Sequence[WrittenVocabulary],
    moments_of_block: Sequence[tuple[int, Mapping[str, Moments]]],
    histograms: Mapping[str, AdaptiveHistogram],
    rows: Mapping[str, int],
    earlier: EarlierVocabularies | None = None,
) -> Fitted:
    """Puts the parts together, in the order of the blocks' keys, so that rounding never varies."""
    written = {each.name: each for each in vocabularies}
    sizes = {name: written[name].size if name in written else 0 for name in features.vocabularies}
    problems = tuple(
        why_empty(spec, written[name].seen if name in written else None, rows.get("train", 0))
        for name, spec in features.vocabularies.items()
        if not sizes[name]
    )
    in_order = [parts for _, parts in sorted(moments_of_block, key=lambda block: block[0])]
    numeric = {}
    for spec in _numeric(features):
        total = moments.merged(parts[spec.name] for parts in in_order)
        numeric[spec.name] = NumericSummary(
            count=total.count,
            mean=total.mean,
            variance=total.variance,
            minimum=total.minimum,
            maximum=total.maximum,
            boundaries=boundaries_of(histograms.get(spec.name), spec),
        )
    numeric |= earlier.numeric if earlier else {}
    analysis = Analysis(vocabulary_sizes=sizes, numeric=numeric)
    log.info(
        "analysed %s training rows: %s tokens in %d vocabularies",
        f"{rows.get('train', 0):,}",
        f"{sum(sizes.values()):,}",
        len(sizes),
    )
    changes = {name: written[name].change() for name in sizes if name in written} if earlier else {}
    return Fitted(analysis, dict(sorted(rows.items())), problems, changes)


def boundaries_of(histogram: AdaptiveHistogram | None, spec: FeatureSpec) -> tuple[float, ...]:
    """The quantiles i / num_buckets, 0 < i < num_buckets, each once, that part the values.

    Exact for up to 65,536 distinct values; beyond, each is the least number of the histogram's
    bin that holds the quantile.
    """
    if not spec.needs_quantiles or spec.num_buckets is None:
        return ()
    if histogram is None or not histogram.total:
        return ()
    ranks = np.arange(1, spec.num_buckets) * histogram.total // spec.num_buckets
    place = np.searchsorted(np.cumsum(histogram.counts), ranks, side="right")
    place = np.unique(place[place > 0])  # a boundary at the least value would part nothing
    return tuple(float32_values(histogram.edges[place]).tolist())


def _numeric(features: FeatureSet) -> tuple[FeatureSpec, ...]:
    """The features whose numbers are summarised: numeric ones, and vectors that are scaled."""
    return tuple(
        spec
        for spec in features.inputs
        if spec.kind == "numeric" or (spec.kind == "embedding" and spec.transform is not None)
    )


def _numbers(column: pa.Array, spec: FeatureSpec) -> pa.Array:
    """The numbers of a column; of vectors those that are not all zeros, which stand for missing."""
    if spec.kind == "numeric":
        return column
    flat = column.flatten().to_numpy(zero_copy_only=False)
    vectors = flat.reshape(-1, spec.embedding_dimension)
    return pa.array(vectors[(vectors != 0.0).any(axis=1)].ravel())
