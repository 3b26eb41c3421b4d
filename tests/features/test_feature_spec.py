import pyarrow as pa
import pydantic
import pytest

from features.feature_spec import FeatureSpec

SMALLEST = {
    "categorical": {},
    "numeric": {},
    "multivalued": {"max_length": 2},
    "sequence": {"max_length": 2},
    "embedding": {"dimension": 2},
}
OTHER_THAN_DEFAULT = {
    "vocabulary": "v",
    "min_count": 2,
    "max_tokens": 1,
    "num_oov_buckets": 2,
    "separator": "|",
    "drop_weights": ":",
    "max_length": 1,
    "history": "h",
    "aligned": "h",
    "dimension": 1,
    "num_buckets": 2,
    "default": 1.0,
    "at_least": 1.0,
    "unit": "ms",
    "utc_offset_hours": 1.0,
    "precision": "float64",
}
FITS = {
    "categorical": {"vocabulary", "min_count", "max_tokens", "num_oov_buckets"},
    "numeric": {"default", "precision"},
    "multivalued": {"vocabulary", "min_count", "max_tokens", "num_oov_buckets", "separator"},
    "embedding": {"separator", "dimension"},
}
FITS["multivalued"] |= {"max_length", "drop_weights"}
FITS["sequence"] = FITS["multivalued"] | {"history", "aligned"}


def spec(**settings) -> FeatureSpec:
    return FeatureSpec(name="x", **settings)


def refusal(**settings) -> str:
    with pytest.raises(pydantic.ValidationError) as caught:
        spec(**settings)
    return caught.value.errors()[0]["msg"]


@pytest.mark.parametrize("setting", OTHER_THAN_DEFAULT)
@pytest.mark.parametrize("kind", SMALLEST)
def test_a_setting_that_means_nothing_for_a_kind_is_refused(kind, setting):
    settings = {"kind": kind, **SMALLEST[kind], setting: OTHER_THAN_DEFAULT[setting]}
    if setting in FITS[kind]:
        assert getattr(spec(**settings), setting) == OTHER_THAN_DEFAULT[setting]
    else:
        assert f"`{setting}`" in refusal(**settings)


def test_the_table_above_knows_every_setting():
    common = {"name", "kind", "role", "column", "transform", "null_values", "positive"}
    assert set(OTHER_THAN_DEFAULT) == set(FeatureSpec.model_fields) - common


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"kind": "categorical", "role": "label"}, "a label is numeric, got kind categorical"),
        ({"kind": "numeric", "role": "group_key"}, "a group_key is categorical, got kind numeric"),
        ({"kind": "numeric", "role": ["label"]}, "Input should be 'input', 'label', "),
        (
            {"kind": "numeric", "transform": "hour"},
            "Use one of zscore, raw, log, piecewise, log2, ln_squared, quantiles",
        ),
        (
            {"kind": "embedding", "dimension": 1, "transform": "raw"},
            "embedding feature. Use one of zscore",
        ),
        (
            {"role": "label", "transform": "log2"},
            "`transform` is for inputs, but this is the label",
        ),
        ({"role": "group_key", "transform": "hour"}, "`transform` is for inputs"),
        ({"kind": "sequence"}, "needs `max_length`"),
        ({"kind": "multivalued"}, "needs `max_length`"),
        ({"kind": "categorical", "drop_weights": ":"}, "is for multivalued, sequence features"),
        (
            {"kind": "multivalued", "max_length": 3, "separator": ":", "drop_weights": ":"},
            "cannot be the separator",
        ),
        ({"kind": "embedding"}, "needs `dimension`"),
        ({"kind": "numeric", "transform": "quantiles"}, "needs `num_buckets`"),
        ({"kind": "numeric", "num_buckets": 3}, "needs `transform: quantiles`"),
        ({"kind": "numeric", "transform": "log2", "default": 1}, "`default` needs transform"),
        ({"kind": "numeric", "default": float("nan")}, "finite"),
        ({"kind": "numeric", "at_least": 1}, "needs `role: label`"),
        ({"kind": "numeric", "positive": "yes"}, "means 1: it needs `role: label`"),
        ({"role": "label", "positive": "yes", "at_least": 1}, "no `at_least` beside it"),
        ({"kind": "multivalued", "max_length": 1, "separator": ""}, "must not be empty"),
        ({"kind": "categorical", "vocabulary": "../v"}, "control character, got '../v'"),
        ({"kind": "categorical", "name": "x/rows"}, "control character, got 'x/rows'"),
        ({"kind": "categorical", "name": ""}, "must not be empty"),
        ({"kind": "multivalued", "max_length": 10**9}, "less than or equal to 1000000"),
        ({"kind": "categorical", "name": "a\nb"}, r"control character, got 'a\nb'"),
        ({"kind": "categorical", "vocabulary": "a\0"}, r"control character, got 'a\x00'"),
        ({"kind": "categorical", "name": "ü" * 101}, "at most 200 bytes, got 202: 'üüü"),
        ({"kind": "categorical", "column": "\x1frow"}, r"`column` must not hold '\x1f'"),
    ],
)
def test_a_contradiction_is_refused_with_the_remedy(settings, message):
    with pytest.raises(pydantic.ValidationError) as caught:
        FeatureSpec(**{"name": "x", **settings})
    assert message in caught.value.errors()[0]["msg"]


@pytest.mark.parametrize(
    ("role", "kind"),
    [
        ("label", "numeric"),
        ("weight", "numeric"),
        ("group_key", "categorical"),
        ("timestamp", "numeric"),
    ],
)
def test_a_role_implies_its_kind(role, kind):
    assert spec(role=role).kind == kind
    assert not spec(role=role).has_vocabulary
    assert spec(role=role).transform is None


def test_column_vocabulary_and_transform_have_defaults():
    token = spec(kind="categorical")
    assert (token.column, token.vocabulary, token.transform) == ("x", "x", None)
    number = spec(kind="numeric", column="c")
    assert (number.column, number.vocabulary, number.transform) == ("c", "", "zscore")


def test_a_sequence_is_built_from_a_history_or_aligned_in_the_data():
    assert spec(kind="sequence", max_length=1).events == "x"
    aligned = spec(kind="sequence", max_length=1, aligned="h", column="c")
    assert (aligned.events, aligned.raw_name) == ("h", "c")
    assert "aligned" not in spec(kind="sequence", max_length=1).model_dump()
    assert FeatureSpec(**aligned.model_dump()) == aligned
    assert "Keep one" in refusal(kind="sequence", max_length=1, aligned="h", history="g")


def test_a_sequence_built_from_a_history_has_no_raw_column_of_its_own():
    assert spec(kind="sequence", max_length=1, column="c").raw_name == "c"
    assert spec(kind="sequence", max_length=1, column="c", history="h").raw_name == "x"


@pytest.mark.parametrize(
    ("settings", "raw_type", "has_vocabulary", "is_bucketed"),
    [
        ({"kind": "categorical"}, pa.string(), True, False),
        ({"kind": "categorical", "transform": "weekday"}, pa.int64(), False, True),
        (
            {"kind": "categorical", "transform": "weekend", "unit": "yymmddhh"},
            pa.int64(),
            False,
            True,
        ),
        ({"kind": "numeric"}, pa.float64(), False, False),
        ({"kind": "numeric", "transform": "log2"}, pa.float64(), False, True),
        ({"kind": "numeric", "transform": "ln_squared"}, pa.float64(), False, True),
        ({"kind": "multivalued", "max_length": 1}, pa.list_(pa.string()), True, False),
        ({"kind": "sequence", "max_length": 1}, pa.list_(pa.string()), True, False),
        ({"kind": "embedding", "dimension": 1}, pa.list_(pa.float32()), False, False),
        ({"role": "timestamp"}, pa.int64(), False, False),
        ({"role": "label"}, pa.float64(), False, False),
        ({"role": "group_key"}, pa.string(), False, False),
    ],
)
def test_raw_type_and_source_of_ids(settings, raw_type, has_vocabulary, is_bucketed):
    received = spec(**settings)
    assert received.raw_type == raw_type
    assert received.has_vocabulary == has_vocabulary
    assert received.is_bucketed == is_bucketed


def test_all_features_round_trip_through_json(features):
    for each in features.features.values():
        assert FeatureSpec.model_validate_json(each.model_dump_json()) == each
