"""Answers that are kept to be given again, each with a key of all that decides it."""

import hashlib
import json
from contextlib import suppress
from pathlib import Path
from typing import Any

from pipeline.system.files import write_json
from pipeline.system.installation import installation


def key_of(*asked: Any) -> str:
    """Checksum of a question, as JSON and YAML hold it, and of the installation that answers."""
    content = json.dumps([*asked, installation()], sort_keys=True, default=str)
    return hashlib.sha256(content.encode()).hexdigest()


def kept_answer(path: Path, key: str) -> dict[str, Any] | None:
    """The answer that a file holds; None where it is that of another key, or of none."""
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    if not isinstance(content, dict) or content.pop("key", None) != key:
        return None
    return content


def keep_answer(path: Path, key: str, answer: dict[str, Any]) -> None:
    """Keeps an answer, in place of what the file held; where nothing can be written, none."""
    if kept_answer(path, key) != answer:
        with suppress(OSError):
            write_json(str(path), {"key": key, **answer})
