"""Where the time of a training step goes, and what bounds it; measured once per training."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from models.network import CooperativeNetwork

PARTS = ("branches", "fusion", "tables", "optimizer", "input", "other")
_BOUNDS = {
    "products": "matrix products",
    "elementwise": "memory traffic of elementwise operations",
    "tables": "reads and updates of table rows",
    "optimizer": "the update of the dense weights",
    "input": "input: the step waits for data",
    "other": "the dispatch of small operations: a larger batch_size or steps_per_execution helps",
}
_OPERATION = re.compile(r"(?P<name>[^:]+):(?P<type>\w+)")  # how the tracer names one
_INPUT = "IteratorGetNext"


class Span(NamedTuple):
    """One operation that ran: from `start` to `stop`, in any unit.

    part: One of `PARTS`.
    product: Whether it is a matrix product.
    branch: Name of the branch's layer where `part` is "branches".
    """

    start: float
    stop: float
    part: str
    product: bool = False
    branch: str = ""


@dataclass(frozen=True)
class StepTime:
    """Where a step's time went.

    Args:
        milliseconds: Time of a step.
        shares: By the names of `PARTS`, what each took of it; they sum to 1. `branches`, `tables`
            and `fusion` (alignment, fusion, heads, losses) are forward and backward, `tables`
            with its update; `optimizer` is that of all other weights; `input` is waiting for
            data; `other` is the rest, such as the start of operations.
        bound_by: What took most, in words.
        branches: By the name of a branch's layer, what it took of the step; they sum to the share
            of `branches`.
    """

    milliseconds: float
    shares: dict[str, float]
    bound_by: str
    branches: dict[str, float] = field(default_factory=dict)

    def __str__(self) -> str:
        ranked = sorted(PARTS[:-1], key=self.shares.__getitem__, reverse=True)
        shares = ", ".join(f"{part} {self.shares[part]:.0%}" for part in (*ranked, "other"))
        return f"step {self.milliseconds:.0f} ms: {shares}: bound by {self.bound_by}"

    def summary(self) -> dict[str, Any]:
        """For metrics.json."""
        shares = {part: round(share, 4) for part, share in self.shares.items()}
        return {"ms": round(self.milliseconds, 2), "shares": shares, "bound_by": self.bound_by}


class Scopes:
    """Which part of a step an operation belongs to, by the scopes in its name.

    Args:
        inside: Part by the name of a layer of the network.
        outside: Part by scope, of what runs outside the network's call: losses, the optimizer.
        network: Outermost scope of the network's call.
    """

    def __init__(self, network: str, inside: Mapping[str, str], outside: Mapping[str, str]) -> None:
        self._network, self._inside, self._outside = network, dict(inside), dict(outside)

    @classmethod
    def of(cls, network: CooperativeNetwork) -> "Scopes":
        """Those of a compiled network."""
        inside = {layer.name: "branches" for layer in network.branches.values()}
        inside[network.embeddings.name] = "tables"
        losses = {layer.name: "fusion" for layer in network.cooperation_losses.values()}
        outside = {**losses, network.optimizer.name: "optimizer", "logistic_loss": "fusion"}
        return cls(network.name, inside, outside)

    def part_of(self, operation: str) -> str | None:
        """The part of an operation such as `gradient_tape/network/deep/MatMul`; None if unknown."""
        scopes = operation.split("/")
        for position, scope in enumerate(scopes[:-1]):
            if scope == self._network:
                return self._inside.get(scopes[position + 1], "fusion")
            if scope in self._outside:
                part = self._outside[scope]
                updates_table = part == "optimizer" and "tables" in scopes[position + 1 : -1]
                return "tables" if updates_table else part
            if scope == "tables":
                return "tables"
        return "input" if scopes[-1].startswith(_INPUT) else None

    def branch_of(self, operation: str) -> str:
        """Name of the branch's layer that an operation of part "branches" belongs to."""
        scopes = operation.split("/")
        return scopes[scopes.index(self._network) + 1]


def shares_of(spans: Iterable[Span]) -> tuple[float, dict[str, float], dict[str, float]]:
    """How long the spans last together, and what took which share of that time.

    At every moment the parts that run share the time equally. `input` counts only where nothing
    else runs: what is read while the step computes costs it nothing. Time in which nothing runs
    is `other`.

    Returns:
        The time from the first start to the last stop; the shares, by the names of `PARTS`
        and, inside `branches` and `fusion`, of `products` and `elementwise`; and the shares of
        the single branches.
    """
    # A branch's and a loss's operations are told apart by kind too, to see what bounds them.
    edges = []
    for span in spans:
        kind = "products" if span.product else "elementwise"
        key = (span.part, kind if span.part in ("branches", "fusion") else span.part, span.branch)
        edges += [(span.start, 1, key), (span.stop, -1, key)]
    edges.sort(key=lambda edge: edge[0])
    running: Counter[tuple[str, str, str]] = Counter()
    spent: defaultdict[str, float] = defaultdict(float)
    of_branches: defaultdict[str, float] = defaultdict(float)
    before = edges[0][0]
    for time, change, key in edges:
        if time > before:
            active = _active(running)
            for (part, kind), branches in active.items():
                for name in {part, kind}:
                    spent[name] += (time - before) / len(active)
                for branch in filter(None, branches):
                    of_branches[branch] += (time - before) / len(active) / len(branches)
        running[key] += change
        before = time
    total = edges[-1][0] - edges[0][0]
    shares = {name: spent[name] / total for name in (*PARTS, "products", "elementwise")}
    return total, shares, {branch: time / total for branch, time in of_branches.items()}


def _active(running: Mapping[tuple[str, str, str], int]) -> dict[tuple[str, str], list[str]]:
    """What takes a moment's time: (part, kind) with its branches; input only where it is alone."""
    active: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    for (part, kind, branch), count in running.items():
        if count:
            active[part, kind].append(branch)
    waiting = active.pop(("input", "input"), None)
    return dict(active) or {("input", "input") if waiting else ("other", "other"): [""]}


def step_time(spans: Iterable[Span], steps: int, nanoseconds: float = 1.0) -> StepTime:
    """What the spans of some steps say.

    Args:
        spans: At least one.
        steps: How many steps they cover.
        nanoseconds: How many nanoseconds the unit of the spans is.
    """
    total, shares, branches = shares_of(spans)
    bound = max(_BOUNDS, key=shares.__getitem__)
    parts = {part: shares[part] for part in PARTS}
    return StepTime(total * nanoseconds / 1e6 / steps, parts, _BOUNDS[bound], branches)


def read_spans(space: Any, scopes: Scopes) -> list[Span]:
    """The operations of a trace, in picoseconds.

    Args:
        space: An `XSpace`, as the profiler writes it. Only its CPU planes are read.
        scopes: Scopes of the network that was trained.
    """
    spans = []
    for plane in space.planes:
        if not plane.name.startswith("/host:CPU"):
            continue
        known = {}  # by the id of an event's name, of which there are few
        for number, metadata in plane.event_metadata.items():
            operation = _OPERATION.fullmatch(metadata.name)
            part = scopes.part_of(operation["name"]) if operation else None
            if operation and part:
                product = any(word in operation["type"] for word in ("MatMul", "Einsum", "Conv"))
                branch = scopes.branch_of(operation["name"]) if part == "branches" else ""
                known[number] = (part, product, branch)
            elif metadata.name.startswith(f"{_INPUT}Op::"):  # it does not run as an operation
                known[number] = ("input", False, "")
        for line in plane.lines:
            begin = line.timestamp_ns * 1000
            for event in line.events:
                if event.metadata_id in known:
                    start = begin + event.offset_ps
                    spans.append(Span(start, start + event.duration_ps, *known[event.metadata_id]))
    return spans
