"""MovieLens-1M as GroupLens publishes it, and its pairs of user and movie without times."""

from pipeline.data.sources.base import SideTable, Source, TextFile


def _dat(name: str, *columns: str) -> TextFile:
    """A file of ml-1m.zip: `1::F::1::10::48067`, no header, titles in Latin-1."""
    return TextFile((name,), delimiter="::", quoting=False, columns=columns, encoding="latin-1")


_TERMS = "research use, no redistribution"
_HOMEPAGE = "https://grouplens.org/datasets/movielens/1m/"
_SIDE_TABLES = (
    SideTable(
        "users",
        _dat("users.dat", "user_id", "gender", "age", "occupation", "zip_code"),
        key="user_id",
    ),
    SideTable("movies", _dat("movies.dat", "movie_id", "title", "genres"), key="movie_id"),
)

MOVIELENS_1M = Source(
    name="movielens_1m",
    title="MovieLens-1M",
    homepage=_HOMEPAGE,
    terms=_TERMS,
    log=_dat("ratings.dat", "user_id", "movie_id", "rating", "timestamp"),
    side_tables=_SIDE_TABLES,
)

MOVIELENS_1M_PAIRS = Source(
    name="movielens_1m_pairs",
    title="MovieLens-1M without times",
    homepage=_HOMEPAGE,
    terms=_TERMS,
    # Not part of the official download: ratings.dat in its order, the rating as 1 from 4 stars on.
    log=TextFile(patterns=("ratings_user_movie_label.csv",)),
    side_tables=_SIDE_TABLES,
)
