"""Evaluation: scores of a split, their metrics, and how they are shown."""
