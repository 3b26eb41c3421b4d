import io
import json
import os
from collections import deque

import numpy as np
import pyarrow.parquet as pq
import pytest

from serving.scoring.score_writers import score_writer

RNG = np.random.default_rng(3)
PROBS = np.concatenate(
    [
        RNG.random(1000, np.float32),
        np.float32(10.0) ** RNG.uniform(-44, 0, 1000).astype(np.float32),
        np.float32([0.0, 1.0, 0.5, 1e-9, 123456789.0, np.nextafter(np.float32(1), np.float32(0))]),
    ]
)


def test_lines_have_the_digits_of_each_score(tmp_path):
    scores = {"prob": PROBS, 'prob_100 % "é"': PROBS[::-1].copy()}
    with score_writer(str(tmp_path / "out.jsonl"), list(scores)) as write:
        write({name: values[:7] for name, values in scores.items()})
        write({name: values[7:] for name, values in scores.items()})
    expected = [
        "{" + ", ".join(f"{json.dumps(n)}: {p:.9g}" for n, p in zip(scores, row, strict=True)) + "}"
        for row in zip(*scores.values(), strict=True)
    ]
    assert (tmp_path / "out.jsonl").read_text().splitlines() == expected
    read = [json.loads(line)["prob"] for line in expected]
    np.testing.assert_array_equal(np.float32(read), PROBS)


@pytest.mark.parametrize("group_rows", [1, 100, 1 << 16])
def test_parquet_has_all_blocks_in_their_order(tmp_path, monkeypatch, group_rows):
    monkeypatch.setattr("serving.scoring.score_writers._GROUP_ROWS", group_rows)
    with score_writer(str(tmp_path / "out.parquet"), ["prob"]) as write:
        for start in range(0, len(PROBS), 64):
            write({"prob": PROBS[start : start + 64]})
    np.testing.assert_array_equal(pq.read_table(tmp_path / "out.parquet")["prob"], PROBS)


def test_parquet_is_written_through_a_pipe(tmp_path):
    pipe = tmp_path / "pipe.parquet"
    os.mkfifo(pipe)
    reading = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    with score_writer(str(pipe), ["prob"]) as write:
        write({"prob": PROBS[:100]})
    content = os.read(reading, 1 << 16)
    os.close(reading)
    np.testing.assert_array_equal(pq.read_table(io.BytesIO(content))["prob"], PROBS[:100])


def test_nothing_appears_where_an_error_ends_the_writing(tmp_path):
    blocks = iter([{"prob": PROBS}, {"other": PROBS}])
    with pytest.raises(KeyError), score_writer(str(tmp_path / "out.parquet"), ["prob"]) as write:
        deque(map(write, blocks), 0)
    assert list(tmp_path.iterdir()) == []
