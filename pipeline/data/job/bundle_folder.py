"""The place of a bundle: built beside it, and put there only when complete."""

import logging
import os
from contextlib import nullcontext

from features import storage
from features.bundle import MANIFEST, Bundle, open_bundle, read_manifest
from features.errors import BundleError
from pipeline.system.bundle_readers import unread
from pipeline.system.files import folder_exists, move_folder

log = logging.getLogger(__name__)
RESULTS, REJECTED_ROWS = "results.json", "rejected.jsonl"  # what the workers tell the driver


class BundleFolder:
    """Builds in `<out>.building`, and swaps the result in; a job that dies leaves no bundle.

    Between the two renames of a swap the old bundle waits in `<out>.building` too, and the next
    job puts it back if the first rename was the last thing that happened. In an object store, where
    a swap goes file by file, the manifest moves last.

    Args:
        out: Where the bundle goes. Of a link, where it leads.
    """

    def __init__(self, out: str):
        out = out.rstrip("/") or "/"
        self.out = os.path.realpath(out) if os.path.islink(out) else out
        self._building = f"{self.out}.building"
        self._old = os.path.join(self._building, "old")
        # The bundle's files; beside them `RESULTS` and `REJECTED_ROWS`.
        self.bundle = os.path.join(self._building, "bundle")
        self.results = os.path.join(self._building, "results")
        self.spill = os.path.join(self._building, "spill")
        self.rejected = f"{self.out}.rejected.jsonl"

    def existing(self, fingerprint: str) -> Bundle | None:
        """The complete bundle with this fingerprint, if it is there.

        What a job that died left beside it goes: nothing needs it any more.
        """
        self._recover()
        try:
            bundle = open_bundle(self.out)
        except BundleError:
            return None
        if bundle.manifest.fingerprint != fingerprint:
            return None
        if self._is_of_a_job():
            storage.remove_tree(self._building)
        return bundle

    def _recover(self) -> None:
        lost = self._is_of_a_job() and read_manifest(self._old) and not storage.exists(self.out)
        if lost:
            move_folder(self._old, self.out, MANIFEST)

    def start(self) -> None:
        """Removes what a job that died left, and makes the folders to build in.

        Raises:
            BundleError: There is a folder at `out`, or where it is built, that is not a bundle's,
                or a bundle that somebody reads now: it is not touched.
        """
        self._recover()
        if self._holds_the_working_directory():
            raise BundleError(
                f"{self.out} is the working directory, or holds it, and a bundle's folder is "
                "replaced as a whole. Give another folder with --bundle."
            )
        if storage.exists(self._building) and not self._is_of_a_job():
            raise BundleError(
                f"{self._building} is where the bundle would be built, and holds what no job left "
                "there. Rename it, or choose another folder."
            )
        if storage.exists(self.out) and not self._is_replaceable():
            raise BundleError(
                f"{self.out} exists and is not a data bundle: it has no {MANIFEST} of one, or "
                "holds files that this does not name. Remove it, or choose another folder."
            )
        if storage.exists(self.out):
            with unread(self.out):
                pass
            log.info("%s was built from other data or settings: it is replaced", self.out)
        storage.remove_tree(self._building)
        storage.make_folders(self.bundle)
        storage.make_folders(self.results)

    def _is_replaceable(self) -> bool:
        """Whether nothing but a bundle lies here: its manifest, and files that this names."""
        if not storage.is_folder(self.out):
            return False
        manifest = read_manifest(self.out)
        known = set() if manifest is None else {MANIFEST, *manifest.files}
        return set(storage.files_below(self.out)) <= known

    def _is_of_a_job(self) -> bool:
        """Whether nothing but what jobs write lies where bundles are built."""
        written = {os.path.basename(path) for path in (self.bundle, self.results, self.spill)}
        try:
            names = set(storage.names_in(self._building))
        except OSError:
            return False
        return names <= written | {os.path.basename(self._old)}

    def _holds_the_working_directory(self) -> bool:
        if storage.is_remote(self.out):
            return False
        there = os.path.realpath(self.out)
        return os.path.commonpath([there, os.path.realpath(os.curdir)]) == there

    def publish(self) -> None:
        """Puts the complete bundle in its place; an older one leaves only then.

        If somebody began to read that one meanwhile, this waits: the work is not lost.
        """
        with unread(self.out, wait=True) if folder_exists(self.out) else nullcontext():
            if folder_exists(self.out):
                move_folder(self.out, self._old, MANIFEST)
            move_folder(self.bundle, self.out, MANIFEST)
        storage.remove_tree(self._building)
        if storage.exists(self.rejected):
            storage.remove(self.rejected)

    def abandon(self) -> None:
        """Removes what was built; a bundle whose swap was interrupted is put back before."""
        self._recover()
        storage.remove_tree(self._building)
