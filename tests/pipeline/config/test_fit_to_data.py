"""What follows from the data where no file says it, and what gives way to what a file says."""

import pytest

from pipeline.config.config_files import dump_config, load_config
from pipeline.config.fit_to_data import LARGE, DataSize, fit_to_data
from pipeline.config.run_config import RunConfig
from tests.pipeline.conftest import ITEMS

SMALL = DataSize(rows=8_000, label_rate=0.4, tokens=6_000)
DATASET = "movielens_100k/dataset"


def loaded(*settings, config=DATASET):
    return load_config(config, settings, check=False)


def fitted(size, *settings, config=DATASET):
    return fit_to_data(loaded(*settings, config=config), size)[0]


@pytest.mark.parametrize("preset", ["dcnv2", "dnn", "mbcnet", "dmoe", "cetnet", "finalmlp"])
@pytest.mark.parametrize("rows", [1_500, 8_000, 80_000])
def test_a_small_log_gets_steps_enough_of_a_network_of_its_size(preset, rows):
    config = fitted(DataSize(rows, 0.2, rows), f"model.preset={preset}")
    steps = rows / config.train.batch_size
    assert 40 <= steps <= 300
    assert config.train.epochs * steps >= 2_000
    assert config.model.embedding.l2 * rows == pytest.approx(2_000, rel=0.05)
    assert config.train.tables.optimizer == "adam"
    for branch in config.model.branches.values():
        for name, units in branch.options.items():
            if name.endswith("units") and units is not None:
                assert max([units] if isinstance(units, int) else units) <= rows**0.5


def test_a_large_log_is_trained_as_the_preset_says():
    config = loaded("model.preset=dcnv2")
    assert fit_to_data(config, DataSize(LARGE, 0.2, 10**6)) == (config, [])


def test_what_a_file_or_the_command_line_says_stays():
    settings = {
        "train.batch_size": 4096,
        "train.learning_rate": 0.01,
        "train.patience": 7,
        "train.monitor": "auc",
        "model.embedding.stddev": 0.3,
        "model.embedding.embedding_dim": 32,
    }
    said = [f"{name}={value}" for name, value in settings.items()]
    config = loaded("model.preset=dcnv2", *said)
    result, changes = fit_to_data(config, SMALL)
    assert not {change.setting for change in changes} & set(settings)
    assert (result.train.batch_size, result.train.patience) == (4096, 7)
    assert result.train.monitor == {"auc": 1.0}
    assert result.train.epochs == 50  # of two steps each, and more than 50 epochs are too many
    assert result.model.embedding.embedding_dim == 32


def test_one_width_that_a_file_says_leaves_all_widths_alone():
    config = fitted(SMALL, "model.branches.deep.units=[100, 512]")
    assert config.model.branches["deep"].options["units"] == [100, 512]
    assert config.model.branches["efgc"].options["units"] == [1024, 128]


def test_the_sizes_of_the_preset_stay_where_they_are_asked_for():
    sizes = 'model={"preset": "dcnv2", "sizes": "preset"}'
    config = fitted(SMALL, sizes)
    assert config.model.branches["dcnv2"].options["units"] == [1000] * 5
    assert config.model.embedding.l2 == 1e-5
    assert config.train.batch_size == 64
    assert load_config(DATASET, [sizes], check=False).model == loaded("model.preset=dcnv2").model


def test_rare_clicks_make_larger_batches_and_few_rows_smaller_ones():
    assert fitted(DataSize(80_000, 0.3, 10)).train.batch_size == 512
    assert fitted(DataSize(80_000, 0.002, 10)).train.batch_size == 1024
    assert fitted(DataSize(1_500, 0.3, 10)).train.batch_size == 32


def test_tables_that_dense_adam_cannot_move_keep_their_optimizer():
    config = fitted(DataSize(500_000, 0.3, 10_000_000))
    assert (config.train.tables.optimizer, config.model.embedding.l2) == ("lazy_adam", 0.0)
    config = fitted(SMALL, "train.tables.optimizer=lazy_adam")
    assert (config.train.tables.optimizer, config.model.embedding.l2) == ("lazy_adam", 0.0)


def test_a_resolved_configuration_and_one_made_in_code_say_everything(tmp_path):
    file = tmp_path / "config.yaml"
    file.write_text(dump_config(fitted(SMALL, "model.preset=dcnv2")))
    again = load_config(file, check=False)
    assert fit_to_data(again, DataSize(2_000, 0.1, 10)) == (again, [])
    content = again.model_dump(mode="json", exclude={"features"})
    content["features"] = {
        name: spec.model_dump(mode="json", exclude_defaults=True, exclude={"name"})
        for name, spec in again.features.items()
    }
    assert fit_to_data(RunConfig.model_validate(content), SMALL)[1] == []


def test_a_warm_start_keeps_the_shapes_of_the_run_before():
    yesterday = fitted(DataSize(8_000, 0.3, 10), "model.preset=mbcnet")
    config = loaded("model.preset=mbcnet")
    for size in (DataSize(90_000, 0.3, 10), DataSize(1_500, 0.3, 10)):
        today, changes = fit_to_data(config, size, yesterday)
        assert today.model == yesterday.model.model_copy(
            update={"embedding": today.model.embedding}
        )
        assert today.model.embedding.embedding_dim == yesterday.model.embedding.embedding_dim
        assert all(change.reason for change in changes)
    large, _ = fit_to_data(config, DataSize(LARGE, 0.3, 10), yesterday)
    assert large.model.branches == yesterday.model.branches


def test_every_setting_is_said_with_its_reason():
    _, changes = fit_to_data(loaded("model.preset=dcnv2"), SMALL)
    lines = [str(change) for change in changes]
    assert "train.batch_size 64: 125 steps an epoch of 8,000 rows" in lines
    assert "model.branches.dcnv2.units [64, 64]: 8,000 rows: 2 layers of 64 at most" in lines


def test_a_bundle_without_statistics_is_as_large_as_it_is(random_bundle):
    rows = random_bundle.metadata.rows["train"]
    assert DataSize.of(random_bundle) == DataSize(rows, 0.5, 8 + 2 + ITEMS)
