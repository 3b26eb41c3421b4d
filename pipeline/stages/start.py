"""How a run begins, and what is refused before anything is built or replaced."""

from dataclasses import dataclass

from features.errors import ConfigError
from pipeline.config.run_config import RunConfig
from pipeline.runs.run_dir import RunDir
from pipeline.stages.progressive import check_progressive
from pipeline.training.id_maps import earlier_metadata


@dataclass(frozen=True)
class Start:
    """How a run begins.

    Args:
        overwrite: Replace a finished run of another configuration.
        restart: Begin again where a training was interrupted, instead of continuing it.
        warm_start: An earlier run whose network this one takes over.
    """

    overwrite: bool = False
    restart: bool = False
    warm_start: RunDir | None = None


FRESH = Start()


def check_start(config: RunConfig, run: RunDir, start: Start) -> None:
    """Refuses a start that cannot be meant, before anything is built or replaced.

    Raises:
        ConfigError: The warm start is no finished run, is this very run, or is missing.
    """
    check_progressive(config, start.warm_start)
    if start.warm_start is None:
        return
    if start.warm_start.path.resolve() == run.path.resolve():
        raise ConfigError(
            f"--warm-start {run.path} is the folder that this training would replace. Give "
            "another folder with --out."
        )
    earlier_metadata(start.warm_start)
