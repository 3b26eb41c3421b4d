"""What the model in service says of another day's rows."""

from features.bundle import Bundle
from pipeline.config.run_config import RunConfig
from pipeline.evaluation.scores import Scores, score_split
from pipeline.runs.run_dir import RunDir
from pipeline.stages.recalibrate import held_maps
from pipeline.training.strategy import training_strategy
from pipeline.training.train import new_network
from pipeline.training.warm_start import WarmStart


def incumbent_scores(config: RunConfig, bundle: Bundle, run: RunDir, split: str) -> Scores:
    """Scores a split of a later day's bundle with the network of an earlier run.

    Tokens that the earlier run did not know are read as it reads them: as unknown ones.

    Args:
        config: Configuration of the later run, whose network has the same shape.
        bundle: Bundle of the later day.
        run: The earlier run, finished.
        split: `valid` or `test`.

    Raises:
        ConfigError: The networks have different shapes.
    """
    network = new_network(config, bundle)
    with training_strategy().scope():
        network.optimizer.build(network.trainable_variables)  # a warm start fills it as well
    WarmStart(run, bundle).apply(network)
    maps = held_maps(run, network.branch_names)
    return score_split(network, bundle, split, config.train.eval_batch_size, maps=maps)
