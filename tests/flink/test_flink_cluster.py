"""The whole job on Flink in processes of its own, against the one here: `make flink-cluster-test`.

`CONCORD_FLINK_ROWS` says how many rows in Criteo's layout; the full form has 10 million.
"""

import os
import shutil

import pytest

from benchmarks.data_job.criteo_rows import write_rows
from benchmarks.data_job.flink_cluster import flink_cluster, killing
from features.specs import FeatureSet
from pipeline.data.job.data_job import build_bundle
from pipeline.data.runners.job_server import flink_jar
from tests.flink.comparing import DATA, contents, dataset, on_flink
from tests.pipeline.data.job import test_own_events as events
from tests.pipeline.data.job import test_own_negatives as negatives

CRITEO_ROWS = int(os.environ.get("CONCORD_FLINK_ROWS", "100000"))
HEAP = 1024 if CRITEO_ROWS <= 1_000_000 else 3072  # MB: a survivor has the messages of two

pytestmark = [
    pytest.mark.flink,
    pytest.mark.flink_cluster,
    pytest.mark.skipif(
        not flink_jar().is_file() or shutil.which("java") is None,
        reason="no Java or no Flink: `make flink-cluster-test` fetches the second",
    ),
]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    with flink_cluster(tmp_path_factory.mktemp("cluster") / "flink", heap=HEAP) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def criteo(tmp_path_factory):
    """Features, data settings, and the contents of the bundle that threads of this process make."""
    folder = tmp_path_factory.mktemp("criteo")
    write_rows(folder / "train.txt", CRITEO_ROWS)
    features, data = dataset("criteo", path=str(folder), rows_per_shard=CRITEO_ROWS // 8)
    here = build_bundle(features, data, str(folder / "here"))
    return features, data, contents(here.path)


def test_rows_in_criteos_layout_make_the_same_bundle(criteo, cluster, tmp_path):
    features, data, expected = criteo
    bundle = build_bundle(features, on_flink(data, cluster.options), str(tmp_path / "flink"))
    assert contents(bundle.path) == expected
    assert sum(bundle.metadata.rows.values()) == CRITEO_ROWS


def test_joins_and_histories_of_kuairand_pure_make_the_same_bundle(cluster, tmp_path):
    source = DATA / "kuairand_pure"
    if not source.is_dir():
        pytest.skip("KuaiRand-Pure is not here: set CONCORD_TEST_DATA to the folder of data sets")
    features, data = dataset("kuairand_pure", path=str(source), rows_per_shard=50_000)
    here = build_bundle(features, data, str(tmp_path / "here"))
    bundle = build_bundle(features, on_flink(data, cluster.options), str(tmp_path / "flink"))
    assert contents(bundle.path) == contents(here.path)


def test_event_logs_make_the_same_bundle(cluster, tmp_path):
    events.write(tmp_path / "shop", *events.draw())
    here = events.build(tmp_path / "shop", tmp_path / "here")
    runner = {"runner": "FlinkRunner", "runner_options": cluster.options}
    bundle = events.build(tmp_path / "shop", tmp_path / "flink", **runner)
    assert contents(bundle.path) == contents(here.path)


def test_drawn_negatives_make_the_same_bundle(cluster, tmp_path):
    folder = tmp_path / "orders"
    folder.mkdir()
    negatives.write(folder, negatives.draw())
    features, data = FeatureSet.model_validate(negatives.FEATURES), negatives.settings(folder)
    here = build_bundle(features, data, str(tmp_path / "here"))
    bundle = build_bundle(features, on_flink(data, cluster.options), str(tmp_path / "flink"))
    assert contents(bundle.path) == contents(here.path)


@pytest.mark.parametrize("file", ["spill/*", "bundle/*.tfrecord"])
def test_a_taskmanager_that_is_lost_on_the_way_costs_time_only(file, criteo, cluster, tmp_path):
    """Killed when the first rows wait on disk, and when the first file of the bundle is there."""
    job_that_loses(cluster.kill_task_manager, file, criteo, cluster, tmp_path)
    cluster.start_task_manager()
    cluster.wait_for_task_managers()


def test_a_python_worker_that_is_lost_on_the_way_costs_time_only(criteo, cluster, tmp_path):
    job_that_loses(cluster.kill_worker, "spill/*", criteo, cluster, tmp_path)


def job_that_loses(something, file, criteo, cluster, tmp_path):
    """Builds a bundle and kills something when such a file is there; checks the bundle."""
    features, data, expected = criteo
    building, failures = tmp_path / "flink.building", len(cluster.failures())
    with killing(something, when=lambda: any(building.glob(file))):
        bundle = build_bundle(features, on_flink(data, cluster.options), str(tmp_path / "flink"))
    assert contents(bundle.path) == expected
    assert len(cluster.failures()) > failures  # what was lost had work, which was done again
