"""What fast readers ask of pieces of text before they parse them."""


def count_lines(piece: bytes) -> int:
    """Number of lines, the last with or without its line break."""
    return piece.count(b"\n") + (bool(piece) and not piece.endswith(b"\n"))


def is_utf8(piece: bytes) -> bool:
    """Whether the bytes are UTF-8 text."""
    if piece.isascii():
        return True
    try:
        piece.decode()
    except UnicodeDecodeError:
        return False
    return True
