"""MovieLens-100K as RecBole packages it: tab-separated files with typed headers."""

from pipeline.data.sources.base import SideTable, Source, TextFile
from pipeline.data.sources.fetch import fetch_movielens_100k


def _atomic(name: str, **rename: str) -> TextFile:
    """A RecBole file: `user_id:token<tab>...`, and quotation marks that quote nothing."""
    return TextFile((name,), delimiter="\t", quoting=False, typed_header=True, rename=rename)


MOVIELENS_100K = Source(
    name="movielens_100k",
    title="MovieLens-100K",
    homepage="https://grouplens.org/datasets/movielens/100k/",
    terms="research use, no redistribution",
    log=_atomic("ml-100k.inter"),
    side_tables=(
        SideTable("users", _atomic("ml-100k.user"), key="user_id"),
        SideTable("items", _atomic("ml-100k.item", **{"class": "genres"}), key="item_id"),
    ),
    fetch=fetch_movielens_100k,
)
