"""The folder of a run: where everything lies, and which of its stages are finished."""

import contextlib
import hashlib
import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from features import storage
from features.bundle import METADATA, VOCABULARIES, Bundle, file_entry, read_metadata
from features.errors import ConfigError
from pipeline.config.config_files import dump_config, load_config
from pipeline.config.run_config import RunConfig
from pipeline.runs.checkpoint_files import latest_checkpoint
from pipeline.system.files import write_json, write_text
from serving.export_format.export_layout import (
    EXPORT_OF_RUN,
    OPENVINO_MODEL,
    SAVED_MODEL,
    version_folders,
)

STAGES = ("train", "evaluate", "export")


@dataclass(frozen=True)
class RunDir:
    """Paths inside the folder of a run.

    config.yaml      the resolved configuration
    run.json         bundle, fingerprint, finished stages
    bundle/          metadata and vocabularies of the bundle: what the network's ids mean
    checkpoints/     the folders `best`, and `last` to continue from
    tensorboard/     logs for `tensorboard --logdir`
    recalibration.json   maps of the network's logits, see `pipeline.stages.recalibrate`
    metrics.json     training history and evaluation
    scores.npz       labels and probabilities of its rows, see `pipeline.evaluation.kept_scores`
    curves.jsonl     the training by step, see `pipeline.training.step_curves`
    report.json      the numbers behind its pictures, see `pipeline.reporting.numbers`
    report.html      all of it to look at, see `pipeline.reporting.run_report`
    answer.json      what `run` says of it once it is finished, see `pipeline.stages.finished_run`
    export/          SavedModels, one folder a version
    export-<variant>/   the same of a variant, see `serving.variants`
    """

    path: Path

    @property
    def config_file(self) -> Path:
        return self.path / "config.yaml"

    @property
    def state_file(self) -> Path:
        return self.path / "run.json"

    @property
    def checkpoints(self) -> Path:
        return self.path / "checkpoints"

    @property
    def best_checkpoints(self) -> Path:
        """Folder of the checkpoint of the best epoch."""
        return self.checkpoints / "best"

    @property
    def best_checkpoint(self) -> Path:
        """Checkpoint of the best epoch, without the endings of its files.

        Runs of earlier versions have files of the folder's name.
        """
        return latest_checkpoint(self.best_checkpoints) or self.best_checkpoints

    @property
    def last_checkpoint(self) -> Path:
        """Folder of the checkpoint to continue from."""
        return self.checkpoints / "last"

    @property
    def bundle_copy(self) -> Path:
        """Folder with the bundle's metadata and vocabularies, for days when that is gone."""
        return self.path / "bundle"

    @property
    def tensorboard(self) -> Path:
        return self.path / "tensorboard"

    @property
    def recalibration_file(self) -> Path:
        return self.path / "recalibration.json"

    @property
    def metrics_file(self) -> Path:
        return self.path / "metrics.json"

    @property
    def scores_file(self) -> Path:
        return self.path / "scores.npz"

    @property
    def curves_file(self) -> Path:
        return self.path / "curves.jsonl"

    @property
    def report_file(self) -> Path:
        return self.path / "report.html"

    @property
    def report_numbers_file(self) -> Path:
        return self.path / "report.json"

    @property
    def answer_file(self) -> Path:
        return self.path / "answer.json"

    @property
    def export(self) -> Path:
        return self.path / EXPORT_OF_RUN

    @property
    def _results(self) -> tuple[Path, ...]:
        return (
            self.recalibration_file,
            self.metrics_file,
            self.scores_file,
            self.curves_file,
            self.report_numbers_file,
            self.report_file,
            self.answer_file,
        )

    def export_of(self, variant: str) -> Path:
        """Folder of a variant's versions, beside the export: a server of that never takes them."""
        return self.path / f"export-{variant}"

    def state(self) -> dict[str, Any]:
        """What `run.json` says; empty where there is no run.

        Raises:
            ConfigError: It is damaged. Whether a run is finished nobody knows then.
        """
        state = _read_mapping(self.state_file)
        if self.state_file.exists() and not _is_state(state):
            raise _damaged(self.state_file, "it does not say which stages are finished, or of what")
        return state

    def metrics(self) -> dict[str, Any]:
        """What `metrics.json` says; empty where there is none.

        Raises:
            ConfigError: It is damaged.
        """
        return _read_mapping(self.metrics_file)

    def recalibration(self) -> dict[str, Any]:
        """What `recalibration.json` says; empty where there is none.

        Raises:
            ConfigError: It is damaged.
        """
        return _read_mapping(self.recalibration_file)

    def config(self) -> RunConfig:
        """The configuration that the run was started with.

        Raises:
            ConfigError: The folder holds no run.
        """
        for file in (self.config_file, self.state_file):
            if not file.exists():
                raise ConfigError(
                    f"{self.path} is not the folder of a run: it has no {file.name}. "
                    "Train first: python -m pipeline train --config ... --out ..."
                )
        return load_config(self.config_file, check=False)  # it was checked before it was run

    def can_continue(
        self, config: RunConfig, bundle: Bundle, warm_start: "RunDir | None" = None
    ) -> bool:
        """Whether a training of just this configuration, data and warm start was interrupted."""
        state = self.state()
        return (
            "train" not in state.get("finished", ())
            and state.get("fingerprint") == run_fingerprint(config, bundle, _key_of(warm_start))
            and latest_checkpoint(self.last_checkpoint) is not None
        )

    def begin(
        self,
        config: RunConfig,
        bundle: Bundle,
        overwrite: bool = False,
        warm_start: "RunDir | None" = None,
    ) -> None:
        """Starts a run here: writes its configuration, and that no stage is finished yet.

        Args:
            config: Configuration of the run.
            bundle: Data bundle that the run trains on.
            overwrite: Replace a finished run of another configuration.
            warm_start: The run that it starts from.

        Raises:
            ConfigError: The folder holds a finished run of another configuration, or cannot be
                made.
        """
        fingerprint = run_fingerprint(config, bundle, _key_of(warm_start))
        state = self.state()
        if state.get("finished") and state.get("fingerprint") != fingerprint and not overwrite:
            raise ConfigError(
                f"{self.path} holds a finished run of another configuration or other data. Give "
                "another folder with --out, or replace that run with --overwrite."
            )
        if not state:
            self._claim()
        write_text(str(self.config_file), dump_config(config))
        # What there is may be of another configuration.
        for file in self._results:
            file.unlink(missing_ok=True)
        if state.get("fingerprint") != fingerprint and overwrite:
            for folder in (self.export, *self.path.glob("export-*")):  # of the replaced network
                _remove_versions(folder)
        self._copy_of(bundle)
        # Absolute, unless it lies in an object store: the run may be used from another folder.
        path = bundle.path if "://" in bundle.path else os.path.abspath(bundle.path)
        state = {"fingerprint": fingerprint, "bundle": path, "finished": []}
        given = config.given()
        if given is not None:
            state["given"] = given
        if warm_start is not None:
            key = _key_of(warm_start)
            state["warm_start"] = {"run": os.path.abspath(warm_start.path), "fingerprint": key}
        self._write_state(state)

    def _claim(self) -> None:
        """Makes the folder a run's; what is in it stays unless a run would write there."""
        of_a_run = [self.config_file, *self._results]
        of_a_run += [self.bundle_copy, self.checkpoints, self.tensorboard, self.export]
        names = [path.name for path in of_a_run if os.path.lexists(path)]
        if names:
            raise ConfigError(
                f"{self.path} has {', '.join(names)} and is not the folder of a run: it has no "
                f"{self.state_file.name}. Give another folder with --out, or remove them."
            )
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            self._write_state({"finished": []})
        except OSError as error:
            raise ConfigError(
                f"{self.path} cannot be written: {error.strerror}. Give another folder with --out."
            ) from None

    def finish(self, stage: str, cut_after: float | None = None) -> None:
        """Notes that a stage is finished; and after how many seconds, if the clock ended it."""
        state = self.state()
        state.pop("failed", None)
        if cut_after is not None:
            state["cut_after"] = cut_after
        finished = {*state["finished"], stage}
        self._write_state({**state, "finished": [name for name in STAGES if name in finished]})

    def note_failure(self, why: str) -> None:
        """Notes why training stopped, for who asks for its network later."""
        self._write_state({**self.state(), "failed": why})

    def check_trained(self) -> None:
        """Refuses a run whose training did not end.

        Raises:
            ConfigError: It was interrupted or stopped by an error, and its checkpoints are not
                those of the best epoch.
        """
        state = self.state()
        if "train" not in state.get("finished", ()):
            start = state.get("warm_start")
            failed = f": {state['failed'].rstrip('.')}" if "failed" in state else ""
            raise ConfigError(
                f"the training of {self.path} did not end{failed}. Train it again: "
                f"python -m pipeline train --config {self.config_file} --out {self.path}"
                + (f" --warm-start {start['run']}" if start else "")
            )

    def check_bundle(self, config: RunConfig, bundle: Bundle) -> None:
        """Refuses a bundle that the run was not trained on.

        Raises:
            ConfigError: Its vocabularies may differ, and ids would mean other tokens.
        """
        if not self.was_trained_on(config, bundle):
            raise ConfigError(
                f"{bundle.path} is not the bundle that {self.path} was trained on; it may have "
                "been replaced by a build with other data settings. Give that one with --bundle, "
                "or train again."
            )

    def was_trained_on(self, config: RunConfig, bundle: Bundle) -> bool:
        """Whether a bundle is the one that the run was trained on."""
        state = self.state()
        # As it was noted: the run that this one started from may be gone.
        start = state.get("warm_start", {}).get("fingerprint")
        return bool(state.get("fingerprint") == run_fingerprint(config, bundle, start))

    def check_ids(self, bundle: Bundle) -> None:
        """Refuses a bundle in which ids, means or quantiles mean something else to the network.

        Raises:
            ConfigError: Says what is different.
        """
        own, other = read_metadata(self.bundle_copy / METADATA), bundle.metadata
        if own.features.declared() != other.features.declared():
            different = "other features, groups or histories"
        elif self._vocabularies() != _vocabularies_of(bundle):
            different = "other vocabularies"
        elif own.analysis != other.analysis:
            different = "other means or quantiles"
        else:
            return
        raise ConfigError(
            f"{bundle.path} has {different} than the bundle that {self.path} was trained on, so "
            "its ids mean something else to that network. Build it with the ids of that bundle: "
            f'--set "data.vocabularies={{from: {self.state().get("bundle")}, mode: frozen}}"'
        )

    def has_finished(
        self,
        stage: str,
        config: RunConfig,
        bundle: Bundle,
        warm_start: "RunDir | None" = None,
    ) -> bool:
        """Whether the stage was finished with just this configuration, data and warm start.

        A stage whose result was removed since is not finished, nor is a training that the clock
        ended where it may now take longer.
        """
        fingerprint = run_fingerprint(config, bundle, _key_of(warm_start))
        return self.is_finished(stage, fingerprint, config.train.max_seconds)

    def is_finished(self, stage: str, fingerprint: str, max_seconds: float | None) -> bool:
        """As `has_finished`, of a configuration whose fingerprint is known.

        Args:
            stage: One of `STAGES`.
            fingerprint: From `run_fingerprint`.
            max_seconds: What training may take.
        """
        there = {
            "train": Path(f"{self.best_checkpoint}.index").exists(),
            "evaluate": self.metrics_file.exists(),
            "export": self.export.is_dir() and bool(version_folders(self.export)),
        }
        state = self.state()
        cut_after = state.get("cut_after")
        may_go_on = max_seconds is None or max_seconds > (cut_after or 0.0)
        if stage == "train" and cut_after is not None and may_go_on:
            return False
        return (
            there[stage]
            and stage in state.get("finished", ())
            and state["fingerprint"] == fingerprint
        )

    def update_metrics(self, **sections: Any) -> dict[str, Any]:
        """Replaces sections of metrics.json and returns the whole."""
        metrics = self.metrics() | sections
        write_json(str(self.metrics_file), metrics)
        return metrics

    def _vocabularies(self) -> dict[str, str]:
        """Vocabulary file of the run's bundle -> checksum."""
        files = (self.bundle_copy / VOCABULARIES).glob("*")
        return {f"{VOCABULARIES}/{file.name}": file_entry(str(file)).sha256 for file in files}

    def _copy_of(self, bundle: Bundle) -> None:
        storage.remove_tree(str(self.bundle_copy))
        names = [name for name in bundle.manifest.files if name.startswith(f"{VOCABULARIES}/")]
        for name in (METADATA, *names):
            target = self.bundle_copy / name
            target.parent.mkdir(parents=True, exist_ok=True)
            storage.copy(f"{bundle.path}/{name}", str(target))

    def _write_state(self, state: dict[str, Any]) -> None:
        write_json(str(self.state_file), state)


def _remove_versions(folder: Path) -> None:
    """Removes the versions that an export wrote, and the folder if nothing else is in it.

    A user may keep other things in a run, whatever they are called.
    """
    for version in version_folders(folder) if folder.is_dir() else ():
        if any((version / name).exists() for name in (SAVED_MODEL, OPENVINO_MODEL)):
            shutil.rmtree(version, ignore_errors=True)
    with contextlib.suppress(OSError):  # not empty, or not there
        folder.rmdir()


def _read_mapping(file: Path) -> dict[str, Any]:
    try:
        content = json.loads(file.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except ValueError as error:
        content = error
    if isinstance(content, dict):
        return content
    reason = content if isinstance(content, ValueError) else "it holds no JSON object"
    raise _damaged(file, str(reason))


def _is_state(state: dict[str, Any]) -> bool:
    """Whether `run.json` says what a run is, as far as it goes."""
    finished = state.get("finished")
    of_what = [state.get(name, "") for name in ("fingerprint", "bundle")]
    return (
        isinstance(finished, list)
        and set(map(str, finished)) <= set(STAGES)
        and all(isinstance(each, str) for each in of_what)
        and (not finished or all(of_what))
    )


def _damaged(file: Path, reason: str) -> ConfigError:
    return ConfigError(
        f"{file} is damaged: {reason}. Copy it again from where it was whole, or give another "
        "folder with --out; to give the run up, remove its folder."
    )


def run_fingerprint(config: RunConfig, bundle: Bundle, warm_start: str | None = None) -> str:
    """Fingerprint of everything that a run's results depend on.

    Args:
        config: Configuration of the run.
        bundle: Data bundle that the run is trained on.
        warm_start: Fingerprint of the run that it starts from; None for a fresh network.
    """
    parts = [bundle.manifest.fingerprint]
    # What changes only how fast a run goes, or what it prints.
    irrelevant = {
        "baseline",
        "eval_batch_size",
        "log_seconds",
        "max_seconds",
        "curve_steps",
        "checkpoint_seconds",
        "profile_steps",
        "steps_per_execution",
    }
    # A run of before these settings is the same as one that leaves them off.
    later = ("recalibration", "average", "bucket_by_length")
    irrelevant |= {name for name in later if not getattr(config.train, name)}
    parts += [config.model.model_dump_json(), config.train.model_dump_json(exclude=irrelevant)]
    parts += [config.evaluate.model_dump_json(exclude={"report"})]
    parts += [RunDir(Path(run)).state().get("fingerprint", "") for run in config.train.teachers]
    if warm_start is not None:
        parts += [f"warm start {warm_start}"]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _vocabularies_of(bundle: Bundle) -> dict[str, str]:
    files = bundle.manifest.files.items()
    return {name: entry.sha256 for name, entry in files if name.startswith(f"{VOCABULARIES}/")}


def _key_of(run: RunDir | None) -> str | None:
    return None if run is None else run.state().get("fingerprint", "")
