"""Attacks on the command line: commands that are asked to end, and settings of absurd sizes."""

import itertools
import random
import signal
import subprocess
import time
import types
import typing
from collections.abc import Iterator
from pathlib import Path

import pydantic

from benchmarks.faults.attack import Attack, failures_of
from benchmarks.faults.workshop import Workshop
from features.errors import ConfigError
from pipeline.config.config_files import load_config
from pipeline.config.run_config import RunConfig

ABSURD = ("1000000000", "9" * 30, "1e300", ".inf", "-.inf", ".nan", "-1", "0", "0.5", "[]", "{}")
_LEFT = ("*.building*", "*.lock", "**/.exporting-*", "**/*.part-*", ".scores*")


def _commands(workshop: Workshop, folder: Path) -> dict[str, list[object]]:
    """Command -> arguments with which it works for seconds."""
    config = workshop.write_config(folder / "long.yaml", epochs=500, patience=500)
    bundle = ["--bundle", workshop.bundle.path]
    train = ["train", "--config", config, *bundle, "--out"]
    return {
        "inspect": [workshop.log, "--out", folder / "inspected.yaml"],
        "build-bundle": ["--config", config, "--bundle", folder / "bundle"],
        "train": [*train[1:], folder / "run"],
        "supervise": ["--workers", 1, "--", *train, folder / "supervised"],
        "evaluate": [workshop.run.path],
        "export": [workshop.run.path, "--out", folder / "export"],
        "predict": [workshop.export, "--input", workshop.log, "--output", folder / "scores"],
        "compare": [config, *bundle, "--networks", "dcnv2", "--out", folder / "compare"],
        "serve": [workshop.export.parent, "--grpc-port", 0, "--rest-port", 0],
    }


def asked_to_end(workshop: Workshop, folder: Path, times: int) -> tuple[int, list[str]]:
    """Exit code 128 and the signal's number, one line, nothing left; `serve` answers and ends."""
    failures = []
    for number in range(times):
        there = folder / str(number)
        there.mkdir()
        commands = _commands(workshop, there)
        name = list(commands)[number // 2 % len(commands)]
        asked = (signal.SIGTERM, signal.SIGINT)[number % 2]
        job = workshop.start(name, *commands[name])
        time.sleep(random.uniform(0.3, 6.0))
        begun = time.monotonic()
        job.send_signal(asked)
        try:
            code = job.wait(timeout=60)
        except subprocess.TimeoutExpired:
            job.kill()
            code = job.wait()
        had_ended = time.monotonic() - begun < 0.5
        said = workshop.output.read_text()
        left = [path for pattern in _LEFT for path in there.glob(pattern)]
        left += (workshop.folder / "tmp").iterdir()
        wanted = {128 + asked, 0} if name == "serve" or had_ended else {128 + asked}
        checks = {
            f"exit code {code}": code in wanted,
            f"one line, not {said[-300:]!r}": "Traceback" not in said and said.count("SIG") <= 2,
            f"nothing left, but {left}": not left,
        }
        failures += [f"{name}, {asked.name}: {check}" for check in failures_of(checks)]
    return times, failures


def absurd_sizes(workshop: Workshop, folder: Path, times: int) -> tuple[int, list[str]]:
    """A sentence, or a setting that was meant so; at once, and nothing else."""
    settings = [
        f"{setting}={value}" for setting, value in itertools.product(numbers_of(RunConfig), ABSURD)
    ]
    random.Random(7).shuffle(settings)
    failures = []
    for setting in settings[:times]:
        started = time.monotonic()
        try:
            load_config(workshop.folder / "config.yaml", [setting], check=False)
        except ConfigError:
            pass
        except Exception as error:
            failures.append(f"{setting}: {type(error).__name__}: {error}")
        if time.monotonic() - started > 5.0:
            failures.append(f"{setting}: slow")
    return len(settings[:times]), failures


def numbers_of(model: type[pydantic.BaseModel], prefix: str = "") -> Iterator[str]:
    """The settings of a model, and of the models in it, that are numbers."""
    for name, field in model.model_fields.items():
        options = _options(field.annotation)
        if {int, float} & set(options):
            yield f"{prefix}{name}"
        for option in options:
            if isinstance(option, type) and issubclass(option, pydantic.BaseModel):
                yield from numbers_of(option, f"{prefix}{name}.")


def _options(annotation: object) -> list[object]:
    if typing.get_origin(annotation) is typing.Annotated:
        return _options(typing.get_args(annotation)[0])
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        return [each for part in typing.get_args(annotation) for each in _options(part)]
    return [annotation]


ATTACKS = (
    Attack("every command: SIGTERM, Ctrl-C at a random moment", asked_to_end, 18),
    Attack("settings of absurd sizes", absurd_sizes, 1000, 100),
)
