"""Short videos of Kuaishou as ALPINE split them, in the open benchmark's CSV and HDF5 files."""

from pipeline.data.sources.base import SideTable, VectorFile
from pipeline.data.sources.benchmark import benchmark_set

# is_like and is_follow are outcomes of the exposure. Lists are cut to 100 items, joined by `^`.
KUAIVIDEO_X1 = benchmark_set(
    "KuaiVideo_x1",
    title="KuaiVideo_x1",
    terms="research use, no redistribution",
    has_valid=False,
    side_tables=(
        SideTable(
            "item_visual_emb",
            VectorFile(("item_visual_emb_dim64.h5",), key="item_id", vector="item_visual"),
            key="item_id",
        ),
    ),
)
