"""The data job: raw logs in, one complete bundle out, or none."""

import hashlib
import json
import logging
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from features import storage
from features.bundle import FORMAT_VERSION, Bundle, FileEntry, open_bundle
from features.errors import ConfigError, DataError
from features.specs import FeatureSet
from pipeline.data.analysis.earlier_vocabularies import EarlierVocabularies, open_earlier
from pipeline.data.job.bundle_folder import REJECTED_ROWS, BundleFolder
from pipeline.data.job.input_contents import ChangedInputError, Content, contents_of
from pipeline.data.job.open_inputs import Inputs, open_inputs
from pipeline.data.job.text_settings import with_null_values
from pipeline.data.runners.runner import check_runner
from pipeline.data.settings.data_config import DataConfig
from pipeline.data.settings.settings_digest import HOW_IT_IS_BUILT, settings_digest
from pipeline.system.available_memory import size
from pipeline.system.files import move_file
from pipeline.system.full_disk import full_disk
from pipeline.system.lock import only_job_at
from pipeline.system.quiet import import_tensorflow

log = logging.getLogger(__name__)
# What says nothing of what a bundle holds, or is said by the sources and the earlier bundle.
_IRRELEVANT = {"vocabularies", *HOW_IT_IS_BUILT}


def build_bundle(features: FeatureSet, data: DataConfig, out: str) -> Bundle:
    """Builds the bundle of a data set at `out`, or reuses the one that is there.

    A bundle with the same fingerprint (features, data settings, format version, names and
    contents of the input files) is reused at once; another one is replaced when the new one is
    complete. The same fingerprint always gives the same bytes.

    Args:
        features: What the columns mean.
        data: Which rows, and how they are split and written.
        out: Folder of the bundle, local or in an object store.

    Raises:
        ConfigError: A setting that cannot be used, such as a refused runner or one that cannot
            start.
        DataError: Input that is missing or unreadable, that changed while it was read, or that
            makes no usable bundle. Nothing is left at `out` then; rejected rows, if they are the
            reason, lie in `<out>.rejected.jsonl`.
        BundleError: Something that is not a bundle lies at `out`, somebody reads the one that is
            to be replaced, or another job builds there.
    """
    job = _job(features, data, out)
    with only_job_at(out):
        return job.existing() or job.build()


def existing_bundle(features: FeatureSet, data: DataConfig, out: str) -> Bundle | None:
    """The bundle that `build_bundle` would reuse; None where it would build one.

    Raises:
        UserError: As `build_bundle`, where it looks at settings and input.
    """
    job = _job(features, data, out)
    with only_job_at(out):
        return job.existing()


def _job(features: FeatureSet, data: DataConfig, out: str) -> "_Job":
    check_runner(data.runner, data.runner_options)
    if features.label is None:
        raise ConfigError(
            "no feature has the role `label`, so there is nothing to learn. Add one: "
            "`<name>: {role: label}`."
        )
    settings = settings_digest(features, data)
    inputs = open_inputs(features, data)
    features = with_null_values(features, inputs)
    return _Job(features, data, inputs, open_earlier(features, data, out), out, settings)


@dataclass(frozen=True)
class _Job:
    """A bundle that is asked for; to be used by one process at a time.

    Args:
        features: What the columns mean, null values of the files included.
        data: Which rows, and how they are split and written.
        inputs: The files of the data set.
        earlier: What is taken over of an earlier bundle.
        out: Folder of the bundle.
        settings: Checksum of its settings.
    """

    features: FeatureSet
    data: DataConfig
    inputs: Inputs
    earlier: EarlierVocabularies | None
    out: str
    settings: str

    @cached_property
    def contents(self) -> dict[str, Content]:
        """What the input files hold: all of them are read."""
        return contents_of(self.inputs.files)

    @cached_property
    def sources(self) -> dict[str, FileEntry]:
        """Name, size and checksum of all that the rows come from."""
        sources = {name: content.entry for name, content in self.contents.items()}
        generated = self.inputs.generated
        return {**sources, **generated.contents(self.data.source)} if generated else sources

    @property
    def fingerprint(self) -> str:
        return fingerprint_of(self.features, self.data, self.sources, self.earlier)

    def existing(self) -> Bundle | None:
        """The bundle, if it is there already."""
        bundle = BundleFolder(self.out).existing(self.fingerprint)
        if bundle is not None:
            log.info("%s is up to date: reused", self.out)
        return bundle

    def build(self) -> Bundle:
        """Builds it, and replaces what is there."""
        import_tensorflow()
        from pipeline.data.job.build import build, log_build  # a bundle that is there needs neither

        started = time.monotonic()
        folder = BundleFolder(self.out)
        folder.start()
        read = sum(entry.size for entry in self.sources.values())
        with _publishing_or_abandoning(folder, self.out, read):
            log.info("building %s from %d files (%s)", self.out, len(self.sources), size(read))
            results = build(
                self.features,
                self.data,
                self.inputs,
                self.contents,
                self.sources,
                self.earlier,
                folder,
                self.fingerprint,
                self.settings,
            )
        log_build(results, self.earlier, time.monotonic() - started)
        return open_bundle(self.out)


@contextmanager
def _publishing_or_abandoning(folder: BundleFolder, out: str, read: int) -> Iterator[None]:
    """Publishes the bundle at the end; after an error nothing is left but rejected rows.

    Args:
        folder: Where the bundle is being built.
        out: Folder of the bundle.
        read: Size of the input in bytes.
    """
    try:
        yield
        folder.publish()
    except ChangedInputError:
        raise
    except DataError:
        _hand_over_rejected(folder)
        raise
    except Exception as error:
        if full_disk(error) is None:
            raise
        raise DataError(
            f"the disk of {out} is full. While the job runs, about as much as the input of "
            f"{size(read)} waits there, beside the bundle itself. Free some room, or build on "
            "another disk with --bundle."
        ) from error
    finally:
        folder.abandon()


def fingerprint_of(
    features: FeatureSet,
    data: DataConfig,
    sources: Mapping[str, FileEntry],
    earlier: EarlierVocabularies | None = None,
) -> str:
    """SHA-256 of all that decides what a bundle holds."""
    unused = {
        "events": not data.events,
        "explode": data.explode is None,
        "train_positives": data.train_positives == 1.0,
        "negatives_kept": data.negatives_kept == 1.0,
    }
    irrelevant = _IRRELEVANT | {name for name, left_out in unused.items() if left_out}
    content: dict[str, Any] = {
        "format_version": FORMAT_VERSION,
        "features": features.model_dump(mode="json"),
        "data": data.model_dump(mode="json", exclude=irrelevant),
        "sources": {name: entry.model_dump() for name, entry in sorted(sources.items())},
    }
    if data.split.train_from is None:  # a bundle of before that setting is the same
        del content["data"]["split"]["train_from"]
    if earlier:
        content["vocabularies_from"] = earlier.decides()
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def _hand_over_rejected(folder: BundleFolder) -> None:
    """Leaves the rejected rows where the user can look at them, if there are any."""
    path = os.path.join(folder.results, REJECTED_ROWS)
    if storage.exists(path) and storage.size_of(path):
        move_file(path, folder.rejected)
