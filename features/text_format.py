"""How the delimited text was read that a bundle was made of, so that its rows can be read again."""

from features.config import StrictModel


class TextFormat(StrictModel):
    """Settings that decide what the cells of delimited text are.

    Args:
        delimiter: Between two values.
        quoting: Whether `"` quotes values.
        encoding: Encoding of the text.
        columns: Names of all columns, for files without a header line.
    """

    delimiter: str = ","
    quoting: bool = True
    encoding: str = "utf-8"
    columns: tuple[str, ...] | None = None
