"""MovieLens-1M: small files in the published layout, and the real ones where they lie."""

import json
import os
from pathlib import Path

import pytest

from features.specs import FeatureSet
from pipeline.config.config_files import load_config
from pipeline.data.job.data_job import build_bundle
from pipeline.data.settings.data_config import DataConfig

REPOSITORY = Path(__file__).parents[4]
DATA = Path(os.environ.get("CONCORD_TEST_DATA", REPOSITORY.parent / "shared" / "data"))
CONFIGS = REPOSITORY / "configs"
TITLES = ["Toy Story (1995)", "Misérables, Les (1995)", "Alien: Resurrection (1997)"]


def write_files(folder, bad_lines=()):
    """users.dat, movies.dat, ratings.dat, and 600 pairs of 20 users and 3 movies."""
    users = [f"{user}::{'FM'[user % 2]}::25::4::{10_000 + user}" for user in range(1, 21)]
    movies = [f"{n}::{title}::Comedy|Drama" for n, title in enumerate(TITLES, 1)]
    pairs = [(1 + n % 20, 1 + n * 7 % 3, 1 + n * n % 5) for n in range(600)]
    ratings = [
        f"{u}::{m}::{stars}::{978_300_000 + 60 * n}" for n, (u, m, stars) in enumerate(pairs)
    ]
    ratings[100:100] = bad_lines
    labels = ["user_id,movie_id,rating_ge_4", *(f"{u},{m},{int(s >= 4)}" for u, m, s in pairs)]
    for name, lines in (("users", users), ("movies", movies), ("ratings", ratings)):
        (folder / f"{name}.dat").write_bytes("\n".join(lines).encode("latin-1") + b"\n")
    (folder / "ratings_user_movie_label.csv").write_text("\n".join(labels) + "\n")
    return folder


def build(folder, config, out, *settings):
    config = load_config(CONFIGS / config, [f"data.path={folder}", *settings], check=False)
    return build_bundle(config.feature_set, config.data, str(out))


def test_the_published_files_and_the_pairs_give_the_same_labels(tmp_path):
    folder = write_files(tmp_path)
    published = build(folder, "movielens_1m/mbcnet.yaml", tmp_path / "a")
    pairs = build(folder, "movielens_1m_pairs/mbcnet.yaml", tmp_path / "b")
    assert sum(published.metadata.rows.values()) == 600
    assert published.statistics["joins"] == {"unmatched_movies": 0, "unmatched_users": 0}
    for split in ("train", "valid", "test"):
        of_pairs, of_published = (each.statistics["splits"][split] for each in (pairs, published))
        # The header of the pairs moves each row by a line: other rows, as many of each class.
        assert of_pairs["rows"] == pytest.approx(of_published["rows"], abs=60)
    positives = [
        sum(split["positives"] for split in each.statistics["splits"].values())
        for each in (published, pairs)
    ]
    assert positives[0] == positives[1] > 0


def test_titles_are_read_as_latin_1_and_genres_as_a_set(tmp_path):
    features = FeatureSet.model_validate(
        {
            "features": {
                "liked": {"role": "label", "column": "rating", "at_least": 4},
                "title": {"kind": "categorical"},
                "genres": {"kind": "multivalued", "separator": "|", "max_length": 4},
            }
        }
    )
    data = DataConfig(source="movielens_1m", path=str(write_files(tmp_path)), split={"by": "hash"})
    bundle = build_bundle(features, data, str(tmp_path / "out"))
    vocabularies = Path(bundle.vocabulary_dir)
    assert sorted((vocabularies / "title.txt").read_text("utf-8").split("\n")[:-1]) == sorted(
        TITLES
    )
    assert set((vocabularies / "genres.txt").read_text().split()) == {"Comedy", "Drama"}


def test_bad_rows_are_set_aside_with_their_line_and_text(tmp_path):
    bad = ["1::2::5", "1::2::five::978300000", "1:2:5:978300000", "1::2::5::978300000::7"]
    bundle = build(write_files(tmp_path, bad), "movielens_1m/mbcnet.yaml", tmp_path / "out")
    assert sum(bundle.metadata.rows.values()) == 600
    lines = Path(bundle.path, "rejected", "rows.jsonl").read_text().splitlines()
    found = {entry["position"]: entry for entry in map(json.loads, lines)}
    assert [found[line]["row"] for line in (101, 102, 103, 104)] == bad
    assert [found[line]["reason"] for line in (101, 102, 103, 104)] == [
        "3 columns instead of 4",
        "rating must be a number, got 'five'",
        "1 column instead of 4",
        "5 columns instead of 4",
    ]


def test_by_time_adds_the_histories_of_the_published_files(tmp_path):
    bundle = build(write_files(tmp_path), "movielens_1m/by_time.yaml", tmp_path / "out")
    assert bundle.metadata.rows == {"train": 480, "valid": 60, "test": 60}
    lengths = bundle.statistics["splits"]["test"]["features"]["rated_movies"]
    assert lengths["mean_length"] > 20


@pytest.mark.slow
def test_the_real_pairs_are_read_without_loss(tmp_path):
    folder = DATA / "movielens_1m"
    if not folder.is_dir():
        pytest.skip("MovieLens-1M is not here: set CONCORD_TEST_DATA to the folder of data sets")
    bundle = build(folder, "movielens_1m_pairs/mbcnet.yaml", tmp_path / "out")
    assert sum(bundle.metadata.rows.values()) == 1_000_209
    assert bundle.statistics["tables"]["log"]["rejected"] == 0
    assert bundle.metadata.analysis.vocabulary_sizes["user_id"] == 6_040
    assert bundle.statistics["splits"]["test"]["label_rate"] == pytest.approx(0.575, abs=0.005)
    assert bundle.statistics["joins"] == {"unmatched_movies": 0, "unmatched_users": 0}
