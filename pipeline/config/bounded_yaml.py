"""YAML as configurations hold it: bounded in size, depth and numbers, no key twice in a mapping."""

from pathlib import Path
from typing import Any

import yaml

from features.errors import ConfigError

MOST_BYTES = 4 << 20  # of a file: ten thousand features take one million
MOST_DEPTH = 40  # of mappings and lists inside each other
MOST_NODES = 500_000  # keys and values, each alias counted as what it stands for
_WHOLE_NUMBERS = range(-(2**63), 2**63)  # what TensorFlow and Arrow count with


def read_yaml(path: Path) -> Any:
    """What a file holds.

    Raises:
        OSError: It cannot be read.
        ConfigError: It is no YAML in UTF-8, or more of it than a configuration is.
    """
    with path.open("rb") as file:  # perhaps a pipe, or a device without an end
        content = file.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        raise ConfigError(
            f"{path} has more than {MOST_BYTES >> 20} MiB, which no configuration needs. Give the "
            "path of a YAML file."
        )
    try:
        return parse_yaml(content.decode())
    except UnicodeDecodeError:
        raise ConfigError(f"{path} is not text in UTF-8. Give the path of a YAML file.") from None
    except (yaml.YAMLError, ValueError) as error:  # ValueError: no such date, too many digits
        raise ConfigError(f"{path} is not YAML: {' '.join(str(error).split())}.") from None


def parse_yaml(text: str) -> Any:
    """What a text holds.

    Raises:
        yaml.YAMLError: It is no YAML, has a key twice, too many nodes, or a whole number of more
            than 64 bits.
        ValueError: It has a date that there is not, or a number of thousands of digits.
    """
    return yaml.load(text, _Loader)


class _Loader(yaml.SafeLoader):
    """YAML's own lets the last of two equal keys win in silence, and has no bounds."""

    def __init__(self, stream: str) -> None:
        super().__init__(stream)
        self._depth = self._nodes = 0
        self._sizes: dict[int, int] = {}  # of finished nodes, by their id

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        mark = self.peek_event().start_mark
        self._depth += 1
        if self._depth > MOST_DEPTH:
            raise _refused(f"more than {MOST_DEPTH} mappings and lists inside each other", mark)
        before, is_alias = self._nodes, self.check_event(yaml.AliasEvent)
        node = super().compose_node(parent, index)
        if is_alias and id(node) not in self._sizes:
            raise _refused("an alias inside of what it stands for", mark)
        self._nodes += self._sizes[id(node)] if is_alias else 1
        if self._nodes > MOST_NODES:
            raise _refused(f"more than {MOST_NODES:,} keys and values", mark)
        self._sizes.setdefault(id(node), self._nodes - before)
        self._depth -= 1
        return node

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict:
        seen: set[str] = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise _refused("a key that is a list or a mapping", key.start_mark)
            if key.value in seen:
                raise _refused(f"the key {key.value!r} twice in a mapping", key.start_mark)
            seen.add(key.value)
        return super().construct_mapping(node, deep)

    def construct_yaml_int(self, node: yaml.ScalarNode) -> int:
        number: int = super().construct_yaml_int(node)
        if number not in _WHOLE_NUMBERS:
            raise _refused("a whole number of more than 64 bits", node.start_mark)
        return number


_Loader.add_constructor("tag:yaml.org,2002:int", _Loader.construct_yaml_int)


def _refused(what: str, mark: yaml.Mark) -> yaml.YAMLError:
    return yaml.constructor.ConstructorError(None, None, f"it has {what}", mark)
