"""TaobaoAd: eight days of display ads shown on Taobao, beside 22 days of what their users did."""

from pipeline.data.sources.base import EventLog, SideTable, Source, TextFile

_MISSING = ("", "NULL")

TAOBAO_AD = Source(
    name="taobao_ad",
    title="TaobaoAd (Ali_Display_Ad_Click)",
    homepage="https://tianchi.aliyun.com/dataset/56",
    terms="for research, on the terms of Tianchi data set 56",
    log=TextFile(patterns=("raw_sample.csv",)),
    side_tables=(
        SideTable(
            "ad_feature",
            TextFile(patterns=("ad_feature.csv",), null_values=_MISSING),
            key="adgroup_id",
        ),
        SideTable(
            "user_profile",
            TextFile(
                patterns=("user_profile.csv",), rename={"userid": "user"}, null_values=_MISSING
            ),
            key="user",
        ),
    ),
    events={
        "behavior_log": EventLog(
            TextFile(patterns=("behavior_log.csv",)), key="user", time="time_stamp"
        )
    },
)
