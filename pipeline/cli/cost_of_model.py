"""What a preset is and costs, found out by building its network."""

import yaml

from features.bundle import Bundle
from features.errors import ConfigError
from features.inputs import placeholder_inputs
from models.network import CooperativeNetwork
from models.network.cost import flops_per_example, parameters_by_part
from models.spec.build_network import build_network
from models.spec.network_config import NetworkConfig
from pipeline.cli.show_model import Facts
from pipeline.config.config_files import preset_training
from pipeline.config.run_config import RunConfig


def facts_of(
    name: str, network_config: NetworkConfig, config: RunConfig, bundle: Bundle | None
) -> Facts:
    """Builds the network of a preset, and counts.

    Args:
        name: Name of the preset.
        network_config: Its network.
        config: Configuration of the data set.
        bundle: Data bundle for the sizes of the tables; None where there is none.

    Raises:
        ConfigError: The network does not fit the features, or the bundle has others.
    """
    network = _build(network_config, config, bundle)
    # Shown as the preset states it: what it leaves open is the configuration's.
    content = {"model": network_config.model_dump(mode="json"), **preset_training(name)}
    return Facts(
        content=yaml.safe_dump(content, sort_keys=False, default_flow_style=None, width=100),
        embedding_sets=list(network.embedding_set_names),
        widths=[table.columns for table in network.embeddings.layout.tables],
        parameters=dict(parameters_by_part(network)),
        flops=flops_per_example(network),
        whole=not network_config.own_classes,
    )


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
