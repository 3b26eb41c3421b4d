"""Results of fitted models on disk: what is finished stays finished when a comparison is ended."""

import json
import logging
import zipfile
import zlib
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from pipeline.system.files import write_complete, write_json

_log = logging.getLogger(__name__)
# Whatever reading a file raises that is cut, empty, or another one.
_DAMAGED = (
    *(OSError, ValueError, TypeError, AttributeError, LookupError, EOFError),
    *(zipfile.BadZipFile, zlib.error),
)


@dataclass(frozen=True)
class Result:
    """What is kept of a fitted model.

    Args:
        model: Its name.
        seconds: Time that it took, scoring and importance included.
        importance: Feature -> rise of the logloss, see `permutation_importance`.
        cut: Whether it was ended by the clock.
        test: Probabilities of the test rows.
    """

    model: str
    seconds: float
    importance: dict[str, float]
    cut: bool
    test: np.ndarray


class KeptResults:
    """A folder of results, each with a key of what it depends on.

    Args:
        folder: Where they lie.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def load(self, model: str, key: str) -> Result | None:
        """The result of a model, if there is one of this key that can be read."""
        facts, arrays = self._paths(model)
        try:
            content = json.loads(facts.read_bytes())
            if content.pop("key") != key:
                return None
            with np.load(arrays) as probs:
                return Result(**content, test=probs["test"])
        except FileNotFoundError:
            return None
        except _DAMAGED as error:
            _log.warning("%s is damaged: %s. The model is fitted again.", facts.stem, error)
            return None

    def save(self, result: Result, key: str) -> None:
        """Keeps a result; its arrays are there before its facts are."""
        facts, arrays = self._paths(result.model)
        facts.unlink(missing_ok=True)

        def write(path: str) -> None:
            with open(path, "wb") as file:
                np.savez(file, test=result.test)

        write_complete(str(arrays), write)
        content = {name: x for name, x in asdict(result).items() if name != "test"}
        write_json(str(facts), {**content, "key": key})

    def _paths(self, model: str) -> tuple[Path, Path]:
        name = model.replace(" ", "_").replace("/", "-")
        return self._folder / f"{name}.json", self._folder / f"{name}.npz"
