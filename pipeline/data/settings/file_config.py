"""Settings of `data.format`, `data.tables`, `data.events`: how files of the user's own are read."""

from typing import Literal

from pydantic import Field, model_validator

from features.config import StrictModel

_ASCII = bytes(range(128))
_OTHERS = "éяあ你한"  # of scripts with encodings of their own


class FormatConfig(StrictModel):
    """How delimited text is read; Parquet and JSON lines need none of it.

    Args:
        delimiter: Between two values, such as `","` or `"\\t"`; unless given it is the one of tab,
            comma, semicolon and pipe that the first line holds most often.
        quoting: Whether `"` quotes values. Off, it is a character as any other.
        columns: Names of all columns, for files without a header line.
        null_values: Texts that mean "missing".
        encoding: Encoding of the text, such as `latin-1`.
    """

    delimiter: str | None = Field(default=None, min_length=1)
    quoting: bool = True
    columns: tuple[str, ...] | None = Field(default=None, min_length=1)
    null_values: tuple[str, ...] = ("",)
    encoding: str = "utf-8"

    @model_validator(mode="after")
    def _check(self) -> "FormatConfig":
        if len(self.delimiter or "") > 1 and self.quoting:
            raise ValueError(
                "values between delimiters of several characters cannot be quoted. Received: "
                f"delimiter={self.delimiter!r}. Set quoting to false."
            )
        if self.delimiter is not None and not self.delimiter.isascii():
            raise ValueError(f"delimiter must be ASCII. Received: {self.delimiter!r}.")
        if set(self.delimiter or "") & set("\n\r\0" + '"' * self.quoting):
            raise ValueError(
                "delimiter must not hold a line break or, where values are quoted, a quotation "
                f"mark. Received: {self.delimiter!r}."
            )
        try:
            keeps_ascii = _keeps_ascii(self.encoding)
        except LookupError:
            raise ValueError(
                f"encoding {self.encoding!r} is not known. Give one such as utf-8 or latin-1."
            ) from None
        if not keeps_ascii:
            raise ValueError(
                f"in encoding {self.encoding!r} ASCII bytes may stand for other characters. "
                "Convert the files to utf-8."
            )
        return self


def _keeps_ascii(encoding: str) -> bool:
    """Whether ASCII bytes alone are ASCII text, as those who read lines take them to be.

    Raises:
        LookupError: No such encoding of text.
    """
    try:
        if _ASCII.decode(encoding) != _ASCII.decode("ascii"):
            return False
    except UnicodeError:
        return False
    written = [character.encode(encoding, errors="ignore") for character in _OTHERS]
    return not any(each and each.isascii() for each in written)


class TableConfig(StrictModel):
    """A table with one row a key, whose columns are added to each row of the log.

    Args:
        path: Its file or files under `data.path`, as a glob pattern. What ends in `.parquet`,
            `.jsonl` or `.json` is read as such, all else as delimited text.
        key: Column that the log has too.
        format: As `data.format`, for this table.
    """

    path: str = Field(min_length=1)
    key: str
    format: FormatConfig = FormatConfig()


class EventsConfig(TableConfig):
    """Events that are no examples, such as views beside a log of shown ads.

    A history that names them is collected from these instead of the log's rows. They may be many
    more than the log has rows.

    Args:
        path: As of a table.
        key: Column that the log has too, and that histories of these events are kept by.
        time: Column with an event's time.
        unit: Unit of times that are whole numbers, `s` or `ms`; unless given, that of the log's
            timestamp.
        format: As `data.format`, for these files.
    """

    time: str
    unit: Literal["s", "ms"] | None = None
