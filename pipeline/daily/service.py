"""Which version is served: versions in a base path, labels, and the way back."""

import shutil
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from google.protobuf import text_format
from tensorflow_serving.config import model_server_config_pb2

from features.errors import ConfigError
from features.publish import publish
from pipeline.config.daily_config import PublishConfig
from pipeline.daily.state_folder import StateFolder
from pipeline.stages.finished_run import checksum_of
from pipeline.system.files import read_json, write_json, write_text
from serving.export_format.export_layout import TEMPORARY_PREFIX

_HEADER = "# Written by `concord daily`: what it puts here is replaced by the next day.\n"


@dataclass(frozen=True)
class Version:
    """A version that was published.

    Args:
        number: Name of its folder.
        day: The day whose model it is.
        checksum: Of all its files.
        withdrawn: Whether a rollback took it out of service.
    """

    number: int
    day: str
    checksum: str
    withdrawn: bool = False


@dataclass(frozen=True)
class Service:
    """What is served.

    Args:
        name: What the model is called.
        base_path: Where servers find the versions; None where they lie.
        versions: All versions ever published, oldest first.
        stable: Number of the version with the label `stable`; None before the first one.
        canary: Number of the version with the label `canary`.
    """

    name: str = "model"
    base_path: str | None = None
    versions: list[Version] = field(default_factory=list)
    stable: int | None = None
    canary: int | None = None

    def version(self, number: int | None) -> Version | None:
        return next((each for each in self.versions if each.number == number), None)

    def before(self, day: str) -> Version | None:
        """The version in service before a day's own: what the day's model must be as good as."""
        usable = [
            each
            for each in self.versions
            if not each.withdrawn and each.day < day and each.number <= (self.stable or 0)
        ]
        return usable[-1] if usable else None


def read_service(state: StateFolder) -> Service:
    """What is served; an empty `Service` before the first day was published."""
    if not state.service_file.exists():
        return Service()
    content = read_json(str(state.service_file))
    return Service(**{**content, "versions": [Version(**each) for each in content["versions"]]})


def write_service(state: StateFolder, service: Service, keep: int | None = None) -> None:
    """Writes what is served, then the file that servers read; then old versions leave.

    Args:
        state: Folder of the daily job.
        service: What is served.
        keep: How many versions stay on the disk, withdrawn ones not counted;
            None removes none.
    """
    write_json(str(state.service_file), asdict(service))
    write_models_config(state, service)
    if keep is not None:
        usable = [each.number for each in service.versions if not each.withdrawn]
        kept = {service.stable, service.canary, *usable[-keep:]}
        for each in service.versions:
            folder = state.serving / str(each.number)
            if each.number not in kept and folder.is_dir():
                shutil.rmtree(folder)


def write_models_config(state: StateFolder, service: Service) -> None:
    """The `--model_config_file` of TensorFlow Serving, and of `concord serve --models-config`."""
    labels = {"stable": service.stable, "canary": service.canary}
    named = {label: number for label, number in labels.items() if number is not None}
    message = model_server_config_pb2.ModelServerConfig()
    model = message.model_config_list.config.add(
        name=service.name,
        base_path=service.base_path or str(state.serving.resolve()),
        model_platform="tensorflow",
    )
    model.model_version_policy.specific.versions.extend(sorted(set(named.values())))
    for label, number in named.items():
        model.version_labels[label] = number
    write_text(str(state.models_config), _HEADER + text_format.MessageToString(message))


def put_in_service(
    state: StateFolder, day: str, export: Path, settings: PublishConfig
) -> tuple[Service, Version]:
    """Copies an export into the base path as the next version, and gives it its label.

    After a crash anywhere in it, the same call ends in the same version.

    Args:
        state: Folder of the daily job.
        day: The day whose model it is.
        export: Folder of a verified version.
        settings: The `daily.publish:` section.
    """
    service, checksum = read_service(state), checksum_of(export)
    version = next(
        (v for v in service.versions if (v.day, v.checksum) == (day, checksum) and not v.withdrawn),
        None,
    )
    if version is None:
        number = max((each.number for each in service.versions), default=0) + 1
        _copy(export, state.serving / str(number), checksum)
        version = Version(number, day, checksum)
        service = replace(
            service,
            versions=[*service.versions, version],
            canary=number,
            stable=service.stable if settings.canary_first else number,
        )
    service = replace(service, name=settings.name, base_path=settings.base_path)
    write_service(state, service, settings.keep)
    return service, version


def rollback(state: StateFolder) -> tuple[Version, Version]:
    """Takes the version with the label `stable` out of service: the one before it serves again.

    A newer canary is taken out as well. Days after it start from the model that serves then.

    Returns:
        The version that was withdrawn, and the one that serves now.

    Raises:
        ConfigError: Nothing is in service, there is no version before it, or its folder is gone.
    """
    service = read_service(state)
    bad = service.version(service.stable)
    if bad is None:
        raise ConfigError(f"{state.path} has no version in service that could be withdrawn.")
    former = [v for v in service.versions if not v.withdrawn and v.number < bad.number]
    if not former:
        raise ConfigError(
            f"version {bad.number} of {bad.day} is the first one: there is none to go back to."
        )
    back = former[-1]
    if not (state.serving / str(back.number)).is_dir():
        raise ConfigError(
            f"{state.serving / str(back.number)} is gone, and was version {back.number} of "
            f"{back.day}. Copy it back; daily.publish.keep says how many versions stay."
        )
    versions = [
        replace(v, withdrawn=v.withdrawn or v.number > back.number) for v in service.versions
    ]
    write_service(
        state, replace(service, versions=versions, stable=back.number, canary=back.number)
    )
    return bad, back


def promote(state: StateFolder) -> Version:
    """Gives the label `stable` to the version that has the label `canary`.

    Raises:
        ConfigError: There is no canary, or it is stable already.
    """
    service = read_service(state)
    version = service.version(service.canary)
    if version is None or service.stable == version.number:
        raise ConfigError(f"{state.path} has no canary that is not stable already.")
    write_service(state, replace(service, stable=version.number))
    return version


def _copy(export: Path, folder: Path, checksum: str) -> None:
    """Copies a version under its name, whole or not at all."""
    if folder.is_dir():
        if checksum_of(folder) == checksum:
            return  # the process died behind the copy
        shutil.rmtree(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    for left in folder.parent.glob(f"{TEMPORARY_PREFIX}*"):
        shutil.rmtree(left)
    temporary = folder.with_name(f"{TEMPORARY_PREFIX}{folder.name}")
    shutil.copytree(export, temporary)
    publish(temporary, folder)
