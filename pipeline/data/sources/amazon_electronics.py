"""Amazon Electronics: reviews from 1999 to 2014, five or more of each user and each item."""

from pipeline.data.sources.base import JsonLinesFile, Negatives, SideTable, Source

AMAZON_ELECTRONICS = Source(
    name="amazon_electronics",
    title="Amazon Electronics",
    homepage="http://jmcauley.ucsd.edu/data/amazon/",
    terms="research use, no redistribution",
    log=JsonLinesFile(
        patterns=("reviews_Electronics_5.json",),
        columns={
            "user_id": "reviewerID",
            "item_id": "asin",
            "rating": "overall",
            "time": "unixReviewTime",
        },
    ),
    side_tables=(
        SideTable(
            "items",
            JsonLinesFile(
                patterns=("meta_Electronics.json",),
                columns={
                    "item_id": "asin",
                    "category": "categories",
                    "brand": "brand",
                    "price": "price",
                },
                picks={"category": "last_of_last"},
                python_literals=True,
            ),
            key="item_id",
        ),
    ),
    # A review says what was bought, not what was shown.
    negatives=Negatives(key="user_id", item="item_id"),
)
