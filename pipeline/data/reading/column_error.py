"""A column of typed records that cannot be read as text."""


class ColumnError(Exception):
    """A field holds what is no text.

    Args:
        column: The field.
        reason: What it holds, a clause.
    """

    def __init__(self, column: str, reason: str):
        super().__init__(reason)
        self.column, self.reason = column, reason
