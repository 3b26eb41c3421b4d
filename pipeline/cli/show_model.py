"""What the verb `models NAME` shows: what a preset is, and what it costs. No TensorFlow."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from features.bundle import Bundle, open_bundle
from pipeline.config.config_files import load_config, load_preset, parse_declared
from pipeline.config.default_bundle import default_bundle
from pipeline.config.layers import preset_layers, read_layers
from pipeline.config.run_config import RunConfig
from pipeline.config.shipped_files import preset_title
from pipeline.data.sources.fetch import cache_folder
from pipeline.system.kept_answers import keep_answer, kept_answer, key_of

# Any network: only the features of a configuration are looked at.
ANY_NETWORK = ["model.preset=dnn"]


@dataclass(frozen=True)
class Facts:
    """What a preset is and costs, built for the features of a data set.

    Args:
        content: Its resolved configuration, as YAML.
        embedding_sets: Names of its embedding sets.
        widths: Columns of its tables; vocabularies with rows of another embedding dimension have
            a table of their own.
        parameters: Part -> parameters.
        flops: Of a prediction.
        whole: Whether all that it consists of is Concord's own.
    """

    content: str
    embedding_sets: list[str]
    widths: list[int]
    parameters: dict[str, int]
    flops: int
    whole: bool


def print_preset(
    name: str,
    config_file: Path,
    bundle_path: str | None,
    settings: Sequence[str],
    console: Console,
) -> None:
    """A preset's resolved configuration, the parameters of its parts, and its FLOPs.

    To count them the network is built, which takes seconds: what came of it is kept in the cache,
    as long as preset, features, bundle and installation are the same.

    Args:
        name: Name of the preset.
        config_file: Path or name of the configuration of the data set for whose features the
            network is built.
        bundle_path: Data bundle for the sizes of the tables; None looks at bundles/SOURCE.
        settings: Overrides of the preset, such as `model.embedding.embedding_dim=8`.
        console: Console to print on.
    """
    preset = preset_layers(name, settings)
    layers = read_layers(config_file, ANY_NETWORK)
    declared = parse_declared(layers)
    bundle = _bundle(declared, bundle_path)
    fingerprint = None if bundle is None else bundle.manifest.fingerprint
    key = key_of(preset.said(), layers.said(), fingerprint)
    file = cache_folder() / "models" / f"{name.replace('/', '-')}.json"
    kept = kept_answer(file, key)
    facts = _found_out(name, config_file, bundle, settings) if kept is None else Facts(**kept)
    if kept is None and facts.whole:
        keep_answer(file, key, asdict(facts))
    console.print(f"# {preset_title(name)}", highlight=False)
    console.print(facts.content, highlight=False, markup=False)
    _print_cost(facts, declared, bundle, console)


def _found_out(
    name: str, config_file: Path, bundle: Bundle | None, settings: Sequence[str]
) -> Facts:
    network = load_preset(name, settings)
    config = load_config(config_file, ANY_NETWORK, check=False)
    from pipeline.cli.cost_of_model import facts_of  # imports TensorFlow

    return facts_of(name, network, config, bundle)


def _bundle(config: RunConfig, path: str | None) -> Bundle | None:
    if path is not None:
        return open_bundle(path)
    default = default_bundle(config)
    return open_bundle(default) if default.exists() else None


def _print_cost(facts: Facts, config: RunConfig, bundle: Bundle | None, console: Console) -> None:
    inputs = len(config.feature_set.inputs)
    table = Table(
        title=f"built for {config.data.source}: {inputs} inputs, embedding sets "
        f"{', '.join(facts.embedding_sets)}",
        title_justify="left",
    )
    table.add_column("part")
    table.add_column("parameters", justify="right")
    widths = " or ".join(f"{columns:,}" for columns in facts.widths)
    for part, count in facts.parameters.items():
        text = f"{count:,}"
        if part == "embeddings" and bundle is None and widths:
            text = f"{widths} x rows of the bundle"
        table.add_row(part, text)
    if bundle is not None:
        table.add_row("all", f"{sum(facts.parameters.values()):,}", style="bold")
    console.print(table)
    console.print(
        f"{facts.flops:,} FLOPs per example (matrix products of one prediction)",
        highlight=False,
    )
