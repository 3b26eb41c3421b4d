"""Layers for histories: attention, pooling and recurrence over a user's earlier events."""
