import shutil

import pytest

from features.errors import ExportError
from serving.client.export_folder import ExportFolder, open_export
from serving.export_format.export_layout import SAMPLE_ROWS, SIGNATURES_FILE, WARM_UP
from serving.exporting.warm_up_requests import BATCH_SIZES
from serving.server.lifecycle.models_config import from_folder


@pytest.fixture
def run(exported, tmp_path):
    """A run with two versions, the later one incomplete."""
    shutil.copytree(exported, tmp_path / "my run" / "export" / "3")
    (tmp_path / "my run" / "export" / "10").mkdir()
    return tmp_path / "my run"


def test_a_run_its_versions_or_one_of_them_is_opened(run):
    third = run / "export" / "3"
    for path in (run, run / "export", third):
        assert open_export(path).version == third
        assert open_export(path).base == run / "export"


@pytest.mark.parametrize("name", ["my run", "mbcnet"])
def test_the_model_is_called_as_the_server_calls_it(run, name):
    path = run.rename(run.with_name(name))
    for folder in (path, path / "export", path / "export" / "3"):
        assert open_export(folder).model_name == from_folder(folder).name


def test_the_export_tells_about_itself(run, rows):
    export = open_export(run)
    assert export.warm_up_sizes() == list(BATCH_SIZES)
    assert export.rows == rows.to_pylist()[: len(export.rows)]
    assert "rank" in export.signatures
    files = (path for path in export.version.rglob("*") if path.is_file())
    assert export.size() == sum(len(path.read_bytes()) for path in files)


def test_folders_without_an_export_are_refused(tmp_path):
    for path in (tmp_path, tmp_path / "none"):
        with pytest.raises(ExportError, match=r"holds no export.*python -m pipeline export RUN"):
            open_export(path)


@pytest.mark.parametrize(
    ("name", "content", "read"),
    [
        (SIGNATURES_FILE, b"{", lambda export: export.signatures),
        (SAMPLE_ROWS, b"", lambda export: export.rows),
        (SAMPLE_ROWS, b"\xff", lambda export: export.rows),
        (WARM_UP, b"\x05\0\0\0\0\0\0\0----", ExportFolder.warm_up_sizes),
        (WARM_UP, b"\x05", ExportFolder.warm_up_sizes),
        (WARM_UP, b"\x01\0\0\0\0\0\0\0----\xff----", ExportFolder.warm_up_sizes),
    ],
)
def test_damaged_files_are_refused(run, name, content, read):
    export = open_export(run)
    (export.version / name).write_bytes(content)
    with pytest.raises(ExportError, match="Export again: python -m pipeline export RUN"):
        read(export)
