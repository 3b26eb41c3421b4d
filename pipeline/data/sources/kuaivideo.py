"""KuaiVideo: micro-videos shown to users of Kuaishou, from its challenge at China MM 2018."""

from pipeline.data.sources.base import SideTable, Source, TextFile, VectorFile

KUAIVIDEO = Source(
    name="kuaivideo",
    title="KuaiVideo (Kuaishou user interest modelling challenge, China MM 2018)",
    homepage="https://www.kuaishou.com/activity/uimc",
    terms="for research, on the terms of the challenge",
    # test_interaction.txt has no outcomes, so its rows can be no examples.
    log=TextFile(
        patterns=("train_interaction.txt",),
        delimiter="\t",
        quoting=False,
        # As KuaiVideo_x1 calls them; the challenge says photo_id, click, like, follow and time.
        columns=(
            "user_id",
            "item_id",
            "is_click",
            "is_like",
            "is_follow",
            "timestamp",
            "playing_time",
            "duration_time",
        ),
    ),
    # Not part of the download: its 2,048 numbers a video, one file each, reduced by the user.
    side_tables=(
        SideTable(
            "item_visual",
            VectorFile(patterns=("item_visual_*.h5",), key="item_id", vector="item_visual"),
            key="item_id",
            optional=True,
        ),
    ),
)
