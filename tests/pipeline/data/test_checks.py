import pytest

from features.analysis import Analysis
from features.bundle import FileEntry
from features.errors import DataError
from features.specs import FeatureSet
from pipeline.data.checks import check_results
from pipeline.data.config import DataConfig, SplitConfig
from pipeline.data.write_bundle import Results

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
    first_rejected={"file": "u.csv", "position": 7, "reason": "rating must be a number, got 'x'"},
    rows_read=100,
    split_rule={},
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
            {"rejected": {"log": 2}, "rows_read": 101},
            r"2 rows could not be read, of 101 .* 1.00% .* u.csv, line 7: rating must be a number, "
            r"got 'x'. They lie in out.rejected.jsonl. .* raise data.max_rejected_share",
        ),
        ({"rows_read": 0, "rows": {}, "rejected": {}}, "'some_log' has no rows. Check data.path="),
        ({"rows": {"train": 90, "test": 9}}, "split 'valid' is empty .*raise data.split.valid=0.1"),
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


@pytest.mark.parametrize("changes", [{"rows_read": 101}, {"rows": {**GOOD.rows, "train": 81}}])
def test_rows_that_do_not_add_up_are_a_bug(changes):
    with pytest.raises(RuntimeError, match="do not add up"):
        check(**changes)
