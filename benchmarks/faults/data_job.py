"""Attacks on the data job and its bundles."""

import os
import random
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.faults.attack import Attack, failures_of
from benchmarks.faults.workshop import Workshop
from features.bundle import open_bundle
from features.errors import BundleError, DataError
from features.specs import FeatureSet
from pipeline.data.job.data_job import build_bundle
from pipeline.system.bundle_readers import reading

NAMES = "user id|a:b|a%b|a(b)|it's|say 'x'|a<b>|#1|why?|{x}|$price|~x|@x|back\\slash|größe|日本|é"
NAMES += "|a.b|a-b|a>b|1st|[x]|a*b|a+b|a=b|a;b|a&b|a!b|a^b|`x`|class|None|position|rows|__x|x__|_|-"
NAMES += "|.|..|prob|input|user|row/position|text/user|label|__proto__|constructor|b64|User|USER"
NAMES += f"|a_b|inputs|examples|e\u0301|\u200b|{'long' * 50}|{'x' * 199}y|{'x' * 199}z|CON|*|NUL"


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below a folder."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def _started_build(workshop: Workshop, folder: Path) -> subprocess.Popen:
    """A job that has begun to build."""
    arguments = ["--config", workshop.folder / "config.yaml", "--bundle", folder / "out"]
    job = workshop.start("build-bundle", *arguments)
    while not (folder / "out.building").exists() and job.poll() is None:
        time.sleep(0.02)
    return job


def killed(workshop: Workshop, folder: Path, times: int) -> tuple[int, list[str]]:
    """The bundle is whole or absent, and the next job makes it, byte for byte."""
    failures, reference = [], contents(Path(workshop.bundle.path))
    for number in range(times):
        job = _started_build(workshop, folder)
        time.sleep(random.uniform(0.0, 2.0))
        job.kill()
        job.wait()
        try:
            open_bundle(folder / "out", verify=True)
            half = False
        except BundleError as error:
            half = (folder / "out").exists() and "is not a data bundle" not in str(error)
        workshop.build(folder / "out")
        checks = {
            "no half bundle": not half,
            "the same bytes": contents(folder / "out") == reference,
            "nothing left": [path.name for path in folder.iterdir()] == ["out"],
            "no temporary folder": not list((workshop.folder / "tmp").glob("beam-*")),
        }
        failures += [f"kill {number}: {name}" for name in failures_of(checks)]
        shutil.rmtree(folder / "out")
    return times, failures


def asked_to_end(workshop: Workshop, folder: Path, times: int) -> tuple[int, list[str]]:
    """Exit code 128 and the signal's number, one line, nothing left."""
    failures = []
    for number in range(times):
        asked = (signal.SIGTERM, signal.SIGINT)[number % 2]
        job = _started_build(workshop, folder)
        job.send_signal(asked)
        code = job.wait(timeout=120)
        said = workshop.output.read_text()
        checks = {
            f"exit code {code}": code == 128 + asked,
            "one line": f"{asked.name}: ended" in said and "Traceback" not in said,
            "nothing left": not list(folder.iterdir()),
        }
        failures += [f"{asked.name}: {name}" for name in failures_of(checks)]
    return times, failures


def changing_input(workshop: Workshop, folder: Path, times: int) -> tuple[int, list[str]]:
    """A sentence, and no bundle."""
    changes = {
        "rewritten": lambda text: text.replace(",0\n", ",1\n", 50),
        "shorter": lambda text: text[: len(text) // 2],
        "longer": lambda text: text + "u1,i1,0.5,1\n" * 20,
        "another of that name": lambda text: text[::-1],
    }
    before, failures = workshop.log.read_text(), []

    def change_later(change: Callable[[str], str]) -> None:
        while not (folder / "out.building").exists():
            time.sleep(0.001)
        if change is changes["another of that name"]:
            workshop.log.rename(folder.parent / "moved away")
        workshop.log.write_text(change(before))

    chosen = [list(changes)[number % len(changes)] for number in range(times)]
    for name in chosen:
        changing = threading.Thread(target=change_later, args=[changes[name]])
        changing.start()
        try:
            workshop.build(folder / "out")
            failures.append(f"{name}: a bundle was made")
        except DataError as error:
            if "changed while the job read it" not in str(error) or list(folder.iterdir()):
                failures.append(f"{name}: {error}")
        finally:
            changing.join()
            workshop.log.write_text(before)
    return len(chosen), failures


def foreign_folders(workshop: Workshop, folder: Path, times: int) -> tuple[int, list[str]]:
    """Nothing of the user's is touched."""
    of_users = [
        {"metadata.json": "mine", "thesis.txt": "x"},
        {"MANIFEST.json": "mine", "thesis.txt": "x"},
        {"MANIFEST.json": "{}"},
        {"thesis.txt": "x"},
        {"deep/MANIFEST.json": "{}"},
        {"../{}.building/thesis.txt": "x"},
        {"../{}.building/old/MANIFEST.json": "{}", "../{}.building/thesis.txt": "x"},
        {"../{}.lock": "as of poetry"},
    ][:times]
    failures = []
    for number, files in enumerate(of_users):
        there = folder / str(number)
        out = there / "out"
        for name, text in files.items():
            path = Path(os.path.normpath(out / name.format(out.name)))
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        before = contents(there)
        try:
            workshop.build(out)
            failures.append(f"{sorted(files)}: replaced")
        except BundleError:
            if contents(there) != before:
                failures.append(f"{sorted(files)}: changed")
    return len(of_users), failures


def replaced_while_read(workshop: Workshop, folder: Path, times: int) -> tuple[int, list[str]]:
    """Refused, and built as soon as nobody reads."""
    failures = []
    for number in range(times):
        bundle = workshop.build(folder / "out", seed=2 * number)
        try:
            with reading(bundle):
                workshop.build(folder / "out", seed=2 * number + 1)
            failures.append(f"seed {number}: replaced")
        except BundleError:
            pass
        built = workshop.build(folder / "out", seed=2 * number + 1)
        if built.manifest.fingerprint == bundle.manifest.fingerprint:
            failures.append(f"seed {number}: never built")
    return times, failures


def column_names(workshop: Workshop, folder: Path, times: int) -> tuple[int, list[str]]:
    """Every name gets its vocabulary."""
    names = NAMES.split("|")[:times]
    rows = ["\t".join([*names, "clicked"])]
    rows += ["\t".join([*(f"v{row % 3}" for _ in names), str(row % 2)]) for row in range(90)]
    (folder / "log.tsv").write_text("\n".join(rows) + "\n")
    features = {
        name.replace("/", " of "): {"kind": "categorical", "column": name} for name in names
    }
    features["clicked"] = {"role": "label"}
    data = workshop.config.data.model_copy(update={"path": str(folder / "log.tsv")})
    bundle = build_bundle(FeatureSet(features=features), data, str(folder / "out"))
    made = contents(Path(bundle.vocabulary_dir))
    return len(names), [
        name
        for name in list(features)[:-1]
        if set(made.get(f"{name}.txt", b"").split()) != {b"v0", b"v1", b"v2"}
    ]


ATTACKS = (
    Attack("data job: kill -9 at a random moment", killed, 8, 1),
    Attack("data job: SIGTERM, Ctrl-C", asked_to_end, 4),
    Attack("data job: the input is rewritten, cut or grows meanwhile", changing_input, 12, 4),
    Attack("data job: `--bundle` at a folder that is no bundle", foreign_folders, 8, 8),
    Attack("bundle replaced while it is read", replaced_while_read, 3, 1),
    Attack("names of columns and features", column_names, 62, 62),
)
