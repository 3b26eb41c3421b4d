"""The data sets that can be read, one file each."""

from features.errors import ConfigError, closest
from pipeline.data.sources.base import Source
from pipeline.data.sources.kuairand_pure import KUAIRAND_PURE
from pipeline.data.sources.movielens_1m import MOVIELENS_1M, MOVIELENS_1M_PAIRS
from pipeline.data.sources.movielens_100k import MOVIELENS_100K
from pipeline.data.sources.synthetic import IMAGE2PRODUCT

SOURCES: dict[str, Source] = {
    source.name: source
    for source in (
        KUAIRAND_PURE,
        MOVIELENS_100K,
        MOVIELENS_1M,
        MOVIELENS_1M_PAIRS,
        IMAGE2PRODUCT,
    )
}


def source_named(name: str) -> Source:
    """The source that `data.source` names.

    Raises:
        ConfigError: There is none of that name.
    """
    if name not in SOURCES:
        hint = closest(name, SOURCES)
        raise ConfigError(f"data.source={name!r} is not a data set that can be read. {hint}")
    return SOURCES[name]
