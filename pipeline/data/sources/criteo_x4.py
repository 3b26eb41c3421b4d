"""Criteo split 8:1:1 at random, as AutoInt did, in the open benchmark's CSV files."""

from pipeline.data.sources.benchmark import benchmark_set

# The values of train.txt as they are, under a header whose label is called `Label`.
CRITEO_X4 = benchmark_set(
    "Criteo_x4",
    title="Criteo_x4",
    terms="research use, no redistribution",
)
