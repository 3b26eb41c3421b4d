import pytest

from features.analysis import Analysis
from features.bundle import FileEntry
from features.errors import DataError
from features.specs import FeatureSet
from pipeline.data.job.checks import check_results, joins_in_words
from pipeline.data.job.write_bundle import Results
from pipeline.data.settings.data_config import DataConfig, SplitConfig

FEATURES = FeatureSet(
    features={"a": {"kind": "numeric"}, "y": {"role": "label", "column": "rating", "at_least": 4}}
)
GOOD = Results(
    analysis=Analysis(),
    rows={"train": 80, "valid": 10, "test": 9},
    problems=(),
    files={"train-00000-of-00001.tfrecord": FileEntry(size=1, sha256="", rows=99)},
    statistics={split: {"": {"rows": 9, "positives": 4}} for split in ("train", "valid", "test")},
    rejected={"log": 1},
    fatal=(),
    first_rejected={
        "log": {"file": "u.csv", "position": 7, "reason": "rating must be a number, got 'x'"},
        "users": {"file": "users.csv", "position": 2, "reason": "age must be a number, got 'y'"},
    },
    rows_read={"log": 100, "users": 40},
    rows_kept={"users": 40},
    split_rule={},
    vocabulary_changes={},
)


def check(data=None, **changes):
    data = data or DataConfig(source="some_log", path="there")
    check_results(GOOD.model_copy(update=changes), FEATURES, data, "out.rejected.jsonl")


def test_good_results_pass():
    check()


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"fatal": ("a.gz is cut off.", "b")}, r"a.gz is cut off. \(1 more such problems.\)"),
        (
            {"rejected": {"log": 2}, "rows_read": {"log": 101}},
            r"table 'log': 2 of its 101 rows could not be used, 1.98%, where .* allows 1%.* u.csv, "
            r"line 7: rating must be a number, got 'x'. They lie in out.rejected.jsonl. .* raise "
            r"data.max_rejected_share",
        ),
        (
            {"rejected": {"log": 1, "users": 14}, "rows_kept": {"users": 26}},
            r"table 'users': 14 of its 40 rows could not be used, 35%.* users.csv, line 2: age",
        ),
        (
            {"rows_read": {"users": 40}, "rows": {}, "rejected": {}},
            "'some_log' has no rows. Check data.path=",
        ),
        (
            {"rows": {"train": 90, "test": 9}},
            "split 'valid' is empty .*raise data.split.valid=0.1.$",
        ),
        ({"rows": {"valid": 1, "test": 9}}, "split 'train' is empty .*Lower data.split.valid"),
        ({"problems": ("feature 'a' ...",)}, "feature 'a'"),
        (
            {"statistics": {"test": {"": {"rows": 9, "positives": 9}}}},
            "split 'test' has one class only: the label 'y' is 1 in all 9 rows. Check its column "
            "'rating' and at_least=4, or change data.split",
        ),
        (
            {"statistics": {"train": {"": {"rows": 9, "positives": 0}}}},
            "split 'train' .* 'y' is 0 in all 9 rows",
        ),
    ],
)
def test_unusable_data_gets_a_sentence_with_a_remedy(changes, sentence):
    with pytest.raises(DataError, match=sentence):
        check(**changes)


def test_a_split_that_was_not_asked_for_may_be_empty():
    data = DataConfig(source="s", split=SplitConfig(valid=0.1, test=0.0))
    check(data, rows={"train": 89, "valid": 10})


def test_an_empty_split_of_given_moments_names_them():
    data = DataConfig(source="s", split=SplitConfig(valid_from=5, test_from="2030-01-01"))
    with pytest.raises(DataError, match=r"'test' is empty.*valid_from=5 or .*test_from=2030-01-01"):
        check(data, rows={"train": 89, "valid": 10})


@pytest.mark.parametrize(
    ("split", "rows", "rule", "sentence"),
    [
        (
            {"by": "day", "test_days": 3},
            {"valid": 10, "test": 89},
            {},
            "'train' is empty.*change data.split.test_days=3 or data.split.valid_days=1",
        ),
        ({"by": "files"}, {"train": 99}, {}, "'valid' is empty.*Its files hold no rows"),
        (
            {"by": "files"},
            {"train": 89, "test": 10},
            {"valid": 0.1},
            "'valid' is empty.*raise data.split.valid=0.1",
        ),
        (
            {"by": "last", "key": "user_id"},
            {"train": 89, "test": 10},
            {},
            "'valid' is empty.*Check data.split.key=user_id",
        ),
        (
            {"by": "hash", "validation": "published"},
            {"train": 99},
            {"valid_is_test": True},
            "'valid' is empty.*raise data.split.test=0.1",
        ),
    ],
)
def test_an_empty_split_has_the_remedy_of_its_rule(split, rows, rule, sentence):
    with pytest.raises(DataError, match=sentence):
        check(DataConfig(source="s", split=split), rows=rows, split_rule=rule)


@pytest.mark.parametrize(
    ("split", "rows", "rule"),
    [
        ({"by": "files", "valid": 0.0}, {"train": 89, "test": 10}, {"valid": 0.0}),
        ({"by": "day", "valid_days": 0}, {"train": 89, "test": 10}, {}),
    ],
)
def test_a_validation_that_was_not_asked_for_may_be_empty(split, rows, rule):
    check(DataConfig(source="s", split=split), rows=rows, split_rule=rule)


def test_rows_that_stand_in_valid_and_in_test_are_read_once():
    data = DataConfig(source="s", split={"by": "hash", "validation": "published"})
    published = {
        "split_rule": {"valid_is_test": True},
        "rows_read": {"log": 89, "users": 40},
        "rejected": {},
    }
    check(data, rows={"train": 79, "valid": 10, "test": 10}, **published)
    with pytest.raises(RuntimeError, match="89 of table 'log' read, 0 rejected, 90 kept"):
        check(data, rows={"train": 80, "valid": 9, "test": 10}, **published)
    with pytest.raises(RuntimeError, match="9 rows in valid, where the 11 test rows belong"):
        check(data, rows={"train": 78, "valid": 9, "test": 11}, **published)


@pytest.mark.parametrize(
    ("changes", "account"),
    [
        (
            {"rows_read": {"log": 101, "users": 40}},
            "101 of table 'log' read, 1 rejected, 99 kept. This is a bug",
        ),
        ({"rows": {**GOOD.rows, "train": 81}}, "kept; 100 made into examples, 99 written"),
        ({"rows_kept": {"users": 39}}, "add up: 40 of table 'users' read, 0 rejected, 39 kept. T"),
        ({"rows_kept": {}}, "40 of table 'users' read, 0 rejected, 0 kept"),
        ({"rows_read": {"log": 100}}, "0 of table 'users' read, 0 rejected, 40 kept"),
    ],
)
def test_rows_of_a_table_that_do_not_add_up_are_a_bug(changes, account):
    with pytest.raises(RuntimeError, match="rows do not add up") as caught:
        check(**changes)
    assert account in str(caught.value)


def test_a_join_is_told_and_one_that_matches_nothing_is_refused():
    data = DataConfig(source="some_log", path="there")
    keys = {"users": "user_id", "items": "item_id"}
    lines = joins_in_words({"unmatched_users": 9}, keys, GOOD, data)
    assert lines == ["joined users by user_id: 90 of 99 rows have a match"]
    refusal = (
        r"95 of 99 rows of the log have no row with their 'item_id' in table 'items', 96%, where "
        r"data.max_unmatched_share allows 95%. Check that both write 'item_id' alike, or raise"
    )
    with pytest.raises(DataError, match=refusal):
        joins_in_words({"unmatched_items": 95}, keys, GOOD, data)
    allowed = data.model_copy(update={"max_unmatched_share": 1.0})
    assert joins_in_words({"unmatched_items": 99}, keys, GOOD, allowed) == [
        "joined items by item_id: 0 of 99 rows have a match"
    ]
