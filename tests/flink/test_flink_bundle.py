"""The whole job on Apache Flink, by Beam's job server with its embedded Flink: `make flink-test`.

Bundles of the same data are byte for byte the same, so folders are compared, not contents.
"""

import gzip
import itertools
import os
import shutil
import signal
import subprocess
import sys

import pytest

from features.errors import ConfigError, DataError, UserError
from pipeline.data.job.data_job import build_bundle
from pipeline.data.runners.job_server import flink_jar
from tests.flink.comparing import DATA, REPOSITORY, contents, dataset, on_flink
from tests.waiting import wait_until

LOG_ROWS = 20_000
MARK = f"-Dconcord.test={os.getpid()}"  # tells the servers of this run from others
OPTIONS = ("--parallelism=2", f"--job_server_jvm_properties={MARK}")

pytestmark = [
    pytest.mark.flink,
    pytest.mark.skipif(
        not flink_jar().is_file() or shutil.which("java") is None,
        reason="no Java or no Flink job server: `make flink-test` fetches the second",
    ),
]


def servers():
    """Ids of the job servers that were started here and still run."""
    command = ["pgrep", "-f", f"^java .*{MARK}"]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.split()


@pytest.fixture(scope="module")
def small_log(tmp_path_factory):
    """The first rows of KuaiRand-Pure with all that joins them, and two lines that are no rows."""
    source = DATA / "kuairand_pure"
    if not source.is_dir():
        pytest.skip("KuaiRand-Pure is not here: set CONCORD_TEST_DATA to the folder of data sets")
    folder = tmp_path_factory.mktemp("kuairand_pure")
    for path in source.iterdir():
        if path.name.startswith("log_"):
            with gzip.open(path, "rt") as log:
                lines = list(itertools.islice(log, LOG_ROWS + 1))
            lines[70] = "garbage\n"
            lines[9_000] = lines[9_000].replace(",", ",x", 1)
            (folder / path.name.removesuffix(".gz")).write_text("".join(lines))
        else:
            (folder / path.name).symlink_to(path)
    return str(folder)


@pytest.fixture(scope="module")
def synthetic():
    return dataset("synthetic_small", rows=4_000, rows_per_shard=1_000, block_rows=256)


def test_interactions_with_joins_and_histories_make_the_same_bundle(small_log, tmp_path):
    features, data = dataset("kuairand_pure", path=small_log, rows_per_shard=6_000)
    here = build_bundle(features, data, str(tmp_path / "here"))
    bundle = build_bundle(features, on_flink(data, OPTIONS), str(tmp_path / "flink"))
    assert contents(bundle.path) == contents(here.path)
    assert sum(bundle.metadata.rows.values()) == LOG_ROWS - 1
    assert len(bundle.files("train")) > 1
    assert bundle.statistics["tables"]["log"] == {"rows": LOG_ROWS, "rejected": 1}
    assert bundle.statistics["joins"].keys() == {
        "unmatched_user_features",
        "unmatched_video_features",
    }
    assert servers() == []


def test_generated_rows_make_the_same_bundle_by_the_command_line(synthetic, tmp_path):
    features, data = synthetic
    here = build_bundle(features, data, str(tmp_path / "here"))
    done = command_line(tmp_path / "flink")
    _, complaints = done.communicate(timeout=300)
    assert done.returncode == 0, complaints
    assert "warning" not in complaints
    assert contents(tmp_path / "flink") == contents(here.path)
    assert servers() == []


def command_line(out):
    command = [sys.executable, "-m", "pipeline", "build-bundle", "--runner", "FlinkRunner"]
    command += [f"--runner-option={option}" for option in OPTIONS]
    command += ["--config", "configs/synthetic_small/dataset.yaml", "--bundle", str(out)]
    for setting in ("rows=4000", "rows_per_shard=1000", "block_rows=256"):
        command += ["--set", f"data.{setting}"]
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(command, cwd=REPOSITORY, **streams)


def test_killed_it_leaves_no_bundle_and_no_server(tmp_path):
    process = command_line(tmp_path / "out")
    wait_until(lambda: servers())
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert not (tmp_path / "out").exists()
    wait_until(lambda: not servers())


def test_input_that_makes_no_bundle_gets_the_same_sentence(small_log, tmp_path):
    features, data = dataset("kuairand_pure", path=small_log, max_rejected_share=0.0)
    said = []
    for each in (data, on_flink(data, OPTIONS)):
        with pytest.raises(DataError, match="'log': 1 of its 20,000 rows") as caught:
            build_bundle(features, each, str(tmp_path / "out"))
        said.append((str(caught.value), (tmp_path / "out.rejected.jsonl").read_text()))
    assert said[0] == said[1]
    assert [path.name for path in tmp_path.iterdir()] == ["out.rejected.jsonl"]
    assert servers() == []


def test_a_bug_in_a_step_keeps_its_traceback(synthetic, tmp_path, monkeypatch):
    def generate_blocks(*args):
        raise KeyError("a bug")

    monkeypatch.setattr("pipeline.data.reading.read_rows.generate_blocks", generate_blocks)
    features, data = synthetic
    with pytest.raises(Exception, match="a bug") as caught:
        build_bundle(features, on_flink(data, OPTIONS), str(tmp_path / "out"))
    assert not isinstance(caught.value, UserError)
    assert "Traceback" in str(caught.value)
    assert list(tmp_path.iterdir()) == []
    assert servers() == []


def test_a_server_that_cannot_start_is_told_in_its_words(synthetic, tmp_path):
    features, data = synthetic
    options = ("--job_server_jvm_properties=-Xmx1q",)
    with pytest.raises(ConfigError, match=r"FlinkRunner could not start: .*-Xmx1q"):
        build_bundle(features, on_flink(data, options), str(tmp_path / "out"))
    assert list(tmp_path.iterdir()) == []
    assert servers() == []
