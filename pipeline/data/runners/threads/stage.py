"""Steps that run in one go: each thread takes an element and carries it through all of them."""

import threading
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, cast

import apache_beam as beam
from apache_beam.internal import pickler
from apache_beam.metrics.execution import MetricsContainer
from apache_beam.pvalue import AsSideInput, PCollection
from apache_beam.runners.common import DoFnRunner, Receiver
from apache_beam.runners.worker.statesampler import StateSampler, set_current_tracker
from apache_beam.transforms.sideinputs import SideInputMap
from apache_beam.transforms.window import GlobalWindows
from apache_beam.utils.counters import CounterFactory
from apache_beam.utils.windowed_value import WindowedValue

from pipeline.data.runners.threads.gathering import Gathering, gathering_of
from pipeline.data.runners.threads.steps import Step, Steps

SideInputs = Mapping[PCollection, Sequence[Any]]
Gatherings = dict[Step | PCollection, Gathering]


class StoppedError(Exception):
    """Another thread has failed."""


class Stage:
    """One thread's copy of the steps between an element and where a stage ends.

    Args:
        steps: All steps of the pipeline.
        entries: The steps that the elements enter by.
        side_inputs: Collection -> its values, for those that `entries` read beside.
        stopped: Set where the work is to be given up.
    """

    def __init__(
        self,
        steps: Steps,
        entries: Iterable[Step],
        side_inputs: SideInputs,
        stopped: threading.Event,
    ):
        self._steps, self._side_inputs, self._stopped = steps, side_inputs, stopped
        self._sampler = StateSampler("", CounterFactory())
        self._work: list[_Work] = []
        self._receivers: dict[Step, Receiver] = {}
        self.gatherings: Gatherings = {}
        self._entry = _Fork([self._receiver(step) for step in entries], stopped)

    def run(self, next_element: Callable[[], tuple[Any] | None]) -> None:
        """Carries elements through, as long as there are any, as one bundle.

        Args:
            next_element: Gives an element in a tuple, or None behind the last.
        """
        set_current_tracker(self._sampler)
        try:
            for work in self._work:
                work.start()
            while (element := next_element()) is not None:
                self._entry.receive(GlobalWindows.windowed_value(element[0]))
            for work in reversed(self._work):  # what one yields at its end, the next ones take
                work.finish()
        finally:
            set_current_tracker(None)
            for work in self._work:
                work.teardown()

    @property
    def metrics(self) -> list[MetricsContainer]:
        """What the steps have counted."""
        return [work.metrics for work in self._work]

    def _receiver(self, step: Step) -> Receiver:
        if step not in self._receivers:
            if isinstance(step.transform, beam.ParDo):
                outlets = {tag: self._outlet(each) for tag, each in step.outputs.items()}
                outputs = defaultdict(lambda: _Fork([], self._stopped), outlets)
                work = _Work(step, outputs, self._side_inputs, self._sampler)
                self._work.append(work)  # behind the steps that it hands its elements to
                self._receivers[step] = work
            elif isinstance(step.transform, beam.Flatten):
                self._receivers[step] = self._outlet(step.outputs[None])
            else:
                self._receivers[step] = self._sink(step, step.transform)
        return self._receivers[step]

    def _outlet(self, collection: PCollection) -> Receiver:
        consumers = self._steps.consumers.get(collection, ())
        receivers = [self._receiver(step) for step in consumers if not step.waits]
        if collection in self._steps.kept:
            receivers.append(self._sink(collection, None))
        return _Fork(receivers, self._stopped)

    def _sink(self, place: Step | PCollection, transform: beam.PTransform | None) -> Receiver:
        if place not in self.gatherings:
            self.gatherings[place] = gathering_of(transform)
        return _Sink(self.gatherings[place])


class _Fork(Receiver):
    """Hands an element to several receivers."""

    def __init__(self, receivers: Sequence[Receiver], stopped: threading.Event):
        self._receivers, self._stopped = tuple(receivers), stopped

    def receive(self, windowed_value: WindowedValue) -> None:
        if self._stopped.is_set():
            raise StoppedError
        for receiver in self._receivers:
            receiver.receive(windowed_value)


class _Sink(Receiver):
    def __init__(self, gathering: Gathering):
        self._gathering = gathering

    def receive(self, windowed_value: WindowedValue) -> None:
        self._gathering.add(windowed_value.value)


class _Work(Receiver):
    """A ParDo of one thread: its own copy of the DoFn."""

    def __init__(
        self,
        step: Step,
        outputs: Mapping[Any, Receiver],
        side_inputs: SideInputs,
        sampler: StateSampler,
    ):
        label, transform = step.label, cast(beam.ParDo, step.transform)
        self.metrics = MetricsContainer(label)
        self._state = sampler.scoped_state(label, "process", metrics_container=self.metrics)
        self._runner = DoFnRunner(
            pickler.roundtrip(transform.dofn),
            transform.args,
            transform.kwargs,
            [_view(side, side_inputs[side.pvalue]) for side in step.side_inputs],
            step.inputs[0].windowing,
            tagged_receivers=outputs,
            step_name=label,
        )

    def start(self) -> None:
        self._runner.setup()
        self._runner.start()

    def receive(self, windowed_value: WindowedValue) -> None:
        with self._state:
            self._runner.process(windowed_value)

    def finish(self) -> None:
        with self._state:
            self._runner.finish()

    def teardown(self) -> None:
        self._runner.teardown()


def _view(side: AsSideInput, values: Sequence[Any]) -> SideInputMap:
    """How a step sees a collection beside its input: as one value, a list, a dict, ..."""
    elements = [GlobalWindows.windowed_value(value) for value in values]
    options = side._view_options()  # noqa: SLF001  (Beam's own runners ask so, and no other way)
    return SideInputMap(cast(AsSideInput, type(side)), options, elements)
