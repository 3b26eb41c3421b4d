"""Where elements of all threads come together: by key, reduced by key, or as they are."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

import apache_beam as beam


class Gathering(ABC):
    """Takes the values of some elements; each thread has one of its own."""

    @abstractmethod
    def add(self, value: Any) -> None:
        """Takes a value."""

    @abstractmethod
    def take_over(self, other: Any) -> None:
        """Takes what another gathering of the same step has."""

    @abstractmethod
    def elements(self) -> list[Any]:
        """What comes out in the end."""


class Values(Gathering):
    """Values as they come."""

    def __init__(self) -> None:
        self.values: list[Any] = []

    def add(self, value: Any) -> None:
        self.values.append(value)

    def take_over(self, other: "Values") -> None:
        self.values += other.values

    def elements(self) -> list[Any]:
        return self.values


class ByKey(Gathering):
    """(key, value) in; (key, list of values) out."""

    def __init__(self) -> None:
        self.values: dict[Any, list[Any]] = {}

    def add(self, value: tuple[Any, Any]) -> None:
        self.values.setdefault(value[0], []).append(value[1])

    def take_over(self, other: "ByKey") -> None:
        for key, values in other.values.items():
            self.values.setdefault(key, []).extend(values)

    def elements(self) -> list[Any]:
        return [*self.values.items()]


class CombinedByKey(Gathering):
    """(key, value) in; (key, what the CombineFn makes of its values) out.

    Args:
        transform: Has the CombineFn.
    """

    def __init__(self, transform: beam.CombinePerKey):
        self._fn, self._given = transform.fn, (transform.args, transform.kwargs)
        self._call(self._fn.setup)
        self.accumulators: dict[Any, list[Any]] = {}  # key -> one of each thread

    def _call(self, method: Callable[..., Any], *values: Any) -> Any:
        args, kwargs = self._given
        return method(*values, *args, **kwargs)

    def add(self, value: tuple[Any, Any]) -> None:
        key, new = value
        if key not in self.accumulators:
            self.accumulators[key] = [self._call(self._fn.create_accumulator)]
        own = self.accumulators[key]
        own[0] = self._call(self._fn.add_input, own[0], new)

    def take_over(self, other: "CombinedByKey") -> None:
        for key, accumulators in other.accumulators.items():
            self.accumulators.setdefault(key, []).extend(accumulators)

    def elements(self) -> list[Any]:
        combined = []
        for key, accumulators in self.accumulators.items():
            merged = self._call(self._fn.merge_accumulators, accumulators)
            combined.append((key, self._call(self._fn.extract_output, merged)))
        self._call(self._fn.teardown)
        return combined


def gathering_of(transform: beam.PTransform | None) -> Gathering:
    """An empty gathering for what ends a stage; None keeps the values as they come."""
    if isinstance(transform, beam.CombinePerKey):
        return CombinedByKey(transform)
    return ByKey() if isinstance(transform, beam.GroupByKey) else Values()
