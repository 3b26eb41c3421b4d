"""The job behind the verb `tune`: trials by Optuna, each a training, the best one evaluated."""

import logging
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import tf_keras

from features.bundle import Bundle
from features.errors import ConfigError, UserError
from pipeline.config.config_files import dump_config
from pipeline.config.run_config import RunConfig
from pipeline.runs.run_dir import RunDir
from pipeline.stages.built_bundles import BuiltBundles
from pipeline.stages.evaluate_stage import evaluate_stage
from pipeline.stages.fitted_config import fit
from pipeline.stages.start import Start
from pipeline.stages.train_stage import train_stage
from pipeline.system.console import say
from pipeline.system.files import write_json, write_text
from pipeline.training.train import load_network
from pipeline.tuning.plots import draw_plots
from pipeline.tuning.search_space import SearchSpace

if TYPE_CHECKING:  # an extra
    import optuna

STORAGE = "study.db"
BEST = "best"
_STUDY = "tune"
_BEFORE_PRUNING = 5  # trials, and epochs of a trial: 1
_REASON = "reason"
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Study:
    """A search.

    Args:
        load: From `KEY=VALUE` texts to the configuration of a trial.
        space: What varies.
        out: Folder of trials and results.
        trials: How many trainings there are when it ends.
        seed: Of the choices. The seed of the trainings is `train.seed`.
        bundles: Those that trials were trained on.
    """

    load: Callable[[Sequence[str]], RunConfig]
    space: SearchSpace
    out: Path
    trials: int
    seed: int
    bundles: BuiltBundles = field(default_factory=BuiltBundles)

    def folder(self, number: int) -> Path:
        """Folder of a trial's run."""
        return self.out / "trials" / f"{number:04d}"


def check_installed() -> None:
    """Refuses to search where Optuna is not installed.

    Raises:
        UserError: Says how to install it.
    """
    try:
        import optuna  # noqa: F401
    except ImportError:
        raise UserError(
            "tune needs Optuna, which is not installed. Add it: pip install 'concord-ctr[tune]', "
            "or in a checkout .venv/bin/pip install -r requirements-tune.in"
        ) from None


def tune(study: Study) -> dict[str, Any]:
    """Trains trials until there are as many as wanted, then evaluates the best one.

    A trial's value is `train.monitor` of its best epoch on validation rows; a trial that after an
    epoch lies below the median of the others at that epoch is ended (Optuna's MedianPruner). Test
    rows are looked at once, for the best trial. Trials are kept in an SQLite file; one that was
    interrupted is trained again, and the choices of trial n depend on the seed, on n and on the
    trials before it, so that an interrupted search ends as one that was not.

    Args:
        study: What is searched, and where.

    Returns:
        What tune.json holds: `best` (`trial`, `value`, `settings`), `trials` (each with `number`,
        `state`, `value`, `settings`, `reason`) and `test`, metrics of the best trial's test rows.

    Raises:
        UserError: No trial could be trained, or the folder holds another search.
    """
    from optuna.trial import TrialState

    base = study.load(())  # a mistake in what all trials have in common is said now
    kept = _opened(study, dump_config(base))
    while len(kept.get_trials(states=(TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL))) < (
        study.trials + len(_interrupted(kept))
    ):
        _next_trial(study, kept)
    complete = kept.get_trials(states=(TrialState.COMPLETE,))
    if not complete:
        reasons = {trial.user_attrs.get(_REASON) for trial in kept.trials} - {None}
        raise UserError(f"no trial could be trained: {'; '.join(sorted(map(str, reasons)))}")
    return _conclude(study, kept)


def _opened(study: Study, base: str) -> "optuna.Study":
    """The search in its file, new or continued; trainings that were interrupted wait again."""
    import optuna
    from optuna.trial import TrialState

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study.out.mkdir(parents=True, exist_ok=True)
    opened = optuna.create_study(
        storage=f"sqlite:///{(study.out / STORAGE).resolve()}",
        study_name=_STUDY,
        direction="maximize",
        load_if_exists=True,
        pruner=optuna.pruners.MedianPruner(n_startup_trials=_BEFORE_PRUNING, n_warmup_steps=1),
    )
    described = {
        "space": sorted(map(repr, study.space.distributions().items())),
        "base": base,
        "seed": study.seed,
    }
    if opened.user_attrs.get("described", described) != described:
        raise UserError(
            f"{study.out} holds a search over other settings, with another configuration or seed. "
            "Give another folder with --out."
        )
    opened.set_user_attr("described", described)
    for trial in opened.get_trials(states=(TrialState.RUNNING,)):
        opened.tell(trial.number, state=TrialState.FAIL)
        opened.enqueue_trial(trial.params, user_attrs={"again": trial.number})
        shutil.rmtree(study.folder(trial.number), ignore_errors=True)
        say("tune", f"trial {trial.number} was interrupted: trained again")
    return opened


def _interrupted(kept: "optuna.Study") -> set[int]:
    """Numbers of trials that ended with their process, and do not count."""
    return {trial.user_attrs["again"] for trial in kept.trials if "again" in trial.user_attrs}


def _next_trial(study: Study, kept: "optuna.Study") -> None:
    import optuna
    from optuna.trial import TrialState

    number = len(kept.trials) - len(_interrupted(kept))
    kept.sampler = optuna.samplers.TPESampler(seed=1_000_003 * study.seed + number)
    trial = kept.ask(study.space.distributions())
    settings = study.space.overrides(trial.params)
    say("tune", f"trial {trial.number}: {', '.join(settings)}")
    values: list[float] = []

    def ends(epoch: int, value: float) -> bool:
        values.append(value)
        trial.report(value, epoch)
        return trial.should_prune()

    try:
        pruned = _trained(study, study.folder(trial.number), settings, ends)
    except UserError as error:
        trial.set_user_attr(_REASON, str(error))
        kept.tell(trial, state=TrialState.FAIL)
        shutil.rmtree(study.folder(trial.number), ignore_errors=True)
        _log.warning("trial %d: %s", trial.number, error)
        return
    finally:
        tf_keras.backend.clear_session()
    if pruned:
        kept.tell(trial, state=TrialState.PRUNED)
        shutil.rmtree(study.folder(trial.number), ignore_errors=True)
        say("tune", f"trial {trial.number}: ended after {len(values)} epochs, at {values[-1]:.4f}")
        return
    kept.tell(trial, max(values))
    say("tune", f"trial {trial.number}: {max(values):.4f}, best so far {kept.best_value:.4f}")
    for other in kept.get_trials(states=(TrialState.COMPLETE,)):
        if other.number != kept.best_trial.number:  # only the best one's network is kept
            shutil.rmtree(study.folder(other.number), ignore_errors=True)


def _trained(
    study: Study, folder: Path, settings: Sequence[str], ends: Callable[[int, float], bool]
) -> bool:
    """Trains a trial; whether it was ended early."""
    config, bundle = _fitted(study, settings)
    ended: list[bool] = []

    def watch(epoch: int, value: float) -> bool:
        ended.append(ends(epoch, value))
        return ended[-1]

    train_stage(config, bundle, RunDir(folder), Start(overwrite=True, restart=True), watch)
    return ended[-1]


def _fitted(study: Study, settings: Sequence[str]) -> tuple[RunConfig, Bundle]:
    config = study.load(settings)
    bundle = study.bundles.of(config)
    return fit(config, bundle)[0], bundle


def _conclude(study: Study, kept: "optuna.Study") -> dict[str, Any]:
    best = kept.best_trial
    settings = study.space.overrides(best.params)
    config, bundle = _fitted(study, settings)
    run = RunDir(study.folder(best.number))
    if not run.has_finished("evaluate", config, bundle):
        if not run.has_finished("train", config, bundle):
            raise ConfigError(
                f"{run.path} has no network of the best trial any more. Search again, in another "
                "folder: --out"
            )
        evaluate_stage(config, bundle, run, load_network(config, bundle, run))
    write_text(str(study.out / "best.yaml"), dump_config(config))
    report = {
        "best": {"trial": best.number, "value": best.value, "settings": settings},
        "test": run.metrics()["evaluation"]["test"]["metrics"],
        "trials": [_described(study.space, trial) for trial in kept.trials],
    }
    write_json(str(study.out / "tune.json"), report)
    draw_plots(kept, study.out)
    return report


def _described(space: SearchSpace, trial: Any) -> Mapping[str, Any]:
    return {
        "number": trial.number,
        "state": trial.state.name.lower(),
        "value": trial.value,
        "epochs": len(trial.intermediate_values),
        "settings": space.overrides(trial.params),
        "reason": trial.user_attrs.get(_REASON),
    }
