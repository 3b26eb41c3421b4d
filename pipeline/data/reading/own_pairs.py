"""libsvm and libffm text of the user's own: the columns are those of the first lines."""

from typing import Literal

from features.errors import DataError
from pipeline.data.reading.pair_lines import find_columns
from pipeline.data.reading.read import DAMAGED, open_file
from pipeline.data.sources.base import PairsFile

_LINES = 1_000
_LONGEST = 1 << 20  # bytes of a line


def pairs_file(
    path: str, patterns: tuple[str, ...], kind: Literal["libsvm", "libffm"]
) -> PairsFile:
    """How the text at `path` is read.

    Args:
        path: One of the files, whose first 1,000 lines are looked at.
        patterns: Patterns of all files.
        kind: What it is.

    Raises:
        DataError: The file cannot be read, or its first lines are others.
    """
    try:
        with open_file(path) as stream:
            lines = [stream.readline(_LONGEST).decode(errors="replace") for _ in range(_LINES)]
    except DAMAGED as error:
        raise DataError(f"{path} cannot be read: {error}. Get it again.") from error
    try:
        columns = find_columns(lines, is_ffm=kind == "libffm")
    except DataError as error:
        raise DataError(
            f"{path} is no {kind} text: {error}. Set data.source to what the file is."
        ) from error
    return PairsFile(patterns, kind, columns)
