"""Where the time of a training step goes, and what bounds it; measured once per training."""

import logging
import re
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import tensorflow as tf

from models.network import CooperativeNetwork
from pipeline.training.private_api import TensorLogsCallback, read_trace

log = logging.getLogger(__name__)

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
    """

    start: float
    stop: float
    part: str
    product: bool = False


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
    """

    milliseconds: float
    shares: dict[str, float]
    bound_by: str

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


def shares_of(spans: Iterable[Span]) -> tuple[float, dict[str, float]]:
    """How long the spans last together, and what took which share of that time.

    At every moment the parts that run share the time equally. `input` counts only where nothing
    else runs: what is read while the step computes costs it nothing. Time in which nothing runs
    is `other`.

    Returns:
        The time from the first start to the last stop; and the shares, by the names of `PARTS`
        and, inside `branches` and `fusion`, of `products` and `elementwise`.
    """
    # A branch's and a loss's operations are told apart by kind too, to see what bounds them.
    edges = []
    for span in spans:
        kind = "products" if span.product else "elementwise"
        key = (span.part, kind if span.part in ("branches", "fusion") else span.part)
        edges += [(span.start, 1, key), (span.stop, -1, key)]
    edges.sort(key=lambda edge: edge[0])
    running: Counter[tuple[str, str]] = Counter()
    spent: defaultdict[str, float] = defaultdict(float)
    before = edges[0][0]
    for time, change, key in edges:
        if time > before:
            working = [names for names, count in running.items() if count and names[0] != "input"]
            waiting = [("input", "input")] if running["input", "input"] else [("other", "other")]
            active = working or waiting
            for names in active:
                for name in set(names):
                    spent[name] += (time - before) / len(active)
        running[key] += change
        before = time
    total = edges[-1][0] - edges[0][0]
    return total, {name: spent[name] / total for name in (*PARTS, "products", "elementwise")}


def step_time(spans: Iterable[Span], steps: int, nanoseconds: float = 1.0) -> StepTime:
    """What the spans of some steps say.

    Args:
        spans: At least one.
        steps: How many steps they cover.
        nanoseconds: How many nanoseconds the unit of the spans is.
    """
    total, shares = shares_of(spans)
    bound = max(_BOUNDS, key=shares.__getitem__)
    parts = {part: shares[part] for part in PARTS}
    return StepTime(total * nanoseconds / 1e6 / steps, parts, _BOUNDS[bound])


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
                known[number] = (part, product)
            elif metadata.name.startswith(f"{_INPUT}Op::"):  # it does not run as an operation
                known[number] = ("input", False)
        for line in plane.lines:
            begin = line.timestamp_ns * 1000
            for event in line.events:
                if event.metadata_id in known:
                    start = begin + event.offset_ps
                    spans.append(Span(start, start + event.duration_ps, *known[event.metadata_id]))
    return spans


class StepTimes(TensorLogsCallback):
    """Traces a few steps of the first epoch, logs where their time went; keeps it as `measured`.

    Costs tracing of `steps` steps, about a tenth of a second for each thousand operations, once.
    Measures nothing while another profile is taken, on GPUs, or when an epoch is too short.

    Args:
        steps_per_epoch: Number of steps of an epoch.
        steps: Least number of steps to trace.
        first: The first of them; earlier where the epoch is short, never the very first ones,
            which compile.
    """

    def __init__(self, steps_per_epoch: int, steps: int = 5, first: int = 50) -> None:
        super().__init__()
        self._steps = steps
        self._first = max(min(first, steps_per_epoch // 2), 3)
        self._folder: tempfile.TemporaryDirectory | None = None
        self._done = bool(tf.config.list_physical_devices("GPU"))
        self.measured: StepTime | None = None

    def on_train_begin(self, logs: Any = None) -> None:
        self._seen = 0  # executions, in this process

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        self._seen += 1
        if self._done or self._seen < 3 or batch < self._first:
            return
        if self._folder is None:
            self._folder = tempfile.TemporaryDirectory(prefix="step_time_")
            self._begun = batch
            try:
                tf.profiler.experimental.start(self._folder.name)
            except tf.errors.AlreadyExistsError:
                self._leave(self._folder)

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        if self._folder is None:
            return
        traced = batch + 1 - self._begun
        if traced >= self._steps:
            tf.profiler.experimental.stop()
            self._measure(self._folder, traced)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        if self._folder is not None:
            tf.profiler.experimental.stop(save=False)
            self._leave(self._folder)

    def _measure(self, folder: tempfile.TemporaryDirectory, steps: int) -> None:
        space = read_trace(Path(folder.name).rglob("*.xplane.pb"))
        spans = read_spans(space, Scopes.of(self.model))
        self._leave(folder)
        if spans:
            self.measured = step_time(spans, steps, nanoseconds=1e-3)
            log.info("%s", self.measured)

    def _leave(self, folder: tempfile.TemporaryDirectory) -> None:
        folder.cleanup()
        self._folder, self._done = None, True
