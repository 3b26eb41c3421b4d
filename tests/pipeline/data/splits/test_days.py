from datetime import date, datetime, timedelta, timezone

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from pipeline.data.splits.days import last_day, start_of

MOMENTS = st.datetimes(datetime(2000, 1, 3), datetime(2099, 12, 29))
OFFSETS = st.sampled_from([0.0, 8.0, -3.5, 14.0])
UNITS = st.sampled_from(["s", "ms", "yymmddhh"])


def stamp(moment, unit):
    if unit == "yymmddhh":
        return int(moment.strftime("%y%m%d%H"))
    seconds = int(moment.replace(tzinfo=timezone.utc).timestamp())
    return seconds if unit == "s" else 1000 * seconds + 999


@settings(max_examples=50, deadline=None)
@given(st.lists(MOMENTS, min_size=1), UNITS, OFFSETS)
def test_the_last_day_is_that_of_a_calendar(moments, unit, offset):
    found = last_day(np.array([stamp(each, unit) for each in moments]), unit, offset)
    if unit == "yymmddhh":
        moments = [moment.replace(minute=0, second=0) for moment in moments]
    days = [(moment + timedelta(hours=offset)).date() for moment in moments]
    assert found == (max(days) - date(1970, 1, 1)).days


@settings(max_examples=50, deadline=None)
@given(MOMENTS, UNITS, OFFSETS)
def test_a_day_starts_at_its_first_time(moment, unit, offset):
    time = np.array([stamp(moment, unit)])
    day = last_day(time, unit, offset)
    start = start_of(day, unit, offset)
    assert start <= time[0] < start_of(day + 1, unit, offset)
    assert last_day(np.array([start]), unit, offset) == day


@pytest.mark.parametrize("unit", ["s", "ms", "yymmddhh"])
def test_without_times_there_is_no_last_day(unit):
    assert last_day(np.array([], np.int64), unit, 0.0) is None


def test_digits_that_name_no_hour_are_passed_over():
    wrong = [14103124, 14113100, 14130100, 14100000, -1, 10**8, 2**62]
    assert last_day(np.array(wrong), "yymmddhh", 0.0) is None
    day = last_day(np.array([*wrong, 14102100]), "yymmddhh", 0.0)
    assert day == (date(2014, 10, 21) - date(1970, 1, 1)).days


@pytest.mark.parametrize("days_before", [1, 3_000, 20_000, 10**7])
def test_digits_have_no_time_before_2000(days_before):
    day = (date(2000, 1, 1) - date(1970, 1, 1)).days
    assert start_of(day, "yymmddhh", 0.0) == 10100
    assert start_of(day - days_before, "yymmddhh", 0.0) == 0
