"""Where things lie in an export, and which of its versions are complete. No TensorFlow.

base path/
  1/                           a version: all digits, as TensorFlow Serving wants it
    saved_model.pb, variables/
    assets/                    metadata.json of the bundle, the vocabularies
    assets.extra/
      signatures.json          what every signature takes and gives, see `signature_table`
      sample_rows.jsonl        a few raw rows, in the form that `predict` reads
      training_shares.json     how much of each input was missing or unknown in training
      tf_serving_warmup_requests   what a server runs before the first request
  .exporting-<random>/         being written, or left behind by a process that died
"""

import re
from pathlib import Path

SAVED_MODEL = "saved_model.pb"
OPENVINO_MODEL = "model.xml"  # of an export to OpenVINO, model.bin with the weights beside it
VARIABLES = "variables"  # a folder, and what its files are called
ASSETS = "assets"
METADATA_ASSET = f"{ASSETS}/metadata.json"
EXTRA = "assets.extra"
SAMPLE_ROWS = f"{EXTRA}/sample_rows.jsonl"
TRAINING_SHARES = f"{EXTRA}/training_shares.json"
SIGNATURES_FILE = f"{EXTRA}/signatures.json"
WARM_UP = f"{EXTRA}/tf_serving_warmup_requests"  # TensorFlow Serving looks there
TEMPORARY_PREFIX = ".exporting-"  # hidden: no server takes it for a version
EXPORT_OF_RUN = "export"  # folder of a run that holds its versions
MODEL_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")  # as a part of a URL, of a metric's label


def model_name(base: Path) -> str:
    """What the model under a base path is called where nobody says: as its run or its folder."""
    folder = base.parent if base.name == EXPORT_OF_RUN else base
    return folder.name if MODEL_NAME.fullmatch(folder.name) else "model"


def version_folders(base: Path) -> list[Path]:
    """The versions under a base path, latest first."""
    folders = [each for each in base.iterdir() if is_version_name(each.name) and each.is_dir()]
    return sorted(folders, key=lambda each: int(each.name), reverse=True)


def next_version(base: Path) -> Path:
    """The version after the latest, 1 in an empty folder. It may be taken a moment later."""
    numbers = [int(each.name) for each in base.iterdir() if is_version_name(each.name)]
    return base / str(max(numbers, default=0) + 1)


def is_version_name(name: str) -> bool:
    return name.isascii() and name.isdigit()


def why_incomplete(version: Path) -> str | None:
    """What a version folder lacks, or None where it has everything."""
    if not (version / SAVED_MODEL).is_file() and (version / OPENVINO_MODEL).is_file():
        return f"it has no {SAVED_MODEL} but OpenVINO's {OPENVINO_MODEL}, which its score.py reads"
    for name in (SAVED_MODEL, "variables/variables.index", METADATA_ASSET):
        if not (version / name).is_file():
            return f"it has no {name}"
    return None
