"""The same rows and settings give the same bytes, whoever does the work and in what pieces."""

from pathlib import Path

import pytest

from pipeline.data.analysis.analyse import CountBlocks
from pipeline.data.job.data_job import build_bundle
from tests.pipeline.movielens_days import features, settings, write_day

FILES = 5


@pytest.fixture(scope="module")
def log(tmp_path_factory):
    """A log of several files, so that there are rows for each worker."""
    folder = tmp_path_factory.mktemp("days") / "0"
    write_day(folder, 0)
    header, *rows = (folder / "ml-100k.inter").read_text().splitlines()
    for number in range(FILES):
        part = [header, *rows[number::FILES]]
        (folder / f"part{number}.inter").write_text("\n".join(part) + "\n")
    return folder


def build(log, out, *runner_options):
    """Path inside the bundle -> bytes, for all its files."""
    data = settings(log, log=["part*.inter"], runner_options=runner_options)
    folder = Path(build_bundle(features(), data, str(out)).path)
    paths = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


@pytest.fixture(scope="module")
def usual(log, tmp_path_factory):
    found = build(log, tmp_path_factory.mktemp("usual") / "bundle")
    assert len([name for name in found if name.startswith("train-")]) > 1
    return found


def test_neither_bundles_of_elements_nor_flushes_show_in_the_bytes(
    log, usual, tmp_path, monkeypatch
):
    monkeypatch.setattr(CountBlocks.__init__, "__defaults__", (3,))  # tokens, then it hands over
    assert build(log, tmp_path / "bundle", "--direct_num_workers=4") == usual


@pytest.mark.slow
def test_two_worker_processes_write_the_bytes_of_one(log, usual, tmp_path):
    options = ("--direct_num_workers=2", "--direct_running_mode=multi_processing")
    assert build(log, tmp_path / "bundle", *options) == usual
