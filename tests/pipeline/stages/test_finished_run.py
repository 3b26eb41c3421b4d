"""What `run` said of a finished run is said again only while all is as it was."""

import io
import json
import shutil
from dataclasses import replace

import pytest
from rich.console import Console

from pipeline.config.run_config import RunConfig
from pipeline.runs.run_dir import RunDir
from pipeline.stages import finished_run, show_evaluation
from pipeline.stages.finished_run import answer_again, checksum_of, keep
from pipeline.system import console
from pipeline.system.kept_answers import kept_answer

SCORED = ['{"prob": 0.25}', '{"prob": 0.5}']
CHANGES = ["train.batch_size 64: two steps an epoch"]


@pytest.fixture(scope="module")
def bundle(make_bundle):
    return make_bundle(rows={"train": 20, "valid": 10, "test": 10})[0]


@pytest.fixture
def config(bundle):
    content = bundle.metadata.features.model_dump(exclude_defaults=True)
    model = {"branches": {"deep": {"units": [4]}}, "cooperation": {}}
    return RunConfig.model_validate(
        {**content, "data": {"source": bundle.metadata.source}, "model": model}
    )


@pytest.fixture
def run(tmp_path, bundle):
    """The folder of a finished run, with two versions of its export, and the answer kept."""
    run = RunDir(tmp_path / "run")
    run.best_checkpoints.mkdir(parents=True)
    (run.best_checkpoints / "step-7.index").write_bytes(b"index")
    run.metrics_file.write_text(json.dumps({"evaluation": {}}))
    state = {"fingerprint": "f", "bundle": bundle.path, "finished": ["train", "evaluate", "export"]}
    run.state_file.write_text(json.dumps(state))
    for version in ("1", "2"):
        (run.export / version / "variables").mkdir(parents=True)
        (run.export / version / "variables" / "variables.data").write_bytes(b"\0\1\2")
        (run.export / version / "saved_model.pb").write_bytes(b"graph")
    keep(run, "key", bundle, CHANGES, run.export / "2", SCORED)
    return run


@pytest.fixture
def answered(run, bundle, config, monkeypatch):
    """Asks again; what was printed, or None where the answer does not hold."""
    found = {"bundle": bundle}
    monkeypatch.setattr(finished_run, "existing_bundle", lambda *_: found["bundle"])

    def ask(key="key", of=config):
        output = io.StringIO()
        shown = Console(file=output, highlight=False, soft_wrap=True)
        for module in (console, show_evaluation):
            monkeypatch.setattr(module, "console", shown)
        kept = kept_answer(run.answer_file, key)
        said = kept is not None and answer_again(kept, of, run, bundle.path)
        assert said or not output.getvalue()
        return output.getvalue() if said else None

    ask.found = found
    return ask


def test_all_that_was_said_is_said_again(answered, run, bundle):
    lines = [line.rstrip() for line in answered().splitlines()]
    assert lines[0].startswith("data      20 train / 10 valid / 10 test examples")
    places = lines[1:]
    assert places[0] == f"fit       {CHANGES[0]}"
    assert places[1] == f"train     {run.path} is trained with this configuration and data: reused"
    assert places[2].startswith("predict ")
    assert places[3:5] == [f"          {line}" for line in SCORED]
    assert places[5] == f"bundle    {bundle.path}"
    assert places[-1] == f"export    {run.export / '2'}"


def flip_a_byte(run):
    file = run.export / "2" / "variables" / "variables.data"
    file.write_bytes(b"\0\1\3")  # of the same size


DAMAGE = {
    "a byte of the export": flip_a_byte,
    "a file of the export": lambda run: (run.export / "2" / "saved_model.pb").unlink(),
    "one more file": lambda run: (run.export / "2" / "assets").write_text(""),
    "a newer version": lambda run: shutil.copytree(run.export / "2", run.export / "3"),
    "no version": lambda run: run.export.rename(run.path / "gone"),
    "no checkpoint": lambda run: (run.best_checkpoints / "step-7.index").unlink(),
    "no metrics": lambda run: run.metrics_file.unlink(),
    "a stage": lambda run: run.state_file.write_text(
        run.state_file.read_text().replace('"export"', '"train"')
    ),
    "another training": lambda run: run.state_file.write_text(
        run.state_file.read_text().replace('"f"', '"g"')
    ),
    "no answer": lambda run: run.answer_file.unlink(),
    "half an answer": lambda run: run.answer_file.write_text(run.answer_file.read_text()[:40]),
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_it_does_not_hold_where_anything_of_the_run_is_different(answered, run, damage):
    assert answered() is not None
    damage(run)
    assert answered() is None


def test_it_does_not_hold_for_other_settings_or_another_bundle(answered, bundle):
    assert answered(key="another") is None
    other = replace(bundle, manifest=bundle.manifest.model_copy(update={"fingerprint": "x"}))
    answered.found["bundle"] = other
    assert answered() is None
    answered.found["bundle"] = None  # one would have to be built
    assert answered() is None


def test_it_does_not_hold_where_training_may_go_on(answered, run, config):
    state = json.loads(run.state_file.read_text())
    run.state_file.write_text(json.dumps({**state, "cut_after": 60.0}))
    assert answered() is None  # without a limit it would train on
    limited = config.model_copy(
        update={"train": config.train.model_copy(update={"max_seconds": 60})}
    )
    assert answered(of=limited) is not None


def test_an_older_version_may_change(answered, run):
    (run.export / "1" / "saved_model.pb").write_bytes(b"")
    assert answered() is not None


def test_the_checksum_of_a_folder_is_of_names_and_contents(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "x").write_bytes(b"12")
    before = checksum_of(tmp_path)
    (tmp_path / "a" / "x").rename(tmp_path / "a" / "y")
    renamed = checksum_of(tmp_path)
    (tmp_path / "a" / "y").write_bytes(b"1")
    assert len({before, renamed, checksum_of(tmp_path)}) == 3
