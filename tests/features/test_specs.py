import pickle

import pyarrow as pa
import pytest

from features.config import parse
from features.errors import ConfigError
from features.specs import ROLES, FeatureSet

TOKEN = {"kind": "categorical"}
STEPS = {"kind": "sequence", "max_length": 2}
VECTOR = {"kind": "embedding", "dimension": 2}
WITH_HISTORY = {"t": {"role": "timestamp"}, "c": {**STEPS, "history": "h"}}


def read(features, **others) -> FeatureSet:
    return parse(FeatureSet, {"features": features, **others}, "f.yaml")


@pytest.mark.parametrize(
    ("features", "others", "message"),
    [
        ({"y": {"role": "label"}}, {}, "none has the role `input`"),
        (
            {"a": TOKEN, "y": {"role": "label"}, "z": {"role": "label"}},
            {},
            "features y, z all have role label. Keep one.",
        ),
        (
            {"user_id": TOKEN},
            {"groups": {"g": ["usr_id"]}},
            "group 'g' names feature 'usr_id', which no input feature defines. "
            "Did you mean user_id?",
        ),
        (
            {"a": TOKEN, "y": {"role": "label"}},
            {"groups": {"g": ["y"]}},
            "names feature 'y', which no input",
        ),
        ({"a": TOKEN}, {"groups": {"g": []}}, "at least 1 item"),
        (
            WITH_HISTORY,
            {"histories": {"h": {"key": "u", "where": "c", "unless": "c"}}},
            "`where` and `unless` both name 'c', so that no event counts. Remove one of them.",
        ),
        (
            {"t": {"role": "timestamp"}, "c": {**STEPS, "history": "clikcs"}},
            {"histories": {"clicks": {"key": "u"}}},
            "history 'clikcs', which is not declared. Did you mean clicks?",
        ),
        (
            {"c": {**STEPS, "history": "h"}},
            {"histories": {"h": {"key": "u"}}},
            "need a feature with `role: timestamp`",
        ),
        (
            {**WITH_HISTORY, "d": {**STEPS, "max_length": 3, "history": "h"}},
            {"histories": {"h": {"key": "u"}}},
            "keep 2 and 3 of them. Give both the same `max_length`.",
        ),
        (
            {**WITH_HISTORY, "h": STEPS},
            {"histories": {"h": {"key": "u"}}},
            "Set `history: h`, or rename one.",
        ),
        (
            {**WITH_HISTORY, "d": {**STEPS, "aligned": "h"}},
            {"histories": {"h": {"key": "u"}}},
            "is `aligned: h`, which `histories` declares: the job builds it. Rename it, or set",
        ),
        (
            {"a": {**STEPS, "aligned": "b"}, "b": STEPS},
            {},
            "'b' stands alone, but another one is `aligned: b`. Set it for both, or rename",
        ),
        (
            {"a": {**STEPS, "aligned": "h"}, "b": {**STEPS, "max_length": 3, "aligned": "h"}},
            {},
            "'a' and 'b' are aligned steps of history 'h', but keep 2 and 3 of them.",
        ),
        (
            {"a": TOKEN, "b": {"kind": "numeric", "column": "a"}},
            {},
            "features 'a' and 'b' read column 'a' as string and as double. "
            "Give both the same kind.",
        ),
        (
            {"a": {**STEPS, "separator": "|"}, "b": {**STEPS, "separator": ",", "column": "a"}},
            {},
            "column 'a' with separator '|' and ','. Give both the same `separator`.",
        ),
        (
            {"a": VECTOR, "b": {**VECTOR, "dimension": 3, "column": "a"}},
            {},
            "column 'a' with dimension 2 and 3.",
        ),
        (
            {"a": {"kind": "numeric", "transform": "log2"}, "b": {**TOKEN, "vocabulary": "a"}},
            {},
            "feature 'b' names vocabulary 'a', but feature 'a' has buckets of that name",
        ),
        (
            {
                "a": {**TOKEN, "vocabulary": "v", "min_count": 2},
                "b": {**TOKEN, "vocabulary": "v", "min_count": 3},
            },
            {},
            "vocabulary 'v': its features give different values of `min_count`: 2, 3. "
            "Name one feature 'v'",
        ),
        (
            {"v": {**TOKEN, "max_tokens": 9}, "b": {**TOKEN, "vocabulary": "v", "max_tokens": 5}},
            {},
            "different values of `max_tokens`: 5, 9.",
        ),
        ({"a": {**TOKEN, "min_cuont": 1}}, {}, "Did you mean features.a.min_count?"),
        ({"a": {**STEPS, "max_length": None}}, {}, "f.yaml: features.a: a sequence feature needs"),
        ({"a": {}}, {}, "f.yaml: features.a.kind is required. Add it."),
        ({"a": "numeric"}, {}, "features.a: "),
        ({"a": TOKEN}, {"histories": {"h": {"wher": "x"}}}, "Did you mean histories.h.where?"),
    ],
)
def test_a_mistake_is_one_sentence_with_the_remedy(features, others, message):
    with pytest.raises(ConfigError) as caught:
        read(features, **others)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_features_keep_their_order_and_roles(features):
    assert [spec.name for spec in features.inputs] == list(features.features)[:-4]
    roles = ("label", "group_key", "timestamp", "weight")
    assert [getattr(features, role).name for role in roles] == ["clicked", "user", "time", "weight"]
    assert [spec.role for spec in features.with_role("weight", "label")] == ["label", "weight"]
    only_inputs = read({"a": TOKEN})
    assert all(getattr(only_inputs, role) is None for role in roles)


def test_a_vocabulary_is_counted_where_its_name_stands_and_its_settings_come_from_there():
    shared = read(
        {
            "clicked": {**STEPS, "vocabulary": "item"},
            "item": {**TOKEN, "min_count": 5, "max_tokens": 9, "num_oov_buckets": 2},
        }
    ).vocabularies
    assert list(shared) == ["item"]
    spec = shared["item"]
    assert (spec.min_count, spec.max_tokens, spec.num_oov_buckets) == (5, 9, 2)
    assert spec.counted_from == ("item",)


def test_a_vocabulary_named_after_no_feature_is_counted_in_all_of_them():
    both = {name: {**TOKEN, "vocabulary": "v", "min_count": 3} for name in ("a", "b")}
    spec = read(both).vocabularies["v"]
    assert (spec.counted_from, spec.min_count) == (("a", "b"), 3)


def test_buckets_labels_and_keys_make_no_vocabulary(features):
    assert list(features.vocabularies) == ["city", "genres"]


def test_the_raw_schema_has_each_column_once(features):
    schema = features.raw_schema()
    assert len(set(schema.names)) == len(schema.names)
    assert schema.field("price").type == pa.float64()
    assert schema.field("clicked_city").type == pa.list_(pa.string())
    assert {"rating", "user", "time", "weight"}.isdisjoint(features.raw_schema(["input"]).names)
    assert set(features.raw_schema(["label"]).names) == {"rating"}
    assert features.raw_schema(ROLES) == schema


def test_round_trips_through_json_and_pickle(features):
    assert FeatureSet.model_validate_json(features.model_dump_json()) == features
    assert pickle.loads(pickle.dumps(features)) == features


@pytest.mark.parametrize("role", ["timestamp", "label"])
def test_a_role_that_is_required_and_that_nobody_has_is_told_with_the_remedy(role):
    features = FeatureSet(features={"city": {"kind": "categorical"}, "clicked": {"role": "weight"}})
    assert features.required("weight").name == "clicked"
    message = rf"no feature has the role `{role}`.*Add one: `<name>: {{role: {role}}}`"
    with pytest.raises(ConfigError, match=message):
        features.required(role)


def test_what_the_job_finds_out_is_not_declared():
    declared = FeatureSet(features={"a": {"kind": "categorical"}})
    found = FeatureSet(features={"a": {"kind": "categorical", "null_values": ("NULL",)}})
    assert found != declared
    assert found.declared() == declared.declared()
    other = FeatureSet(features={"a": {"kind": "categorical", "min_count": 2}})
    assert other.declared() != declared.declared()
