"""Days of raw times: in seconds or milliseconds since 1970, or written as yymmddhh."""

from datetime import datetime, timezone

import numpy as np

from features.feature_spec import TimeUnit

_SECONDS_PER_DAY = 86_400
_YEAR_2000 = 946_684_800


def last_day(times: np.ndarray, unit: TimeUnit, utc_offset_hours: float) -> int | None:
    """The latest day of these times, in days since 1970-01-01; None without any.

    Args:
        times: int64 array. Of unit yymmddhh, those that name no hour are passed over.
        unit: What they count.
        utc_offset_hours: Time zone in which days begin.
    """
    seconds = _from_digits(times) if unit == "yymmddhh" else times // (1000 if unit == "ms" else 1)
    if not len(seconds):
        return None
    return (int(seconds.max()) + round(utc_offset_hours * 3600)) // _SECONDS_PER_DAY


def start_of(day: int, unit: TimeUnit, utc_offset_hours: float) -> int:
    """The first raw time of a day, given in days since 1970-01-01.

    Of unit yymmddhh, which begins in 2000, it is 0 for earlier days.
    """
    seconds = day * _SECONDS_PER_DAY - round(utc_offset_hours * 3600)
    if unit == "yymmddhh":  # whole hours: the first one that is not before
        if seconds < _YEAR_2000:  # which two digits cannot tell from later ones
            return 0
        moment = datetime.fromtimestamp(-(-seconds // 3600) * 3600, timezone.utc)
        return int(moment.strftime("%y%m%d%H"))
    return seconds * (1000 if unit == "ms" else 1)


def _from_digits(times: np.ndarray) -> np.ndarray:
    """Seconds since 1970 of those times, written as yymmddhh, that name an hour."""
    times = times[(times >= 0) & (times < 100_000_000)]
    months = (30 + times // 1_000_000) * 12 + times // 10_000 % 100 - 1  # since 1970
    months = months.astype("datetime64[M]")
    days = months.astype("datetime64[D]") + (times // 100 % 100 - 1)
    good = (days.astype("datetime64[M]") == months) & (times % 100 < 24)
    good &= (times // 10_000 % 100 >= 1) & (times // 10_000 % 100 <= 12)
    return (days.astype(np.int64) * _SECONDS_PER_DAY + times % 100 * 3600)[good]
