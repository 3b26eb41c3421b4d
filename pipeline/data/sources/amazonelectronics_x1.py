"""Amazon Electronics as DIN prepared it, in the open benchmark's CSV files."""

from pipeline.data.sources.benchmark import benchmark_set

# A positive and a drawn negative for each event; lists of earlier items are joined by `^`.
AMAZONELECTRONICS_X1 = benchmark_set(
    "AmazonElectronics_x1",
    title="AmazonElectronics_x1",
    terms="research use; reviews belong to Amazon and their writers",
    has_valid=False,
)
