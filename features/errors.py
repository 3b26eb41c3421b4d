"""Mistakes that a user can mend: one sentence each, exit code 2 on the command line."""

import difflib
from collections.abc import Iterable


class UserError(ValueError):
    """A mistake in what the user gave: what was received, what was expected, how to mend it."""


class ConfigError(UserError):
    """A configuration or feature file that cannot be used."""


class DataError(UserError):
    """Input data that cannot be read, or that no model can be trained on."""


class BundleError(UserError):
    """A data bundle that is missing, damaged, or of another format version."""


class TrainingError(UserError):
    """Training that cannot go on, such as a loss that is no longer finite."""


class ExportError(UserError):
    """An export that is missing, incomplete, or does not reproduce its scores."""


def did_you_mean(name: str, names: Iterable[str], prefix: str = "") -> str:
    """A hint that names what the user may have meant.

    Example:
        >>> did_you_mean("bacth_size", ["batch_size", "epochs"], prefix="train.")
        'Did you mean train.batch_size?'

    Args:
        name: What was received.
        names: What would have been accepted.
        prefix: Put before each name, such as the section it stands in.
    """
    known = sorted(names)
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    if near:
        return f"Did you mean {prefix}{near[0]}?"
    if not known:
        return "None is defined here."
    return f"Known: {', '.join(prefix + each for each in known)}."
