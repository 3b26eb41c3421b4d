"""From complete raw rows to the files of a bundle: the Beam graph of the job's write side."""

import os
from collections.abc import Mapping, Sequence
from typing import Any

import apache_beam as beam
import pyarrow as pa
from apache_beam.pvalue import AsDict, AsList, AsSingleton

from features.analysis import Analysis
from features.bundle import SAMPLE_ROWS, VOCABULARIES, FileEntry
from features.columns import columns_of
from features.config import StrictModel
from features.dictionaries import with_dictionaries
from features.specs import FeatureSet
from pipeline.data.analysis.analyse import Analyse, Fitted
from pipeline.data.analysis.earlier_vocabularies import EarlierVocabularies
from pipeline.data.blocks.arrow_bytes import RecordBatchCoder  # noqa: F401  (registers itself)
from pipeline.data.blocks.spill import Spill
from pipeline.data.job.bundle_folder import REJECTED_ROWS, RESULTS
from pipeline.data.settings.data_config import DataConfig
from pipeline.data.writing.encode import EncodeBlocks
from pipeline.data.writing.rejected_rows import CollectRejected, Rejected, write_rejected
from pipeline.data.writing.sample_rows import SampleRows
from pipeline.data.writing.shuffle import Shuffle, ShuffleConfig
from pipeline.data.writing.statistics import ALL, LEFT_OUT, Counts, MergeCounts
from pipeline.data.writing.write_shard import WriteShard
from pipeline.system.files import write_json, write_text

SAMPLE_SIZE = 256


class Results(StrictModel):
    """What the workers tell the driver when all is written.

    Args:
        analysis: What the training rows taught.
        rows: Split -> rows, counted where they come out of the read side.
        problems: Why no bundle can be made of these rows.
        vocabulary_changes: As in `Fitted`.
        files: Record files.
        statistics: Split -> counts.
        rejected: Table -> rows that could not be used.
        fatal: Reasons why the input cannot be used.
        first_rejected: Table -> its first rejected row.
        rows_read: Table -> its rows, good or not.
        rows_kept: Table -> its good rows; the log's are `rows`, and here are those of them that
            are no examples, less the negatives that were drawn.
        split_rule: How rows were split.
    """

    analysis: Analysis
    rows: dict[str, int]
    problems: tuple[str, ...]
    vocabulary_changes: dict[str, dict[str, int]]
    files: dict[str, FileEntry]
    statistics: dict[str, Counts]
    rejected: dict[str, int]
    fatal: tuple[str, ...]
    first_rejected: dict[str, dict[str, Any]]
    rows_read: dict[str, int]
    rows_kept: dict[str, int]
    split_rule: dict[str, Any]

    @property
    def left_out(self) -> int:
        """Positive training rows that `data.train_positives` left out."""
        return self.statistics.get("train", {}).get(ALL, {}).get(LEFT_OUT, 0)

    @property
    def rows_written(self) -> dict[str, int]:
        """Split -> rows in the bundle."""
        left_out = {"train": self.left_out}
        return {split: rows - left_out.get(split, 0) for split, rows in self.rows.items()}


class WriteBundle(beam.PTransform):
    """The outputs of `Examples` in; record and vocabulary files written, and `RESULTS`.

    Args:
        features: What the columns mean.
        data: Layout, sizes, seed.
        folder: Receives the bundle's files.
        results_folder: Receives `RESULTS` and `REJECTED_ROWS`.
        spill: Folder where rows wait for the analysis.
        earlier: What of an earlier bundle is taken over.
    """

    def __init__(
        self,
        features: FeatureSet,
        data: DataConfig,
        folder: str,
        results_folder: str,
        spill: str,
        earlier: EarlierVocabularies | None = None,
    ):
        super().__init__()
        self._features = features
        self._data = data
        self._folder = folder
        self._results_folder = results_folder
        self._spill = spill
        self._earlier = earlier

    # Beam takes annotations for type hints, and has none for a mapping of collections.
    def expand(self, examples):  # noqa: ANN001, ANN201
        vocabulary_dir = os.path.join(self._folder, VOCABULARIES)
        blocks = examples["blocks"] | "Dictionaries" >> beam.MapTuple(
            _with_dictionaries
        ).with_output_types(tuple[int, str, pa.RecordBatch])
        analyse = Analyse(self._features, vocabulary_dir, self._earlier)
        fitted = AsSingleton(blocks | "Analyse" >> analyse)
        config = ShuffleConfig(self._data.seed, self._data.rows_per_shard)
        encode = EncodeBlocks(self._features, vocabulary_dir, config, self._data.train_positives)
        encoded = (
            blocks
            | "Spill" >> Spill(self._spill)
            | "Encode" >> beam.ParDo(encode, fitted).with_outputs("statistics", main="rows")
        )
        statistics = encoded.statistics | "Statistics" >> beam.CombinePerKey(MergeCounts())
        write = WriteShard(
            self._folder,
            columns_of(self._features),
            self._data.layout,
            self._data.block_rows,
            config,
        )
        shuffled = encoded.rows | "Shuffle" >> Shuffle(config, fitted)
        files = shuffled | "Write" >> beam.ParDo(write, fitted)
        rejected = examples["rejected"] | "Rejected" >> beam.CombineGlobally(CollectRejected())
        sample = blocks | "Sample" >> SampleRows("valid", SAMPLE_SIZE, self._data.seed)
        rows_read = examples["rows_read"] | "RowsRead" >> beam.CombinePerKey(sum)
        rows_kept = examples["rows_kept"] | "RowsKept" >> beam.CombinePerKey(sum)
        return (
            examples["blocks"].pipeline
            | "Once" >> beam.Create([self._results_folder])
            | "Results"
            >> beam.Map(
                _write_results,
                self._folder,
                fitted,
                AsDict(files),
                AsDict(statistics),
                AsSingleton(rejected),
                AsDict(rows_read),
                AsDict(rows_kept),
                AsSingleton(sample),
                AsList(examples["split"]),
            )
        )


def _with_dictionaries(
    key: int, split: str, rows: pa.RecordBatch
) -> tuple[int, str, pa.RecordBatch]:
    return key, split, with_dictionaries(rows)


def _write_results(
    results_folder: str,
    bundle_folder: str,
    fitted: Fitted,
    files: Mapping[str, FileEntry],
    statistics: Mapping[str, Counts],
    rejected: Rejected,
    rows_read: Mapping[str, int],
    rows_kept: Mapping[str, int],
    sample: Sequence[str],
    split_rules: Sequence[dict[str, Any]],
) -> None:
    write_text(os.path.join(bundle_folder, SAMPLE_ROWS), "".join(f"{row}\n" for row in sample))
    write_rejected(os.path.join(results_folder, REJECTED_ROWS), rejected)
    results = Results(
        analysis=fitted.analysis,
        rows=fitted.rows,
        problems=fitted.problems,
        vocabulary_changes=dict(fitted.vocabulary_changes),
        files=dict(sorted(files.items())),
        statistics=dict(statistics),
        rejected=rejected.rows,
        fatal=rejected.fatal,
        first_rejected=rejected.first,
        rows_read=dict(sorted(rows_read.items())),
        rows_kept=dict(sorted(rows_kept.items())),
        split_rule=split_rules[0] if split_rules else {},
    )
    write_json(os.path.join(results_folder, RESULTS), results.model_dump(mode="json"))
