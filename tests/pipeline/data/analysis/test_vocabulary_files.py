"""Minimum counts and top-k are exact however the rows are cut into blocks, workers and parts."""

import hashlib
import tempfile
from collections import Counter
from pathlib import Path

import hypothesis.strategies as st
import pyarrow as pa
from apache_beam.pvalue import TaggedOutput
from hypothesis import given, settings

from features.specs import FeatureSet
from pipeline.data.analysis.analyse import CountBlocks
from pipeline.data.analysis.earlier_vocabularies import EarlierVocabularies
from pipeline.data.analysis.vocabulary_files import (
    nothing_counted,
    select_part,
    why_empty,
    write_vocabulary,
)

# Few letters, so that tokens meet again; line breaks and "" never enter a vocabulary.
TOKENS = st.one_of(st.none(), st.text("aé日\n\r\0 ", max_size=2), st.text("bc", max_size=4))
BLOCKS = st.lists(
    st.lists(st.tuples(TOKENS, st.lists(TOKENS, max_size=3)), max_size=12), min_size=1, max_size=6
)
LIMITS = st.none() | st.integers(1, 8)


def feature_set(min_count, max_tokens):
    limits = {"min_count": min_count, "max_tokens": max_tokens}
    return FeatureSet(
        features={
            "item": {"kind": "categorical", **limits},
            "tags": {"kind": "multivalued", "max_length": 1, "vocabulary": "both", **limits},
            "other": {
                "kind": "categorical",
                "column": "item",
                "vocabulary": "both",
                **limits,
            },
        }
    )


def counted(features, blocks, workers, flush_at, earlier):
    """(vocabulary, part) -> counts, as a runner would hand them to `select_part`."""
    parts = {}
    pieces = list(nothing_counted(features.vocabularies)) if earlier else []
    for worker in range(workers):
        count = CountBlocks(features, flush_at)
        count.start_bundle()
        for key, rows in list(enumerate(blocks))[worker::workers]:
            columns = {"item": [item for item, _ in rows], "tags": [tags for _, tags in rows]}
            batch = pa.RecordBatch.from_pydict(columns, features.raw_schema())
            pieces += [
                piece
                for piece in count.process((key, "train", batch))
                if not isinstance(piece, TaggedOutput)
            ]
            list(count.process((key, "valid", batch)))
        pieces += [each.value for each in count.finish_bundle()]
    for key, piece in pieces:
        parts.setdefault(key, []).append(piece)
    return parts


def written(features, blocks, workers, flush_at, folder, earlier=None):
    """Vocabulary -> (`WrittenVocabulary`, tokens of its file)."""
    selected = {}
    for element in counted(features, blocks, workers, flush_at, earlier).items():
        name, part = select_part(element, features.vocabularies, earlier)
        selected.setdefault(name, []).append(part)
    found = {}
    for element in selected.items():
        vocabulary = write_vocabulary(element, features.vocabularies, folder, earlier)
        content = Path(folder, f"{vocabulary.name}.txt").read_bytes().decode()
        found[vocabulary.name] = vocabulary, content.split("\n")[:-1]
    return found


def counts_of(blocks):
    """Vocabulary -> how often each token occurs, the slow way."""
    item = Counter(item for rows in blocks for item, _ in rows if item)
    tags = Counter(tag for rows in blocks for _, tags in rows for tag in tags if tag)
    return {"item": item, "both": item + tags}


def top(counts, min_count, max_tokens):
    fitting = [
        token
        for token, count in counts.items()
        if count >= min_count and not {"\n", "\r"} & set(token)
    ]
    # Arrow compares the bytes of UTF-8, which order as code points do.
    return sorted(fitting, key=lambda token: (-counts[token], token))[:max_tokens]


@settings(deadline=None, max_examples=60, derandomize=True)
@given(BLOCKS, st.integers(1, 3), LIMITS, st.integers(1, 3), st.integers(1, 20))
def test_the_file_holds_the_exact_top_k(blocks, min_count, max_tokens, workers, flush_at):
    features = feature_set(min_count, max_tokens)
    with tempfile.TemporaryDirectory() as folder:
        found = written(features, blocks, workers, flush_at, folder)
    for name, counts in counts_of(blocks).items():
        expected = top(counts, min_count, max_tokens)
        if name not in found:  # not a token
            assert not counts
            continue
        vocabulary, tokens = found[name]
        assert tokens == expected
        assert vocabulary.size == len(expected)
        seen = vocabulary.seen
        assert (seen.distinct, seen.occurrences) == (len(counts), counts.total())
        assert seen.highest == max(counts.values(), default=0)


@settings(deadline=None, max_examples=60, derandomize=True)
@given(
    BLOCKS,
    st.lists(st.text("aé日bc", min_size=1, max_size=2), unique=True, min_size=1, max_size=9),
    st.sampled_from(["frozen", "extended"]),
    LIMITS,
    st.integers(1, 20),
)
def test_an_earlier_vocabulary_keeps_its_lines_and_takes_the_exact_top_of_the_rest(
    blocks, old, mode, max_tokens, flush_at
):
    features = feature_set(2, max_tokens)
    counts = counts_of(blocks)
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as before:
        earlier = earlier_vocabulary(before, old, mode)
        found = written(features, blocks, 2, flush_at, folder, earlier)
    new = Counter({token: n for token, n in counts["item"].items() if token not in old})
    room = None if max_tokens is None else max(0, max_tokens - len(old))
    appended = [] if mode == "frozen" else top(new, 2, room)
    vocabulary, tokens = found["item"]
    assert tokens == old + appended
    assert vocabulary.change() == {
        "known": len(old),
        "new": len(new),
        "added": len(appended),
        "occurrences": counts["item"].total(),
        "unknown_occurrences": new.total(),
    }
    assert found["both"][1] == top(counts["both"], 2, max_tokens)  # there was none before


def earlier_vocabulary(folder, tokens, mode):
    content = "".join(f"{token}\n" for token in tokens).encode()
    Path(folder, "item.txt").write_bytes(content)
    return EarlierVocabularies(
        mode=mode,
        fingerprint="monday",
        vocabulary_dir=folder,
        sha256={"item": hashlib.sha256(content).hexdigest()},
        sizes={"item": len(tokens)},
        numeric={},
    )


def test_the_tokens_of_a_file_are_its_lines(tmp_path):
    tokens = ["a", "日本", "", "b\u2028c", "d\te"]
    assert earlier_vocabulary(tmp_path, tokens, "frozen").tokens("item").to_pylist() == tokens


def test_a_vocabulary_without_a_token_says_what_helps():
    spec = feature_set(3, None).vocabularies["item"]
    assert "no value in any of the 7 training rows" in why_empty(spec, None, 7)
