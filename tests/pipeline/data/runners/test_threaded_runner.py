"""The runner of threads against Beam's own local runner, on pipelines of every kind of step."""

import _thread
import signal
import threading
import time

import apache_beam as beam
import pytest
from apache_beam.metrics.metric import MetricsFilter
from apache_beam.pvalue import AsDict, AsIter, AsList, AsSingleton, TaggedOutput
from apache_beam.runners.portability.fn_api_runner import FnApiRunner
from apache_beam.transforms.window import GlobalWindows

from pipeline.data.runners.threads.threaded_runner import ThreadedRunner

GATHERED: dict[str, list] = {}


class Gather(beam.DoFn):
    """Puts elements where the test finds them, since copies of a DoFn share no attribute."""

    def __init__(self, name):
        self._name = name

    def process(self, element):
        GATHERED.setdefault(self._name, []).append(element)


def outcome(runner, build):
    """What each named collection of `build(pipeline)` holds, in an order of its own."""
    GATHERED.clear()
    pipeline = beam.Pipeline(runner)
    named = build(pipeline)
    for name, collection in named.items():
        collection | f"Gather{name}" >> beam.ParDo(Gather(name))
    pipeline.run().wait_until_finish()
    return {name: sorted(map(_plain, GATHERED.get(name, [])), key=repr) for name in named}


def _plain(element):
    """Values of a key are in no order."""
    if isinstance(element, tuple) and len(element) == 2 and not isinstance(element[1], str | int):
        try:
            return element[0], sorted(element[1], key=repr)
        except TypeError:
            return element
    return element


class Batches(beam.DoFn):
    """Holds elements back until its bundle ends."""

    def start_bundle(self):
        self._held = []

    def process(self, element):
        self._held.append(element)

    def finish_bundle(self):
        for element in self._held:
            yield GlobalWindows.windowed_value_at_end_of_window(element * 10)


def tell_apart(number):
    if number % 3 == 0:
        yield TaggedOutput("threes", number)
    if number % 5 == 0:
        yield TaggedOutput("nobody_reads", number)
    yield number


def numbers(pipeline, upto=200, name="Numbers"):
    return pipeline | name >> beam.Create(list(range(upto)))


def keyed(pipeline, name="Keyed"):
    return numbers(pipeline, name=f"Of{name}") | name >> beam.Map(lambda each: (each % 7, each))


PIPELINES = {
    "maps": lambda p: {"out": numbers(p) | beam.FlatMap(lambda n: [n] * (n % 3))},
    "nothing": lambda p: {"out": p | beam.Create([]) | beam.Map(str)},
    "by key": lambda p: {"out": keyed(p) | beam.GroupByKey()},
    "none by key": lambda p: {
        "out": p | beam.Create([]).with_output_types(tuple[int, int]) | beam.GroupByKey()
    },
    "sums": lambda p: {"out": keyed(p) | beam.CombinePerKey(sum)},
    "mean": lambda p: {"out": numbers(p) | beam.combiners.Mean.Globally()},
    "sum of none": lambda p: {"out": p | beam.Create([]) | beam.CombineGlobally(sum)},
    "shuffled": lambda p: {"out": numbers(p) | beam.Reshuffle() | beam.Map(lambda n: -n)},
    "flat": lambda p: {
        "out": (
            numbers(p, name="A"),
            numbers(p, name="B") | beam.Reshuffle() | beam.Map(str),
            p | beam.Create([]),
        )
        | beam.Flatten()
    },
    "same twice": lambda p: (lambda n: {"out": (n, n) | beam.Flatten()})(numbers(p)),
    "bundles": lambda p: {
        "out": numbers(p) | "Once" >> beam.ParDo(Batches()) | "Twice" >> beam.ParDo(Batches())
    },
    "tags": lambda p: dict(
        zip(
            ("main", "threes"),
            (lambda out: (out.main, out.threes))(
                numbers(p)
                | beam.FlatMap(tell_apart).with_outputs("threes", "nobody_reads", main="main")
            ),
            strict=True,
        )
    ),
    "side inputs": lambda p: {
        "out": numbers(p)
        | beam.Map(
            lambda n, one, all_, by_key, some, factor: (
                n * factor + one + len(all_) + by_key[n % 7] + sum(some)
            ),
            AsSingleton(numbers(p, name="One") | beam.CombineGlobally(max)),
            AsList(numbers(p, 13, "All")),
            AsDict(keyed(p) | beam.CombinePerKey(sum)),
            AsIter(numbers(p, 4, "Some")),
            factor=3,
        )
    },
    "side input of itself": lambda p: (
        lambda n: {
            "out": n | beam.Map(lambda each, all_: each / sum(all_), AsList(n)),
            "again": n,
        }
    )(numbers(p) | beam.Reshuffle()),
    "missing singleton": lambda p: {
        "out": numbers(p)
        | beam.Map(lambda n, one: n + one, AsSingleton(p | beam.Create([]), default_value=5))
    },
    "chain": lambda p: {
        "out": keyed(p)
        | beam.GroupByKey()
        | beam.Map(lambda pair: (pair[0] % 2, len(list(pair[1]))))
        | beam.CombinePerKey(max)
        | beam.Reshuffle()
        | beam.MapTuple(lambda key, most: key + most)
    },
}


@pytest.mark.parametrize("threads", [1, 2, 5])
@pytest.mark.parametrize("name", PIPELINES)
def test_what_comes_out_is_what_beams_own_runner_gives(name, threads):
    expected = outcome(FnApiRunner(), PIPELINES[name])
    assert outcome(ThreadedRunner(threads), PIPELINES[name]) == expected


class Counted(beam.DoFn):
    def process(self, element):
        beam.metrics.Metrics.counter("space", "seen").inc(element)
        beam.metrics.Metrics.counter("other", "seen").inc()


def test_counters_of_all_threads_are_added_up():
    pipeline = beam.Pipeline(ThreadedRunner(3))
    numbers(pipeline) | beam.Reshuffle() | beam.ParDo(Counted())
    result = pipeline.run()
    found = result.metrics().query(MetricsFilter().with_namespace("space"))["counters"]
    assert [(each.key.metric.name, each.result) for each in found] == [("seen", sum(range(200)))]


class InTwoThreads(beam.DoFn):
    """Each element waits until another thread has one too."""

    barrier = threading.Barrier(2, timeout=20)

    def setup(self):
        self._own = threading.get_ident()

    def process(self, element):
        InTwoThreads.barrier.wait()
        assert self._own == threading.get_ident()  # each thread has a copy of its own
        yield self._own


def test_elements_are_worked_on_at_once():
    pipeline = beam.Pipeline(ThreadedRunner(2))
    GATHERED.clear()
    out = pipeline | beam.Create([1, 2]) | beam.ParDo(InTwoThreads())
    out | beam.ParDo(Gather("threads"))
    pipeline.run()
    assert len(set(GATHERED["threads"])) == 2


class Fails(beam.DoFn):
    def process(self, element):
        if element == 3:
            raise KeyError("three")
        if element > 3:
            time.sleep(0.01)
            GATHERED.setdefault("behind", []).append(element)


def test_the_first_error_ends_all_threads_and_is_raised():
    GATHERED.clear()
    pipeline = beam.Pipeline(ThreadedRunner(2))
    numbers(pipeline, 20_000) | beam.Reshuffle() | beam.ParDo(Fails())
    before = threading.active_count()
    with pytest.raises(KeyError, match="three"):
        pipeline.run()
    assert len(GATHERED.get("behind", [])) < 19_996  # which would take minutes
    assert threading.active_count() == before


class Interrupts(beam.DoFn):
    """The thread that waits for the other one is told to end."""

    both = threading.Barrier(2, timeout=20)

    def process(self, element):
        Interrupts.both.wait()
        if threading.current_thread() is not threading.main_thread():
            _thread.interrupt_main()
            for each in range(20_000):
                time.sleep(0.01)
                yield each


def test_a_signal_ends_all_threads_before_it_is_raised():
    GATHERED.clear()
    pipeline = beam.Pipeline(ThreadedRunner(2))
    out = pipeline | beam.Create([1, 2]) | beam.ParDo(Interrupts())
    out | beam.ParDo(Gather("written"))
    before = threading.active_count()
    # Whoever starts the tests may have them ignore Ctrl-C, as a shell does behind an &.
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            pipeline.run()
    finally:
        signal.signal(signal.SIGINT, handler)
    assert threading.active_count() == before
    assert len(GATHERED.get("written", [])) < 20_000


def test_an_unknown_kind_of_step_is_refused_before_anything_runs():
    pipeline = beam.Pipeline(ThreadedRunner(1))
    pipeline | beam.Create([1]) | beam.Map(lambda each: GATHERED.setdefault("ran", [each]))
    pipeline | beam.io.Read(beam.io.iobase.BoundedSource())
    GATHERED.clear()
    with pytest.raises(NotImplementedError, match=r"Read.*splittable"):
        pipeline.run()
    assert not GATHERED
