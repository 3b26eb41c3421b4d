"""The configuration that a run has once its data are there: what follows from them is said."""

from features.bundle import Bundle
from pipeline.config.fit_to_data import DataSize, fit_to_data
from pipeline.config.run_config import RunConfig
from pipeline.stages.results import say_changes
from pipeline.stages.start import FRESH, Start


def fitted_config(config: RunConfig, bundle: Bundle, start: Start = FRESH) -> RunConfig:
    """Gives what no file of the user's says the values that fit the bundle, and says which."""
    fitted, changes = fit(config, bundle, start)
    say_changes(changes)
    return fitted


def fit(config: RunConfig, bundle: Bundle, start: Start = FRESH) -> tuple[RunConfig, list[str]]:
    """Gives what no file of the user's says the values that fit the bundle.

    Args:
        config: Configuration from `pipeline.config.config_files.load_config`.
        bundle: Data bundle that is trained on.
        start: How the run begins: a warm start keeps the shapes of the run that it names.

    Returns:
        The configuration, and what was changed, a line each.
    """
    earlier = None if start.warm_start is None else start.warm_start.config()
    fitted, changes = fit_to_data(config, DataSize.of(bundle), earlier)
    return fitted, list(map(str, changes))
