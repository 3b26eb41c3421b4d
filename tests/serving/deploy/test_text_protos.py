import pytest

from features.errors import ConfigError
from serving.deploy.text_protos import check_batching, check_models, check_monitoring

BATCHING = """
max_batch_size { value: 64 }
num_batch_threads { value: 4 }
max_enqueued_batches { value: 100 }
allowed_batch_sizes: 1
allowed_batch_sizes: 64
"""


def test_values_are_read():
    config = check_batching(BATCHING + 'thread_pool_name { value: "b" }')
    assert list(config.allowed_batch_sizes) == [1, 64]
    assert (config.max_batch_size.value, config.thread_pool_name.value) == (64, "b")
    config = check_monitoring('prometheus_config { enable: true path: "/m" }')
    assert config.prometheus_config.path == "/m"
    config = check_models('model_config_list { config { name: "a" base_path: "/models/a" } }')
    assert config.model_config_list.config[0].base_path == "/models/a"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (BATCHING + "max_batch_sise { value: 1 }", 'no field named "max_batch_sise"'),
        (BATCHING + "batch_timeout_micros: 1000", "malformed"),
        (BATCHING + "pad_variable_length_inputs { value: true }", "malformed"),
        (BATCHING + "allowed_batch_sizes: 8", "Give them in increasing order"),
        (BATCHING.replace("size { value: 64", "size { value: 63"), "Make them equal"),
        (
            BATCHING + "enable_large_batch_splitting { value: true }",
            "max_execution_batch_size is 0. Make them equal",
        ),
        (BATCHING.replace("value: 4", "value: 0"), "num_batch_threads is missing or below 1"),
    ],
)
def test_batching_that_a_server_would_refuse_is_refused(text, message):
    with pytest.raises(ConfigError, match=message):
        check_batching(text)


def test_other_files_that_a_server_would_refuse_are_refused():
    with pytest.raises(ConfigError, match=r"monitoring\.config is malformed"):
        check_monitoring('prometheus_config { on: true path: "/m" }')
    with pytest.raises(ConfigError, match="Begin it with a slash"):
        check_monitoring('prometheus_config { enable: true path: "m" }')
    with pytest.raises(ConfigError, match=r"models\.config is malformed"):
        check_models("model_config_list { config { nme: 'a' } }")
    with pytest.raises(ConfigError, match="needs a name and an absolute path"):
        check_models('model_config_list { config { name: "a" base_path: "b" } }')
