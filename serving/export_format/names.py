"""Names of the export's signatures and of their tensors. Clients may import it: no TensorFlow."""

import keyword
import re
from collections.abc import Iterable

SERVING_DEFAULT = "serving_default"  # serialized tf.Examples of raw features -> PROB
RAW_TENSORS = "raw_tensors"  # one tensor for each raw column -> PROB
CLASSIFY = "classify"  # serialized tf.Examples -> CLASSES, SCORES
REGRESS = "regress"  # serialized tf.Examples -> OUTPUTS
BRANCHES = "branches"  # serialized tf.Examples -> PROB, each branch's probability and weight
RANK = "rank"  # one user's raw columns, N candidates' raw columns -> PROB
SIGNATURES = (SERVING_DEFAULT, RAW_TENSORS, CLASSIFY, REGRESS, BRANCHES, RANK)

EXAMPLES = "examples"  # string (batch,)
INPUTS = "inputs"  # string (batch,): what CLASSIFY and REGRESS call EXAMPLES
PROB = "prob"  # float32 (batch,)
CLASSES = "classes"  # string (batch, 2): CLASS_LABELS
SCORES = "scores"  # float32 (batch, 2): 1 - prob, prob
OUTPUTS = "outputs"  # float32 (batch, 1): prob
CLASS_LABELS = ("0", "1")

USER = "user"  # the side of RANK that is given once
CANDIDATE = "candidate"  # the side that is given for each of N candidates
SIDES = (USER, CANDIDATE)

_PROB_PREFIX = f"{PROB}_"
_WEIGHT_PREFIX = "weight_"


def examples_input(signature: str) -> str | None:
    """The input that takes serialized tf.Examples; None where a signature takes raw tensors."""
    if signature in (SERVING_DEFAULT, BRANCHES):
        return EXAMPLES
    return INPUTS if signature in (CLASSIFY, REGRESS) else None


def branch_output(branch: str) -> str:
    """Output of `BRANCHES` that holds a branch's probability.

    Signature outputs may have any name, so a branch keeps its own; the prefix keeps it apart
    from `PROB`.
    """
    return _PROB_PREFIX + branch


def weight_output(branch: str) -> str:
    """Output of `BRANCHES` that holds how much a branch counts in the fusion."""
    return _WEIGHT_PREFIX + branch


def branches_of(outputs: Iterable[str]) -> list[str]:
    """The branches whose probabilities are among the outputs of `BRANCHES`, sorted."""
    return _after(_PROB_PREFIX, outputs)


def weighted_branches_of(outputs: Iterable[str]) -> list[str]:
    """The branches whose weights are among the outputs of `BRANCHES`, sorted."""
    return _after(_WEIGHT_PREFIX, outputs)


def _after(prefix: str, outputs: Iterable[str]) -> list[str]:
    return sorted(name.removeprefix(prefix) for name in outputs if name.startswith(prefix))


def tensor_names(raw_names: Iterable[str]) -> dict[str, str]:
    """Raw column -> its input of `RAW_TENSORS` and of `RANK`.

    TensorFlow turns inputs into Python parameters, and renames in silence what is not fit to be
    one. A plain column keeps its name; `user_id:token` becomes `user_id_token`, `1st` becomes
    `input_1st`, and a name that is taken already gets a number. Names that differ by their case
    alone are one to TensorFlow.

    Example:
        >>> tensor_names(["user_id", "user:id", "User_Id"])
        {'user_id': 'user_id', 'user:id': 'user_id_2', 'User_Id': 'User_Id_3'}
    """
    raw_names = list(dict.fromkeys(raw_names))
    names: dict[str, str] = {}
    taken: set[str] = set()
    for name in raw_names:
        if _is_plain(name) and name.lower() not in taken:
            names[name] = name
            taken.add(name.lower())
    for raw_name in raw_names:
        if raw_name in names:
            continue
        base = re.sub(r"[^A-Za-z0-9_]", "_", raw_name)
        if not _is_plain(base):
            base = f"input_{base}"
        name, number = base, 2
        while name.lower() in taken:
            name, number = f"{base}_{number}", number + 1
        names[raw_name] = name
        taken.add(name.lower())
    return {raw_name: names[raw_name] for raw_name in raw_names}


def _is_plain(name: str) -> bool:
    """Whether TensorFlow keeps the name: a letter, then letters, digits and underscores."""
    return bool(re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", name)) and not keyword.iskeyword(name)
