"""Names of the user's as names that TensorFlow takes for scopes, layers and variables."""

import re


def scope_name(name: str) -> str:
    """A name with `_` in place of what no scope may hold; a plain one stays as it is.

    Two names may become one: weights are saved by the objects that hold them, not by their names.

    Example:
        >>> scope_name("user_id"), scope_name("Größe (cm)")
        ('user_id', 'Gr__e__cm_')
    """
    return re.sub(r"[^A-Za-z0-9_.-]", "_", name)
