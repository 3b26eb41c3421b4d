"""What is deployed: an export, under a name, with an image, on so many cores."""

import re
from dataclasses import dataclass

from features.errors import ConfigError
from serving.client.export_folder import ExportFolder
from serving.export_format.export_layout import MODEL_NAME

# Not older than the TensorFlow that exports, so that it knows every operation.
IMAGE = "tensorflow/serving:2.21.0"
_PINNED = re.compile(
    r"[a-z0-9][a-z0-9._/:-]*(:(?!latest$)[A-Za-z0-9_][A-Za-z0-9_.-]*|@sha256:[0-9a-f]{64})"
)
_MIB = 1 << 20
_MOST_CORES = 4096


@dataclass(frozen=True)
class Deployment:
    """What is served, and with what.

    Args:
        export: The export.
        model: What clients call it.
        image: Container image of `tensorflow_model_server`, with its version.
        batching: Whether the server merges requests.
        cores: CPU cores for a server.
    """

    export: ExportFolder
    model: str
    image: str = IMAGE
    batching: bool = False
    cores: int = 4

    def __post_init__(self) -> None:
        if not MODEL_NAME.fullmatch(self.model):
            raise ConfigError(
                f"a model cannot be called {self.model!r}. Use letters, digits, _, - and . for a "
                "name, and begin with a letter, a digit or _."
            )
        if not _PINNED.fullmatch(self.image):
            raise ConfigError(
                f"the image {self.image!r} names no version. Give one with a tag other than "
                f"`latest`, or a digest, such as {IMAGE}."
            )
        if not 1 <= self.cores <= _MOST_CORES:
            raise ConfigError(
                f"--cores is {self.cores}, expected 1 to {_MOST_CORES:,}: those of one server."
            )

    @classmethod
    def of(
        cls,
        export: ExportFolder,
        model: str | None = None,
        *,
        image: str | None = None,
        batching: bool = False,
        cores: int = 4,
    ) -> "Deployment":
        """With a default for what is None."""
        return cls(export, model or export.model_name, image or IMAGE, batching, cores)

    @property
    def base_path(self) -> str:
        """Where the versions lie inside the container."""
        return f"/models/{self.model}"

    @property
    def resource(self) -> str:
        """Name of the objects in Kubernetes: a DNS label that YAML takes for text."""
        label = re.sub(r"[^a-z0-9]+", "-", self.model.lower()).strip("-")[:40].strip("-")
        return f"model-{label}-serving" if label else "model-serving"

    @property
    def flags(self) -> list[str]:
        """Of `tensorflow_model_server`."""
        batching = ["--enable_batching=true", "--batching_parameters_file=/config/batching.config"]
        return [
            "--port=8500",
            "--rest_api_port=8501",
            "--model_config_file=/config/models.config",
            "--monitoring_config_file=/config/monitoring.config",
            "--file_system_poll_wait_seconds=5",
            # The server refuses a file of batching parameters without the flag.
            *(batching if self.batching else ()),
        ]

    def memory_mib(self) -> int:
        """For the program, and twice one and a half versions: one may be replacing the other."""
        megabytes = 512 + 3 * self.export.size() / _MIB
        return -(-int(megabytes) // 256) * 256
