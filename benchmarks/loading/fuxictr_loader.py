"""FuxiCTR's loader, run by `benchmarks.loading.loaders` in an interpreter that has fuxictr.

    python fuxictr_loader.py DATA BATCH_SIZE WORKERS

Prints `ready` when the data is loaded. For every number of seconds that comes on a line, it loads
as FuxiCTR's `train_epoch` does, for that long, and prints rows, seconds and processor seconds.
"""

import json
import os
import resource
import sys
import time
from collections import OrderedDict
from pathlib import Path

import numpy as np
from fuxictr.features import FeatureMap
from fuxictr.pytorch.dataloaders import RankDataLoader


def main() -> None:
    path, batch_size, workers = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    file = Path(path) if path.endswith(".npz") else next(Path(path).glob("*.npz"))
    feature_map = FeatureMap("random", os.path.dirname(path))
    with np.load(file) as columns:
        names = [name for name in columns.files if name != "label"]
    feature_map.features = OrderedDict((name, {"type": "categorical"}) for name in names)
    feature_map.labels = ["label"]
    feature_map.set_column_index()
    loader, _ = RankDataLoader(
        feature_map, "train", path, batch_size=batch_size, shuffle=True, num_workers=workers
    )
    print("ready", flush=True)
    for line in sys.stdin:
        print(json.dumps(_turn(loader, float(line))), flush=True)


def _turn(loader: RankDataLoader, seconds: float) -> dict[str, float]:
    """Whole epochs of it, or the part of one that fits, after a first batch that is not counted."""
    rows, cpu, started = 0, 0.0, None
    while started is None or time.perf_counter() - started < seconds:
        for batch in loader:
            if started is None:  # processes are started, shuffle buffers filled
                started, cpu = time.perf_counter(), _cpu()
                continue
            rows += len(batch["label"])
            if time.perf_counter() - started >= seconds:
                break
    elapsed = time.perf_counter() - started
    del batch
    return {"rows": rows, "seconds": elapsed, "cpu": _cpu() - cpu}


def _cpu() -> float:
    """Processor seconds of this process and of the workers that have ended."""
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


if __name__ == "__main__":
    main()
