"""Alignment: brings the branches' representations into one space (batch, branches, d)."""

from models.alignment.alignment import MLPPerBranch, NoAlignment, SharedMLP

__all__ = ["MLPPerBranch", "NoAlignment", "SharedMLP"]
