"""A Beam runner for one machine: stages in turn, each by several threads, elements by reference.

Beam's own local runner does one element after the other in one thread, and encodes all that
passes between its stages. Arrow, numpy and TensorFlow, which do the work of this job, release
Python's lock, so that threads use all cores, and nothing needs to be encoded. Which thread does
what is chance: as on any runner, the result must not depend on it.
"""

import threading
from collections import deque
from collections.abc import Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any

import apache_beam as beam
from apache_beam.metrics.execution import MetricKey, MetricResult, MetricsContainer
from apache_beam.metrics.metric import MetricResults, MetricsFilter
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.pvalue import PCollection
from apache_beam.runners.runner import PipelineResult, PipelineRunner, PipelineState

from pipeline.data.runners.threads.gathering import Gathering
from pipeline.data.runners.threads.stage import Gatherings, Stage, StoppedError
from pipeline.data.runners.threads.steps import Barrier, Step, Steps

_SECONDS_BETWEEN_SIGNALS = 0.2


class ThreadedRunner(PipelineRunner):
    """Runs a pipeline in threads of this process.

    Args:
        threads: How many, this one among them.
    """

    def __init__(self, threads: int):
        super().__init__()
        self.threads = threads

    def run_pipeline(self, pipeline: beam.Pipeline, options: PipelineOptions) -> "ThreadedResult":
        """Runs it to its end.

        Raises:
            Exception: What a step raised, with the name of the step behind it.
        """
        return ThreadedResult(_Run(Steps(pipeline), self.threads).metrics())


class ThreadedResult(PipelineResult):
    """A pipeline that is done.

    Args:
        metrics: What its steps have counted.
    """

    def __init__(self, metrics: Sequence[MetricsContainer]):
        super().__init__(PipelineState.DONE)
        self._counted = _Counted(metrics)

    def wait_until_finish(self, duration: float | None = None) -> str:
        return self.state

    def metrics(self) -> MetricResults:
        return self._counted


class _Counted(MetricResults):
    def __init__(self, containers: Sequence[MetricsContainer]):
        self._counters: dict[MetricKey, int] = {}
        for container in containers:
            for key, value in container.get_cumulative().counters.items():
                self._counters[key] = self._counters.get(key, 0) + value

    def query(self, filter: MetricsFilter | None = None) -> dict[str, list[MetricResult]]:
        counters = [
            MetricResult(key, value, value)
            for key, value in self._counters.items()
            if self.matches(filter, key)
        ]
        return {self.COUNTERS: counters, self.DISTRIBUTIONS: [], self.GAUGES: []}


class _Run:
    """One run: what waits in memory, and what was counted."""

    def __init__(self, steps: Steps, threads: int):
        self._steps, self._threads = steps, threads
        self._gathered: dict[Step | PCollection, Gathering] = {}
        self._kept: dict[PCollection, list[Any]] = {}
        self._reads = dict(steps.kept)
        self._metrics: list[MetricsContainer] = []

    def metrics(self) -> list[MetricsContainer]:
        """Runs all stages; returns what they have counted."""
        for step in self._steps:
            if step.waits:
                self._run_waiting(step)
            elif isinstance(step.transform, beam.Impulse):
                self._run_from(step.outputs[None], [b""])
            elif isinstance(step.transform, Barrier):
                self._run_from(step.outputs[None], self._take(step))
        return self._metrics

    def _take(self, place: Step | PCollection) -> list[Any]:
        """What all threads have gathered at a place."""
        return self._gathered.pop(place).elements() if place in self._gathered else []

    def _run_from(self, collection: PCollection, elements: list[Any]) -> None:
        if collection in self._reads:
            self._kept[collection] = elements
            elements = [*elements]
        entries = [step for step in self._steps.consumers.get(collection, ()) if not step.waits]
        if entries:
            self._run(elements, entries, {})

    def _run_waiting(self, step: Step) -> None:
        side_inputs = {side.pvalue: self._read(side.pvalue) for side in step.side_inputs}
        (main,) = step.inputs
        elements = self._read(main)
        if self._reads[main] or main in side_inputs:
            elements = [*elements]
        self._run(elements, [step], side_inputs)

    def _read(self, collection: PCollection) -> list[Any]:
        """A collection that waits in memory, until its last reader has had it."""
        if collection not in self._kept:
            self._kept[collection] = self._take(collection)
        self._reads[collection] -= 1
        if not self._reads[collection]:
            return self._kept.pop(collection)
        return self._kept[collection]

    def _run(
        self,
        elements: list[Any],
        entries: Iterable[Step],
        side_inputs: dict[PCollection, list[Any]],
    ) -> None:
        """Runs a stage; `elements` is emptied on the way, so that what is done frees its memory."""
        waiting, stopped = deque(elements), threading.Event()
        elements.clear()
        count = max(1, min(self._threads, len(waiting)))
        stages = [Stage(self._steps, entries, side_inputs, stopped) for _ in range(count)]
        _all_at_once(stages, waiting, stopped)
        for stage in stages:
            self._metrics += stage.metrics
            self._take_over(stage.gatherings)

    def _take_over(self, gatherings: Gatherings) -> None:
        for place, gathering in gatherings.items():
            if place in self._gathered:
                self._gathered[place].take_over(gathering)
            else:
                self._gathered[place] = gathering


def _all_at_once(stages: Sequence[Stage], waiting: deque[Any], stopped: threading.Event) -> None:
    """Runs each stage in a thread of its own, the first in this one."""
    errors: list[BaseException] = []

    def next_element() -> tuple[Any] | None:
        try:
            return (waiting.popleft(),)
        except IndexError:
            return None

    def run(stage: Stage) -> None:
        try:
            stage.run(next_element)
        except BaseException as error:
            if not isinstance(error, StoppedError):
                errors.append(error)
            stopped.set()
            waiting.clear()

    with ThreadPoolExecutor(len(stages)) as pool:
        others = [pool.submit(run, stage) for stage in stages[1:]]
        run(stages[0])
        try:
            _finish(others)
        except BaseException:  # a signal: nobody may write on while what was begun is cleaned up
            stopped.set()
            waiting.clear()
            _finish(others)
            raise
    if errors:
        raise errors[0]


def _finish(others: Iterable[Future[None]]) -> None:
    """Waits for the other threads, and sees to signals meanwhile."""
    while wait(others, _SECONDS_BETWEEN_SIGNALS).not_done:
        pass
