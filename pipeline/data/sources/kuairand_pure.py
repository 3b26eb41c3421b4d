"""KuaiRand-Pure: exposures of short videos with what the user did, as CSV files."""

from pipeline.data.sources.base import EarlierEvents, ParquetFile, SideTable, Source, TextFile

KUAIRAND_PURE = Source(
    name="kuairand_pure",
    title="KuaiRand-Pure",
    homepage="https://kuairand.com",
    terms="CC BY-SA 4.0",
    # log_random_*.csv, shown at random, is another distribution: name it in data.log to read it.
    log=TextFile(patterns=("log_standard_*_pure.csv",)),
    side_tables=(
        SideTable("user_features", TextFile(patterns=("user_features_pure.csv",)), key="user_id"),
        SideTable(
            "video_features", TextFile(patterns=("video_features_basic_pure.csv",)), key="video_id"
        ),
    ),
    # Not part of the official download: the last 50 exposures of each user before the log, and
    # those of them that were liked or watched long. That `watch_seq` holds exposures, not clicks,
    # shows in its length, min(50, history_len) for every user.
    earlier_events=EarlierEvents(
        file=ParquetFile(patterns=("user_histories_before_*.parquet",)),
        key="user_id",
        until="last_time_ms",
        item="video_id",
        lists={None: "watch_seq", "is_like": "like_seq", "long_view": "long_watch_seq"},
    ),
)
