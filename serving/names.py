"""Names of the export's signatures and of their tensors. Clients may import it: no TensorFlow."""

import keyword
import re
from collections.abc import Iterable

SERVING_DEFAULT = "serving_default"  # serialized tf.Examples of raw features -> PROB
RAW_TENSORS = "raw_tensors"  # one tensor for each raw column -> PROB
BRANCHES = "branches"  # serialized tf.Examples -> PROB and each branch's probability

EXAMPLES = "examples"  # string (batch,)
PROB = "prob"  # float32 (batch,)
_BRANCH_PREFIX = f"{PROB}_"


def branch_output(branch: str) -> str:
    """Output of `BRANCHES` that holds a branch's probability.

    Signature outputs may have any name, so a branch keeps its own; the prefix keeps it apart
    from `PROB`.
    """
    return _BRANCH_PREFIX + branch


def branches_of(outputs: Iterable[str]) -> list[str]:
    """The branches that the outputs of `BRANCHES` belong to, sorted."""
    return sorted(
        name.removeprefix(_BRANCH_PREFIX) for name in outputs if name.startswith(_BRANCH_PREFIX)
    )


def tensor_names(raw_names: Iterable[str]) -> dict[str, str]:
    """Raw column -> its input of `RAW_TENSORS`.

    TensorFlow turns inputs into Python parameters, and renames in silence what is not fit to be
    one. A plain column keeps its name; `user_id:token` becomes `user_id_token`, `1st` becomes
    `input_1st`, and a name that is taken already gets a number.

    Example:
        >>> tensor_names(["user_id", "user:id", "user.id"])
        {'user_id': 'user_id', 'user:id': 'user_id_2', 'user.id': 'user_id_3'}
    """
    raw_names = list(dict.fromkeys(raw_names))
    names = {name: name for name in raw_names if _is_plain(name)}
    taken = set(names)
    for raw_name in raw_names:
        if raw_name in names:
            continue
        base = re.sub(r"[^A-Za-z0-9_]", "_", raw_name)
        if not _is_plain(base):
            base = f"input_{base}"
        name, number = base, 2
        while name in taken:
            name, number = f"{base}_{number}", number + 1
        names[raw_name] = name
        taken.add(name)
    return {raw_name: names[raw_name] for raw_name in raw_names}


def _is_plain(name: str) -> bool:
    """Whether TensorFlow keeps the name: a letter, then letters, digits and underscores."""
    return bool(re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", name)) and not keyword.iskeyword(name)
