"""The data sets that can be read, one file each."""

from pipeline.data.sources.base import Source
from pipeline.data.sources.kuairand_pure import KUAIRAND_PURE
from pipeline.data.sources.movielens_100k import MOVIELENS_100K

SOURCES: dict[str, Source] = {source.name: source for source in (KUAIRAND_PURE, MOVIELENS_100K)}
