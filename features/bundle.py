"""The data bundle: the one folder that training reads, described by its metadata and manifest."""

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO, Literal

import pydantic

from features import storage
from features.analysis import Analysis
from features.columns import Column, Layout
from features.config import Model, StrictModel, parse
from features.errors import BundleError, ConfigError
from features.inputs import InputSpec, model_inputs
from features.specs import FeatureSet
from features.text_format import TextFormat

FORMAT_VERSION = 1
METADATA = "metadata.json"
MANIFEST = "MANIFEST.json"
STATISTICS = "statistics.json"
VOCABULARIES = "vocabularies"
SAMPLE_ROWS = "sample_rows.jsonl"
SPLITS = ("train", "valid", "test")


class VocabularyOrigin(StrictModel):
    """Whose vocabularies, means and quantiles a bundle took over.

    Args:
        mode: `frozen`, or `extended` by new tokens behind the old ones.
        fingerprint: Fingerprint of the earlier bundle.
    """

    mode: Literal["frozen", "extended"]
    fingerprint: str


class BundleMetadata(StrictModel):
    """What the records of a bundle hold, and how they came about.

    Args:
        format_version: Version of the bundle's layout on disk; code reads its own version only.
        layout: `block` or `row`.
        block_rows: Most rows in a record of layout `block`.
        features: The features, groups and histories.
        analysis: What the training rows taught the preprocessing graph.
        columns: What the records store.
        rows: Split -> rows.
        split_rule: How rows were split, with the resulting limits.
        source: Name of the data source.
        vocabulary_sha256: Vocabulary -> checksum of its file.
        vocabularies_from: The bundle that its ids go on from; None where they are its own.
        text_format: How its log was read; None where that was no delimited text.
        negatives_kept: Share of the negatives that the log still had, in (0, 1].
    """

    format_version: int
    layout: Layout
    block_rows: int
    features: FeatureSet
    analysis: Analysis
    columns: tuple[Column, ...]
    rows: dict[str, int]
    split_rule: dict[str, Any]
    source: str
    vocabulary_sha256: dict[str, str] = {}
    vocabularies_from: VocabularyOrigin | None = None
    text_format: TextFormat | None = None
    negatives_kept: float = pydantic.Field(1.0, gt=0.0, le=1.0)

    def model_inputs(self) -> tuple[InputSpec, ...]:
        """What a model sees, in the order of declaration."""
        return model_inputs(self.features, self.analysis)


class FileEntry(StrictModel):
    """One file of a bundle: bytes, SHA-256, and rows where it holds records."""

    size: int
    sha256: str
    rows: int | None = None


class Manifest(StrictModel):
    """Every file of a bundle. Written last: a folder without one is not a bundle.

    Args:
        format_version: Version of the bundle's layout on disk, as in the metadata.
        fingerprint: Checksum of the configuration and the source files of the bundle.
        sources: Name, size and SHA-256 of those files.
        files: Path inside the bundle -> entry.
        settings: Checksum of the configuration alone, as it was given; None where an earlier
            version of Concord built the bundle.
    """

    format_version: int
    fingerprint: str
    sources: dict[str, FileEntry]
    files: dict[str, FileEntry]
    settings: str | None = None


@dataclass(frozen=True)
class Bundle:
    """A complete bundle on disk. Get one from `open_bundle`."""

    path: str
    metadata: BundleMetadata
    manifest: Manifest

    @property
    def vocabulary_dir(self) -> str:
        return os.path.join(self.path, VOCABULARIES)

    def tokens(self, vocabulary: str) -> list[str]:
        """The tokens of a vocabulary in the order of their ids, without those outside of it."""
        with storage.opened(f"{self.vocabulary_dir}/{vocabulary}.txt") as file:
            text = file.read().decode()
        return text.removesuffix("\n").split("\n") if text else []

    @property
    def sample_rows(self) -> str:
        """Path of some raw rows of the validation split, as JSON lines."""
        return os.path.join(self.path, SAMPLE_ROWS)

    def files(self, split: str) -> list[str]:
        """Paths of the record files of a split, in order."""
        return [
            os.path.join(self.path, name)
            for name, entry in sorted(self.manifest.files.items())
            if entry.rows is not None and name.startswith(f"{split}-")
        ]

    @property
    def has_statistics(self) -> bool:
        """Whether there is a statistics.json: bundles of other makers may lack it."""
        return storage.exists(os.path.join(self.path, STATISTICS))

    @cached_property
    def statistics(self) -> dict[str, Any]:
        """Rows, label rate, missing and out-of-vocabulary rates; see `docs/bundle.md`."""
        content = storage.read_bytes(os.path.join(self.path, STATISTICS))
        statistics: dict[str, Any] = json.loads(content.decode())
        return statistics


def open_bundle(path: str | Path, verify: bool = False) -> Bundle:
    """Opens a bundle and refuses anything that is not one.

    Files without records are read and compared with their checksums: a vocabulary whose lines
    were exchanged has its old size, and would give tokens other ids than the records have.

    Args:
        path: The bundle's folder.
        verify: Also compare the checksums of the record files.

    Raises:
        BundleError: No manifest, another format version, a file missing, of another size, or of
            another checksum.
    """
    path = str(path)
    manifest_path = os.path.join(path, MANIFEST)
    if not storage.exists(manifest_path):
        raise BundleError(
            f"{path} is not a data bundle: it has no {MANIFEST}. "
            "Build it: python -m pipeline build-bundle --config ..."
        )
    manifest = _read(Manifest, manifest_path)
    for name, entry in manifest.files.items():
        _check_file(os.path.join(path, name), entry, verify or entry.rows is None)
    return Bundle(path, _read(BundleMetadata, os.path.join(path, METADATA)), manifest)


def read_manifest(path: str | Path) -> Manifest | None:
    """The manifest of a bundle, also of one in another format version; None where there is none."""
    try:
        return Manifest.model_validate_json(storage.read_bytes(os.path.join(str(path), MANIFEST)))
    except (OSError, ValueError):  # no such file, or another kind of one
        return None


def check_not_replaced(bundle: Bundle) -> None:
    """Refuses what was read of a bundle while another took its place.

    Raises:
        BundleError: It is gone, or another one lies there.
    """
    manifest = read_manifest(bundle.path)
    if manifest is None or manifest.fingerprint != bundle.manifest.fingerprint:
        what = "removed" if manifest is None else "replaced by a build with other data or settings"
        raise BundleError(
            f"{bundle.path} was {what} while it was read. Build it again and repeat the command; "
            "give bundles of different settings folders of their own with --bundle."
        )


def read_metadata(path: str | Path) -> BundleMetadata:
    """Reads a bundle's metadata.json, wherever a copy of it lies, such as in an export."""
    return _read(BundleMetadata, str(path))


def check_vocabularies(metadata: BundleMetadata, folder: str | Path) -> None:
    """Compares vocabularies with the checksums in a bundle's metadata, as far as it has them.

    A vocabulary whose lines were exchanged, or that has more of them, can be looked up in, and
    gives tokens other ids than the network learnt.

    Args:
        metadata: Metadata of the bundle, wherever a copy of it lies.
        folder: Folder of the vocabulary files, such as the assets of an export.

    Raises:
        BundleError: One is missing or differs; the message names its file.
    """
    for name, sha256 in metadata.vocabulary_sha256.items():
        path = os.path.join(str(folder), f"{name}.txt")
        if not storage.exists(path):
            raise BundleError(f"{path} is missing.")
        if file_entry(path).sha256 != sha256:
            raise BundleError(f"{path} is damaged: it has another checksum than {METADATA} says.")


def file_entry(path: str, rows: int | None = None) -> FileEntry:
    """Size and checksum of a file."""
    with storage.opened(path) as file:
        return entry_of(file, rows)


def entry_of(stream: BinaryIO, rows: int | None = None) -> FileEntry:
    """Size and checksum of what a stream still holds."""
    digest = hashlib.sha256()
    size = 0
    while chunk := stream.read(1 << 22):
        digest.update(chunk)
        size += len(chunk)
    return FileEntry(size=size, sha256=digest.hexdigest(), rows=rows)


def _check_file(path: str, entry: FileEntry, verify: bool) -> None:
    if not storage.exists(path):
        raise BundleError(f"{path} is in the manifest but not in the bundle. Rebuild the bundle.")
    size = storage.size_of(path)
    if size != entry.size:
        raise BundleError(
            f"{path} has {size:,} bytes, but the manifest says {entry.size:,}. Rebuild the bundle."
        )
    if verify and file_entry(path).sha256 != entry.sha256:
        raise BundleError(
            f"{path} has another checksum than the manifest says. Rebuild the bundle."
        )


def _read(model: type[Model], path: str) -> Model:
    try:
        content = json.loads(storage.read_bytes(path).decode())
    except FileNotFoundError:
        raise BundleError(f"{path} does not exist. Rebuild the bundle.") from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise BundleError(f"{path} is not JSON: {error}. Rebuild the bundle.") from None
    version = content.get("format_version") if isinstance(content, Mapping) else None
    if version != FORMAT_VERSION:
        raise BundleError(
            f"{path} was written with format version {version}, but this code reads version "
            f"{FORMAT_VERSION}. Rebuild the bundle: python -m pipeline build-bundle --config ..."
        )
    try:
        return parse(model, content, path)
    except ConfigError as error:
        raise BundleError(f"{error} Rebuild the bundle.") from None
