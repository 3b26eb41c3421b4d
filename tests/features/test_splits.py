import pytest

from features.splits import in_words, valid_is_test


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ({}, "unknown"),
        ({"by": "time", "column": "ts"}, "by time of column 'ts', clean: valid and test are apart"),
        (
            {"by": "day", "column": "hour", "test_days": 1, "valid_is_test": True},
            "by day of column 'hour', the last day for test, published: the validation rows are "
            "the test rows",
        ),
        (
            {"by": "day", "column": "hour", "test_days": 3, "validation": "clean"},
            "by day of column 'hour', the last 3 days for test, clean: valid and test are apart",
        ),
        (
            {"by": "hash", "key": None, "valid": 0.1, "test": 0.1},
            "by a hash of each row's place, clean: valid and test are apart",
        ),
        ({"by": "last", "key": "user"}, "by the last row of each 'user', clean: valid and test ar"),
        (
            {"by": "files", "key": "user", "valid": 0.1, "validation": "clean"},
            "by the publisher's files (valid: 0.1 of the training rows by a hash of column 'user')"
            ", clean: valid and test are apart",
        ),
        (
            {"by": "files", "validation": "published", "valid_is_test": False},
            "by the publisher's files, published: valid and test are apart",
        ),
    ],
)
def test_a_rule_is_named_with_its_protocol(rule, words):
    assert in_words(rule).startswith(words)
    assert valid_is_test(rule) == words.endswith("the test rows")
