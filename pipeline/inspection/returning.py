"""Whether the tokens of a column come back: those that are used up teach nothing of later rows."""

import numpy as np

from pipeline.inspection.facts import Facts

_LAST = 0.1  # share of the rows that is looked at, the latest
_FEWEST_ROWS = 100  # of them
_FEWEST_VALUES = 100  # few are the same for ever, such as the hours of a day
_COMES_BACK = 0.1


def never_returns(facts: Facts, moments: np.ndarray | None) -> str | None:
    """Why a column of tokens is no feature, where its tokens do not come back; else None.

    Looks at the latest tenth of the rows: less than a tenth of them have a token that a row before
    them had, before that tenth began. So it is with names of sessions, requests and impressions.

    Args:
        facts: Facts of the column.
        moments: The moment of each row, in any unit; None takes the rows in the order of the file.
    """
    if facts.distinct < _FEWEST_VALUES:
        return None
    codes = facts.codes if moments is None else facts.codes[np.argsort(moments, kind="stable")]
    begin = len(codes) - int(_LAST * len(codes))
    latest = codes[begin:]
    latest = latest[latest >= 0]
    if len(latest) < _FEWEST_ROWS:
        return None
    known = np.zeros(facts.distinct, bool)
    before = codes[:begin]
    known[before[before >= 0]] = True
    share = float(known[latest].mean())
    if share >= _COMES_BACK:
        return None
    return f"its tokens do not come back: {100 * share:.2g} % of the last rows show one seen before"
