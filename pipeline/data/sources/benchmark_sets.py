"""Data sets of the open benchmark: CSV files, one for each split, and their given vectors."""

from pipeline.data.sources.base import SideTable, Source, TextFile, VectorFile

_PUBLISHED = "https://huggingface.co/datasets/reczoo"
_NO_REDISTRIBUTION = "research use, no redistribution"


def _benchmark_set(
    name: str, terms: str, has_valid: bool = True, side_tables: tuple[SideTable, ...] = ()
) -> Source:
    """A data set of the benchmark.

    Args:
        name: What the benchmark calls it.
        terms: Those of the data it was made from, in a line.
        has_valid: Whether there is a valid.csv; where not, the benchmark validates on test.csv.
        side_tables: Joined to the log.
    """
    splits = ("train", "valid", "test") if has_valid else ("train", "test")
    return Source(
        name=name.lower(),
        title=name,
        homepage=f"{_PUBLISHED}/{name}",
        terms=terms,
        log=TextFile(patterns=tuple(f"{split}.csv" for split in splits)),
        side_tables=side_tables,
        splits={split: (f"{split}.csv",) for split in splits},
    )


_ITEM_VISUAL = SideTable(
    "item_visual_emb",
    VectorFile(("item_visual_emb_dim64.h5",), key="item_id", vector="item_visual"),
    key="item_id",
)

BENCHMARK_SETS = (
    # As DIN prepared it: a positive and a drawn negative for each event; lists of earlier items
    # are joined by `^`.
    _benchmark_set(
        "AmazonElectronics_x1",
        "research use; reviews belong to Amazon and their writers",
        has_valid=False,
    ),
    # As AFN split it (7:1:2). 22 columns of numbers that stand for tokens, `feat_1` to `feat_22`;
    # the time is among them.
    _benchmark_set("Avazu_x1", _NO_REDISTRIBUTION),
    # Split 8:1:1 at random, as AutoInt did; the columns of the challenge's train.csv.
    _benchmark_set("Avazu_x4", _NO_REDISTRIBUTION),
    # As AFN split and scaled it. Counts come scaled, tokens as the numbers that AFN gave them,
    # missing ones filled in.
    _benchmark_set("Criteo_x1", _NO_REDISTRIBUTION),
    # Split 8:1:1 at random, as AutoInt did. The values of train.txt as they are, under a header
    # whose label is called `Label`.
    _benchmark_set("Criteo_x4", _NO_REDISTRIBUTION),
    # Short videos of Kuaishou as ALPINE split them. is_like and is_follow are outcomes of the
    # exposure. Lists are cut to 100 items, joined by `^`.
    _benchmark_set(
        "KuaiVideo_x1", _NO_REDISTRIBUTION, has_valid=False, side_tables=(_ITEM_VISUAL,)
    ),
    # Ads shown on Taobao as DMR prepared them. The last of eight days is test.csv. Lists of earlier
    # behaviour are joined by `^`, each without its missing steps, so that their steps need not
    # belong together.
    _benchmark_set("TaobaoAd_x1", "CC BY-NC-SA 4.0", has_valid=False),
)
