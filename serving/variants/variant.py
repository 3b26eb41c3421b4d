"""What a variant of an export is, and how far its scores may be from the full export's."""

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from urllib.parse import quote

from features.errors import ExportError, did_you_mean

PRECISIONS = ("float32", "bfloat16", "float16")
FORMATS = ("saved_model", "openvino")
_COMPILED = re.compile(r"compiled(-|$)")  # how the name of a compiled variant begins


@dataclass(frozen=True)
class Tolerance:
    """How far probabilities may be from those of the full export, over all rows compared.

    Args:
        largest: At most this on any row.
        mean: At most this on average.
    """

    largest: float
    mean: float


TOLERANCES = {
    "float32": Tolerance(largest=1e-6, mean=1e-6),
    # 8 bits of a number are kept, and 11; measured differences are about a tenth of these limits.
    "bfloat16": Tolerance(largest=5e-3, mean=5e-4),
    "float16": Tolerance(largest=1e-3, mean=1e-4),
}
_OPENVINO = Tolerance(largest=1e-5, mean=1e-6)  # other kernels sum in another order


@dataclass(frozen=True)
class Variant:
    """What is to be exported of a trained network.

    Example:
        >>> Variant(precision="bfloat16", branch="deep").name
        'deep+bfloat16'

    Args:
        precision: Type in which embedding tables are stored. They are read as float32.
        branch: Name of the branch that is exported alone; None for the whole network.
        format: `saved_model`, or `openvino` for OpenVINO's IR.
        compiled: Batch sizes at which XLA computes the network, see `serving.exporting.compiled`.

    Raises:
        ExportError: There is no such thing, or two options exclude each other.
    """

    precision: str = "float32"
    branch: str | None = None
    format: str = "saved_model"
    compiled: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        for option, known in (("precision", PRECISIONS), ("format", FORMATS)):
            value = getattr(self, option)
            if value not in known:
                raise ExportError(f"there is no --{option} {value!r}. {did_you_mean(value, known)}")
        if self.format == "openvino" and self.precision != "float32":
            raise ExportError(
                f"--format openvino stores float32. Received: --precision {self.precision}. Leave "
                "one of the two out."
            )
        if len(set(self.compiled)) < len(self.compiled) or min(self.compiled, default=1) < 1:
            raise ExportError(
                "--compiled names batch sizes, each >= 1 and once. Received: "
                f"{', '.join(map(str, self.compiled))}. Give such as --compiled 32,128."
            )
        if self.format == "openvino" and self.compiled:
            raise ExportError(
                "--compiled is for XLA, which --format openvino does without. Leave one of the "
                "two out."
            )

    def check_candidates(self, candidates: Sequence[str] | None) -> None:
        """Refuses candidates' features where the variant has no signature `rank`.

        Raises:
            ExportError: Some are named, for OpenVINO.
        """
        if candidates is not None and self.format == "openvino":
            raise ExportError(
                "--candidates is for the signature `rank`, and --format openvino has no "
                f"signatures. Received: {', '.join(candidates)}. Leave one of the two out."
            )

    @property
    def is_full(self) -> bool:
        """Whether it is the export itself."""
        return self == Variant()

    @property
    def name(self) -> str:
        """Fit for a file's name; `full` for the export itself. No two variants share one."""
        parts = []
        if self.branch is not None:
            taken = self.branch in (*PRECISIONS, *FORMATS, "full") or _COMPILED.match(self.branch)
            parts += ["branch"] * bool(taken) + [quote(self.branch, safe="")]
        parts += [self.precision] * (self.precision != "float32")
        parts += [self.format] * (self.format != "saved_model")
        parts += ["-".join(["compiled", *map(str, self.compiled)])] * bool(self.compiled)
        return "+".join(parts) or "full"

    @property
    def tolerance(self) -> Tolerance:
        """How far its scores may be from those of the full export."""
        return _OPENVINO if self.format == "openvino" else TOLERANCES[self.precision]

    def to_dict(self) -> dict[str, str | None]:
        """For reports and model cards."""
        return {**asdict(self), "compiled": ",".join(map(str, self.compiled)) or None}


FULL = Variant()  # the export itself


def batch_sizes(text: str | None) -> tuple[int, ...]:
    """Batch sizes as the command line has them, such as `32,128`; none for None.

    Raises:
        ExportError: One of them is no whole number.
    """
    parts = [] if text is None else [part.strip() for part in text.split(",")]
    for part in parts:
        if not (part.isascii() and part.isdigit() and len(part) < 8):
            raise ExportError(
                f"--compiled names batch sizes, such as 32,128. Received: {text!r}. Give whole "
                "numbers, with commas between them."
            )
    return tuple(sorted(map(int, parts)))
