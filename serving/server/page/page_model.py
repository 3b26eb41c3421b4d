"""What the page tells of a loaded model: its card, its signatures, the fields of a row."""

import json
import logging
from collections.abc import Mapping
from itertools import islice
from pathlib import Path
from typing import Any

from features.bundle import BundleMetadata, read_metadata
from features.errors import UserError
from features.feature_spec import FeatureSpec
from features.input_shares import differences, in_words
from features.raw_values import text_of
from features.specs import FeatureSet
from serving.export_format.export_layout import EXTRA, METADATA_ASSET, SAMPLE_ROWS, SIGNATURES_FILE
from serving.scoring.input_counter import InputCounter
from serving.scoring.raw_rows import read_rows

MODEL_CARD = f"{EXTRA}/model_card.json"
MAX_SAMPLE_ROWS = 100

_log = logging.getLogger(__name__)
_UNITS = {
    "s": "seconds since 1970, UTC",
    "ms": "milliseconds since 1970, UTC",
    "yymmddhh": "as yymmddhh, UTC",
}


def describe(model: Any) -> dict[str, Any]:
    """A loaded model as the page shows it; JSON can say all of it.

    Args:
        model: A `serving.server.core.loaded_model.LoadedModel`, in use.

    Returns:
        {"name", "version": text, because JavaScript rounds large numbers,
        "card": the model card, or what the bundle's metadata tell,
        "card_is_whole": whether it is the former,
        "signatures": name -> {"inputs", "outputs"}, each tensor name -> {"dtype", "shape", ...},
        "fields": the raw columns, see `_field`; empty for a model that Concord did not export,
        "sample_rows": rows to begin with, raw column -> text or list of texts,
        "inputs": {"rows": how many were looked at since the version was loaded, "far": a sentence
        for each input that is far from training's}; None where nobody noted what training saw}
    """
    metadata = metadata_of(model)
    card = _read_json(model, MODEL_CARD)
    return {
        "name": model.name,
        "version": str(model.version),
        "card": card or (_card_of(metadata) if metadata else {}),
        "card_is_whole": bool(card),
        "signatures": _read_json(model, SIGNATURES_FILE) or _signatures_of(model),
        "fields": _fields(metadata.features) if metadata else [],
        "sample_rows": _sample_rows(model, metadata.features) if metadata else [],
        "inputs": _inputs(getattr(model, "inputs", None)),
    }


def _inputs(counter: InputCounter | None) -> dict[str, Any] | None:
    if counter is None:
        return None
    counts = counter.counts()
    return {
        "rows": max(each.rows for each in counts.values()),
        "far": in_words(differences(counts, counter.training)),
    }


def metadata_of(model: Any) -> BundleMetadata | None:
    """Of the bundle that the model was trained on; None where another program exported it."""
    path = _file(model, METADATA_ASSET)
    if path is None:
        return None
    try:
        return read_metadata(path)
    except UserError as error:
        _log.warning("the page cannot use the metadata of %s %s: %s", model.name, path, error)
        return None


def _file(model: Any, name: str) -> Path | None:
    """A file of the version; None where there is none, or a link leads out of the version."""
    path = (Path(model.path) / name).resolve()
    return path if path.is_file() and path.is_relative_to(Path(model.path).resolve()) else None


def _read_json(model: Any, name: str) -> dict[str, Any] | None:
    path = _file(model, name)
    try:
        # JSON has no nan; JavaScript would refuse all of it.
        value = json.loads(path.read_bytes(), parse_constant=lambda _: None) if path else None
    except (OSError, ValueError, RecursionError) as error:
        _log.warning("the page cannot use %s: %s", path, error)
        return None
    return value if isinstance(value, dict) else None


def _card_of(metadata: BundleMetadata) -> dict[str, Any]:
    """The part of a model card that every export can give: what the network was trained on."""
    features = metadata.features
    return {
        "data": {
            "source": metadata.source,
            "rows": dict(metadata.rows),
            "label": features.label.column if features.label else None,
        },
        "feature_groups": {name: list(members) for name, members in features.groups.items()},
        "features": [{"name": spec.name, "kind": spec.kind} for spec in features.inputs],
    }


def _signatures_of(model: Any) -> dict[str, Any]:
    def tensors(infos: Mapping[str, Any]) -> dict[str, Any]:
        return {
            name: {
                "dtype": info.dtype.name,
                "shape": None if info.shape is None else list(info.shape),
            }
            for name, info in infos.items()
        }

    return {
        name: {"inputs": tensors(signature.inputs), "outputs": tensors(signature.outputs)}
        for name, signature in model.signatures.items()
    }


def _fields(features: FeatureSet) -> list[dict[str, Any]]:
    readers: dict[str, list[FeatureSpec]] = {}
    for spec in features.inputs:
        readers.setdefault(spec.raw_name, []).append(spec)
    return [_field(name, specs) for name, specs in readers.items()]


def _field(raw_name: str, specs: list[FeatureSpec]) -> dict[str, Any]:
    """Raw column, the editor that it takes, what to write there, and the features that read it."""
    spec = specs[0]
    if spec.is_time:
        editor, hint = "number", f"time, {_UNITS[spec.unit]}"
    elif spec.kind == "numeric":
        editor, hint = "number", "number"
    elif spec.kind == "embedding":
        editor, hint = "numbers", f"{spec.dimension} numbers"
    elif spec.kind == "sequence":
        editor, hint = "tokens", f"tokens, oldest first; the last {spec.max_length} count"
    elif spec.kind == "multivalued":
        editor, hint = "tokens", f"tokens; the first {spec.max_length} count"
    else:
        editor, hint = "token", "text"
    readers = [each.name for each in specs]
    return {
        "name": raw_name,
        "editor": editor,
        "hint": hint,
        "features": [] if readers == [raw_name] else readers,
        "history": spec.history,
    }


def _sample_rows(model: Any, features: FeatureSet) -> list[dict[str, Any]]:
    path = _file(model, SAMPLE_ROWS)
    try:
        batches = read_rows(str(path), features, MAX_SAMPLE_ROWS) if path else iter(())
        rows = [row for batch in islice(batches, 1) for row in batch.to_pylist()]
    except UserError as error:
        _log.warning("the page begins with an empty row: %s", error)
        return []
    return [
        {name: _as_text(value) for name, value in row.items() if value is not None} for row in rows
    ]


def _as_text(value: Any) -> str | list[str]:
    """What is written into a field: text, because JavaScript rounds large whole numbers."""
    if isinstance(value, list):
        return ["" if each is None else _step_text(each) for each in value]
    return _scalar_text(value)


def _step_text(value: Any) -> str:
    return f"{value:.9g}" if isinstance(value, float) else str(value)  # names a float32 exactly


def _scalar_text(value: Any) -> str:
    return text_of(value) or ""
