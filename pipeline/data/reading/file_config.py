"""Settings of `data.format` and `data.tables`: how files of the user's own are read."""

import codecs

from pydantic import Field, model_validator

from features.config import StrictModel


class FormatConfig(StrictModel):
    """How delimited text is read; Parquet and JSON lines need none of it.

    Args:
        delimiter: Between two values, such as `","` or `"\\t"`; unless given it is the one of tab,
            comma, semicolon and pipe that the first line holds most often.
        quoting: Whether `"` quotes values. Off, it is a character as any other.
        columns: Names of all columns, for files without a header line.
        null_values: Texts that mean "missing".
        encoding: Of the text, such as `latin-1`.
    """

    delimiter: str | None = Field(None, min_length=1)
    quoting: bool = True
    columns: tuple[str, ...] | None = Field(None, min_length=1)
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
        try:
            codecs.lookup(self.encoding)
        except LookupError:
            raise ValueError(
                f"encoding {self.encoding!r} is not known. Give one such as utf-8 or latin-1."
            ) from None
        if "\n,".encode(self.encoding) != b"\n,":
            raise ValueError(
                f"encoding {self.encoding!r} writes line breaks in more than one byte. Convert the "
                "files to utf-8."
            )
        return self


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
