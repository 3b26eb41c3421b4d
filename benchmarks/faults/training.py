"""Attacks on trainings, exports and configuration files."""

import os
import shutil
import stat
import subprocess
import time
from pathlib import Path

from benchmarks.faults.attack import Attack, failures_of
from benchmarks.faults.workshop import Workshop
from features.errors import ConfigError, ExportError
from pipeline.config.bounded_yaml import read_yaml
from pipeline.runs.checkpoint_files import checkpoints_in
from serving.scoring.predict import predict
from serving.scoring.scorer import Scorer


def _until_checkpoints(workshop: Workshop, run: Path, *more: object) -> subprocess.Popen:
    """A training of many epochs that has two checkpoints."""
    config = workshop.write_config(workshop.folder / "long.yaml", epochs=500, patience=500)
    job = workshop.start(
        "train", "--config", config, "--bundle", workshop.bundle.path, "--out", run, *more
    )
    folder = run / "checkpoints" / "last"
    while len(checkpoints_in(folder)) < 2 and job.poll() is None:
        time.sleep(0.02)
    return job


def damaged_checkpoints(workshop: Workshop, folder: Path, times: int) -> tuple[int, list[str]]:
    """Continues from the checkpoint before, with a warning; without one, a sentence."""
    damages = {
        "cut": lambda path: os.truncate(f"{path}.data-00000-of-00001", 100),
        "empty": lambda path: os.truncate(f"{path}.data-00000-of-00001", 0),
        "no data": lambda path: os.unlink(f"{path}.data-00000-of-00001"),
        "foreign index": lambda path: Path(f"{path}.index").write_bytes(b"<html></html>"),
    }
    failures = []
    chosen = [list(damages)[number % len(damages)] for number in range(times)]
    for name in chosen:
        run = folder / "run"
        job = _until_checkpoints(workshop, run)
        job.kill()
        job.wait()
        latest, before = checkpoints_in(run / "checkpoints" / "last")[:2]
        damages[name](latest)
        job = workshop.start(
            "train", "--config", workshop.folder / "long.yaml", "--bundle", workshop.bundle.path,
            "--out", run,
        )  # fmt: skip
        end = time.monotonic() + 90
        while "continues from" not in workshop.output.read_text() and time.monotonic() < end:
            time.sleep(0.1)
        job.terminate()
        code, said = job.wait(timeout=60), workshop.output.read_text()
        checks = {
            "names the damaged one": f"{latest.name} is damaged" in said,
            "continues": f"{before.name}: epoch" in said,
            f"ends in one line, code {code}": code == 143 and "Traceback" not in said,
        }
        failures += [f"{name}: {check}" for check in failures_of(checks)]
        shutil.rmtree(run)
    return len(chosen), failures


def bundle_taken_away(workshop: Workshop, folder: Path, times: int) -> tuple[int, list[str]]:
    """A sentence at the end of the epoch, whoever replaces or removes it."""
    failures = []
    for number in range(times):
        there = folder / "bundle"
        shutil.copytree(workshop.bundle.path, there)
        job = _until_checkpoints(workshop, folder / "run", "--bundle", there)
        there.rename(folder / "away")
        if number % 2:  # another one, put there by hand
            workshop.build(there, seed=7)
        code, said = job.wait(timeout=120), workshop.output.read_text()
        if code != 2 or "while it was read" not in said or "Traceback" in said:
            failures.append(f"{number}: exit code {code}")
        for path in folder.iterdir():
            shutil.rmtree(path)
    return times, failures


def full_disks(workshop: Workshop, folder: Path, times: int) -> tuple[int, list[str]]:
    """A sentence with the room that is needed, and nothing left. Needs the right to mount."""
    failures, tried = [], 0
    disk = folder / "disk"
    disk.mkdir()
    for size in ("64k", "256k")[:times]:
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", disk])
        if mounted.returncode:
            return tried, failures
        tried += 1
        try:
            arguments = ["--config", workshop.folder / "config.yaml"]
            if size == "64k":
                job = workshop.start("build-bundle", *arguments, "--bundle", disk / "out")
            else:
                arguments += ["--bundle", workshop.bundle.path, "--out", disk / "run"]
                (disk / "filler").write_bytes(b"x" * 200_000)
                job = workshop.start("train", *arguments)
            code, said = job.wait(timeout=120), workshop.output.read_text()
            left = [path.name for path in disk.rglob("*step-*") if "temp" in path.name]
            if code != 2 or "full" not in said or "Traceback" in said or left:
                failures.append(f"{size}: exit code {code}, {said[-200:]!r}, left {left}")
        finally:
            subprocess.run(["umount", disk], check=True)
    return tried, failures


def damaged_exports(workshop: Workshop, folder: Path, times: int) -> tuple[int, list[str]]:
    """A sentence that names the file."""
    vocabulary = "assets/item.txt"
    damages = {
        "lines exchanged": (vocabulary, lambda lines: [lines[1], lines[0], *lines[2:]]),
        "lines more": (vocabulary, lambda lines: [*lines, b"new"]),
        "lines fewer": (vocabulary, lambda lines: lines[:2]),
        "empty": (vocabulary, lambda lines: []),
        "metadata cut": ("assets/metadata.json", lambda lines: lines[: len(lines) // 2]),
        "model cut": ("saved_model.pb", lambda lines: lines[: len(lines) // 2]),
        "index empty": ("variables/variables.index", lambda lines: []),
    }
    failures = []
    chosen = list(damages)[:times]
    for name in chosen:
        file, change = damages[name]
        shutil.copytree(workshop.export, folder / "1")
        path = folder / "1" / file
        path.write_bytes(b"".join(line + b"\n" for line in change(path.read_bytes().splitlines())))
        try:
            Scorer(folder / "1")
            failures.append(f"{name}: scored")
        except ExportError as error:
            if file == vocabulary and "item.txt is damaged" not in str(error):
                failures.append(f"{name}: {error}")
        shutil.rmtree(folder / "1")
    return len(chosen), failures


def outputs(workshop: Workshop, folder: Path, times: int) -> tuple[int, list[str]]:
    """Links stay links, pipes pipes and devices devices."""
    (folder / "file").touch()
    (folder / "link").symlink_to("file")
    (folder / "dangling").symlink_to("new")
    os.mkfifo(folder / "pipe")
    reading = os.open(folder / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    kinds = {"link": stat.S_ISLNK, "dangling": stat.S_ISLNK, "pipe": stat.S_ISFIFO}
    chosen = [*(folder / name for name in kinds), Path(os.devnull)][:times]
    rows = str(workshop.export / "assets.extra" / "sample_rows.jsonl")
    for path in chosen:
        predict(workshop.export, rows, str(path))
    os.close(reading)
    is_kind = {**{str(folder / name): kind for name, kind in kinds.items()}}
    return len(chosen), [
        str(path)
        for path in chosen
        if not is_kind.get(str(path), stat.S_ISCHR)(os.lstat(path).st_mode)
    ]


def configurations(workshop: Workshop, folder: Path, times: int) -> tuple[int, list[str]]:
    """A sentence within seconds."""
    texts = {
        "list as a key": "? [a, b]\n: 1",
        "mapping as a key": "? {a: b}\n: 1",
        "a key twice": "a: 1\na: 2",
        "an alias of itself": "a: &a [*a]",
        "no such date": "a: 2026-13-45",
        "deep": "a: " + "[" * 60 + "]" * 60,
        "no end": "a: [",
    }
    chosen, failures = list(texts)[:times], []
    for name in chosen:
        (folder / "a.yaml").write_text(texts[name])
        started = time.monotonic()
        try:
            read_yaml(folder / "a.yaml")
            failures.append(f"{name}: read")
        except ConfigError:
            if time.monotonic() - started > 5.0:
                failures.append(f"{name}: slow")
    return len(chosen), failures


ATTACKS = (
    Attack("training: killed, and its last checkpoint damaged", damaged_checkpoints, 4),
    Attack("training: its bundle is removed or replaced by hand", bundle_taken_away, 2),
    Attack("a full disk: of the bundle, of the run", full_disks, 2),
    Attack("export: a file is damaged", damaged_exports, 7),
    Attack("`predict --output` at links, a pipe, a device", outputs, 4),
    Attack("configuration files that are none", configurations, 7, 7),
)
