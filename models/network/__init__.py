"""The network: embeddings, branches, alignment, fusion and losses wired together."""

from models.network.cooperative_network import CooperativeNetwork, Features
from models.network.outputs import ForLosses, NetworkOutputs

__all__ = ["CooperativeNetwork", "Features", "ForLosses", "NetworkOutputs"]
