"""Criteo as AFN split and scaled it, in the open benchmark's CSV files."""

from pipeline.data.sources.benchmark import benchmark_set

# Counts come scaled, tokens as the numbers that AFN gave them, missing ones filled in.
CRITEO_X1 = benchmark_set(
    "Criteo_x1",
    title="Criteo_x1",
    terms="research use, no redistribution",
)
