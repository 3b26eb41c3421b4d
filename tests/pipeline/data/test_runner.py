import apache_beam as beam
import pytest

from features.errors import ConfigError
from pipeline.data.runner import check_runner, new_pipeline, run


@pytest.mark.parametrize(
    ("runner", "options", "remedy"),
    [
        ("DaskRunner", [], "writes nothing.*Use data.runner=DirectRunner"),
        (
            "DirectRunner",
            ["--direct_running_mode=multi_threading", "--direct_num_workers=2"],
            "out of memory.*multi_processing",
        ),
    ],
)
def test_runners_that_lose_data_or_memory_are_refused(runner, options, remedy):
    with pytest.raises(ConfigError, match=remedy):
        check_runner(runner, options)


def test_other_runners_and_modes_pass():
    check_runner("FlinkRunner", ["--flink_master=localhost:8081"])
    check_runner("DirectRunner", ["--direct_running_mode=multi_processing"])


def test_a_failed_step_is_an_error_here(caplog):
    pipeline = new_pipeline("DirectRunner", [])
    pipeline | beam.Create([0]) | beam.Map(lambda x: 1 / x)
    with pytest.raises(Exception, match="division by zero"):
        run(pipeline)
    assert "Prism" not in caplog.text  # which would be downloaded
