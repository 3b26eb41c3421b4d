"""What the command line prints: one line per thing done, the stage in front."""

import logging
import sys

from rich.console import Console

from pipeline.system.program import as_typed

_STAGES = {
    "pipeline.data": "data",
    "pipeline.training": "train",
    "pipeline.evaluation": "evaluate",
    "pipeline.stages": "export",
    "serving.server": "serve",
}
PACKAGES = ("pipeline", "serving", "models", "features")

console = Console(highlight=False, soft_wrap=True)


def say(stage: str, text: str) -> None:
    """Prints one line of results."""
    console.print(f"{stage:<10}{as_typed(text)}", markup=False)


class _StageFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        stage = next((s for name, s in _STAGES.items() if record.name.startswith(name)), "")
        if record.levelno >= logging.WARNING:
            stage = record.levelname.lower()
        return f"{stage:<10}{as_typed(super().format(record))}"


def log_to_terminal() -> None:
    """Shows our own progress on standard error; what libraries log is hidden below warnings."""
    handler = logging.StreamHandler(sys.stderr)
    # Beam warns, in the name of no package, of optional parts that are not installed.
    handler.addFilter(lambda record: record.name != "root" or record.levelno >= logging.ERROR)
    handler.setFormatter(_StageFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    for package in PACKAGES:
        logging.getLogger(package).setLevel(logging.INFO)
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    logging.getLogger("absl").setLevel(logging.ERROR)


def only_warnings() -> None:
    """Hides progress and results, as in processes that do what the chief does."""
    console.quiet = True
    for package in PACKAGES:
        logging.getLogger(package).setLevel(logging.WARNING)
