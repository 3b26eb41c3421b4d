"""Fusions: from the branches' representations to the one that the final logit is read from.

All are called alike, `fusion(representations, logits=None, gate_input=None)`, and use what they
need: representations (batch, n, d), the branches' logits (batch, n) where they have heads, and
the flat tokens (batch, D) of a table set of the gate's own. They return (batch, d').
"""

from models.fusion.mean import MeanFusion

__all__ = ["MeanFusion"]
