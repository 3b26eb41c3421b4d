"""The stage `train`: a network is trained, or an interrupted training continued."""

from functools import partial

from features.bundle import Bundle
from features.errors import ConfigError, TrainingError
from models.network import CooperativeNetwork
from pipeline.config.run_config import RunConfig
from pipeline.runs.checkpoint_files import latest_checkpoint
from pipeline.runs.run_dir import RunDir
from pipeline.stages.describe_bundle import data_report
from pipeline.stages.progressive import start_warm
from pipeline.stages.start import FRESH, Start, check_start
from pipeline.stages.teachers import load_teachers
from pipeline.system.console import say
from pipeline.training.cluster import is_chief
from pipeline.training.monitor import EndsAfter
from pipeline.training.strategy import wait_for_all
from pipeline.training.train import train
from pipeline.training.warm_start import WarmStart


def train_stage(
    config: RunConfig,
    bundle: Bundle,
    run: RunDir,
    start: Start = FRESH,
    ends: EndsAfter | None = None,
) -> CooperativeNetwork:
    """Trains, or continues a training that was interrupted; notes the history in metrics.json.

    Args:
        config: Configuration of the run.
        bundle: Data bundle to train on.
        run: Folder of the run.
        start: How it begins.
        ends: Asked after every epoch whether the training ends there.

    Raises:
        ConfigError: The bundle holds other data than the configuration describes, or has no
            validation or test rows, as `data.split` may ask for.
    """
    check_start(config, run, start)
    _check_data(config, bundle)
    _check_splits(bundle)
    if str(run.path.resolve()) in config.train.teachers:
        raise ConfigError(
            f"train.teachers names {run.path}, which this training would replace. Give another "
            "folder with --out."
        )
    teachers = load_teachers(config, bundle)  # before anything of an earlier run is replaced
    resume = not start.restart and run.can_continue(config, bundle, start.warm_start)
    wait_for_all()  # every process has looked before the chief begins
    warm_start = None if start.warm_start is None else WarmStart(start.warm_start, bundle)
    if resume:
        say("train", f"{run.path} was interrupted: continued. --restart begins again")
    elif is_chief():
        if run.last_checkpoint.is_dir() and latest_checkpoint(run.last_checkpoint) is None:
            say("train", f"{run.last_checkpoint} holds no whole checkpoint: training begins again")
        run.begin(config, bundle, start.overwrite, start.warm_start)
        say("config", f"{run.config_file} (resolved)")

    begin_warm = None
    if warm_start is not None:
        begin_warm = partial(_begin_warm, warm_start, config, bundle, run)
    try:
        trained = train(config, bundle, run, teachers, begin_warm, resume, ends)
    except TrainingError as error:
        if is_chief():
            run.note_failure(str(error))
        raise
    if is_chief():
        run.update_metrics(data=data_report(bundle), training=trained.summary())
        run.finish("train", trained.cut_after)
    return trained.network


def _begin_warm(
    warm_start: WarmStart,
    config: RunConfig,
    bundle: Bundle,
    run: RunDir,
    network: CooperativeNetwork,
) -> None:
    """Fills the network from the earlier run, says what was taken over, and notes it."""
    say("warm", f"starts from the network of {warm_start.run.path}")
    for name, counts in warm_start.counts.items():
        tokens = ", ".join(f"{count:,} {what}" for what, count in counts.items())
        say("warm", f"{name}: {tokens}")
    report = start_warm(network, warm_start, config, bundle)
    if is_chief():
        run.update_metrics(warm_start=report)


def _check_data(config: RunConfig, bundle: Bundle) -> None:
    """The network is made for the bundle; the configuration must not say otherwise."""
    metadata = bundle.metadata
    if metadata.source != config.data.source:
        different = (
            f"source {metadata.source!r}, and the configuration names {config.data.source!r}"
        )
    elif metadata.features.declared() != config.feature_set.declared():
        different = "other features, groups or histories than the configuration"
    else:
        return
    raise ConfigError(
        f"{bundle.path} was built with {different}. Give the bundle of this configuration with "
        "--bundle, or build it: python -m pipeline build-bundle --config ..."
    )


def _check_splits(bundle: Bundle) -> None:
    for split, rows in bundle.metadata.rows.items():
        if not rows:
            raise ConfigError(
                f"{bundle.path} has no {split} rows, which training, evaluation and export need. "
                f"Set data.split.{split} above 0, and build the bundle again."
            )
