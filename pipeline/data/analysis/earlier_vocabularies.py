"""The vocabularies and numeric summaries of an earlier bundle, for a new day's data."""

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from features import storage
from features.analysis import NumericSummary
from features.bundle import BundleMetadata, VocabularyOrigin, open_bundle
from features.errors import BundleError, ConfigError
from features.specs import FeatureSet, FeatureSpec, VocabularySpec
from pipeline.data.settings.data_config import DataConfig

_FITTED = ("zscore", "log", "quantiles", "piecewise")  # transforms that depend on the training rows
# Of a numeric feature: with another value the earlier summary would mean something else.
_SCALE = ("kind", "transform", "num_buckets")


@dataclass(frozen=True)
class EarlierVocabularies:
    """What a new bundle takes over; small, so that workers are told by it where the tokens lie.

    Args:
        mode: See `VocabulariesConfig`.
        fingerprint: Fingerprint of the earlier bundle.
        vocabulary_dir: Folder of its vocabulary files.
        sha256: Vocabulary -> checksum of its file, for those that the new features use.
        sizes: The same vocabularies -> their tokens.
        numeric: Numeric feature -> summary that the new bundle takes over.
    """

    mode: Literal["frozen", "extended"]
    fingerprint: str
    vocabulary_dir: str
    sha256: Mapping[str, str]
    sizes: Mapping[str, int]
    numeric: Mapping[str, NumericSummary]

    @property
    def origin(self) -> VocabularyOrigin:
        """For the metadata of the new bundle."""
        return VocabularyOrigin(mode=self.mode, fingerprint=self.fingerprint)

    def decides(self) -> dict[str, Any]:
        """All of it that decides what the new bundle holds, for its fingerprint."""
        return {
            **self.origin.model_dump(),
            "sha256": dict(sorted(self.sha256.items())),
            "numeric": {name: each.model_dump() for name, each in sorted(self.numeric.items())},
        }

    def __contains__(self, vocabulary: str) -> bool:
        return vocabulary in self.sha256

    def content(self, vocabulary: str) -> bytes:
        """The file of a vocabulary.

        Raises:
            BundleError: It is not the file that the earlier bundle was made with.
        """
        return _checked_content(*self._file(vocabulary))

    def tokens(self, vocabulary: str) -> pa.StringArray:
        """The tokens of a vocabulary in the order of their ids."""
        return _tokens(*self._file(vocabulary))

    def _file(self, vocabulary: str) -> tuple[str, str]:
        """Path and checksum."""
        return os.path.join(self.vocabulary_dir, f"{vocabulary}.txt"), self.sha256[vocabulary]

    def room(self, spec: VocabularySpec) -> int | None:
        """How many tokens the vocabulary may take in; None where nothing limits them."""
        if self.mode == "frozen":
            return 0
        if spec.max_tokens is None:
            return None
        return max(0, spec.max_tokens - self.sizes[spec.name])


def open_earlier(features: FeatureSet, data: DataConfig, out: str) -> EarlierVocabularies | None:
    """Opens the bundle that `data.vocabularies` names and checks that the features fit it.

    Args:
        features: Features of the new bundle.
        data: Its settings.
        out: Where it goes.

    Returns:
        None where `data.vocabularies` names none.

    Raises:
        BundleError: No complete bundle lies there.
        ConfigError: It is the bundle to be built, or its ids mean something else than the new
            features say.
    """
    config = data.vocabularies
    if config is None:
        return None
    if os.path.realpath(config.bundle) == os.path.realpath(out):
        raise ConfigError(
            f"data.vocabularies.from={config.bundle} is the bundle to be built. Build the new one "
            "in another folder: --bundle FOLDER"
        )
    bundle = open_bundle(config.bundle)
    earlier = bundle.metadata
    if config.mode == "frozen":
        _check_nothing_is_new(features, earlier, config.bundle)
    for name, spec in features.vocabularies.items():
        _check_same_ids(spec, earlier, config.bundle)
        # The manifest's checksum says that the file is whole, this one that the ids are these.
        if name in earlier.features.vocabularies:
            path = os.path.join(bundle.vocabulary_dir, f"{name}.txt")
            _checked_content(path, earlier.vocabulary_sha256.get(name, ""))
    shared = features.vocabularies.keys() & earlier.features.vocabularies.keys()
    numeric = _shared_summaries(features, earlier, config.bundle)
    if config.mode == "extended":  # a feature without a value taught no weight its scale
        numeric = {name: summary for name, summary in numeric.items() if summary.count}
    return EarlierVocabularies(
        mode=config.mode,
        fingerprint=bundle.manifest.fingerprint,
        vocabulary_dir=bundle.vocabulary_dir,
        sha256={name: earlier.vocabulary_sha256[name] for name in sorted(shared)},
        sizes={name: earlier.analysis.vocabulary_sizes[name] for name in sorted(shared)},
        numeric=numeric,
    )


def changes_in_words(earlier: EarlierVocabularies, changes: Mapping[str, Mapping[str, int]]) -> str:
    """How much of a new day's training rows an earlier bundle knew.

    Args:
        earlier: What was taken over.
        changes: Vocabulary -> counts, as in statistics.json.
    """

    def total(count: str) -> int:
        return sum(change[count] for change in changes.values())

    unknown = total("unknown_occurrences") / max(1, total("occurrences"))
    added = {"frozen": "none added", "extended": f"{total('added'):,} added"}[earlier.mode]
    of_each = ", ".join(f"{name} {change['new']:,}" for name, change in changes.items())
    return (
        f"vocabularies {earlier.mode}: {total('known'):,} tokens known, {total('new'):,} new "
        f"({of_each or 'no vocabulary'}), {added}; {100 * unknown:.3g}% of the occurrences in the "
        "training rows are of new tokens"
    )


def _check_nothing_is_new(features: FeatureSet, earlier: BundleMetadata, path: str) -> None:
    for spec in features.inputs:
        if spec.has_vocabulary and spec.vocabulary not in earlier.features.vocabularies:
            what = f"reads vocabulary {spec.vocabulary!r}"
        elif spec.transform in _FITTED and spec.name not in earlier.analysis.numeric:
            what = f"is scaled by {spec.transform}"
        else:
            continue
        raise ConfigError(
            f"data.vocabularies.mode=frozen: feature {spec.name!r} {what}, of which {path} knows "
            "nothing. Remove the feature, or set data.vocabularies.mode to extended."
        )


def _check_same_ids(spec: VocabularySpec, earlier: BundleMetadata, path: str) -> None:
    before = earlier.features.vocabularies.get(spec.name)
    if before is None or before.num_oov_buckets == spec.num_oov_buckets:
        return
    raise ConfigError(
        f"vocabulary {spec.name!r} has num_oov_buckets={spec.num_oov_buckets}, and in {path} "
        f"{before.num_oov_buckets}: every token would get another id. Set num_oov_buckets to "
        f"{before.num_oov_buckets}, or remove data.vocabularies."
    )


def _shared_summaries(
    features: FeatureSet, earlier: BundleMetadata, path: str
) -> dict[str, NumericSummary]:
    shared = {}
    for spec in features.inputs:
        summary = earlier.analysis.numeric.get(spec.name)
        if spec.kind not in ("numeric", "embedding") or summary is None:
            continue
        _check_same_scale(spec, earlier.features.features[spec.name], path)
        shared[spec.name] = summary
    return shared


def _check_same_scale(spec: FeatureSpec, before: FeatureSpec, path: str) -> None:
    for setting in _SCALE:
        now, earlier = getattr(spec, setting), getattr(before, setting)
        if now != earlier:
            raise ConfigError(
                f"feature {spec.name!r} has {setting}={now}, and in {path} {earlier}: its earlier "
                f"scale cannot be taken over. Set features.{spec.name}.{setting} to {earlier}, or "
                "give the feature another name."
            )


def _checked_content(path: str, sha256: str) -> bytes:
    if not storage.exists(path):
        raise BundleError(f"{path} does not exist. Rebuild the bundle.")
    content = storage.read_bytes(path)
    if hashlib.sha256(content).hexdigest() != sha256:
        raise BundleError(
            f"{path} has another checksum than the metadata of its bundle says, so its tokens may "
            "have other ids than the records. Rebuild the bundle."
        )
    return content


@lru_cache(maxsize=4)  # a worker asks once for each part of a vocabulary
def _tokens(path: str, sha256: str) -> pa.StringArray:
    """One token a line, without a Python object for each."""
    content = _checked_content(path, sha256)
    ends = np.flatnonzero(np.frombuffer(content, np.uint8) == ord("\n"))
    starts = np.concatenate([[0], ends - np.arange(len(ends))]).astype(np.int64)
    offsets, text = pa.py_buffer(starts), pa.py_buffer(content.replace(b"\n", b""))
    return pc.cast(pa.LargeStringArray.from_buffers(len(ends), offsets, text), pa.string())
