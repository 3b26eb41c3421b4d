"""Seconds of the data job on a Flink cluster beside threads, and with a TaskManager that is lost.

    make flink-server
    python -m benchmarks.data_job.on_a_cluster --rows 1000000

Writes random rows in Criteo's layout and builds their bundle three times: with threads of one
process, on a cluster of a JobManager and two TaskManagers on this machine, and there with one of
the two killed when the first rows wait on disk. Says of each whether its bundle is the first one.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.data_job.criteo_rows import write_rows
from benchmarks.data_job.flink_cluster import ROOT, flink_cluster, killing
from features.bundle import MANIFEST


def main() -> None:
    arguments = _parse_arguments()
    print(f"{'':<24} {'seconds':>8} {'rows/s':>8}  bundle")
    with tempfile.TemporaryDirectory(dir=arguments.folder) as name:
        folder = Path(name)
        write_rows(folder / "train.txt", arguments.rows)
        here = folder / "threads"
        _report("threads", arguments.rows, _build(folder, here), here, here)
        with flink_cluster(folder / "cluster", heap=arguments.heap) as cluster:
            out = folder / "flink"
            seconds = _build(folder, out, cluster.options)
            _report("cluster", arguments.rows, seconds, out, here)
            out = folder / "killed"
            spill = Path(f"{out}.building", "spill")
            with killing(cluster.kill_task_manager, when=lambda: any(spill.glob("*"))):
                seconds = _build(folder, out, cluster.options)
            _report("cluster, one killed", arguments.rows, seconds, out, here)


def _build(folder: Path, out: Path, options: tuple[str, ...] = ()) -> float:
    """Seconds that the command takes; ends the program where it fails."""
    command = [sys.executable, "-m", "pipeline", "build-bundle"]
    command += ["--config", "configs/criteo/dataset.yaml", "--set", f"data.path={folder}"]
    command += ["--bundle", str(out)]
    if options:
        command += ["--runner", "FlinkRunner"]
        command += [f"--runner-option={option}" for option in options]
    started = time.monotonic()
    code = subprocess.run(command, cwd=ROOT, stdout=subprocess.DEVNULL, check=False).returncode
    if code:
        sys.exit(f"the job ended with code {code}: see above")
    return time.monotonic() - started


def _report(side: str, rows: int, seconds: float, out: Path, here: Path) -> None:
    same = (out / MANIFEST).read_bytes() == (here / MANIFEST).read_bytes()
    print(
        f"{side:<24} {seconds:>8.1f} {rows / seconds:>8,.0f}  {'same' if same else 'DIFFERS'}",
        flush=True,
    )


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument(
        "--heap", type=int, default=1024, help="MB of Java heap for the tasks of a TaskManager"
    )
    parser.add_argument("--folder", help="where the temporary files go")
    return parser.parse_args()


if __name__ == "__main__":
    main()
