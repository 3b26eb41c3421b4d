import json
import random

from pipeline.data.writing.rejected_rows import CollectRejected, Rejected


def row(position, table="log", fatal=False):
    reason = f"reason {position}"
    return {
        "table": table,
        "file": "/some/where/a.csv",
        "position": position,
        "reason": reason,
        "row": "é",
        "fatal": fatal,
    }


def collect(rows, parts=3, max_kept=4):
    combine = CollectRejected(max_kept)
    accumulators = []
    for part in range(parts):
        accumulator = combine.create_accumulator()
        for each in rows[part::parts]:
            accumulator = combine.add_input(accumulator, each)
        accumulators.append(accumulator)
    return combine.extract_output(combine.merge_accumulators(accumulators))


def test_all_rows_count_and_the_first_ones_of_each_table_are_kept_in_order():
    rows = [row(position) for position in range(50)] + [row(3, table="users")]
    random.Random(0).shuffle(rows)
    found = collect(rows)
    assert found.rows == {"log": 50, "users": 1}
    assert found.total == 51
    assert [kept["position"] for kept in found.kept] == [0, 1, 2, 3, 3]
    assert {table: kept["position"] for table, kept in found.first.items()} == {
        "log": 0,
        "users": 3,
    }


def test_fatal_entries_are_reasons_and_not_rows():
    found = collect([row(1), row(9, fatal=True), row(9, fatal=True)])
    assert (found.total, found.fatal) == (1, ("reason 9",))


def test_lines_are_json_with_reason_and_place_but_not_the_folder():
    (line,) = collect([row(7)]).lines().splitlines()
    assert json.loads(line) == {
        "table": "log",
        "file": "a.csv",
        "position": 7,
        "reason": "reason 7",
        "row": "é",
    }


def test_nothing_rejected():
    assert collect([]) == Rejected()
    assert Rejected().lines() == ""
