"""The configuration files of Concord's own: presets, data sets with networks, tables of papers.

They are data files of this package, so that an installation has them as a checkout does.
"""

from pathlib import Path

from features.errors import ConfigError, did_you_mean

PRESETS = Path(__file__).parent / "presets"
CONFIGS = Path(__file__).parent / "datasets"
TABLES = Path(__file__).parent / "tables"


def preset_names() -> list[str]:
    """Names of all presets: paths below `presets/` without their ending, whole models first.

    Example:
        >>> "mbcnet" in preset_names()
        True
    """
    return _names(PRESETS)


def config_names() -> list[str]:
    """Names of all configurations of data sets: paths below `datasets/` without their ending.

    Example:
        >>> "movielens_100k/mbcnet" in config_names()
        True
    """
    return _names(CONFIGS)


def preset_file(name: str, folder: Path = Path()) -> Path:
    """The file of a preset.

    Args:
        name: Name of `preset_names`; or a path that ends in .yaml, to a file of the user's own.
        folder: What such a path is relative to.

    Raises:
        ConfigError: There is no such preset.
    """
    if isinstance(name, str) and name.endswith((".yaml", ".yml")):
        return folder / name
    if not isinstance(name, str) or name not in preset_names():
        hint = _hint(str(name), preset_names())
        raise ConfigError(f"{name!r} is not a preset. {hint}List them: python -m pipeline models")
    return PRESETS / f"{name}.yaml"


def is_shipped_preset(file: str | Path) -> bool:
    """Whether a file is one of Concord's presets, or what several of them have in common."""
    return Path(file).resolve().is_relative_to(PRESETS.resolve())


def config_file(name: str | Path, folder: Path = Path()) -> Path:
    """The file of a configuration.

    Args:
        name: Path of a YAML file; or one of `config_names`, which no file of the user's is called.
        folder: What a path is relative to.

    Raises:
        ConfigError: A name without an ending is neither that of a file nor of a configuration.
    """
    path = folder / name
    if path.suffix in (".yaml", ".yml") or (path.exists() and not path.is_dir()):
        return path
    if str(name) not in config_names():
        hint = _hint(str(name), config_names())
        raise ConfigError(
            f"{str(name)!r} is no file and no configuration of Concord's. {hint}"
            "Give the path of a YAML file, or a name such as movielens_100k/mbcnet."
        )
    return CONFIGS / f"{name}.yaml"


def preset_title(name: str) -> str:
    """The first line of a preset's file: what it is."""
    first = preset_file(name).read_text(encoding="utf-8").partition("\n")[0]
    return first.removeprefix("#").strip()


def _names(folder: Path) -> list[str]:
    files = [
        path.relative_to(folder).with_suffix("")
        for path in folder.rglob("*.yaml")
        if not path.name.startswith("_")  # what several presets have in common
    ]
    return [str(file) for file in sorted(files, key=lambda file: (len(file.parts), file))]


def _hint(name: str, names: list[str]) -> str:
    """The nearest name, or nothing: all of them would fill the screen."""
    near = did_you_mean(name.lower(), names)
    return f"{near} " if near.startswith("Did") else ""
