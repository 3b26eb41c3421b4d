"""A small data set, and what Concord makes of it: what attacks are aimed at."""

import os
import random
import subprocess
import sys
from functools import cached_property
from pathlib import Path

import yaml

from features.bundle import Bundle
from pipeline.config.config_files import load_config
from pipeline.config.run_config import RunConfig
from pipeline.data.job.data_job import build_bundle
from pipeline.runs.run_dir import RunDir
from pipeline.stages.evaluate_stage import evaluate_stage
from pipeline.stages.export_stage import export_stage
from pipeline.stages.train_stage import train_stage

ROOT = Path(__file__).parents[2]
SETTINGS = {
    "features": {
        "user": {"kind": "categorical"},
        "item": {"kind": "categorical"},
        "price": {"kind": "numeric"},
        "clicked": {"role": "label"},
    },
    "groups": {"all": ["user", "item"]},
    "model": {
        "embedding": {"embedding_dim": 4, "stddev": 0.1},
        "branches": {"deep": {"units": [8]}},
        "alignment": "none",
        "cooperation": {},
    },
    "train": {"batch_size": 64, "epochs": 2, "checkpoint_seconds": 1e-6, "learning_rate": 0.02},
}


class Workshop:
    """A folder with a log; the bundle, the run and the export are made when they are asked for.

    Args:
        folder: An empty folder.
        rows: Of the log.
    """

    def __init__(self, folder: Path, rows: int) -> None:
        self.folder = folder
        self.log = folder / "log.csv"
        rng = random.Random(7)
        lines = ["user,item,price,clicked"]
        for _ in range(rows):
            user, item = rng.randrange(9), rng.randrange(20)
            clicked = int((user + item) % 3 == 0)
            lines.append(f"u{user},i{item},{rng.random():.3f},{clicked}")
        self.log.write_text("\n".join(lines) + "\n")
        self.write_config(folder / "config.yaml")

    def write_config(self, path: Path, **train: object) -> Path:
        """Writes a configuration of the log."""
        split = {"by": "hash", "valid": 0.2, "test": 0.2}
        data = {"source": "csv", "path": str(self.log), "split": split}
        content = {"data": data, **SETTINGS, "train": {**SETTINGS["train"], **train}}
        path.write_text(yaml.safe_dump(content))
        return path

    @cached_property
    def config(self) -> RunConfig:
        """The configuration."""
        return load_config(self.folder / "config.yaml")

    def build(self, out: Path, **data: object) -> Bundle:
        """Builds the log's bundle, in this process."""
        changed = self.config.data.model_copy(update=data)
        return build_bundle(self.config.feature_set, changed, str(out))

    @cached_property
    def bundle(self) -> Bundle:
        """The bundle."""
        return self.build(self.folder / "bundle")

    @cached_property
    def run(self) -> RunDir:
        """A finished run with an export."""
        run = RunDir(self.folder / "run")
        network = train_stage(self.config, self.bundle, run)
        evaluate_stage(self.config, self.bundle, run, network)
        export_stage(self.config, self.bundle, run, network)
        return run

    @property
    def export(self) -> Path:
        """Version 1 of the export."""
        return self.run.export / "1"

    def start(self, *arguments: object, **options: object) -> subprocess.Popen:
        """Starts a command in a process of its own; its output goes to `output`."""
        temporary = self.folder / "tmp"
        temporary.mkdir(exist_ok=True)
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(temporary)}
        with self.output.open("wb") as output:
            return subprocess.Popen(
                [sys.executable, "-m", "pipeline", *map(str, arguments)],
                cwd=self.folder,
                env=environment,
                stdout=output,
                stderr=output,
                **options,
            )

    @property
    def output(self) -> Path:
        """What the last command wrote."""
        return self.folder / "output.txt"
