"""The command line: one verb per job."""

import gc
import json
import math
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from features.errors import ConfigError, UserError
from pipeline.cli import daily, endpoints, reproduce, serve, tune
from pipeline.cli.signals import ended_by_signals, exit_by
from pipeline.system.full_disk import full_disk
from pipeline.system.lock import only_job_at
from pipeline.system.own_temporary_folder import own_temporary_folder
from pipeline.system.program import as_typed, program
from pipeline.system.quiet import import_tensorflow

if TYPE_CHECKING:  # what these import takes seconds
    from features.bundle import Bundle
    from pipeline.config.layers import Layers
    from pipeline.config.run_config import DatasetConfig, RunConfig
    from pipeline.runs.run_dir import RunDir
    from pipeline.stages.start import Start
    from pipeline.training.cluster import StrategyName

app = typer.Typer(
    help="Cooperative CTR networks: raw click logs in, a SavedModel out.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

# Without --config, `run` trains MBCnet on MovieLens-100K, or the preset that is named.
DEFAULT_CONFIG = Path("movielens_100k/mbcnet")
DEFAULT_DATASET = Path("movielens_100k/dataset")
_MOST_PROCESSES = 256  # of a group on one machine
_MOST_MINUTES = 1e6

_CONFIG_HELP = "YAML file of the run, or a name such as movielens_100k/mbcnet."
Config = Annotated[Path, typer.Option("--config", help=_CONFIG_HELP)]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Overrides a setting; may be repeated."),
]
Preset = Annotated[
    str | None,
    typer.Option(
        "--preset", help="The network: a name that `models` lists, short for --set model.preset=."
    ),
]
Sizes = Annotated[
    Literal["fit", "preset", "small"],
    typer.Option(
        "--sizes",
        help="Layer sizes with --preset: sizes that fit the data, those of the preset, or the "
        "small ones of the configuration, which is then one with a network.",
    ),
]
BundlePath = Annotated[
    str | None,  # a Path would make gs:/ of gs://
    typer.Option("--bundle", help="Data bundle (default: bundles/SOURCE, or that of the run)."),
]
Out = Annotated[
    Path | None,
    typer.Option("--out", help="Folder of the run (default: runs/FOLDER/CONFIG[-PRESET])."),
]
Overwrite = Annotated[
    bool, typer.Option("--overwrite", help="Replace a finished run of another configuration.")
]
Restart = Annotated[
    bool, typer.Option("--restart", help="Begin an interrupted training again, not continue it.")
]
WarmStartRun = Annotated[
    Path | None,
    typer.Option("--warm-start", metavar="RUN", help="Start from the network of an earlier run."),
]
Run = Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a run.")]


def main() -> None:
    """Entry point: a user's mistake prints one sentence and exits with 2, a bug its traceback.

    A full disk is a mistake too; Ctrl-C and SIGTERM exit with 128 and their number, after what was
    begun is cleaned up.
    """
    from pipeline.system.console import log_to_terminal

    log_to_terminal()
    with ended_by_signals() as received, own_temporary_folder():
        try:
            app(prog_name=program())
        except BaseException as error:
            if received.signal is not None:
                exit_by(received.signal)
            sentence = _sentence(error)
            if sentence is None:
                raise
            print(f"error: {as_typed(sentence)}", file=sys.stderr)
            sys.exit(2)
        finally:
            gc.freeze()  # or Python would look through all that is left, for a second


def _sentence(error: BaseException) -> str | None:
    """What the user can do about an error; None where it is a bug, or no error."""
    if isinstance(error, UserError):
        return str(error)
    full = full_disk(error) if isinstance(error, Exception) else None
    if full is not None:
        return f"a disk is full: {full}. Free some room, and repeat the command."
    if isinstance(error, PermissionError) and error.filename:
        return f"{error.filename}: {error.strerror}. Give a path that this user may use."
    return None


@app.command()
def run(
    config: Annotated[
        Path | None,
        typer.Option(
            "--config",
            help=f"{_CONFIG_HELP} Default: that one; with --preset, movielens_100k/dataset.",
        ),
    ] = None,
    settings: Set = None,
    preset: Preset = None,
    sizes: Sizes = "fit",
    bundle: BundlePath = None,
    out: Out = None,
    overwrite: Overwrite = False,
    restart: Restart = False,
    warm_start: WarmStartRun = None,
) -> None:
    """The main job: builds the bundle, trains, evaluates, exports, scores five rows."""
    from pipeline.config.config_files import parse_declared
    from pipeline.system.kept_answers import kept_answer, key_of

    if config is None:
        config = DEFAULT_CONFIG if preset is None else DEFAULT_DATASET
    layers = _layers(config, settings, preset, sizes)
    declared = parse_declared(layers)
    if declared.train.strategy != "mirrored":
        raise ConfigError(
            f"`run` does all its stages in one process, and train.strategy is "
            f"{declared.train.strategy}. Run build-bundle, then train in every process, then "
            "export."
        )
    directory, key = _run_dir(config, preset, out, sizes), key_of(layers.said())
    anew = restart or warm_start is not None
    kept = None if anew else kept_answer(directory.answer_file, key)
    loaded = _parsed(layers) if kept is None else None  # these settings were parsed before
    path = _bundle_path(declared, bundle)
    if kept is not None:
        from pipeline.stages.finished_run import answer_again  # imports Beam

        if answer_again(kept, declared, directory, path):
            return
    loaded = loaded or _parsed(layers)
    from pipeline.stages.main_job import run_main_job

    run_main_job(loaded, directory, path, _start(overwrite, restart, warm_start), key)


@app.command("build-bundle")
def build_bundle_command(
    config: Config,
    settings: Set = None,
    bundle: BundlePath = None,
    runner: Annotated[
        str | None, typer.Option("--runner", help="Beam runner, short for --set data.runner=.")
    ] = None,
    runner_options: Annotated[
        list[str] | None,
        typer.Option(
            "--runner-option",
            metavar="OPTION",
            help="Option for the runner, passed on as it is, such as "
            "--runner-option=--parallelism=4; may be repeated.",
        ),
    ] = None,
) -> None:
    """Builds the data bundle from raw files."""
    from pipeline.config.config_files import load_dataset
    from pipeline.data.job.data_job import build_bundle
    from pipeline.stages.describe_bundle import say_bundle
    from pipeline.system.console import say

    named = [] if runner is None else [f"data.runner={runner}"]
    if runner_options:
        named.append(f"data.runner_options={json.dumps(runner_options)}")
    loaded = load_dataset(config, [*(settings or ()), *named])
    built = build_bundle(loaded.feature_set, loaded.data, _bundle_path(loaded, bundle))
    say_bundle(built)
    say("bundle", built.path)


@app.command()
def inspect(
    path: Annotated[
        str, typer.Argument(metavar="FILE", help="CSV, TSV, Parquet, JSON lines; or a folder.")
    ],
    rows: Annotated[
        int, typer.Option("--rows", min=1, max=10**9, help="How many to look at.")
    ] = 200_000,
    out: Annotated[
        Path | None, typer.Option("--out", help="YAML file (default: standard output).")
    ] = None,
    label: Annotated[str | None, typer.Option("--label", help="Column to predict.")] = None,
    columns: Annotated[
        str | None,
        typer.Option("--columns", metavar="A,B,...", help="Names, for text without a header."),
    ] = None,
    delimiter: Annotated[
        str | None, typer.Option("--delimiter", help="Of text (default: found out).")
    ] = None,
) -> None:
    """Proposes a configuration for files of your own: kinds, histories, leak suspects."""
    from pipeline.inspection.inspect_files import inspect_files

    inspect_files(path, rows, out, label, columns, delimiter)


@app.command()
def train(
    config: Config,
    settings: Set = None,
    preset: Preset = None,
    sizes: Sizes = "fit",
    bundle: BundlePath = None,
    out: Out = None,
    overwrite: Overwrite = False,
    restart: Restart = False,
    warm_start: WarmStartRun = None,
) -> None:
    """Trains on a bundle that was built before, and evaluates."""
    layers = _layers(config, settings, preset, sizes)
    strategy = _strategy(layers)
    from features.bundle import open_bundle
    from pipeline.stages.describe_bundle import one_line
    from pipeline.stages.evaluate_stage import evaluate_stage
    from pipeline.stages.fitted_config import fitted_config
    from pipeline.stages.show_evaluation import show_evaluation
    from pipeline.stages.train_stage import train_stage
    from pipeline.system.bundle_readers import reading
    from pipeline.system.console import only_warnings, say
    from pipeline.training.cluster import is_chief
    from pipeline.training.strategy import join_cluster

    if not join_cluster(strategy):
        return  # a server of tables or a worker of theirs: it served, and the chief has ended
    if not is_chief():
        only_warnings()
    loaded = _parsed(layers)
    opened = open_bundle(_bundle_path(loaded, bundle))
    say("data", one_line(opened))
    directory = _run_dir(config, preset, out, sizes)
    start = _start(overwrite, restart, warm_start)
    loaded = fitted_config(loaded, opened, start)
    with reading(opened), only_job_at(str(directory.path)) if is_chief() else nullcontext():
        network = train_stage(loaded, opened, directory, start)
        evaluate_stage(loaded, opened, directory, network)
    if is_chief():
        show_evaluation(directory)
        say("run", str(directory.path))


@app.command()
def evaluate(run: Run, bundle: BundlePath = None) -> None:
    """Evaluates a run on validation and test rows of its bundle, or on all of --bundle's.

    Another bundle than the run's must have its ids: one that was built on frozen vocabularies.
    """
    directory, loaded, opened = _open_run(run, bundle, may_be_another=True)
    from pipeline.stages.evaluate_stage import evaluate_elsewhere, evaluate_stage
    from pipeline.stages.show_evaluation import show_evaluation
    from pipeline.system.bundle_readers import reading
    from pipeline.system.console import say
    from pipeline.training.train import load_network

    with reading(opened), only_job_at(str(directory.path)):
        if not directory.was_trained_on(loaded, opened):
            directory.check_ids(opened)  # before the network is built
            network = load_network(loaded, opened, directory)
            say("metrics", str(evaluate_elsewhere(loaded, opened, directory, network)))
            return
        evaluate_stage(loaded, opened, directory, load_network(loaded, opened, directory))
    show_evaluation(directory)


@app.command()
def export(
    run: Run,
    bundle: BundlePath = None,
    precision: Annotated[
        str, typer.Option("--precision", help="Of the tables: float32, bfloat16 or float16.")
    ] = "float32",
    branch: Annotated[
        str | None, typer.Option("--branch", help="Export this branch alone, with its own head.")
    ] = None,
    format: Annotated[  # the name of the option
        str, typer.Option("--format", help="saved_model, or openvino for OpenVINO's IR.")
    ] = "saved_model",
    compiled: Annotated[
        str | None,
        typer.Option(
            "--compiled", metavar="N,M,...", help="Batch sizes at which XLA computes the network."
        ),
    ] = None,
    candidates: Annotated[
        str | None,
        typer.Option(
            "--candidates",
            metavar="A,B,...",
            help="Features that differ between a user's candidates, in place of export.candidates.",
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", help="Folder of the versions (default: RUN/export[-VARIANT])."),
    ] = None,
    force: Annotated[
        bool,
        typer.Option("--force", help="Also one that is constant, or worse than the click rate."),
    ] = False,
) -> None:
    """Writes a new version of a trained run's SavedModel, after a fresh process verified it."""
    from serving.variants.variant import Variant, batch_sizes

    variant = Variant(precision, branch, format, batch_sizes(compiled))
    named = None if candidates is None else [name.strip() for name in candidates.split(",")]
    variant.check_candidates(named)
    directory, loaded, opened = _open_run(run, bundle)
    from pipeline.stages.export_stage import export_stage  # imports TensorFlow
    from pipeline.system.bundle_readers import reading
    from pipeline.system.console import say
    from pipeline.training.train import load_network

    with reading(opened), only_job_at(str(directory.path)):
        network = load_network(loaded, opened, directory)
        path = export_stage(loaded, opened, directory, network, variant, named, out, force)
    say("export", str(path))


@app.command()
def predict(
    export: Annotated[
        Path, typer.Argument(help="Version folder of an export, or the folder of its versions.")
    ],
    rows: Annotated[
        str,
        typer.Option("--input", help="Rows: .jsonl, .csv, .tsv, .parquet; - reads JSON lines."),
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            help="File: JSON lines, or Parquet if it ends in .parquet (default: JSON lines to the "
            "standard output).",
        ),
    ] = None,
    branches: Annotated[
        bool, typer.Option("--branches", help="Every branch's probability too.")
    ] = False,
) -> None:
    """Scores raw rows with an export; needs no configuration."""
    import_tensorflow()
    from serving.scoring.predict import predict as score_rows

    score_rows(str(export), rows, None if output is None else str(output), branches=branches)


@app.command()
def compare(
    config: Annotated[Path, typer.Argument(metavar="CONFIG", help=_CONFIG_HELP)],
    settings: Set = None,
    bundle: BundlePath = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="Folder (default: runs/FOLDER/compare).")
    ] = None,
    minutes: Annotated[
        float,
        typer.Option("--minutes", min=0.1, max=_MOST_MINUTES, help="Time for all models together."),
    ] = 10.0,
    networks: Annotated[
        str, typer.Option("--networks", metavar="A,B,...", help="Presets that are compared.")
    ] = "dcnv2,mbcnet,cetnet,dmoe",
) -> None:
    """Plain models and networks on the same rows, and which of them to use.

    Builds the bundle if it is not there. LightGBM and CatBoost take part where they are installed.
    What is finished is kept when the command is ended, and it goes on from there.
    """
    from pipeline.config.config_files import load_dataset

    if math.isnan(minutes):  # is in no range, and in no way outside of one
        raise ConfigError("--minutes is nan, expected a number of minutes.")
    dataset = load_dataset(config, settings or ())
    import_tensorflow()
    from pipeline.comparison.candidates import check_networks
    from pipeline.comparison.compare import compare as compare_models
    from pipeline.config.shipped_files import config_file
    from pipeline.data.job.data_job import build_bundle
    from pipeline.stages.describe_bundle import say_bundle
    from pipeline.system.bundle_readers import reading
    from pipeline.system.console import say

    def load(preset: str) -> "RunConfig":
        return _parsed(_layers(config, settings, preset, "fit"))

    presets = [name.strip() for name in networks.split(",") if name.strip()]
    check_networks(presets)
    for preset in presets:
        load(preset)  # refuses before anything takes its time
    opened = build_bundle(dataset.feature_set, dataset.data, _bundle_path(dataset, bundle))
    say_bundle(opened)
    folder = out or Path("runs") / config_file(config).resolve().parent.name / "compare"
    with reading(opened), only_job_at(str(folder)):
        compare_models(load, opened, folder, 60 * minutes, presets)
    say("report", str(folder / "compare.html"))


app.command()(daily.daily)
app.command()(reproduce.reproduce)
app.command()(tune.tune)
app.command()(serve.serve)
app.command("serving-config")(endpoints.serving_config)
app.command("check-endpoint")(endpoints.check_endpoint)


@app.command()
def models(
    preset: Annotated[
        str | None, typer.Argument(metavar="[PRESET]", help="Show this one in full.")
    ] = None,
    config: Annotated[
        Path, typer.Option("--config", help="Configuration whose features it is built for.")
    ] = DEFAULT_DATASET,
    settings: Set = None,
    bundle: BundlePath = None,
) -> None:
    """Lists the presets; or shows one: configuration, parameters of its parts, FLOPs."""
    from pipeline.cli.list_models import print_presets
    from pipeline.system.console import console

    if preset is None:
        print_presets(console)
        return
    from pipeline.cli.show_model import print_preset

    print_preset(preset, config, bundle, settings or (), console)


@app.command(
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
)
def supervise(
    command: Annotated[
        list[str],
        typer.Argument(metavar="-- COMMAND", help="Such as: train --config ... --out ..."),
    ],
    workers: Annotated[
        int, typer.Option("--workers", min=1, max=_MOST_PROCESSES, help="Processes that train.")
    ],
    parameter_servers: Annotated[
        int,
        typer.Option(
            "--parameter-servers", min=0, max=_MOST_PROCESSES, help="Processes that hold tables."
        ),
    ] = 0,
    max_restarts: Annotated[
        int, typer.Option("--max-restarts", min=0, help="Starts after the first one, at most.")
    ] = 10,
) -> None:
    """Runs a command in a group of processes on this machine; starts it again when one dies."""
    from pipeline.training.supervise import supervise as run_group

    process = [sys.executable, "-m", "pipeline", *command]
    sys.exit(run_group(process, workers, parameter_servers, max_restarts))


def _named(preset: str | None, sizes: str) -> list[str]:
    """The settings that --preset and --sizes are short for."""
    if preset is None and sizes != "fit":
        raise ConfigError(
            f"--sizes {sizes} says whose sizes a preset has, and none is named. Add --preset."
        )
    if preset is None:
        return []
    if sizes == "fit":
        return [f"model.preset={preset}"]
    return [f"model={json.dumps({'preset': preset, 'sizes': sizes})}"]


def _strategy(layers: "Layers") -> "StrategyName":
    """`train.strategy`, read before anything is built: a cluster is entered first."""
    from pipeline.config.config_files import load_layers

    return load_layers(layers, check=False).train.strategy


def _layers(path: Path, settings: list[str] | None, preset: str | None, sizes: str) -> "Layers":
    from pipeline.config.layers import read_layers

    named = _named(preset, sizes)
    return read_layers(path, [*named, *(settings or ())])


def _parsed(layers: "Layers") -> "RunConfig":
    from pipeline.config.config_files import load_layers

    loaded = load_layers(layers)
    from pipeline.stages.teachers import check_teacher_runs  # imports TensorFlow

    check_teacher_runs(loaded)
    return loaded


def _open_run(
    path: Path, bundle: str | None, may_be_another: bool = False
) -> tuple["RunDir", "RunConfig", "Bundle"]:
    from features.bundle import open_bundle
    from pipeline.runs.run_dir import RunDir

    directory = RunDir(path)
    loaded = directory.config()
    directory.check_trained()
    opened = open_bundle(bundle or directory.state()["bundle"])
    if bundle is None or not may_be_another:
        directory.check_bundle(loaded, opened)
    return directory, loaded, opened


def _run_dir(config: Path, preset: str | None, out: Path | None, sizes: str = "fit") -> "RunDir":
    from pipeline.config.shipped_files import config_file
    from pipeline.runs.run_dir import RunDir

    file = config_file(config)
    name = file.stem
    if preset is not None:  # beside the runs of the file's own network
        name += "-" + preset.removesuffix(".yaml").strip("/").replace("/", "-")
        name += "" if sizes == "fit" else f"-{sizes}"
    return RunDir(out or Path("runs") / file.resolve().parent.name / name)


def _start(overwrite: bool, restart: bool, warm_start: Path | None) -> "Start":
    from pipeline.runs.run_dir import RunDir
    from pipeline.stages.start import Start

    return Start(overwrite, restart, None if warm_start is None else RunDir(warm_start))


def _bundle_path(loaded: "DatasetConfig", bundle: str | None) -> str:
    from pipeline.config.default_bundle import default_bundle

    return str(bundle or default_bundle(loaded))
