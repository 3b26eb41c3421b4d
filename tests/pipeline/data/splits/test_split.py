from fractions import Fraction
from itertools import pairwise

import hypothesis.strategies as st
import numpy as np
import pyarrow as pa
import pytest
import yaml
from hypothesis import given, settings

from features.config import parse
from features.errors import ConfigError
from pipeline.data.analysis.histogram import AdaptiveHistogram
from pipeline.data.blocks.block_key import block_key
from pipeline.data.blocks.carried_columns import POSITION, text
from pipeline.data.blocks.stable_hash import seeded_hash
from pipeline.data.settings.data_config import DataConfig, SplitConfig
from pipeline.data.splits.split import cut_block, split_hashes, split_rows, with_split_hash
from pipeline.data.splits.split_rule import thresholds


def test_shares_are_met_as_nearly_as_equal_times_allow():
    rng = np.random.default_rng(0)
    times = rng.integers(0, 500, 10_000)
    histogram = AdaptiveHistogram()
    histogram.add(times)
    valid_from, test_from = thresholds(histogram, SplitConfig(valid=0.2, test=0.1))
    where = split_rows(times, valid_from, test_from)
    np.testing.assert_allclose(np.bincount(where) / 10_000, [0.7, 0.2, 0.1], atol=0.002)
    assert times[where == 0].max() < times[where == 1].min()
    assert times[where == 1].max() < times[where == 2].min()


def test_a_share_of_zero_makes_an_empty_split():
    histogram = AdaptiveHistogram()
    histogram.add(np.arange(100))
    where = split_rows(np.arange(100), *thresholds(histogram, SplitConfig(valid=0.0, test=0.25)))
    assert np.bincount(where, minlength=3).tolist() == [75, 0, 25]


@pytest.mark.parametrize(
    "moment", ["2022-05-05", "2022-05-05T08:00:00+08:00", "2022-05-05T00:00:00Z", 1651708800]
)
def test_moments_are_read_in_the_unit_of_the_timestamp(moment):
    split = SplitConfig(valid_from=moment, test_from="2022-05-06")
    assert split.starts("s") == (1651708800, 1651795200)
    if isinstance(moment, str):
        assert split.starts("ms") == (1651708800_000, 1651795200_000)
    assert SplitConfig().starts("s") is None


@pytest.mark.parametrize(
    "moment", ["2022-05-05", "2022-05-05T08:00:00+08:00", "'2022-05-05'", 1651708800, 1651708800.0]
)
def test_moments_may_stand_in_yaml_without_quotes(moment):
    split = yaml.safe_load(f"{{valid_from: {moment}, test_from: 2022-05-06}}")
    assert SplitConfig.model_validate(split).starts("s") == (1651708800, 1651795200)


def test_moments_that_make_no_split_are_refused():
    with pytest.raises(ConfigError, match=r"'May' is not a moment. Write an ISO date"):
        SplitConfig(valid_from="May", test_from=3).starts("s")
    with pytest.raises(ConfigError, match=r"later than split\.test_from=2.*exchange the two"):
        SplitConfig(valid_from=3, test_from=2).starts("s")
    with pytest.raises(ConfigError, match="train_from=3 leaves no time to train on before"):
        SplitConfig(train_from=3, valid_from=3, test_from=4).first("s")


@pytest.mark.parametrize(
    ("split", "message"),
    [
        ({"valid": 0.6, "test": 0.4}, "leaves none to train on"),
        ({"valid_from": 3}, "valid_from alone. Give both"),
        ({"vald": 0.1}, "split.vald is not a setting. Did you mean split.valid"),
        ({"by": "random"}, "split.by"),
        ({"by": "hash", "valid_from": 3, "test_from": 4}, "split.by=hash has no moments. Remove"),
        ({"by": "hash", "train_from": 3}, "split.train_from=3 is for split.by=time or day"),
        ({"key": "user"}, r"split.key='user' is for split.by=hash or files or last.*by=time"),
        ({"test_days": 2}, "split.test_days=2 is for split.by=day. Received: split.by=time"),
        ({"by": "hash", "utc_offset_hours": 8}, "split.utc_offset_hours=8.0 is for split.by=day"),
        ({"by": "day", "utc_offset_hours": 1e300}, "utc_offset_hours.* less than or equal to 24"),
        ({"by": "last"}, "names no key. Set split.key to a column"),
        ({"by": "files", "files": {"train": ["a"]}}, "must name train and test files.*train"),
        ({"files": {"train": ["a"], "test": ["b"]}}, "split.files=.* is for split.by=files"),
        ({"by": "day", "test_days": 0}, "split.test_days"),
        ({"valid_from": [3], "test_from": 4}, r"a.yaml: split.valid_from: must be an ISO .*\[3\]"),
        ({"valid_from": 3, "test_from": 4.5}, r"a.yaml: split.test_from: must be .*: 4.5\.$"),
        ({"valid_from": True, "test_from": 4}, "split.valid_from: must be .*Received: True"),
    ],
)
def test_wrong_settings_are_refused_with_the_remedy(split, message):
    with pytest.raises(ConfigError, match=message):
        parse(DataConfig, {"source": "x", "split": split}, "a.yaml")


def test_a_seed_is_one_that_every_generator_takes():
    with pytest.raises(ConfigError, match=r"seed.* less than 9223372036854775808"):
        parse(DataConfig, {"source": "x", "seed": 1 << 63}, "a.yaml")
    hashes = seeded_hash(np.arange(3), (1 << 63) - 1)
    assert len(set(hashes.tolist())) == 3


RULE = {"by": "hash", "valid": 0.2, "test": 0.3}


def splits_of(blocks, seed=0, key=None, rule=RULE):
    """Blocks of rows with an `id` -> id -> names of the splits it came into."""
    found = {}
    for block in blocks:
        for _, name, rows in cut_block(with_split_hash(block, seed, key), rule):
            assert rows.schema.names == [*([text(key)] if key else []), "id"]
            for row in rows["id"].to_pylist():
                found.setdefault(row, []).append(name)
    return found


def block_of(rows, file=0, users=None):
    """Lines of a file as a block; the first one's place is the block's, as the reader has it."""
    names = {POSITION: pa.array(rows, pa.int64())}
    if users is not None:
        names = {text("user"): pa.array([users[row] for row in rows], pa.string())}
    ids = pa.array([f"{file}/{row}" for row in rows], pa.string())
    return block_key(file, 10 * rows[0]), pa.RecordBatch.from_pydict({**names, "id": ids})


@settings(deadline=None)
@given(
    cuts=st.sets(st.integers(1, 299)),
    order=st.randoms(use_true_random=False),
    seed=st.integers(0, 2**40),
)
def test_a_row_has_one_split_whatever_the_blocks_and_their_order(cuts, order, seed):
    edges = [0, *sorted(cuts), 300]
    blocks = [
        block_of(list(range(start, stop)), file)
        for file in (0, 1)
        for start, stop in pairwise(edges)
    ]
    order.shuffle(blocks)
    whole = splits_of([block_of(list(range(300)), file) for file in (0, 1)], seed)
    found = splits_of(blocks, seed)
    assert found == whole
    assert len(found) == 600
    assert all(len(names) == 1 for names in found.values())


@settings(deadline=None)
@given(st.lists(st.sampled_from(["u1", "u2", "u3", "", None, "é"]), min_size=1), st.integers(0, 99))
def test_rows_of_one_key_stay_together(users, seed):
    rows = list(range(len(users)))
    found = splits_of([block_of([row], users=users) for row in rows], seed, "user")
    by_user = {}
    for row, user in enumerate(users):
        by_user.setdefault(user or "", set()).update(found[f"0/{row}"])
    assert all(len(names) == 1 for names in by_user.values())


@settings(deadline=None)
@given(
    st.lists(st.integers(0, 2**64 - 1), min_size=1),
    st.integers(0, 50),
    st.integers(0, 49),
)
def test_hashes_are_cut_at_the_shares(hashes, valid, test):
    received = split_hashes(np.array(hashes, np.uint64), valid / 100, test / 100)
    for each, where in zip(hashes, received.tolist(), strict=True):
        share = Fraction(each, 2**64)  # exactly
        limits = Fraction(100 - valid - test, 100), Fraction(100 - test, 100)
        if min(abs(share - limit) for limit in limits) > 1e-12:
            assert where == sum(share >= limit for limit in limits)


def test_hashed_rows_meet_the_shares_and_seeds_and_files_are_unrelated():
    rows = 40_000
    found = []
    for file, seed in ((0, 0), (0, 1), (1, 0)):
        split_of = splits_of([block_of(list(range(rows)), file)], seed)
        found.append(np.array([split_of[f"{file}/{row}"][0] for row in range(rows)]))
    for names in found:
        shares = [np.mean(names == name) for name in ("train", "valid", "test")]
        np.testing.assert_allclose(shares, [0.5, 0.2, 0.3], atol=0.01)
    for other in found[1:]:  # as often equal as chance has it
        assert np.mean(found[0] == other) == pytest.approx(0.5**2 + 0.2**2 + 0.3**2, abs=0.02)
