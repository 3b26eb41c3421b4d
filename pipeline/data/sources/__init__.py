"""The data sets that can be read."""

from features.errors import ConfigError, did_you_mean
from pipeline.data.sources.amazon_electronics import AMAZON_ELECTRONICS
from pipeline.data.sources.avazu import AVAZU
from pipeline.data.sources.base import Source
from pipeline.data.sources.benchmark_sets import BENCHMARK_SETS
from pipeline.data.sources.criteo import CRITEO
from pipeline.data.sources.kuairand_pure import KUAIRAND_PURE
from pipeline.data.sources.kuaivideo import KUAIVIDEO
from pipeline.data.sources.movielens_1m import MOVIELENS_1M, MOVIELENS_1M_PAIRS
from pipeline.data.sources.movielens_100k import MOVIELENS_100K
from pipeline.data.sources.own import OWN_FILES
from pipeline.data.sources.synthetic import IMAGE2PRODUCT
from pipeline.data.sources.taobao_ad import TAOBAO_AD
from pipeline.data.sources.tfds import TFDS, tfds_source

SOURCES: dict[str, Source] = {
    source.name: source
    for source in (
        AMAZON_ELECTRONICS,
        AVAZU,
        CRITEO,
        KUAIRAND_PURE,
        KUAIVIDEO,
        MOVIELENS_100K,
        MOVIELENS_1M,
        MOVIELENS_1M_PAIRS,
        TAOBAO_AD,
        IMAGE2PRODUCT,
        *BENCHMARK_SETS,
        *OWN_FILES.values(),
    )
}


def source_named(name: str) -> Source:
    """The source that `data.source` names; of `tfds:` what is known without looking.

    Raises:
        ConfigError: There is none of that name.
    """
    if name.startswith(TFDS):
        return tfds_source(name)
    if name not in SOURCES:
        hint = did_you_mean(name, SOURCES)
        raise ConfigError(f"data.source={name!r} is not a data set that can be read. {hint}")
    return SOURCES[name]
