"""The presets: networks of the papers and of what they are compared with, one file each."""

from pathlib import Path

from features.errors import ConfigError, closest

PRESETS = Path(__file__).parent / "presets"


def preset_names() -> list[str]:
    """Names of all presets: paths below `presets/` without their ending, whole models first.

    Example:
        >>> "mbcnet" in preset_names()
        True
    """
    found = [
        path.relative_to(PRESETS).with_suffix("")
        for path in PRESETS.rglob("*.yaml")
        if not path.name.startswith("_")  # what several presets have in common
    ]
    return [str(each) for each in sorted(found, key=lambda each: (len(each.parts), each))]


def preset_file(name: str, folder: Path = Path()) -> Path:
    """The file of a preset.

    Args:
        name: Of `preset_names`; or a path that ends in .yaml, to a file of the user's own.
        folder: What such a path is relative to.

    Raises:
        ConfigError: There is no such preset.
    """
    if isinstance(name, str) and name.endswith((".yaml", ".yml")):
        return folder / name
    if not isinstance(name, str) or name not in preset_names():
        near = closest(str(name).lower(), preset_names())
        hint = f"{near} " if near.startswith("Did") else ""  # all of them would fill the screen
        raise ConfigError(f"{name!r} is not a preset. {hint}List them: python -m pipeline models")
    return PRESETS / f"{name}.yaml"


def preset_title(name: str) -> str:
    """The first line of a preset's file: what it is."""
    first = preset_file(name).read_text(encoding="utf-8").partition("\n")[0]
    return first.removeprefix("#").strip()
