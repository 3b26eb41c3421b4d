"""What the name of a column tells: words that people use for labels, users, items and outcomes."""

import re
from collections.abc import Iterable

# In the order of preference.
LABELS = (
    *("click", "is_click", "clicked", "label", "target", "y", "ctr_label", "clk", "is_clicked"),
    *("conversion", "is_conversion", "converted", "cvr_label", "purchase", "is_purchase", "like"),
)
RATINGS = ("rating", "score", "stars", "rate", "grade")
USER = {"user", "uid", "userid", "member", "customer", "visitor", "viewer", "reviewer", "buyer"}
ITEM = {
    *(
        "item",
        "iid",
        "itemid",
        "video",
        "photo",
        "movie",
        "product",
        "goods",
        "sku",
        "ad",
        "adgroup",
    ),
    *("article", "news", "song", "track", "book", "doc", "asin", "creative", "content", "note"),
}
ID = {
    "id",
    "ids",
    "uid",
    "iid",
    "userid",
    "itemid",
    "code",
    "key",
    "hash",
    "zip",
    "no",
    "asin",
    "sku",
}
TYPE = {"type", "category", "cat", "cate", "class", "gender", "city", "brand", "level", "group"}
TIME = {"time", "timestamp", "ts", "datetime", "date", "hour", "at"}
QUANTITY = {
    *("num", "count", "cnt", "price", "age", "duration", "days", "amount", "size", "length", "len"),
    *("width", "height", "ratio", "rate", "avg", "mean", "sum", "total", "ms", "seconds", "score"),
}
SEQUENCE = {
    *("seq", "sequence", "history", "hist", "histories", "clicked", "viewed", "watched", "bought"),
    *("recent", "last", "past", "previous", "list"),
}
# What happens only after the item was shown.
OUTCOMES = {
    *("click", "clicked", "like", "liked", "follow", "followed", "comment", "forward", "share"),
    *("shared", "hate", "dislike", "play", "watch", "watched", "stay", "dwell", "view", "finish"),
    *("purchase", "purchased", "buy", "bought", "cart", "order", "pay", "conversion", "converted"),
    *("enter", "reward", "completion", "skip", "favorite", "collect", "install", "revenue"),
}


# Of a time that something took, or the share of it that was seen.
LASTING = {"time", "ms", "seconds", "duration", "ratio"}


def words(name: str) -> list[str]:
    """The parts of a name in lower case: `isClicked_2` is is, clicked, 2."""
    spaced = re.sub(r"([a-z])([A-Z])", r"\1_\2", name)
    return [word for word in re.split(r"[^a-z0-9]+", spaced.lower()) if word]


def hints(name: str, vocabulary: set[str]) -> bool:
    """Whether a word of the name, with or without its plural, is among these."""
    return any(word in vocabulary or word.removesuffix("s") in vocabulary for word in words(name))


def is_outcome(name: str) -> bool:
    """Whether the name is that of something which happens after the item was shown.

    Counts such as `follow_user_num` tell what was before.
    """
    return hints(name, OUTCOMES) and not hints(name, QUANTITY - LASTING)


def feature_name(column: str, taken: Iterable[str]) -> str:
    """A feature's name, not among `taken`, that files and tensors can have."""
    name = re.sub(r"[^A-Za-z0-9_.-]+", "_", column).strip("._-") or "column"
    if not name[0].isalnum():
        name = f"column_{name}"
    taken, unique, number = set(taken), name, 2
    while unique in taken:
        unique, number = f"{name}_{number}", number + 1
    return unique
