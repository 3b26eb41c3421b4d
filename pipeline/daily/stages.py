"""The stages of a day: what each depends on, and what it does."""

import json
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from features import storage
from features.bundle import Bundle, open_bundle
from features.errors import ConfigError, DataError, ExportError, TrainingError
from pipeline.batches.dataset import column_arrays
from pipeline.config.run_config import RunConfig
from pipeline.daily.bless import judge
from pipeline.daily.check import breaches, drift
from pipeline.daily.day_job import DayJob
from pipeline.daily.day_statistics import day_statistics, tokens_of
from pipeline.daily.incumbent import incumbent_scores
from pipeline.daily.service import put_in_service
from pipeline.daily.state_folder import DayFolder, digest
from pipeline.daily.tfmd_statistics import statistics_list
from pipeline.data.job.data_job import build_bundle
from pipeline.evaluation.kept_scores import load_scores
from pipeline.stages.evaluate_stage import evaluate_stage
from pipeline.stages.export_stage import export_stage
from pipeline.stages.fitted_config import fitted_config
from pipeline.stages.start import Start
from pipeline.stages.train_stage import train_stage
from pipeline.system.bundle_readers import reading
from pipeline.system.files import read_json, write_complete, write_json
from pipeline.system.lock import only_job_at
from pipeline.training.train import load_network
from serving.export_format.export_layout import version_folders


@dataclass(frozen=True)
class Outcome:
    """What a stage came to.

    Args:
        output: Names the result: what comes after depends on it.
        facts: What the page and the history show.
        reasons: Why the day goes no further; empty where it does.
    """

    output: str
    facts: dict[str, Any] = field(default_factory=dict)
    reasons: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Stage:
    """A stage of a day.

    Args:
        decides: What its result depends on beside the stage before it.
        do: Does it.
    """

    decides: Callable[[DayJob], Any]
    do: Callable[[DayJob], Outcome]


def build(job: DayJob) -> Outcome:
    """The day's bundle; data of which none can be made are refused."""
    _check_there(job.config.data.path)
    try:
        bundle = build_bundle(job.config.feature_set, job.config.data, str(job.folder.bundle))
    except DataError as error:
        return Outcome("", reasons=[str(error)])
    size = sum(entry.size for entry in bundle.manifest.files.values())
    return Outcome(bundle.manifest.fingerprint, {"rows": bundle.metadata.rows, "bytes": size})


def check(job: DayJob) -> Outcome:
    """The day's statistics beside those of the last days."""
    limits = job.config.daily.check
    statistics = day_statistics(open_bundle(job.folder.bundle))
    write_json(str(job.folder.statistics), statistics)
    proto = statistics_list(job.day, statistics).SerializeToString(deterministic=True)
    write_complete(str(job.folder.statistics_proto), lambda path: storage.write_bytes(path, proto))
    earlier = [read_json(str(each.statistics)) for each in _last_days(job)]
    before = _vocabulary_sizes(job.base)
    reasons = breaches(statistics, earlier, before, limits)
    facts = {
        "rows": statistics["rows"],
        "label_rate": statistics["label_rate"],
        "compared_with": [each.day for each in _last_days(job)],
        "drift": drift(statistics, earlier),
    }
    return Outcome(digest(statistics), facts, reasons)


def train(job: DayJob) -> Outcome:
    """The day's model, warm from the one in service, and its scores of validation and test rows."""
    bundle, run = open_bundle(job.folder.bundle), job.folder.run
    base = None if job.base is None else job.base.run
    start = Start(overwrite=True, warm_start=base)
    config = fitted_config(job.config, bundle, start)
    with reading(bundle), only_job_at(str(run.path)):
        network = None
        if not run.has_finished("train", config, bundle, base):
            try:
                network = train_stage(config, bundle, run, start)
            except TrainingError as error:
                return Outcome("", reasons=[str(error)])
        if not run.has_finished("evaluate", config, bundle, base):
            evaluate_stage(config, bundle, run, network or load_network(config, bundle, run))
    metrics = run.metrics()
    facts = {
        "test": metrics["evaluation"]["test"]["metrics"],
        "findings": metrics["findings"],
        "warm_start": None if job.base is None else job.base.day,
        "progressive": (metrics.get("warm_start") or {}).get("progressive"),
    }
    return Outcome(run.state()["fingerprint"], facts)


def bless(job: DayJob) -> Outcome:
    """The day's model beside the one in service, on the day's test rows."""
    bundle, run, rules = open_bundle(job.folder.bundle), job.folder.run, job.config.daily.bless
    candidate = load_scores(run.scores_file, "test")
    in_service = None
    if job.base is not None:
        with reading(bundle):
            in_service = incumbent_scores(run.config(), bundle, job.base.run, "test")
    slices = {name: _tokens(bundle, name) for name in rules.slices}
    weight_by = job.config.evaluate.gauc_weight_by
    report = judge(candidate, in_service, slices, rules, weight_by, _blessed_auc(job.base))
    facts = {**report, "in_service": None if job.base is None else job.base.day}
    return Outcome(digest(report), facts, report["reasons"])


def publish(job: DayJob) -> Outcome:
    """The verified export as the next version of the base path, with its label."""
    bundle, run = open_bundle(job.folder.bundle), job.folder.run
    config, base = run.config(), None if job.base is None else job.base.run
    with reading(bundle), only_job_at(str(run.path)):
        if not run.has_finished("export", config, bundle, base):
            try:
                export_stage(
                    _with_export(config, job), bundle, run, load_network(config, bundle, run)
                )
            except ExportError as error:
                return Outcome("", reasons=[str(error)])
    export = version_folders(run.export)[0]
    service, version = put_in_service(job.state, job.day, export, job.config.daily.publish)
    labels = [name for name in ("stable", "canary") if getattr(service, name) == version.number]
    size = sum(file.stat().st_size for file in export.rglob("*") if file.is_file())
    return Outcome(
        str(version.number), {"version": version.number, "labels": labels, "bytes": size}
    )


def _decides_build(job: DayJob) -> Any:
    base = None if job.base is None else (job.base.day, job.base.marker("build"))
    return [_declared(job.config), base and [base[0], base[1] and base[1].output]]


def _declared(config: RunConfig) -> dict[str, Any]:
    content = json.loads(
        config.model_dump_json(include={"data", "features", "groups", "histories"})
    )
    content["data"]["vocabularies"] = None  # said by the day that they go on from
    return content


def _decides_check(job: DayJob) -> Any:
    limits = job.config.daily.check.model_dump(mode="json")
    return [limits, [[each.day, _output(each, "check")] for each in _last_days(job)]]


def _decides_train(job: DayJob) -> Any:
    content = json.loads(job.config.model_dump_json(include={"model", "train", "evaluate"}))
    return [content, None if job.base is None else [job.base.day, _output(job.base, "train")]]


def _decides_bless(job: DayJob) -> Any:
    return job.config.daily.bless.model_dump(mode="json")


def _decides_publish(job: DayJob) -> Any:
    return job.config.export.model_dump(mode="json")


STAGES_OF_A_DAY = {
    "build": Stage(_decides_build, build),
    "check": Stage(_decides_check, check),
    "train": Stage(_decides_train, train),
    "bless": Stage(_decides_bless, bless),
    "publish": Stage(_decides_publish, publish),
}


def _with_export(config: RunConfig, job: DayJob) -> RunConfig:
    """The configuration of the run, exported as the day's configuration says."""
    return config.model_copy(update={"export": job.config.export})


def _output(folder: DayFolder, stage: str) -> str | None:
    marker = folder.marker(stage)
    return None if marker is None else marker.output


def _last_days(job: DayJob) -> list[DayFolder]:
    return job.state.accepted_before(job.day)[-job.config.daily.check.days :]


def _vocabulary_sizes(base: DayFolder | None) -> dict[str, int]:
    if base is None:
        return {}
    sizes: dict[str, int] = read_json(str(base.statistics))["vocabulary_sizes"]
    return sizes


def _blessed_auc(base: DayFolder | None) -> float | None:
    marker = None if base is None else base.marker("bless")
    return None if marker is None else marker.facts["metrics"]["auc"]["candidate"]


def _tokens(bundle: Bundle, name: str) -> np.ndarray:
    """A feature's token in each test row, (rows,)."""
    spec = bundle.metadata.features.features[name]
    names = np.array(tokens_of(bundle, spec))
    return names[column_arrays(bundle, "test", [name])[name]]


def _check_there(path: str | None) -> None:
    """Refuses files that are not there yet: the same command may be given again later.

    Raises:
        ConfigError: The path of the day's files does not exist.
    """
    if path is not None and "://" not in path and not os.path.exists(path):
        raise ConfigError(
            f"{path} is not there: data.path names the files of the day. Write them first, and "
            "repeat the command."
        )
