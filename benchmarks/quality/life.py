r"""Whether networks live from their first steps on: over seeds, at the papers' sizes.

    python -m benchmarks.quality.life --preset mbcnet --batch-sizes 512 4096 --steps 100
    python -m benchmarks.quality.life --config configs/kuairand_pure/mbcnet.yaml --steps 156 --auc

A network is alive when the logits of the fusion and of every branch with a head are spread over
the validation rows, by more than 0.01 from the least to the largest. Beside it stand the dead
and saturated units of the branches' last layers, the largest logloss of a prediction on a batch
of training after the first two, and with `--auc` the test AUC after the last step, also less that
of the first arm, seed by seed, with Student's interval of the mean. A configuration other than
`dataset.yaml` has layers of its own, which no preset replaces. What bfloat16 costs:

    python -m benchmarks.quality.life --config configs/movielens_100k/mbcnet.yaml \
      --batch-sizes 512 --steps 157 --seeds 1 2 3 4 5 --auc \
      --set model.embedding.l2=0 train.tables.optimizer=lazy_adam \
      --arm float32 train.precision=float32 --arm bfloat16 train.precision=bfloat16

Each (arm, batch size, seed) is measured once, and kept in `--out`: an interrupted run goes on.
"""

import argparse
import json
import statistics
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from features.bundle import Bundle, open_bundle
from models.metrics import unit_counts
from models.network import CooperativeNetwork
from pipeline.batches.dataset import examples
from pipeline.config.config_files import load_config
from pipeline.config.run_config import RunConfig
from pipeline.evaluation.scores import score_split
from pipeline.reproduction.seeds import differences_and_interval, mean_and_spread
from pipeline.reproduction.training_runs import bundle_of
from pipeline.training.private_api import TensorLogsCallback
from pipeline.training.train import new_network

ALIVE = 0.01  # least spread of the logits
_SKIPPED = 2  # steps whose logloss says nothing yet of training

_LISTING = "model.cooperation.moderate_differentiation.squared=false"
_AT_ONCE = "model.cooperation.moderate_differentiation.warmup_steps=0"
_SMALL_ROWS = "model.embedding.stddev=0.0001"
# By preset: title -> settings over it. The preset itself comes first.
ARMS: dict[str, dict[str, tuple[str, ...]]] = {
    "mbcnet": {
        "preset": (),
        "listing, rows of 1e-4": (_LISTING, _AT_ONCE, _SMALL_ROWS),
        "Eq. 14, rows of 1e-4": (
            "model.cooperation.moderate_differentiation.squared=true",
            _AT_ONCE,
            _SMALL_ROWS,
        ),
        "listing, weight rises over 100 steps, rows of 1e-4": (
            _LISTING,
            "model.cooperation.moderate_differentiation.warmup_steps=100",
            _SMALL_ROWS,
        ),
        "listing, no last ReLU, rows of 1e-4": (
            _LISTING,
            _AT_ONCE,
            _SMALL_ROWS,
            "model.alignment.last_activation=linear",
        ),
        "listing, rows of 0.01": (_LISTING, _AT_ONCE, "model.embedding.stddev=0.01"),
        "listing, rows of 0.05": (_LISTING, _AT_ONCE, "model.embedding.stddev=0.05"),
    },
    "dmoe": {
        "preset": (),
        "rows of 1e-4": (_SMALL_ROWS,),
        "rows of 0.01": ("model.embedding.stddev=0.01",),
        "rows of 0.05": ("model.embedding.stddev=0.05",),
        "rows of 1e-4, alignment with batch norm": (
            _SMALL_ROWS,
            "model.alignment.batch_norm=true",
        ),
        "rows of 0.2": ("model.embedding.stddev=0.2",),
    },
    "cetnet": {
        "preset": (),
        "rows of 1e-4": (_SMALL_ROWS,),
        "rows of 1e-4, rates rise over 100 steps": (
            _SMALL_ROWS,
            "train.schedule.warmup_steps=100",
        ),
        "rows of 0.01": ("model.embedding.stddev=0.01",),
        "rows of 0.05": ("model.embedding.stddev=0.05",),
    },
}
Measured = dict[str, Any]


def main() -> None:
    arguments = _parse_arguments()
    arms = {title: tuple(settings) for title, *settings in arguments.arm}
    arms = arms or ARMS.get(arguments.preset, {"preset": ()})
    chosen = [title for title in arms if not arguments.arms or title in arguments.arms]
    if len(chosen) < len(arguments.arms):
        sys.exit(f"arms of {arguments.preset}: {'; '.join(arms)}.")
    bundle = open_bundle(arguments.bundle or bundle_of(arguments.config, ()))
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    columns = ["preset, batch", "alive", "least spread", "dead units", "saturated"]
    columns += [
        "largest logloss",
        *(["test AUC", "less the first's, by seed; mean, 95 %"] if arguments.auc else []),
    ]
    print(f"| {' | '.join(columns)} |\n|{'---|' * len(columns)}")
    firsts: dict[int, np.ndarray] = {}
    for title in chosen:
        for batch_size in arguments.batch_sizes:
            settings = (*arguments.set, *arms[title])
            if arguments.config.stem == "dataset":
                settings = (f"model.preset={arguments.preset}", *settings)
            settings += (f"train.batch_size={batch_size}",)
            trained = Trained()  # one graph for all seeds
            runs = [
                _measured(arguments, bundle, (*settings, f"train.seed={seed}"), trained)
                for seed in arguments.seeds
            ]
            row = _row(f"{arguments.preset}: {title}, {batch_size}", runs)
            if arguments.auc:
                aucs = np.array([run["auc"] for run in runs])
                first = firsts.setdefault(batch_size, aucs)
                paired = ""
                if first is not aucs:
                    paired = differences_and_interval((aucs - first).tolist())
                row += f" {mean_and_spread(aucs.tolist())} | {paired} |"
            print(row, flush=True)


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--config", type=Path, default=Path("configs/movielens_100k/dataset.yaml"))
    parser.add_argument("--preset", default="mbcnet")
    parser.add_argument("--bundle", help="in place of the configuration's own")
    parser.add_argument("--arms", nargs="+", default=[], help="titles of ARMS; default all")
    parser.add_argument(
        "--arm",
        nargs="+",
        action="append",
        default=[],
        metavar="TITLE KEY=VALUE",
        help="a title and its settings, in place of ARMS; may be repeated",
    )
    parser.add_argument("--batch-sizes", type=int, nargs="+", default=[512, 4096])
    parser.add_argument("--seeds", type=int, nargs="+", default=list(range(1, 11)))
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--auc", action="store_true", help="score the test rows as well")
    parser.add_argument("--set", nargs="+", default=[], metavar="KEY=VALUE")
    parser.add_argument("--out", type=Path, default=Path("runs/life/results.jsonl"))
    return parser.parse_args()


class Trained:
    """A network that is trained again and again, from the initial weights of other seeds."""

    def __init__(self) -> None:
        self._network: CooperativeNetwork | None = None
        self._optimizer_state: list[np.ndarray] = []

    def begin(self, config: RunConfig, bundle: Bundle) -> CooperativeNetwork:
        """The network with the weights that a new one has for this seed."""
        fresh = new_network(config, bundle)
        if self._network is None:
            self._network = fresh
            fresh.optimizer.build(fresh.trainable_variables)
            self._optimizer_state = [each.numpy() for each in fresh.optimizer.variables]
            return fresh
        for variable, initial in zip(self._network.variables, fresh.variables, strict=True):
            variable.assign(initial)
        state = self._network.optimizer.variables
        for variable, value in zip(state, self._optimizer_state, strict=True):
            variable.assign(value)
        return self._network


def _measured(
    arguments: argparse.Namespace, bundle: Bundle, settings: Sequence[str], trained: Trained
) -> Measured:
    """What an earlier run of the same settings has left, or what is measured now."""
    key = [str(arguments.config), *settings, arguments.steps, *(["auc"] * arguments.auc)]
    if arguments.out.exists():
        for line in arguments.out.read_text().splitlines():
            kept = json.loads(line)
            if kept["key"] == key:
                return kept
    measured = {"key": key, **measure(arguments, settings, bundle, trained)}
    with arguments.out.open("a") as file:
        file.write(json.dumps(measured) + "\n")
    print(f"{settings}: {measured['spread']}", file=sys.stderr, flush=True)
    return measured


def measure(
    arguments: argparse.Namespace, settings: Sequence[str], bundle: Bundle, trained: Trained
) -> Measured:
    """Trains a network for some steps and looks at it on the validation rows.

    Returns:
        `spread`: by prediction, largest less least logit; `units`, and by branch `dead` and
        `saturated` ones; `loglosses`, the largest of a prediction in each batch, before its
        update;
        where asked for, `auc` on the test rows.
    """
    loaded = load_config(arguments.config, settings)
    train, steps = loaded.train, arguments.steps
    network = trained.begin(loaded, bundle)
    epochs = 1 + steps * train.batch_size // bundle.metadata.rows["train"]
    batches = examples(
        bundle, "train", train.batch_size, epochs, train.seed, train.shuffle_rows
    ).take(steps)
    losses = _BatchLosses()
    network.fit(batches, verbose=0, callbacks=[losses])
    outputs = network.predict(examples(bundle, "valid", train.eval_batch_size), verbose=0)
    logits = {"fused": outputs["logit"]}
    if "branch_logits" in outputs:
        logits |= dict(zip(network.branch_names, outputs["branch_logits"].T, strict=True))
    counts = unit_counts(outputs["unit_low"].min(axis=0), outputs["unit_high"].max(axis=0))
    names = network.branch_names
    scored = {}
    if arguments.auc:
        scores = score_split(network, bundle, "test", train.eval_batch_size)
        scored["auc"] = scores.training_metrics()["auc"]
    return {
        **scored,
        "spread": {name: float(np.ptp(values)) for name, values in logits.items()},
        "units": counts.units,
        "dead": dict(zip(names, map(int, counts.dead), strict=True)),
        "saturated": dict(zip(names, map(int, counts.saturated), strict=True)),
        "loglosses": losses.of_batches(),
    }


class _BatchLosses(TensorLogsCallback):
    """The largest logloss of a prediction in every batch, from the epoch's running means."""

    def __init__(self) -> None:
        super().__init__()
        self._means: list[list[float]] = []

    def on_train_batch_end(self, batch: int, logs: Mapping[str, float] | None = None) -> None:
        terms = (logs or {}).items()
        self._means.append([float(value) for name, value in terms if name.startswith("logloss")])

    def of_batches(self) -> list[float]:
        steps = np.arange(1, len(self._means) + 1)[:, np.newaxis]
        batches = np.diff(np.array(self._means) * steps, axis=0, prepend=0.0)
        return [round(float(value), 4) for value in batches.max(axis=1)]


def _row(title: str, runs: Sequence[Measured]) -> str:
    alive = sum(min(run["spread"].values()) > ALIVE for run in runs)
    least = min(min(run["spread"].values()) for run in runs)
    dead, saturated = (
        [max(run[what].values()) / run["units"] for run in runs] for what in ("dead", "saturated")
    )
    largest = [max(run["loglosses"][_SKIPPED:]) for run in runs]
    cells = (
        f"{alive} of {len(runs)}",
        f"{least:.2g}",
        _middle_and_most(dead, "{:.0%}"),
        _middle_and_most(saturated, "{:.0%}"),
        _middle_and_most(largest, "{:.2f}"),
    )
    return f"| {title} | {' | '.join(cells)} |"


def _middle_and_most(values: Sequence[float], form: str) -> str:
    return f"{form.format(statistics.median(values))}, at most {form.format(max(values))}"


if __name__ == "__main__":
    main()
