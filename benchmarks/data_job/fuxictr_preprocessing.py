"""FuxiCTR's preprocessing of Criteo's layout; run by `benchmarks.data_job.build_bundle`.

    python fuxictr_preprocessing.py FOLDER

Gives FOLDER/train.txt the header that FuxiCTR needs, 80 % of the rows as train.csv, the rest in
halves as valid.csv and test.csv (not timed), lets FuxiCTR read, fit and transform them, and prints
the seconds.
"""

import sys
import time
from pathlib import Path

COUNTS = [f"I{number}" for number in range(1, 14)]
TOKENS = [f"C{number}" for number in range(1, 27)]


def main() -> None:
    folder = Path(sys.argv[1])
    parts = [str(folder / f"{name}.csv") for name in ("train", "valid", "test")]
    if not Path(parts[0]).exists():
        _cut(folder / "train.txt", parts)
    started = time.perf_counter()
    from fuxictr.preprocess import FeatureProcessor, build_dataset

    processor = FeatureProcessor(
        feature_cols=[
            {"name": COUNTS, "active": True, "dtype": "float", "type": "numeric"},
            {"name": TOKENS, "active": True, "dtype": "str", "type": "categorical"},
        ],
        label_col={"name": "label", "dtype": "float"},
        dataset_id=f"built_{time.time_ns()}",
        data_root=str(folder),
    )
    build_dataset(
        processor, *parts, data_format="csv", sep="\t", min_categr_count=10, data_block_size=0
    )
    print(time.perf_counter() - started)


def _cut(path: Path, parts: list[str]) -> None:
    lines = path.read_text(encoding="ascii").splitlines(keepends=True)
    edges = [0, len(lines) * 8 // 10, len(lines) * 9 // 10, len(lines)]
    for part, start, stop in zip(parts, edges, edges[1:], strict=False):
        with open(part, "w", encoding="ascii") as file:
            file.write("\t".join(["label", *COUNTS, *TOKENS]) + "\n")
            file.writelines(lines[start:stop])


if __name__ == "__main__":
    main()
