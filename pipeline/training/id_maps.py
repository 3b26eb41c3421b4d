"""Which rows of an earlier network's tables the ids of a new bundle take over."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import tensorflow as tf

from features.bundle import (
    METADATA,
    VOCABULARIES,
    Bundle,
    BundleMetadata,
    check_vocabularies,
    read_metadata,
)
from features.errors import BundleError, ConfigError
from pipeline.runs.run_dir import RunDir


@dataclass(frozen=True)
class IdMap:
    """Where the ids of one vocabulary come from.

    Args:
        source: int64 (ids,): the id that the earlier vocabulary gave the same token, or the
            bucket that held the same values; -1 for a new token.
        unknown: int64 (ids,): the same, and for a new token the out-of-vocabulary id that the
            earlier network read it as.
        counts: `kept`, `new` and `dropped` tokens.
    """

    source: np.ndarray
    unknown: np.ndarray
    counts: dict[str, int]

    @property
    def is_unchanged(self) -> bool:
        """Whether every id means what it meant, and none is missing."""
        same = (self.source == np.arange(len(self.source))).all()
        return bool(same) and not self.counts["dropped"]


def earlier_metadata(run: RunDir) -> BundleMetadata:
    """What a finished run knows of its bundle.

    Raises:
        ConfigError: It is no finished run, or kept no vocabularies, or not those of its network.
    """
    try:
        run.config()
        run.check_trained()
    except ConfigError as error:
        raise ConfigError(f"--warm-start: {error}") from None
    file = run.bundle_copy / METADATA
    if not file.exists():
        raise ConfigError(
            f"--warm-start {run.path}: the run has no {file.relative_to(run.path)}, so its ids "
            "cannot be matched with tokens. Train it again."
        )
    metadata = read_metadata(file)
    try:
        check_vocabularies(metadata, run.bundle_copy / VOCABULARIES)
    except BundleError as error:
        raise ConfigError(
            f"--warm-start {run.path}: {error} Copy the run again, or train it again."
        ) from None
    return metadata


def id_maps(
    earlier: BundleMetadata, earlier_folder: str, bundle: Bundle
) -> Iterator[tuple[str, IdMap]]:
    """The map of every vocabulary that both bundles have.

    Args:
        earlier: Metadata of the earlier bundle.
        earlier_folder: Folder that holds the earlier bundle's folder of vocabularies.
        bundle: The new bundle.
    """
    metadata = bundle.metadata
    known = {spec.vocabulary: spec.vocabulary_size for spec in earlier.model_inputs()}
    for spec in metadata.model_inputs():
        name = spec.vocabulary
        if name is None or name not in known:  # numbers and vectors have no ids
            continue
        if name in metadata.features.vocabularies and name in earlier.features.vocabularies:
            yield (
                name,
                map_tokens(
                    _tokens(Path(earlier_folder, VOCABULARIES, f"{name}.txt")),
                    _tokens(Path(bundle.vocabulary_dir, f"{name}.txt")),
                    earlier.features.vocabularies[name].num_oov_buckets,
                    metadata.features.vocabularies[name].num_oov_buckets,
                ),
            )
            continue
        before, now = (
            numeric[name].boundaries if name in numeric else ()
            for numeric in (earlier.analysis.numeric, metadata.analysis.numeric)
        )
        if before and now:
            yield name, map_buckets(before, now)
        else:  # hours, weekdays, exponents: an id means the same on every day
            ids = np.where(np.arange(spec.vocabulary_size) < known[name], 1, 0).cumsum() - 1
            yield name, IdMap(ids, ids, {"kept": len(ids), "new": 0, "dropped": 0})


def map_tokens(earlier: pa.Array, tokens: pa.Array, earlier_oov: int, oov: int) -> IdMap:
    """Matches two vocabularies.

    Args:
        earlier: Tokens of the earlier vocabulary in the order of their ids.
        tokens: Tokens of the new one, likewise.
        earlier_oov: Number of out-of-vocabulary ids of the earlier vocabulary.
        oov: Number of those of the new one.
    """
    position = pc.fill_null(pc.index_in(tokens, value_set=earlier), -1).to_numpy().astype(np.int64)
    is_known = position >= 0
    of_tokens = np.where(is_known, 1 + earlier_oov + position, -1)
    special = np.arange(1 + oov)  # missing, and out of vocabulary
    special = np.where(special <= earlier_oov, special, -1)
    # As StringLookup does it.
    new = tf.constant([token.as_py() for token in tokens.filter(pa.array(~is_known))], tf.string)
    unknown = of_tokens.copy()
    if earlier_oov:
        unknown[~is_known] = 1 + tf.strings.to_hash_bucket_fast(new, earlier_oov).numpy()
    kept = int(is_known.sum())
    counts = {"kept": kept, "new": len(tokens) - kept, "dropped": len(earlier) - kept}
    return IdMap(np.concatenate([special, of_tokens]), np.concatenate([special, unknown]), counts)


def map_buckets(earlier: tuple[float, ...], boundaries: tuple[float, ...]) -> IdMap:
    """Matches the quantile buckets of a number: a row stays with the values it was learnt from.

    A bucket takes the row of the earlier bucket that holds its middle; the outer ones, which are
    open, that of the values just beside their boundary.

    Args:
        earlier: Boundaries of the earlier bundle, ascending.
        boundaries: Boundaries of the new bundle, ascending.
    """
    inner = (np.asarray(boundaries[:-1]) + np.asarray(boundaries[1:])) / 2
    middles = [np.nextafter(boundaries[0], -np.inf), *inner, boundaries[-1]]
    ids = 1 + np.searchsorted(np.asarray(earlier), middles, side="right")
    source = np.concatenate([[0], ids]).astype(np.int64)
    dropped = len(earlier) + 1 - len(np.unique(ids))
    return IdMap(source, source, {"kept": len(ids), "new": 0, "dropped": dropped})


def _tokens(file: Path) -> pa.Array:
    with tf.io.gfile.GFile(str(file), "rb") as lines:
        content = lines.read()
    return pa.array(content.removesuffix(b"\n").split(b"\n") if content else [], pa.binary())
