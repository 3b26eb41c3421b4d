"""Alignments: from the branches' representations (batch, d_i) to one space (batch, n, d).

| alignment | what it does |
|---|---|
| `NoAlignment` | stacks representations; for a concatenation their widths may differ |
| `SharedMLP` | one MLP for all branches |
| `MLPPerBranch` | an MLP for each branch, whose widths may differ |

An alignment of one's own derives from `Alignment` and defines `call(representations, names=())`.
Any other layer that is called like this is one too, but none of its branches can be exported alone.
"""

from models.alignment.alignment import Alignment, check_one_width
from models.alignment.mlp_alignment import MLPAlignment, MLPPerBranch, SharedMLP
from models.alignment.no_alignment import NoAlignment
from models.alignment.wrapped_alignment import WrappedAlignment, as_alignment

__all__ = [
    "Alignment",
    "MLPAlignment",
    "MLPPerBranch",
    "NoAlignment",
    "SharedMLP",
    "WrappedAlignment",
    "as_alignment",
    "check_one_width",
]
