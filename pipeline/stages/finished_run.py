"""The answer of `run` to a run that is finished, kept with it: nothing is loaded to give it again.

It holds for the very settings, bundle, export and installation that it was made with. Whoever
finds any of them changed does the work, which finds out what the change means.
"""

import hashlib
from dataclasses import asdict, dataclass
from pathlib import Path

from features.bundle import Bundle, file_entry
from pipeline.config.run_config import RunConfig
from pipeline.data.job.data_job import existing_bundle
from pipeline.runs.run_dir import STAGES, RunDir
from pipeline.stages.describe_bundle import say_bundle
from pipeline.stages.results import say_changes, say_places, say_reused, say_scored, say_scoring
from pipeline.stages.show_evaluation import show_evaluation
from pipeline.system.bundle_readers import reading
from pipeline.system.kept_answers import keep_answer, kept_answer
from pipeline.system.lock import only_job_at
from serving.export_format.export_layout import version_folders


@dataclass(frozen=True)
class Answer:
    """What `run` said of a finished run beside what other files of the run hold.

    Args:
        run: Fingerprint of the run.
        bundle: Fingerprint of its bundle.
        changes: What followed from the data, a line each.
        version: Name of the latest version of the export.
        export: Checksum of all files of that version.
        scored: The rows that were scored with it, a line each.
    """

    run: str
    bundle: str
    changes: list[str]
    version: str
    export: str
    scored: list[str]


def keep(
    run: RunDir, key: str, bundle: Bundle, changes: list[str], version: Path, scored: list[str]
) -> None:
    """Keeps the answer to a run in its folder; `key` is that of `answer_again`."""
    answer = Answer(
        run=run.state()["fingerprint"],
        bundle=bundle.manifest.fingerprint,
        changes=changes,
        version=version.name,
        export=checksum_of(version),
        scored=scored,
    )
    keep_answer(run.answer_file, key, asdict(answer))


def answer_again(key: str, declared: RunConfig, run: RunDir, bundle_path: str) -> bool:
    """Says of a finished run what was said of it before, if all is as it was then.

    Args:
        key: From `pipeline.system.kept_answers.key_of`, of all that the settings say.
        declared: The settings, from `pipeline.config.config_files.parse_declared`.
        run: Folder of the run.
        bundle_path: Path of its bundle.

    Returns:
        Whether it was. If not, nothing was printed.
    """
    kept = kept_answer(run.answer_file, key)
    answer = None if kept is None else Answer(**kept)
    if answer is None or not _is_as_it_was(answer, run, declared):
        return False
    version = run.export / answer.version
    bundle = existing_bundle(declared.feature_set, declared.data, bundle_path)
    if bundle is None or bundle.manifest.fingerprint != answer.bundle:
        return False
    say_bundle(bundle)
    say_changes(answer.changes)
    with reading(bundle), only_job_at(str(run.path)):
        say_reused(run)
        show_evaluation(run)
    say_scoring(version)
    say_scored(answer.scored)
    say_places(bundle, run, version)
    return True


def checksum_of(folder: Path) -> str:
    """SHA-256 of the names and contents of all files in a folder."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            sha256 = file_entry(str(path)).sha256
            digest.update(f"{path.relative_to(folder)} {sha256}\n".encode())
    return digest.hexdigest()


def _is_as_it_was(answer: Answer, run: RunDir, declared: RunConfig) -> bool:
    limit = declared.train.max_seconds
    if not all(run.is_finished(stage, answer.run, limit) for stage in STAGES):
        return False
    latest = version_folders(run.export)[0]
    return latest.name == answer.version and checksum_of(latest) == answer.export
