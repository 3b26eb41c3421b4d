"""Writes vocabulary files from counted tokens, on top of an earlier bundle's where there is one."""

import os
from collections.abc import Iterable, Mapping
from dataclasses import astuple, dataclass

import pyarrow as pa
import pyarrow.compute as pc

from features.specs import VocabularySpec
from pipeline.data.analysis import token_counts
from pipeline.data.analysis.earlier_vocabularies import EarlierVocabularies
from pipeline.data.blocks.arrow_bytes import from_bytes, to_bytes
from pipeline.system.files import write_text


@dataclass(frozen=True)
class Seen:
    """What the training rows held of a vocabulary, or of one part of it.

    Args:
        distinct: Distinct tokens.
        highest: How often the most frequent one occurs.
        occurrences: How often all of them occur together.
        new: Those of the distinct ones that the earlier vocabulary lacks.
        new_occurrences: How often these occur.
    """

    distinct: int
    highest: int
    occurrences: int
    new: int
    new_occurrences: int


@dataclass(frozen=True)
class WrittenVocabulary:
    """A vocabulary file.

    Args:
        name: Name of the vocabulary.
        known: Tokens taken over from the earlier vocabulary.
        added: Tokens behind these.
        seen: What the training rows held.
    """

    name: str
    known: int
    added: int
    seen: Seen

    @property
    def size(self) -> int:
        return self.known + self.added

    def change(self) -> dict[str, int]:
        """For statistics.json: what the earlier vocabulary knew of the training rows."""
        return {
            "known": self.known,
            "new": self.seen.new,
            "added": self.added,
            "occurrences": self.seen.occurrences,
            "unknown_occurrences": self.seen.new_occurrences,
        }


def select_part(
    element: tuple[tuple[str, int], Iterable[bytes]],
    vocabularies: Mapping[str, VocabularySpec],
    earlier: EarlierVocabularies | None = None,
) -> tuple[str, tuple[bytes, Seen]]:
    """Merges the counts of one part of a vocabulary.

    Returns:
        The vocabulary's name, and the counts of tokens that may enter it.
    """
    (name, _), parts = element
    counts = token_counts.merged(_table(part) for part in parts)
    new = counts
    if earlier is not None and name in earlier:
        known = pc.is_in(counts["token"], value_set=earlier.tokens(name))
        new = counts.filter(pc.invert(known))
    seen = Seen(
        distinct=counts.num_rows,
        highest=pc.max(counts["count"]).as_py() or 0,
        occurrences=pc.sum(counts["count"]).as_py() or 0,
        new=new.num_rows,
        new_occurrences=pc.sum(new["count"]).as_py() or 0,
    )
    selected = token_counts.select(new, _limited(vocabularies[name], earlier)).combine_chunks()
    batches = selected.to_batches() or [pa.RecordBatch.from_pylist([], token_counts.SCHEMA)]
    return name, (to_bytes(batches[0]), seen)


def write_vocabulary(
    element: tuple[str, Iterable[tuple[bytes, Seen]]],
    vocabularies: Mapping[str, VocabularySpec],
    vocabulary_dir: str,
    earlier: EarlierVocabularies | None = None,
) -> WrittenVocabulary:
    """Writes a vocabulary file from the selected tokens of all parts."""
    name, parts = element
    tables, seen = zip(*parts, strict=True)
    together = pa.concat_tables(_table(part) for part in tables)
    tokens = token_counts.select(together, _limited(vocabularies[name], earlier))["token"]
    text, known = "", 0
    if earlier is not None and name in earlier:
        text, known = earlier.content(name).decode(), earlier.sizes[name]
    text += "".join(f"{token}\n" for token in tokens.to_pylist())
    write_text(os.path.join(vocabulary_dir, f"{name}.txt"), text)
    distinct, highest, *sums = zip(*map(astuple, seen), strict=True)
    whole = Seen(sum(distinct), max(highest), *map(sum, sums))
    return WrittenVocabulary(name, known, len(tokens), whole)


def nothing_counted(vocabularies: Iterable[str]) -> list[tuple[tuple[str, int], bytes]]:
    """Counts of no token, so that each vocabulary's file is written whatever the rows hold."""
    nothing = to_bytes(pa.RecordBatch.from_pylist([], token_counts.SCHEMA))
    return [((name, 0), nothing) for name in vocabularies]


def why_empty(spec: VocabularySpec, seen: Seen | None, train_rows: int) -> str:
    """Why no token entered a vocabulary, and what helps."""
    feature = spec.counted_from[0]
    if seen is None or not seen.distinct:
        return (
            f"feature {feature!r}: its vocabulary came out empty, because it has no value in any "
            f"of the {train_rows:,} training rows. Check its `column`, or remove the feature."
        )
    return (
        f"feature {feature!r}: its vocabulary came out empty, because none of its "
        f"{seen.distinct:,} distinct tokens occurs min_count={spec.min_count:,} times in the "
        f"{train_rows:,} training rows; the most frequent one occurs {seen.highest:,} times. Set "
        f"features.{feature}.min_count to at most {seen.highest}, or remove the feature."
    )


def _limited(spec: VocabularySpec, earlier: EarlierVocabularies | None) -> VocabularySpec:
    """With as many tokens as the earlier vocabulary leaves room for."""
    if earlier is None or spec.name not in earlier:
        return spec
    return spec.model_copy(update={"max_tokens": earlier.room(spec)})


def _table(part: bytes) -> pa.Table:
    return pa.Table.from_batches([from_bytes(part, token_counts.SCHEMA)])
