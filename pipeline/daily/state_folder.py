"""The folder of the daily job: what was done of which day, and where it lies.

DIR/
  days/2026-11-28/
    bundle/, run/          the day's data and its model
    statistics.json        what the day's rows look like; statistics.binpb for other tools
    build.json, check.json, train.json, bless.json, publish.json    a marker of each finished stage
  serving/                 base path: version folders
  models.config            which of them to serve, with the labels `stable` and `canary`
  service.json             which day each version is of
  history.jsonl, index.html    a line, and a row, of each day
"""

import hashlib
import json
import re
from dataclasses import asdict, dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from features.errors import ConfigError
from pipeline.runs.run_dir import RunDir
from pipeline.system.files import read_json, write_json

STAGES = ("build", "check", "train", "bless", "publish")
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")


@dataclass(frozen=True)
class Marker:
    """That a stage is finished, and what came of it.

    Args:
        stage: One of `STAGES`.
        key: Checksum of all that decided the result.
        output: Names the result, such as a fingerprint: what comes after depends on it.
        reasons: Sentences that say why the day goes no further; empty where it does.
        seconds: What the stage took.
        facts: What the page and the history show of it.
    """

    stage: str
    key: str
    output: str
    reasons: list[str] = field(default_factory=list)
    seconds: float = 0.0
    facts: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class DayFolder:
    """What the daily job keeps of one day."""

    path: Path

    @property
    def day(self) -> str:
        return self.path.name

    @property
    def bundle(self) -> Path:
        return self.path / "bundle"

    @property
    def run(self) -> RunDir:
        return RunDir(self.path / "run")

    @property
    def statistics(self) -> Path:
        return self.path / "statistics.json"

    @property
    def statistics_proto(self) -> Path:
        return self.path / "statistics.binpb"

    def marker(self, stage: str) -> Marker | None:
        """That of a stage; None where it is not finished."""
        file = self._file(stage)
        return Marker(**read_json(str(file))) if file.exists() else None

    def markers(self) -> list[Marker]:
        """Those of the finished stages, in their order; none behind one that is not finished."""
        found = []
        for stage in STAGES:
            marker = self.marker(stage)
            if marker is None:
                break
            found.append(marker)
        return found

    def finish(self, marker: Marker) -> None:
        """Notes that a stage is finished, and that the stages after it are not any more."""
        self.forget(marker.stage)
        write_json(str(self._file(marker.stage)), asdict(marker))

    def forget(self, stage: str) -> None:
        """Forgets that a stage, and those after it, were finished; the last ones first."""
        for later in reversed(STAGES[STAGES.index(stage) :]):
            self._file(later).unlink(missing_ok=True)

    def _file(self, stage: str) -> Path:
        return self.path / f"{stage}.json"


@dataclass(frozen=True)
class StateFolder:
    """The folder of the daily job."""

    path: Path

    @property
    def serving(self) -> Path:
        return self.path / "serving"

    @property
    def models_config(self) -> Path:
        return self.path / "models.config"

    @property
    def service_file(self) -> Path:
        return self.path / "service.json"

    @property
    def history(self) -> Path:
        return self.path / "history.jsonl"

    @property
    def page(self) -> Path:
        return self.path / "index.html"

    def day(self, day: str) -> DayFolder:
        return DayFolder(self.path / "days" / day)

    def days(self) -> list[DayFolder]:
        """The days of which a stage at least is finished, in order."""
        folder = self.path / "days"
        if not folder.is_dir():
            return []
        days = [DayFolder(each) for each in sorted(folder.iterdir()) if _DAY.fullmatch(each.name)]
        return [each for each in days if each.markers()]

    def check_order(self, day: str) -> None:
        """Refuses a day before one that was begun.

        Raises:
            ConfigError: There is a later one, or it is no day.
        """
        check_day(day)
        later = [each.day for each in self.days() if each.day > day]
        if later:
            raise ConfigError(
                f"{day} comes before {later[-1]}, which {self.path} has already: days are done in "
                "their order. Give that day or a later one; to do earlier days again, use another "
                "folder for --state."
            )

    def accepted_before(self, day: str) -> list[DayFolder]:
        """The days before a day whose data were accepted, in order."""
        earlier = [each for each in self.days() if each.day < day]
        return [each for each in earlier if (m := each.marker("check")) and not m.reasons]


def check_day(day: str) -> None:
    """Refuses what is no day.

    Raises:
        ConfigError: It is not written as 2026-11-28, or there is no such day.
    """
    try:
        written = date.fromisoformat(day).isoformat()
    except ValueError:
        written = ""
    if written != day:
        raise ConfigError(f"--day {day!r} is no day. Write it as 2026-11-28.")


def digest(*content: Any) -> str:
    """SHA-256 of what JSON can hold."""
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()
