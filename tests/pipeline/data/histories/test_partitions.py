import pytest

from pipeline.data.histories.partitions import partitions_of
from pipeline.data.job.open_inputs import Inputs
from pipeline.data.settings.data_config import DataConfig
from pipeline.data.sources import SOURCES
from pipeline.data.sources.input_file import InputFile

MB = 1 << 20


def inputs(*sizes, events=(), suffix=""):
    def files(table, each):
        return tuple(
            InputFile(table, f"{table}{index}.csv{suffix}", index, (), size=size)
            for index, size in enumerate(each)
        )

    source = SOURCES["taobao_ad"]
    logs = {"behavior_log": files("behavior_log", events)} if events else {}
    return Inputs(source, files("log", sizes), {}, (), {}, logs)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (inputs(None), 64),
        (inputs(1), 64),
        (inputs(64 * 48 * MB), 64),
        (inputs(64 * 48 * MB, 1), 65),
        (inputs(48 * MB, events=(99 * 48 * MB,)), 100),
        (inputs(100 * 12 * MB, suffix=".gz"), 100),
        (inputs(10**15), 65_536),
    ],
)
def test_partitions_stay_small_and_are_neither_too_few_nor_too_many(given, expected):
    assert partitions_of(given) == expected


def test_computed_rows_count_too():
    generated = SOURCES["synthetic:image2product"]
    data = DataConfig(source=generated.name, rows=50_000_000)
    log = generated.log.configured(generated.name, data)
    source = type(generated)(**{**vars(generated), "log": log})
    given = Inputs(source, (), {}, (), {"log": log.columns})
    assert partitions_of(given) == -(-50_000_000 * len(log.columns) * 8 // (48 * MB))
