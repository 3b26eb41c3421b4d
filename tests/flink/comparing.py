"""What tests of Flink compare: bundles of the same data, built here and there."""

import os
from pathlib import Path

from pipeline.config.config_files import load_config

REPOSITORY = Path(__file__).parents[2]
DATA = Path(os.environ.get("CONCORD_TEST_DATA", REPOSITORY.parent / "shared" / "data"))


def dataset(name, **settings):
    """Features and data settings of a data set under configs/."""
    path = REPOSITORY / "configs" / name / "dataset.yaml"
    loaded = load_config(path, check=False)
    return loaded.feature_set, loaded.data.model_copy(update=settings)


def on_flink(data, options):
    return data.model_copy(update={"runner": "FlinkRunner", "runner_options": options})


def contents(folder):
    """Path inside the folder -> bytes, for all its files."""
    paths = [path for path in Path(folder).rglob("*") if path.is_file()]
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}
