"""Lines that Python wrote with `repr` instead of JSON: read as data, never run."""

import ast
import json
import re
import warnings
from typing import Any

# What follows a repetition never begins as the repetition does: time grows with the length of a
# line and no faster, without the possessive quantifiers that Python 3.10 does not know.
_STRING = re.compile(
    r"""('[^'\\\r\n]*(?:\\[^\r\n][^'\\\r\n]*)*'|"[^"\\\r\n]*(?:\\[^\r\n][^"\\\r\n]*)*")"""
)
# What may stand between strings, each of which counts as `'`: no operators that could be chained
# without end, no names, no calls.
_SKELETON = re.compile(
    r"""(?:
        [ \t{}\[\](),:]+
        | [uU]?'
        | -?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?(?![\w.])
        | (?:True|False|None)(?!\w)
    )*""",
    re.VERBOSE,
)
_DEEPEST = 50
_DECODER = json.JSONDecoder(strict=False)


def read_literal(line: str) -> Any:
    """What `ast.literal_eval` makes of a line, within bounds.

    Raises:
        ValueError: The line is no literal of strings, numbers, True, False, None, lists, tuples,
            sets and dicts; or it nests brackets deeper than 50.
    """
    parts = _STRING.split(line)  # strings at odd places
    skeleton = "'".join(parts[::2])
    literal = _SKELETON.match(skeleton)
    place = literal.end() if literal else 0
    if place < len(skeleton):
        raise ValueError(f"{skeleton[place : place + 20]!r} is no literal")
    if "\0" in line:
        raise ValueError("a null character")
    _check_depth(skeleton)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of escapes that Python does not know
        try:
            # Where only the strings differ from JSON: several times faster.
            parts[1::2] = map(_json_string, parts[1::2])
            return _DECODER.decode("".join(parts))
        except (ValueError, SyntaxError):
            return _evaluate(line)


def _json_string(literal: str) -> str:
    if "\\" in literal:
        return json.dumps(ast.literal_eval(literal))
    if literal[0] == '"':
        return literal
    return '"' + literal[1:-1].replace('"', '\\"') + '"'


def _evaluate(line: str) -> Any:
    try:
        return ast.literal_eval(line)
    except SyntaxError as error:
        raise ValueError(error.msg) from error
    except (TypeError, MemoryError) as error:
        raise ValueError(str(error) or "too large") from error


def _check_depth(skeleton: str) -> None:
    if sum(map(skeleton.count, "[{(")) <= _DEEPEST:
        return
    depth = 0
    for bracket in re.findall(r"[\[{(\]})]", skeleton):
        depth += 1 if bracket in "[{(" else -1
        if depth > _DEEPEST:
            raise ValueError("nested too deeply")
