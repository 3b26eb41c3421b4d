"""Avazu as AFN split it (7:1:2), in the open benchmark's CSV files."""

from pipeline.data.sources.benchmark import benchmark_set

# 22 columns of numbers that stand for tokens, `feat_1` to `feat_22`; the time is among them.
AVAZU_X1 = benchmark_set(
    "Avazu_x1",
    title="Avazu_x1",
    terms="research use, no redistribution",
)
