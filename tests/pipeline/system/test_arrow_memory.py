import pyarrow as pa
import pytest

from pipeline.system.arrow_memory import system_memory


def test_the_pool_of_before_comes_back_also_after_an_error():
    before = pa.default_memory_pool().backend_name
    within = []

    def work():
        with system_memory():
            within.append(pa.default_memory_pool().backend_name)
            raise KeyError

    with pytest.raises(KeyError):
        work()
    assert within == ["system"]
    assert pa.default_memory_pool().backend_name == before
