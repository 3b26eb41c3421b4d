"""tensorflow-transform's analysis and transformation of Criteo's layout; run by `build_bundle`.

    python tft_preprocessing.py ROWS FOLDER

Analyses and transforms the first ROWS rows of FOLDER/train.txt: a vocabulary for each of 26 token
columns, floor(log2) of 13 counts, one tf.Example a row, shuffled. Prints the seconds.
"""

import os
import sys
import tempfile
import time
from pathlib import Path

os.environ["TF_USE_LEGACY_KERAS"] = "1"
COUNTS = [f"I{number}" for number in range(1, 14)]
TOKENS = [f"C{number}" for number in range(1, 27)]


def main() -> None:
    rows, folder = int(sys.argv[1]), Path(sys.argv[2])
    started = time.perf_counter()
    import apache_beam as beam
    import tensorflow as tf
    import tensorflow_transform as tft
    import tensorflow_transform.beam as tft_beam
    from tensorflow_transform.tf_metadata import dataset_metadata, schema_utils

    specs = {name: tf.io.FixedLenFeature([], tf.float32) for name in ["label", *COUNTS]}
    specs |= {name: tf.io.FixedLenFeature([], tf.string) for name in TOKENS}
    metadata = dataset_metadata.DatasetMetadata(schema_utils.schema_from_feature_spec(specs))

    def preprocessing(inputs: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        outputs = {"label": inputs["label"]}
        for name in COUNTS:
            outputs[name] = tf.cast(
                tf.floor(tf.math.log(tf.maximum(inputs[name], 1.0)) / tf.math.log(2.0)), tf.int64
            )
        for name in TOKENS:
            outputs[name] = tft.compute_and_apply_vocabulary(
                inputs[name], frequency_threshold=10, num_oov_buckets=1, vocab_filename=name
            )
        return outputs

    def row(line: str) -> dict:
        values = line.rstrip("\n").split("\t")
        numbers = (float(value or 0.0) for value in values[:14])
        return dict(zip(["label", *COUNTS, *TOKENS], [*numbers, *values[14:]], strict=True))

    with open(folder / "train.txt", encoding="ascii") as file:
        lines = [line for line, _ in zip(file, range(rows), strict=False)]
    with (
        tempfile.TemporaryDirectory() as work,
        beam.Pipeline(runner="BundleBasedDirectRunner") as pipeline,
        tft_beam.Context(temp_dir=work),
    ):
        raw = pipeline | beam.Create(lines) | beam.Map(row)
        (data, transformed), _ = (raw, metadata) | tft_beam.AnalyzeAndTransformDataset(
            preprocessing
        )
        coder = tft.coders.ExampleProtoCoder(transformed.schema)
        _ = (
            data
            | beam.Reshuffle()
            | beam.Map(coder.encode)
            | beam.io.WriteToTFRecord(os.path.join(work, "train"))
        )
    print(time.perf_counter() - started)


if __name__ == "__main__":
    main()
