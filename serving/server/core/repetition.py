"""What a request repeats: few bytes on the wire must not become many in memory."""

from serving.server.core.serving_error import invalid

MOST_BYTES = 64 << 20  # that a request may grow to


def check_repeated(what: str, size: int, times: int) -> None:
    """Refuses bytes that would be copied too often.

    Args:
        what: What is repeated, for the message.
        size: Bytes of one copy.
        times: How many copies would be made.

    Raises:
        ServingError: INVALID_ARGUMENT, where the copies are larger than `MOST_BYTES` together.
    """
    if size * times > MOST_BYTES:
        raise invalid(
            f"{what} has {size:,} bytes and stands for {times:,} rows: more than this server holds "
            "at once. Send fewer rows at a time."
        )
