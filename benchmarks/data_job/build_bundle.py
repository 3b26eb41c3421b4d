"""How fast raw logs become a bundle: Criteo's layout, 39 fields, beside FuxiCTR's preprocessing.

    python -m benchmarks.data_job.build_bundle --rows 1000000 --rounds 3
    python -m benchmarks.data_job.build_bundle --rows 1000000 --peer-python PEERS/bin/python
    python -m benchmarks.data_job.build_bundle --rows 200000 --tft-python TFT/bin/python
    python -m benchmarks.data_job.build_bundle --rows 1000000 --before CHECKOUT

Writes random rows (`criteo_rows`) and builds their bundle: `build-bundle` as a user
starts it, so that the seconds hold the start of Python and TensorFlow too. Sides take turns, round
by round. Then the stages of the job, each by itself on one thread over the same blocks: their
rows/s say where the time goes. PEERS has fuxictr and ray, TFT tensorflow-transform.

The peers do less: they read well-formed rows, know nothing of rejected lines and row counts, and
FuxiCTR writes the rows in the order in which they came.
"""

import argparse
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from benchmarks.data_job.criteo_rows import write_rows

ROOT = Path(__file__).parents[2]
CONFIG = "configs/criteo/dataset.yaml"
_STAGE_ROWS = 200_000


def main() -> None:
    arguments = _parse_arguments()
    with tempfile.TemporaryDirectory(dir=arguments.folder) as name:
        folder = Path(name)
        write_rows(folder / "train.txt", arguments.rows)
        sides: dict[str, tuple[int, Callable[[], float]]] = {
            "concord": (arguments.rows, lambda: _concord(folder, ROOT))
        }
        if arguments.before:
            sides["concord before"] = (arguments.rows, lambda: _concord(folder, arguments.before))
        if arguments.peer_python:
            command = [arguments.peer_python, "benchmarks/data_job/fuxictr_preprocessing.py"]
            sides["fuxictr"] = (arguments.rows, lambda: _seconds_of(command, folder))
        if arguments.tft_python:
            script = "benchmarks/data_job/tft_preprocessing.py"
            tft = [arguments.tft_python, script, str(arguments.tft_rows)]
            sides["tensorflow-transform"] = (arguments.tft_rows, lambda: _seconds_of(tft, folder))
        seconds: dict[str, list[float]] = {side: [] for side in sides}
        for _ in range(arguments.rounds):
            for side, (_, run) in sides.items():
                seconds[side].append(run())
        print(f"{'side':24}{'rows':>12}{'seconds':>10}{'rows/s':>10}{'least':>10}{'most':>10}")
        for side, (rows, _) in sides.items():
            rates = sorted(rows / each for each in seconds[side])
            median = statistics.median(seconds[side])
            print(
                f"{side:24}{rows:>12,}{median:>10.1f}{rows / median:>10,.0f}"
                f"{rates[0]:>10,.0f}{rates[-1]:>10,.0f}"
            )
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
        print(f"largest resident memory of a process: {peak:,.0f} MB")
        for stage, rate in _stages(folder):
            print(f"stage {stage:18}{rate:>14,.0f} rows/s")


def _concord(folder: Path, checkout: Path) -> float:
    """Seconds of the job with the code of a checkout."""
    command = [sys.executable, "-m", "pipeline", "build-bundle", "--config", CONFIG]
    command += ["--set", f"data.path={folder}", "--bundle", str(folder / "bundle")]
    subprocess.run(["rm", "-rf", str(folder / "bundle")], check=True)
    started = time.perf_counter()
    subprocess.run(command, check=True, cwd=checkout, stdout=subprocess.DEVNULL)
    return time.perf_counter() - started


def _seconds_of(command: list[str], folder: Path) -> float:
    """What a peer prints: the seconds of its work, its imports among them."""
    done = subprocess.run(
        [*command, str(folder)], check=True, cwd=ROOT, capture_output=True, text=True
    )
    return float(done.stdout.split()[-1])


def _stages(folder: Path) -> Iterator[tuple[str, float]]:
    """Name and rows/s of each stage, on the first rows of the file."""
    import features  # noqa: F401  (before TensorFlow)
    from features.bundle import open_bundle
    from features.columns import columns_of
    from features.dictionaries import with_dictionaries
    from features.records import encode_block
    from pipeline.config.config_files import load_dataset
    from pipeline.data.analysis.token_counts import TokenCounts
    from pipeline.data.job.open_inputs import open_inputs
    from pipeline.data.reading.read import read_blocks
    from pipeline.data.reading.read_rows import ReadRows
    from pipeline.data.writing.encode import Encoder
    from pipeline.data.writing.encoded import to_arrays, to_batch
    from pipeline.data.writing.shuffle import scatter

    config = load_dataset(ROOT / CONFIG, [f"data.path={folder}"])
    features_, bundle = config.feature_set, open_bundle(folder / "bundle")
    inputs = open_inputs(features_, config.data)
    columns, log = columns_of(features_), inputs.source.log
    reader = ReadRows(log, inputs.columns["log"], features_)
    encoder = Encoder(features_, bundle.metadata.analysis, bundle.vocabulary_dir)

    def count(blocks: list) -> None:
        for name in features_.vocabularies:
            counts = TokenCounts()
            for block in blocks:
                counts.add(block.column(name))
            counts.result()

    read = log, inputs.log[0].path, log.columns, inputs.columns["log"]
    blocks, seconds = _timed(lambda: _first_blocks(read_blocks(*read)))
    rows = sum(len(block.rows) for block in blocks)
    yield "read", rows / seconds
    typed, seconds = _timed(lambda: [reader.typed(block)[0] for block in blocks])
    yield "check and type", rows / seconds
    coded, seconds = _timed(lambda: [with_dictionaries(block) for block in typed])
    yield "dictionaries", rows / seconds
    _, seconds = _timed(lambda: count(coded))
    yield "count tokens", rows / seconds
    encoder(coded[0])
    arrays, seconds = _timed(lambda: [encoder(block) for block in coded])
    yield "preprocess", rows / seconds
    batches, seconds = _timed(lambda: [to_batch(each, columns) for each in arrays])
    yield "pack", rows / seconds
    _, seconds = _timed(
        lambda: [list(scatter(b, "train", key, 4, 0)) for key, b in enumerate(batches)]
    )
    yield "scatter", rows / seconds
    _, seconds = _timed(lambda: [encode_block(to_arrays(b, columns), columns) for b in batches])
    yield "serialize", rows / seconds


def _first_blocks(blocks: Iterable) -> list:
    """Blocks until there are `_STAGE_ROWS` rows."""
    first, rows = [], 0
    for block in blocks:
        first.append(block)
        rows += len(block.rows)
        if rows >= _STAGE_ROWS:
            break
    return first


def _timed(work: Callable) -> tuple:
    started = time.perf_counter()
    return work(), time.perf_counter() - started


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--peer-python", help="interpreter that has fuxictr and ray")
    parser.add_argument("--tft-python", help="interpreter that has tensorflow-transform")
    parser.add_argument("--before", type=Path, help="checkout of an earlier commit, to compare")
    parser.add_argument("--tft-rows", type=int, default=8_192)
    parser.add_argument("--folder", help="where the files go (default: the system's)")
    return parser.parse_args()


if __name__ == "__main__":
    main()
