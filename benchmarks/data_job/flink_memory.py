"""Memory of the data job on Flink: N and 10 N rows of Criteo's layout in the same settings.

    make flink-server
    python -m benchmarks.data_job.flink_memory --rows 1000000 --heap 3g --managed 512m

Writes random rows (label, 13 counts, 26 tokens), builds a bundle on the
embedded Flink, and prints for both sizes the peak resident memory of the Java process, which holds
Flink, and of the Python process, which is driver and worker. The heap and Flink's managed memory
are those given, whatever the number of rows.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.data_job.criteo_rows import write_rows

_SECONDS_BETWEEN_LOOKS = 0.2
ROOT = Path(__file__).parents[2]


def main() -> None:
    arguments = _parse_arguments()
    print(f"{'rows':>12} {'seconds':>8} {'rows/s':>8} {'Java MB':>8} {'Python MB':>9}")
    for rows in (arguments.rows, arguments.factor * arguments.rows):
        with tempfile.TemporaryDirectory(dir=arguments.folder) as name:
            folder = Path(name)
            write_rows(folder / "train.txt", rows)
            seconds, peaks = build(folder, arguments)
            print(
                f"{rows:>12,} {seconds:>8.0f} {rows / seconds:>8,.0f} {peaks.get('java', 0):>8,.0f}"
                f" {peaks.get('python', 0):>9,.0f}",
                flush=True,
            )


def build(folder: Path, arguments: argparse.Namespace) -> tuple[float, dict[str, float]]:
    """Seconds, and program -> its peak resident memory in MB."""
    (folder / "config.yaml").write_text(
        f"taskmanager.memory.managed.size: {arguments.managed}\nio.tmp.dirs: {folder}\n"
    )
    command = [sys.executable, "-m", "pipeline", "build-bundle", "--config", arguments.config]
    command += ["--set", f"data.path={folder}", "--bundle", str(folder / "bundle")]
    command += ["--runner", "FlinkRunner"]
    for option in (f"job_server_jvm_properties=-Xmx{arguments.heap}", *arguments.runner_option):
        command.append(f"--runner-option=--{option}")
    environment = {**os.environ, "FLINK_CONF_DIR": str(folder)}
    started = time.monotonic()
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL)
    peaks: dict[str, float] = {}
    while process.poll() is None:
        for program, peak in _peaks(process.pid):
            peaks[program] = max(peaks.get(program, 0.0), peak)
        time.sleep(_SECONDS_BETWEEN_LOOKS)
    if process.returncode:
        sys.exit(f"the job ended with code {process.returncode}: see above")
    return time.monotonic() - started, peaks


def _peaks(pid: int) -> list[tuple[str, float]]:
    """(program, peak resident memory in MB) of a process and its descendants."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
        children = [child for task in tasks for child in (task / "children").read_text().split()]
    except (FileNotFoundError, ProcessLookupError):  # it just ended
        return []
    fields = dict(line.split(":", 1) for line in status.splitlines() if ":" in line)
    program = "java" if fields["Name"].strip() == "java" else "python"
    own = (program, int(fields.get("VmHWM", "0 kB").split()[0]) / 1024)
    return [own, *(found for child in children for found in _peaks(int(child)))]


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000_000, help="the smaller size")
    parser.add_argument(
        "--factor", type=int, default=10, help="the larger size is so many times it"
    )
    parser.add_argument("--heap", default="3g", help="-Xmx of the Java process")
    parser.add_argument(
        "--managed", default="512m", help="Flink's managed memory, outside the heap"
    )
    parser.add_argument("--config", default="configs/criteo/dataset.yaml")
    parser.add_argument("--runner-option", action="append", default=[], metavar="NAME=VALUE")
    parser.add_argument("--folder", help="where the temporary files go")
    return parser.parse_args()


if __name__ == "__main__":
    main()
