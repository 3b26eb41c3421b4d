"""TaobaoAd in the published layout, against an oracle that looks at one example at a time."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from features.records import decode_block
from pipeline.config.config_files import load_config, load_dataset
from pipeline.data.job.data_job import build_bundle

CONFIG = Path(__file__).parents[4] / "configs/taobao_ad/dataset.yaml"
MIDNIGHT = 1_494_000_000  # 2017-05-06 00:00 in China
DAY = 86_400
ROWS = 480
PROFILE = [
    *("userid", "cms_segid", "cms_group_id", "final_gender_code", "age_level"),
    *("pvalue_level", "shopping_level", "occupation", "new_user_class_level "),  # published so
]


def make_rows():
    """Ads, user profiles, examples (with a time each of their own) and what users did."""
    rng = np.random.default_rng(2)
    ads = [
        (
            f"{ad}",
            f"{ad % 3}",
            f"{ad % 5}",
            f"{ad % 4}",
            f"{ad % 2}" if ad % 4 else "NULL",
            ad * 9.5,
        )
        for ad in range(1, 9)
    ]
    users = [
        (f"{user}", 0, 5, 1 + user % 2, 3, "" if user % 2 else 2, 3, 0, user % 3 or "")
        for user in range(9)
    ]
    times = np.sort(rng.choice(np.arange(MIDNIGHT, MIDNIGHT + 8 * DAY), ROWS, replace=False))
    pids = ("430548_1007", "430539_1007")
    samples = [
        (
            f"{rng.integers(10)}",
            int(time),
            f"{rng.integers(1, 10)}",
            pids[row % 2],
            int(row % 7 > 0),
        )
        for row, time in enumerate(times)
    ]
    behaviour = [
        (
            f"{rng.integers(12)}",
            int(rng.integers(MIDNIGHT - 14 * DAY, MIDNIGHT + 9 * DAY)),
            ("pv", "pv", "cart", "fav", "buy")[rng.integers(5)],
            f"{rng.integers(4)}",
            f"{rng.integers(3)}",
        )
        for _ in range(2_000)
    ]
    # Of the very moment of an example: unseen by it, seen by the next.
    behaviour += [(user, time, "buy", "2", "1") for user, time, *_ in samples[::5]]
    return ads, users, samples, behaviour


def write_csv(path, header, rows):
    path.write_text("\n".join(",".join(map(str, row)) for row in [header, *rows]) + "\n")


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    folder = tmp_path_factory.mktemp("taobao")
    ads, users, samples, behaviour = make_rows()
    write_csv(
        folder / "ad_feature.csv",
        ("adgroup_id", "cate_id", "campaign_id", "customer", "brand", "price"),
        ads,
    )
    write_csv(folder / "user_profile.csv", PROFILE, users)
    write_csv(
        folder / "raw_sample.csv",
        ("user", "time_stamp", "adgroup_id", "pid", "nonclk", "clk"),
        [(*row, 1 - row[4]) for row in samples],
    )
    write_csv(
        folder / "behavior_log.csv", ("user", "time_stamp", "btag", "cate", "brand"), behaviour
    )
    return folder


@pytest.fixture(scope="module")
def bundle(published, tmp_path_factory):
    dataset = load_dataset(CONFIG, [f"data.path={published}", "data.history_partitions=5"])
    out = str(tmp_path_factory.mktemp("built") / "bundle")
    return build_bundle(dataset.feature_set, dataset.data, out)


def rows_of(bundle, split):
    """Time of each row -> its columns."""
    found = {}
    for record in tf.data.TFRecordDataset(bundle.files(split)):
        block = decode_block(record.numpy(), bundle.metadata.columns)
        for row, time in enumerate(np.asarray(block["time"]).tolist()):
            found[time] = {name: np.asarray(column[row]) for name, column in block.items()}
    return found


def tokens_of(bundle, vocabulary):
    return Path(bundle.vocabulary_dir, f"{vocabulary}.txt").read_text().splitlines()


def test_the_last_day_in_china_is_test_and_the_day_before_valid(bundle):
    _, _, samples, _ = make_rows()
    days = Counter((time - MIDNIGHT) // DAY for _, time, *_ in samples)
    rows = bundle.metadata.rows
    assert rows == {"train": ROWS - days[7] - days[6], "valid": days[6], "test": days[7]}
    assert min(rows_of(bundle, "test")) >= MIDNIGHT + 7 * DAY
    assert MIDNIGHT + 6 * DAY <= min(rows_of(bundle, "valid")) < MIDNIGHT + 7 * DAY


def test_histories_are_the_last_50_events_before_each_example(bundle):
    _, _, samples, behaviour = make_rows()
    tokens = {name: tokens_of(bundle, name) for name in ("btag_his", "cate_id", "brand")}
    expected = {}
    for user, time, *_ in samples:
        mine = sorted((e for e in behaviour if e[0] == user and e[1] < time), key=lambda e: e[1])
        steps = zip(*(event[2:] for event in mine[-50:]), strict=True)
        expected[time] = dict(zip(("btag_his", "cate_his", "brand_his"), steps, strict=False))
    vocabulary_of = {"btag_his": "btag_his", "cate_his": "cate_id", "brand_his": "brand"}
    seen = 0
    for split in ("train", "valid", "test"):
        for time, row in rows_of(bundle, split).items():
            for name, vocabulary in vocabulary_of.items():
                known = tokens[vocabulary]
                steps = expected[time].get(name, ())
                ids = [known.index(token) + 2 if token in known else 1 for token in steps]
                assert row[name].tolist() == ids + [0] * (50 - len(ids)), (time, name)
                seen += len(ids)
    assert seen > 10_000


def test_null_is_missing_and_ads_and_users_join(bundle):
    ads, users, samples, _ = make_rows()
    brand_of = {ad[0]: ad[4] for ad in ads}
    brands, genders = tokens_of(bundle, "brand"), tokens_of(bundle, "final_gender_code")
    assert "NULL" not in brands
    rows = rows_of(bundle, "train")
    for user, time, ad, _, clicked in samples:
        if time not in rows:
            continue
        brand = brand_of.get(ad, "NULL")
        assert rows[time]["brand"] == (0 if brand == "NULL" else brands.index(brand) + 2)
        gender = f"{1 + int(user) % 2}"
        joined = genders.index(gender) + 2 if int(user) < len(users) else 0
        assert rows[time]["final_gender_code"] == joined
        assert rows[time]["clk"] == 1 - clicked
    assert bundle.statistics["joins"] == {
        "unmatched_ad_feature": sum(ad == "9" for _, _, ad, _, _ in samples),
        "unmatched_user_profile": sum(user == "9" for user, *_ in samples),
    }


def test_accounts_tell_of_all_tables(bundle):
    assert bundle.statistics["tables"] == {
        "ad_feature": {"rows": 8, "rejected": 0},
        "behavior_log": {"rows": 2_096, "rejected": 0},
        "log": {"rows": ROWS, "rejected": 0},
        "user_profile": {"rows": 9, "rejected": 0},
    }
    assert any(name.startswith("behavior_log/") for name in bundle.manifest.sources)


def test_rare_tokens_are_out_of_vocabulary(bundle):
    _, _, samples, _ = make_rows()
    train = rows_of(bundle, "train")
    counts = Counter(ad for _, time, ad, *_ in samples if time in train)
    frequent = [ad for ad, count in counts.items() if count >= 10]
    assert sorted(tokens_of(bundle, "adgroup_id")) == sorted(frequent)


def test_the_configuration_trains_the_default_network():
    assert load_config(CONFIG).model
