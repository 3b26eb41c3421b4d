"""The trained networks that a network learns from."""

from pathlib import Path

from features.bundle import Bundle
from features.errors import ConfigError
from models.network import CooperativeNetwork
from pipeline.config.run_config import RunConfig
from pipeline.runs.run_dir import RunDir
from pipeline.training.train import load_network


def check_teacher_runs(config: RunConfig) -> None:
    """Refuses teachers that are no finished runs, before anything is read or written.

    Raises:
        ConfigError: Names the folder.
    """
    for folder in config.train.teachers:
        run = RunDir(Path(folder))
        try:
            run.config()
            run.check_trained()
        except ConfigError as error:
            raise ConfigError(f"train.teachers: {error}") from None


def load_teachers(config: RunConfig, bundle: Bundle) -> list[CooperativeNetwork]:
    """The trained networks of `train.teachers`.

    Raises:
        ConfigError: A teacher is no finished run on this bundle.
    """
    check_teacher_runs(config)
    teachers = []
    for folder in config.train.teachers:
        run = RunDir(Path(folder))
        trained = run.config()
        run.check_bundle(trained, bundle)
        teacher = load_network(trained, bundle, run)
        teacher.trainable = False
        teachers.append(teacher)
    return teachers
