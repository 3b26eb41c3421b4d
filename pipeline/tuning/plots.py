"""Pictures of a search, by Optuna."""

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # an extra
    import optuna

_FEW = 2  # trials that a picture of importance needs more than


def draw_plots(study: "optuna.Study", folder: Path) -> None:
    """Writes history.svg, curves.svg, slices.svg and, where scikit-learn is installed,
    importance.svg: best value by trial, values by epoch, values by setting, and which settings
    they depend on.

    Args:
        study: At least one trial of it is complete.
        folder: Where they are written.
    """
    import matplotlib
    from matplotlib import pyplot
    from optuna.trial import TrialState
    from optuna.visualization import matplotlib as plots

    matplotlib.use("agg")
    drawn: dict[str, Any] = {
        "history": plots.plot_optimization_history,
        "curves": plots.plot_intermediate_values,
        "slices": plots.plot_slice,
    }
    if len(study.get_trials(states=(TrialState.COMPLETE,))) > _FEW:
        drawn["importance"] = plots.plot_param_importances
    with warnings.catch_warnings(), matplotlib.rc_context({"svg.hashsalt": "concord"}):
        warnings.simplefilter("ignore")  # Optuna calls its pictures by matplotlib experimental
        for name, plot in drawn.items():
            try:
                axes = plot(study)
            except ImportError:  # scikit-learn
                continue
            figure = (axes if not hasattr(axes, "flat") else axes.flat[0]).figure
            figure.savefig(folder / f"{name}.svg", metadata={"Date": None}, bbox_inches="tight")
            pyplot.close(figure)
