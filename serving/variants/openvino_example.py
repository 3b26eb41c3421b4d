"""Scores rows with this export: a JSON line a row.

    python score.py                 the sample rows, preprocessed already: numpy and OpenVINO alone
    python score.py ROWS.jsonl      raw rows, as `python -m pipeline predict` reads them: run it
                                    where Concord can be imported, which preprocesses them

Copied from serving/variants/openvino_example.py into the export.
"""

import json
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import openvino

VERSION = Path(__file__).resolve().parent


def main() -> None:
    # f32: else OpenVINO computes in bfloat16 on processors that have it.
    model = openvino.Core().compile_model(
        str(VERSION / "model.xml"), "CPU", {"INFERENCE_PRECISION_HINT": "f32"}
    )
    inputs = [each.get_any_name() for each in model.inputs]
    for batch in preprocessed(sys.argv[1]) if len(sys.argv) > 1 else [sample()]:
        probs = model({name: batch[name] for name in inputs})["prob"]
        for prob in probs:
            print(json.dumps({"prob": float(prob)}))


def sample() -> Mapping[str, np.ndarray]:
    """Inputs that lie beside this file: ids int32 (rows,) or (rows, length), numbers float32."""
    with np.load(VERSION / "sample_inputs.npz") as file:
        return dict(file)


def preprocessed(path: str) -> Iterator[Mapping[str, np.ndarray]]:
    """Raw rows as the model's inputs, a block at a time."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # preprocessing is TensorFlow's
    try:
        from features.bundle import read_metadata
        from features.preprocessing import Preprocessor
        from features.raw_tensors import from_arrow
        from serving.export_format.names import tensor_names
        from serving.scoring.raw_rows import read_rows
    except ModuleNotFoundError as error:
        sys.exit(f"error: raw rows need Concord: {error}. Put its folder on PYTHONPATH.")

    metadata = read_metadata(VERSION / "assets" / "metadata.json")
    features = metadata.features
    preprocess = Preprocessor(features, metadata.analysis, str(VERSION / "assets"))
    for rows in read_rows(path, features):
        ready = preprocess(from_arrow(rows, features))
        names = tensor_names(ready)
        yield {names[name]: value.numpy() for name, value in ready.items()}


if __name__ == "__main__":
    main()
