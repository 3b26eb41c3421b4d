"""Runs the preprocessing graph over blocks of raw rows inside the workers of the job."""

import os
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Literal

import apache_beam as beam
import numpy as np
import pyarrow as pa
import tensorflow as tf
from apache_beam.pvalue import TaggedOutput
from apache_beam.transforms.window import GlobalWindows
from apache_beam.utils.shared import Shared
from apache_beam.utils.windowed_value import WindowedValue

from features.analysis import Analysis
from features.columns import columns_of
from features.precision import with_precision
from features.preprocessing import Preprocessor
from features.raw_tensors import RawTensors, coded_tensors, from_parts, parts_of
from features.specs import ROLES, FeatureSet
from pipeline.data.analysis.analyse import Fitted
from pipeline.data.blocks.block_key import MAX_ROWS
from pipeline.data.blocks.spill import SpilledBlock, opened
from pipeline.data.writing.encoded import to_batch
from pipeline.data.writing.shuffle import ShardKey, ShuffleConfig, SubBlock, sub_blocks
from pipeline.data.writing.statistics import ALL, LEFT_OUT, Counts, count_block
from pipeline.data.writing.thin_positives import kept_rows


class Encoder:
    """Maps blocks of raw rows to the arrays that a bundle stores, with one traced graph.

    Args:
        features: What the columns mean.
        analysis: What the training rows taught.
        vocabulary_dir: Folder of the vocabulary files.
    """

    def __init__(self, features: FeatureSet, analysis: Analysis, vocabulary_dir: str):
        features = self._features = with_precision(features, analysis)
        preprocess = Preprocessor(features, analysis, vocabulary_dir, ROLES)
        # The job leaves accelerators to training.
        with tf.device("/CPU:0"):
            no_rows = pa.RecordBatch.from_pylist([], features.raw_schema())
            raw = self._raw(no_rows)
            parts = [tf.TensorSpec([None, *part.shape[1:]], part.dtype) for part in parts_of(raw)]
            self._graph = tf.function(
                lambda *parts: preprocess(from_parts(raw, parts)),
                input_signature=parts,
                autograph=False,  # which would take a second, and finds nothing to convert
            ).get_concrete_function()
        self(no_rows)  # the first run makes the graph ready; two at once would do so twice

    def __call__(self, batch: pa.RecordBatch) -> dict[str, np.ndarray]:
        """Column name -> array, for typed raw columns with every role in them."""
        with tf.device("/CPU:0"):
            tensors = self._graph(*parts_of(self._raw(batch)))
        return {name: tensor.numpy() for name, tensor in tensors.items()}

    def _raw(self, batch: pa.RecordBatch) -> RawTensors:
        return coded_tensors(batch, self._features, ROLES)


Block = tuple[int, str, pa.RecordBatch]  # key, split, raw rows
Encoded = tuple[ShardKey, SubBlock] | TaggedOutput[Literal["statistics"], tuple[str, Counts]]


class EncodeBlocks(beam.DoFn):
    """(key, split, raw rows) in; `sub_blocks` of preprocessed rows out, and counts `statistics`.

    One step, since each would need what the analysis found. The graph is built once in each
    process, when the first blocks arrive, and runs over as many of them at once as make a large
    one: each run has a price. Nothing comes out if the analysis found problems: the driver reports
    them.

    Args:
        features: What the columns mean.
        vocabulary_dir: Folder of the vocabulary files.
        config: How rows are scattered over shards.
        train_positives: Share of the positive training rows that is written.
    """

    def __init__(
        self,
        features: FeatureSet,
        vocabulary_dir: str,
        config: ShuffleConfig,
        train_positives: float = 1.0,
    ):
        self._features = features
        self._train_positives = train_positives
        self._vocabulary_dir = vocabulary_dir
        self._config = config
        self._shared = Shared()
        self._encoder: Encoder | None = None
        self._driver = os.getpid()

    @cached_property
    def _columns(self) -> tuple:
        return columns_of(self._features)

    def start_bundle(self) -> None:
        self._waiting: list[Block] = []

    def process(
        self, element: tuple[int, str, pa.RecordBatch | SpilledBlock], fitted: Fitted
    ) -> Iterator[Encoded]:
        if fitted.problems:
            return
        self._fitted = fitted
        self._waiting.append((*element[:2], opened(element[2])))
        if sum(len(rows) for _, _, rows in self._waiting) >= MAX_ROWS:
            yield from self._encoded()

    def finish_bundle(self) -> Iterator[WindowedValue | TaggedOutput]:
        at_the_end = GlobalWindows.windowed_value_at_end_of_window
        for element in self._encoded():
            if isinstance(element, TaggedOutput):
                yield TaggedOutput(element.tag, at_the_end(element.value))
            else:
                yield at_the_end(element)

    def _encoded(self) -> Iterator[Encoded]:
        """What comes of the blocks that wait: the graph runs over all of them at once."""
        blocks, self._waiting = self._waiting, []
        if not blocks:
            return
        if self._encoder is None:
            self._encoder = self._shared.acquire(lambda: self._build(self._fitted.analysis))
        arrays = self._encoder(_joined([rows for _, _, rows in blocks]))
        start = 0
        for key, split, rows in blocks:
            behind = start + len(rows)
            of_block = {name: values[start:behind] for name, values in arrays.items()}
            yield from self._of_block(key, split, rows, of_block)
            start = behind

    def _of_block(
        self, key: int, split: str, raw: pa.RecordBatch, arrays: dict[str, np.ndarray]
    ) -> Iterator[Encoded]:
        label, left_out = self._features.label, 0
        if self._train_positives < 1.0 and label is not None:
            kept = kept_rows(
                arrays[label.name], split, key, self._train_positives, self._config.seed
            )
            left_out = len(kept) - int(np.count_nonzero(kept))
            raw = raw.filter(pa.array(kept))
            arrays = {name: values[kept] for name, values in arrays.items()}
        counts = count_block(raw, arrays, self._features)
        if left_out:
            counts[ALL][LEFT_OUT] = left_out
        yield TaggedOutput("statistics", (split, counts))
        batch = to_batch(arrays, self._columns)
        yield from sub_blocks(batch, split, key, self._config, self._fitted)

    def _build(self, analysis: Analysis) -> Encoder:
        if os.getpid() != self._driver:
            _yield_cores_to_other_workers()
        return Encoder(self._features, analysis, self._vocabulary_dir)


def _joined(blocks: Sequence[pa.RecordBatch]) -> pa.RecordBatch:
    """The rows of all blocks, in one dictionary a column."""
    if len(blocks) == 1:
        return blocks[0]
    table = pa.Table.from_batches(blocks)
    return table.unify_dictionaries().combine_chunks().to_batches()[0]


def _yield_cores_to_other_workers() -> None:
    """One thread for TensorFlow in a worker process: the runner starts one worker a core."""
    try:
        tf.config.threading.set_intra_op_parallelism_threads(1)
        tf.config.threading.set_inter_op_parallelism_threads(1)
        tf.config.set_visible_devices([], "GPU")
    except RuntimeError:
        pass  # TensorFlow already runs in this worker, and keeps the threads it has.
