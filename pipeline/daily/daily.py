"""The daily job: the stages of a day in order, each done once."""

import shutil
import time
from dataclasses import dataclass

from features.errors import ConfigError
from pipeline.daily.day_job import DayJob
from pipeline.daily.history_page import write_history
from pipeline.daily.service import Version, read_service, write_models_config
from pipeline.daily.stages import STAGES_OF_A_DAY, Stage
from pipeline.daily.state_folder import STAGES, Marker, StateFolder, digest
from pipeline.data.job.data_job import existing_bundle
from pipeline.system.console import say


@dataclass(frozen=True)
class Decision:
    """What became of a day.

    Args:
        stage: The last stage that was done.
        reasons: Why the day went no further; empty where nothing stood against it.
    """

    stage: str
    reasons: list[str]


def do_day(job: DayJob, only: str | None = None) -> Decision:
    """Does what is not done yet of a day, or one of its stages alone.

    Args:
        job: The day.
        only: One of `STAGES`, whose forerunners must be finished; None does all of them.

    Raises:
        ConfigError: A stage before `only` is not finished.
        UserError: As a stage raises it; what was finished before stays so.
    """
    before: Marker | None = None
    try:
        for name in STAGES:
            before = _done(job, name, before, may_do=only in (None, name))
            if before.reasons or name == only:
                break
    finally:
        write_history(job.state)
    assert before is not None
    return Decision(before.stage, before.reasons)


def published(state: StateFolder, day: str) -> Version | None:
    """The version that a day was published as; None where it was not."""
    marker = state.day(day).marker("publish")
    if marker is None or marker.reasons:
        return None
    return read_service(state).version(int(marker.output))


def forget_day(state: StateFolder, day: str) -> None:
    """Removes all that is kept of a day but its published versions, so that it is done again."""
    state.check_order(day)
    folder = state.day(day)
    if folder.path.is_dir():
        folder.forget(STAGES[0])
        shutil.rmtree(folder.path)


def mend(state: StateFolder) -> None:
    """Writes anew what follows from other files, which a process that died may have left old."""
    service = read_service(state)
    if service.versions:
        write_models_config(state, service)
    write_history(state)


def _done(job: DayJob, name: str, before: Marker | None, may_do: bool) -> Marker:
    """The marker of a stage, which is done unless it is already."""
    stage = STAGES_OF_A_DAY[name]
    key = digest(name, before and before.output, stage.decides(job))
    marker = job.folder.marker(name)
    if marker is not None and marker.key == key and _is_whole(job, marker, may_do):
        say(name, f"{job.day}: done before, kept")
        return marker
    if not may_do:
        raise ConfigError(
            f"stage {name} of {job.day} is not finished with these settings, and later ones need "
            f"it. Do it first: --stage {name}"
        )
    return _do(job, name, stage, key)


def _do(job: DayJob, name: str, stage: Stage, key: str) -> Marker:
    job.folder.forget(name)
    job.folder.path.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    outcome = stage.do(job)
    seconds = round(time.monotonic() - started, 1)
    marker = Marker(name, key, outcome.output, outcome.reasons, seconds, outcome.facts)
    job.folder.finish(marker)
    say(name, f"{job.day}: done in {seconds:.1f} s" + (", refused" if marker.reasons else ""))
    return marker


def _is_whole(job: DayJob, marker: Marker, look_at_input: bool) -> bool:
    """Whether a bundle is there and of the files that lie there now; other results always are."""
    if marker.stage != "build" or not look_at_input:
        return True
    if marker.reasons:
        return False  # the files may have been mended
    config, path = job.config, str(job.folder.bundle)
    bundle = existing_bundle(config.feature_set, config.data, path)
    return bundle is not None and bundle.manifest.fingerprint == marker.output
