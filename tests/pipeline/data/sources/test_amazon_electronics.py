"""Amazon Electronics in the published layout, against a slow preparation of the same files."""

import ast
import gzip
import json
import random
import tempfile
from dataclasses import replace
from pathlib import Path

import apache_beam as beam
import pytest
from apache_beam.testing.test_pipeline import TestPipeline
from apache_beam.testing.util import assert_that, equal_to

from pipeline.config.config_files import load_config
from pipeline.data.job.data_job import build_bundle
from pipeline.data.job.examples import Examples
from pipeline.data.job.open_inputs import open_inputs

SPILL = tempfile.TemporaryDirectory()  # rows wait there for the limits of the splits
CONFIG = Path(__file__).parents[4] / "configs/amazon_electronics/dataset.yaml"
DAY = 86_400


def write_reviews(folder, seed=5, users=12, items=14, days=9):
    """Reviews of items once each, in the order of items as published; the whole has its gaps."""
    draw = random.Random(seed)
    reviews = []
    for number in range(items):
        for user in range(users):
            if draw.random() < 0.5:
                when = 1_356_998_400 + draw.randrange(days) * DAY
                reviews.append(
                    {
                        "reviewerID": f"A{user:013d}",
                        "asin": f"B{number:09d}",
                        "reviewerName": 'O\'Hara "JR"',
                        "helpful": [0, 1],
                        "reviewText": "Works, \u00fc\n as\t said: {'a': 1}",
                        "overall": float(draw.randrange(1, 6)),
                        "summary": "ok",
                        "unixReviewTime": when,
                        "reviewTime": "01 1, 2013",
                    }
                )
    metas = [
        {
            "asin": f"B{number:09d}",
            "description": 'it\'s "new"\\ \u00fc' if number % 3 else "plain",
            "price": 9.99,
            "imUrl": "http://images.example/x.jpg",
            "related": {"also_bought": [f"B{(number + 1) % items:09d}"]},
            "salesRank": {"Electronics": number},
            "categories": [["Electronics", "Audio"], ["Electronics", f"Kind {number % 4}"]],
        }
        for number in range(items + 3)
        if number != 2  # no metadata
    ]
    draw.shuffle(metas)
    lines = "".join(json.dumps(each) + "\n" for each in reviews)
    (folder / "reviews_Electronics_5.json").write_text(lines)
    with gzip.open(folder / "meta_Electronics.json.gz", "wt", encoding="utf-8") as file:
        file.writelines(f"{each!r}\n" for each in metas)


def reviews_of(folder):
    lines = (folder / "reviews_Electronics_5.json").read_text().splitlines()
    return [json.loads(line) for line in lines]


def prepared(folder, published):
    """What the rows of label 1 must be, by loops over the files: split -> their values."""
    reviews = reviews_of(folder)
    with gzip.open(folder / "meta_Electronics.json.gz", "rt") as file:
        metas = [ast.literal_eval(line) for line in file]
    category = {meta["asin"]: meta["categories"][-1][-1] for meta in metas}
    rows = {"train": [], "valid": [], "test": []}
    for user in {review["reviewerID"] for review in reviews}:
        own = [review for review in reviews if review["reviewerID"] == user]
        own.sort(key=lambda review: review["unixReviewTime"])  # stable
        for place in range(1, len(own)):
            now = own[place]["unixReviewTime"]
            before = [each["asin"] for each in own if each["unixReviewTime"] < now][-100:]
            asin = own[place]["asin"]
            kinds = tuple(category.get(each) for each in before)
            row = (user, now, asin, category.get(asin), tuple(before), kinds)
            if place == len(own) - 1:
                rows["test"].append(row)
                rows["valid"] += [row] * published
            else:
                rows["valid" if place == len(own) - 2 and not published else "train"].append(row)
    owned = {}
    for review in reviews:
        owned.setdefault(review["reviewerID"], set()).add(review["asin"])
    return {split: sorted(each, key=repr) for split, each in rows.items()}, owned, category


def settings(folder, **split):
    config = load_config(CONFIG, check=False)
    data = config.data.model_copy(
        update={
            "path": str(folder),
            "history_partitions": 3,
            "split": config.data.split.model_copy(update=split),
        }
    )
    return config.feature_set, data


def read(folder, out, **split):
    """(split, row) of all examples."""
    features, data = settings(folder, **split)
    with TestPipeline() as p:
        blocks = (p | Examples(open_inputs(features, data), features, data, SPILL.name))["blocks"]
        rows = blocks | beam.FlatMap(
            lambda block: [(block[1], row) for row in block[2].to_pylist()]
        )
        rows | beam.Map(repr) | beam.io.WriteToText(str(out))
    return [
        ast.literal_eval(line)
        for part in sorted(out.parent.glob(f"{out.name}-*"))
        for line in part.read_text().splitlines()
    ]


@pytest.mark.parametrize("validation", ["clean", "published"])
def test_examples_match_the_slow_preparation(tmp_path, validation):
    write_reviews(tmp_path)
    expected, owned, category = prepared(tmp_path, validation == "published")
    rows = read(tmp_path, tmp_path / "out", validation=validation)
    items = set().union(*owned.values())
    for split in ("train", "valid", "test"):
        found = [row for name, row in rows if name == split]
        as_tuples = {0.0: [], 1.0: []}
        for row in found:
            lists = (tuple(row["reviewed_items"]), tuple(row["reviewed_categories"]))
            values = (row["user_id"], row["time"], row["item_id"], row["category"], *lists)
            as_tuples[row["label"]].append(values)
            if not row["label"]:
                assert row["item_id"] in items - owned[row["user_id"]]
                assert row["category"] == category.get(row["item_id"])
        assert sorted(as_tuples[1.0], key=repr) == expected[split]

        def without_item(values):
            return [(user, time, *lists) for user, time, _, _, *lists in values]

        assert sorted(without_item(as_tuples[0.0])) == sorted(without_item(as_tuples[1.0]))


def test_no_example_sees_its_outcome_or_a_later_one(tmp_path):
    """Moving all that a user does from a moment on changes nothing in what was seen before."""
    write_reviews(tmp_path)
    reviews = reviews_of(tmp_path)
    moment = sorted(review["unixReviewTime"] for review in reviews)[len(reviews) // 2]
    before = read(tmp_path, tmp_path / "one")
    for review in reviews:
        if review["unixReviewTime"] >= moment:
            review["unixReviewTime"] += 1_000 * DAY
    lines = "".join(json.dumps(each) + "\n" for each in reviews)
    (tmp_path / "reviews_Electronics_5.json").write_text(lines)
    after = read(tmp_path, tmp_path / "two")

    def seen(rows, shift):
        return sorted(
            (row["user_id"], row["item_id"], row["label"], *row["reviewed_items"])
            for _, row in rows
            if row["time"] - shift * (row["time"] >= moment) <= moment
        )

    assert len(before) == len(after)
    assert seen(before, 0) == seen(after, 1_000 * DAY)
    times = {(each["reviewerID"], each["asin"]): each["unixReviewTime"] for each in reviews}
    for _, row in after:
        assert all(times[row["user_id"], item] < row["time"] for item in row["reviewed_items"])


def test_blocks_do_not_depend_on_how_the_work_is_cut(tmp_path):
    """Files read in another order and number give the same blocks, negatives included."""
    write_reviews(tmp_path)
    lines = (tmp_path / "reviews_Electronics_5.json").read_text().splitlines(keepends=True)
    (tmp_path / "a.json").write_text("".join(lines[:20]))
    (tmp_path / "b.json").write_text("".join(lines[20:]))
    features, data = settings(tmp_path)
    data = data.model_copy(update={"log": ("a.json", "b.json")})
    inputs = open_inputs(features, data)
    found = []
    for order in (1, -1):
        turned = replace(inputs, log=inputs.log[::order])
        out = tmp_path / f"blocks{order}"
        with TestPipeline() as p:
            blocks = (p | Examples(turned, features, data, SPILL.name))["blocks"]
            described = blocks | beam.MapTuple(
                lambda *block: repr((*block[:2], *block[2].to_pylist()))
            )
            described | beam.io.WriteToText(str(out))
        parts = tmp_path.glob(f"{out.name}-*")
        found.append(sorted(line for part in parts for line in part.read_text().splitlines()))
    assert found[0] == found[1]
    whole = read(tmp_path, tmp_path / "whole")
    of_blocks = [row for block in map(ast.literal_eval, found[0]) for row in block[2:]]
    assert sorted(map(repr, of_blocks)) == sorted(repr(row) for _, row in whole)


def test_a_review_without_user_is_rejected(tmp_path):
    write_reviews(tmp_path)
    path = tmp_path / "reviews_Electronics_5.json"
    rows = len(path.read_text().splitlines())
    path.write_text(path.read_text() + '{"asin": "B000000001", "unixReviewTime": 1356998400}\n')
    features, data = settings(tmp_path)
    with TestPipeline() as p:
        out = (p | Examples(open_inputs(features, data), features, data, SPILL.name))["rejected"]
        reasons = out | beam.Map(lambda entry: (entry["position"], entry["reason"]))
        assert_that(reasons, equal_to([(rows + 1, "user_id must not be empty")]))


def test_the_bundle_is_the_same_again_and_its_accounts_add_up(tmp_path):
    write_reviews(tmp_path)
    expected, _, _ = prepared(tmp_path, published=True)
    features, data = settings(tmp_path, validation="published")
    text = (tmp_path / "reviews_Electronics_5.json").read_text()
    (tmp_path / "reviews_Electronics_5.json").write_text("{'no': json}\n" + text)
    data = data.model_copy(update={"max_rejected_share": 0.1})
    bundles = [build_bundle(features, data, str(tmp_path / name)) for name in ("a", "b")]
    other = data.model_copy(update={"seed": 1})
    bundles.append(build_bundle(features, other, str(tmp_path / "c")))
    rows = bundles[0].metadata.rows
    assert rows == {split: 2 * len(each) for split, each in expected.items()}
    statistics = json.loads((tmp_path / "a/statistics.json").read_text())
    assert statistics["tables"]["log"] == {"rows": text.count("\n") + 1, "rejected": 1}
    assert statistics["splits"]["test"]["label_rate"] == 0.5
    names = ("vocabularies/item_id.txt", "MANIFEST.json", "sample_rows.jsonl")
    contents = [[Path(tmp_path, out, name).read_bytes() for name in names] for out in "abc"]
    assert contents[0] == contents[1]
    assert contents[0][2] != contents[2][2]
    samples = [json.loads(line) for line in contents[0][2].splitlines()]
    others = [json.loads(line) for line in contents[2][2].splitlines()]
    drawn = [sorted((r["user_id"], r["item_id"]) for r in each if not r["label"])
             for each in (samples, others)]  # fmt: skip
    assert drawn[0] != drawn[1]
