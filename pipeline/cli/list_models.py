"""What the verb `models` lists: the presets."""

from rich.console import Console

from pipeline.config.shipped_files import preset_names, preset_title
from pipeline.system.program import program


def print_presets(console: Console) -> None:
    """A line for each preset."""
    names = preset_names()
    width = 2 + max(map(len, names))
    for name in names:  # a line each, however narrow the terminal: they are there to be searched
        console.print(f"{name:<{width}}{preset_title(name)}", markup=False)
    console.print(
        f"\nTrain one: {program()} run --preset NAME\nLook at one: {program()} models NAME",
        highlight=False,
    )
