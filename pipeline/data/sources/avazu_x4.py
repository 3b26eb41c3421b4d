"""Avazu split 8:1:1 at random, as AutoInt did, in the open benchmark's CSV files."""

from pipeline.data.sources.benchmark import benchmark_set

# The columns of the challenge's train.csv.
AVAZU_X4 = benchmark_set(
    "Avazu_x4",
    title="Avazu_x4",
    terms="research use, no redistribution",
)
