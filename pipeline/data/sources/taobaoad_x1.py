"""Ads shown on Taobao as DMR prepared them, in the open benchmark's CSV files."""

from pipeline.data.sources.benchmark import benchmark_set

# The last of eight days is test.csv. Lists of earlier behaviour are joined by `^`, each without its
# missing steps, so that their steps need not belong together.
TAOBAOAD_X1 = benchmark_set(
    "TaobaoAd_x1",
    title="TaobaoAd_x1",
    terms="CC BY-NC-SA 4.0",
    has_valid=False,
)
