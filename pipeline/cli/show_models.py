"""What the verb `models` shows of a preset: what it is, and what it costs."""

from collections.abc import Sequence
from pathlib import Path

import yaml
from rich.console import Console
from rich.table import Table

from features.bundle import Bundle, open_bundle
from features.errors import ConfigError
from features.inputs import placeholder_inputs
from models.network import CooperativeNetwork
from models.network.cost import flops_per_example, parameters_by_part
from models.spec.build_network import build_network
from models.spec.network_config import NetworkConfig
from pipeline.config.config_files import load_config, load_preset, preset_training
from pipeline.config.default_bundle import default_bundle
from pipeline.config.run_config import RunConfig
from pipeline.config.shipped_files import preset_title


def print_preset(
    name: str,
    config_file: Path,
    bundle_path: Path | None,
    settings: Sequence[str],
    console: Console,
) -> None:
    """A preset's resolved configuration, the parameters of its parts, and its FLOPs.

    Args:
        name: Name of the preset.
        config_file: Path or name of the configuration of the data set for whose features the
            network is built.
        bundle_path: Data bundle for the sizes of the tables; None looks at bundles/SOURCE.
        settings: Overrides of the preset, such as `model.embedding.embedding_dim=8`.
        console: Console to print on.
    """
    network_config = load_preset(name, settings)
    # Any network: only the features are looked at.
    config = load_config(config_file, ["model.preset=dnn"], check=False)
    bundle = _bundle(config, bundle_path)
    network = _build(network_config, config, bundle)
    console.print(f"# {preset_title(name)}", highlight=False)
    # Shown as the preset states it: what it leaves open is the configuration's.
    content = {"model": network_config.model_dump(mode="json"), **preset_training(name)}
    console.print(
        yaml.safe_dump(content, sort_keys=False, default_flow_style=None, width=100),
        highlight=False,
        markup=False,
    )
    _print_cost(network, config, bundle, console)


def _bundle(config: RunConfig, path: Path | None) -> Bundle | None:
    if path is not None:
        return open_bundle(path)
    default = default_bundle(config)
    return open_bundle(default) if default.exists() else None


def _build(network: NetworkConfig, config: RunConfig, bundle: Bundle | None) -> CooperativeNetwork:
    features = config.feature_set
    if bundle is None:
        return build_network(network, placeholder_inputs(features), features.groups)
    if bundle.metadata.features.declared() != features.declared():
        raise ConfigError(
            f"{bundle.path} was built with other features than this configuration. Give the "
            "bundle of this configuration with --bundle."
        )
    return build_network(network, bundle.metadata.model_inputs(), features.groups)


def _print_cost(
    network: CooperativeNetwork, config: RunConfig, bundle: Bundle | None, console: Console
) -> None:
    inputs = len(config.feature_set.inputs)
    table = Table(
        title=f"built for {config.data.source}: {inputs} inputs, embedding sets "
        f"{', '.join(network.embedding_set_names)}",
        title_justify="left",
    )
    table.add_column("part")
    table.add_column("parameters", justify="right")
    counts = parameters_by_part(network)
    # Vocabularies with rows of another embedding dimension have a table of their own.
    widths = " or ".join(f"{table.columns:,}" for table in network.embeddings.layout.tables)
    for part, count in counts.items():
        text = f"{count:,}"
        if part == "embeddings" and bundle is None and widths:
            text = f"{widths} x rows of the bundle"
        table.add_row(part, text)
    if bundle is not None:
        table.add_row("all", f"{sum(counts.values()):,}", style="bold")
    console.print(table)
    console.print(
        f"{flops_per_example(network):,} FLOPs per example (matrix products of one prediction)",
        highlight=False,
    )
