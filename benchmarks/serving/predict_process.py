"""The process in which `predict_rows` measures a side: the code is that of PYTHONPATH.

    python predict_process.py predict EXPORT FEW_ROWS ROWS OUTPUT
    python predict_process.py bare EXPORT ROWS

Prints a line of JSON.
"""

import features  # noqa: F401  # isort: skip  (Keras 2, before TensorFlow is imported)

import itertools
import json
import resource
import sys
import time

from serving.scoring.predict import predict
from serving.scoring.raw_rows import read_rows
from serving.scoring.scorer import Scorer
from serving.scoring.signature_inputs import signature_inputs

_BARE_BLOCKS = 16


def main() -> None:
    side, *arguments = sys.argv[1:]
    measured = _predict(*arguments) if side == "predict" else _bare(*arguments)
    measured["resident"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10
    print(json.dumps(measured))


def _predict(export: str, few_rows: str, rows: str, output: str) -> dict[str, float]:
    """Seconds and processor seconds of all rows, less those of a few, which are the start."""
    predict(export, few_rows, output)
    _, start, start_cpu = _timed(lambda: predict(export, few_rows, output))
    count, whole, cpu = _timed(lambda: predict(export, rows, output))
    return {"rows": count, "seconds": whole - start, "cpu": cpu - start_cpu, "start": start}


def _bare(export: str, rows: str) -> dict[str, float]:
    """The same of calls of the signature, on tensors that are in memory already."""
    scorer = Scorer(export)
    features_, name = scorer.metadata.features, "raw_tensors"
    batches = itertools.islice(read_rows(rows, features_), _BARE_BLOCKS)
    blocks = [signature_inputs(name, batch, features_) for batch in batches]
    signature = scorer._signatures[name]  # noqa: SLF001  (what `predict` calls)
    for block in blocks[:2]:
        signature(**block)
    outputs, seconds, cpu = _timed(lambda: [signature(**b)["prob"].numpy() for b in blocks])
    return {"rows": sum(map(len, outputs)), "seconds": seconds, "cpu": cpu, "start": 0.0}


def _timed(call):  # noqa: ANN001
    began, cpu = time.perf_counter(), time.process_time()
    result = call()
    return result, time.perf_counter() - began, time.process_time() - cpu


if __name__ == "__main__":
    main()
