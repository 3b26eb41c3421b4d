"""Whether a day's data may be trained on: one sentence for each limit that they break."""

import statistics
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pipeline.config.daily_config import CheckConfig
from pipeline.daily.distances import Histogram, jensen_shannon, l_infinity

Day = Mapping[str, Any]  # what `day_statistics` returns


def breaches(
    day: Day, earlier: Sequence[Day], before: Mapping[str, int], limits: CheckConfig
) -> list[str]:
    """A sentence for each limit that a day breaks.

    Args:
        day: Statistics of the day.
        earlier: Statistics of the last days that were accepted, oldest first; may be empty.
        before: Vocabulary -> tokens that it had before the day; empty on the first day.
        limits: The limits.
    """
    found = [*_rows(day, earlier, limits), *_labels(day, earlier, limits)]
    if earlier and limits.same_schema:
        found += _schema(day, earlier[-1])
    found += _vocabularies(day, before, limits)
    for name in day["features"]:
        found += _feature(name, day, earlier, limits)
    return found


def drift(day: Day, earlier: Sequence[Day]) -> dict[str, dict[str, Any]]:
    """Feature -> its distance to the nearest of the last days.

    The nearest, since a week has its rhythm: a Monday looks like the last Monday. Features whose
    values the date decides (`weekday`, `weekend`), and numbers in another unit, have none.

    Returns:
        Feature -> `distance`, `measure` (`l_infinity` or `jensen_shannon`) and, of tokens, `token`,
        the one whose share is furthest away.
    """
    found = {}
    for name, facts in day["features"].items():
        others = [each["features"].get(name) for each in earlier]
        distances = [_distance(facts, other) for other in others if other is not None]
        known = [each for each in distances if each is not None]
        if known:
            found[name] = min(known, key=lambda each: each["distance"])
    return found


def _distance(facts: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any] | None:
    if "tokens" in facts and "tokens" in other:
        if facts["by_date"]:
            return None
        distance, token = l_infinity(facts["tokens"], other["tokens"])
        return {"measure": "l_infinity", "distance": distance, "token": token}
    if "histogram" in facts and "histogram" in other and facts["scale"] == other["scale"]:
        distance = jensen_shannon(_histogram(facts), _histogram(other))
        return {"measure": "jensen_shannon", "distance": distance}
    return None


def _histogram(facts: Mapping[str, Any]) -> Histogram:
    content = facts["histogram"]
    return Histogram(tuple(content["edges"]), tuple(content["counts"]), content["missing"])


def _rows(day: Day, earlier: Sequence[Day], limits: CheckConfig) -> Iterator[str]:
    rows = day["rows"]
    if rows < limits.min_rows:
        yield f"{rows:,} rows, fewer than min_rows: {limits.min_rows:,}"
    if earlier and limits.rows_ratio is not None:
        usual = statistics.median(each["rows"] for each in earlier)
        least, most = limits.rows_ratio
        if not least * usual <= rows <= most * usual:
            yield (
                f"{rows:,} rows, {rows / usual:.2f} times the median of the last {_days(earlier)}, "
                f"{usual:,.0f}; rows_ratio allows {least:g} to {most:g}"
            )


def _labels(day: Day, earlier: Sequence[Day], limits: CheckConfig) -> Iterator[str]:
    rate = day["label_rate"]
    if rate in (0.0, 1.0):
        yield f"all labels are {rate:g}"
    elif earlier and limits.label_rate_ratio is not None:
        usual = statistics.fmean(each["label_rate"] for each in earlier)
        least, most = limits.label_rate_ratio
        if not least * usual <= rate <= most * usual:
            yield (
                f"a label rate of {rate:.4f}, {rate / usual:.2f} times the mean of the last "
                f"{_days(earlier)}, {usual:.4f}; label_rate_ratio allows {least:g} to {most:g}"
            )


def _schema(day: Day, last: Day) -> Iterator[str]:
    now, then = day["declared"], last["declared"]
    for name in sorted({*now, *then}):
        if name not in then:
            yield f"{name}: a feature that the last day lacks (same_schema)"
        elif name not in now:
            yield f"{name}: the last day has this feature, and this day lacks it (same_schema)"
        elif now[name] != then[name]:
            changed = sorted(key for key in now[name] if now[name][key] != then[name].get(key))
            yield f"{name}: {', '.join(changed)} differ from the last day's (same_schema)"
    if day["text_format"] != last["text_format"]:
        yield (
            f"the text files have the form {day['text_format']}, those of the last day "
            f"{last['text_format']} (same_schema)"
        )


def _vocabularies(day: Day, before: Mapping[str, int], limits: CheckConfig) -> Iterator[str]:
    if limits.vocabulary_growth is None:
        return
    for name, size in day["vocabulary_sizes"].items():
        had = before.get(name, 0)
        new = size - had
        if had and new > limits.vocabulary_growth * had:
            yield (
                f"vocabulary {name}: {new:,} new tokens beside {had:,}; vocabulary_growth allows "
                f"{limits.vocabulary_growth:g} times as many"
            )


def _feature(name: str, day: Day, earlier: Sequence[Day], limits: CheckConfig) -> Iterator[str]:
    facts = day["features"][name]
    auc = facts["label_auc"]
    if limits.leak_auc is not None and auc is not None and auc >= limits.leak_auc:
        yield (
            f"{name}: alone it predicts the label with an AUC of {auc:.3f}; leak_auc is "
            f"{limits.leak_auc:g}"
        )
    others = [each["features"][name] for each in earlier if name in each["features"]]
    if not others:
        return
    usual = statistics.fmean(each["missing"] for each in others)
    more = facts["missing"] - usual
    if limits.missing is not None and (
        more > limits.missing or (-more > limits.missing and not facts["grows"])
    ):
        yield (
            f"{name}: missing in {_percent(facts['missing'])} of the rows, on the last "
            f"{_days(others)} in {_percent(usual)}; missing allows {_percent(limits.missing)} apart"
        )
    yield from _unknown(name, facts, others, limits)
    far = drift(day, earlier).get(name)
    if far is not None:
        yield from _far(name, far, limits)


def _unknown(
    name: str, facts: Mapping[str, Any], others: Sequence[Mapping[str, Any]], limits: CheckConfig
) -> Iterator[str]:
    known = [each["unknown"] for each in others if each["unknown"] is not None]
    if limits.unknown is None or facts["unknown"] is None or not known:
        return
    usual = statistics.fmean(known)
    if facts["unknown"] - usual > limits.unknown:
        yield (
            f"{name}: {_percent(facts['unknown'])} of the tokens are unknown, on the last "
            f"{_days(known)} {_percent(usual)}; unknown allows {_percent(limits.unknown)} more"
        )


def _far(name: str, far: Mapping[str, Any], limits: CheckConfig) -> Iterator[str]:
    limit = limits.distances.get(name, getattr(limits, far["measure"]))
    if limit is None or far["distance"] <= limit:
        return
    measure = {"l_infinity": "L-infinity", "jensen_shannon": "Jensen-Shannon"}[far["measure"]]
    token = f" (the share of {far['token']!r})" if far.get("token") else ""
    yield (
        f"{name}: a {measure} distance of {far['distance']:.3f} to the nearest of the last "
        f"days{token}; the limit is {limit:g}"
    )


def _days(days: Sequence[Any]) -> str:
    return "day" if len(days) == 1 else f"{len(days)} days"


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"
