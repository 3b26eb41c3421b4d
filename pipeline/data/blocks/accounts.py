"""What becomes of rows: the outputs that readers have beside their rows, and rejected rows."""

from typing import Any

REJECTED, ROWS_READ, ROWS_KEPT, ROWS = "rejected", "rows_read", "rows_kept", "rows"
SESSIONS = "sessions"  # the table that a log is whose rows become several
_LONGEST_TEXT = 1_000


def rejected(
    table: str, file: str, position: int, reason: str, row: str, fatal: bool = False
) -> dict[str, Any]:
    """A row that could not be read, or (`fatal`) why the rest of a file cannot."""
    return {
        "table": table,
        "file": file,
        "position": int(position),
        "reason": reason,
        "row": row[:_LONGEST_TEXT],
        "fatal": fatal,
    }
