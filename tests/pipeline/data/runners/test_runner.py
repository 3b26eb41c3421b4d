import apache_beam as beam
import pytest
from apache_beam.runners.runner import PipelineResult, PipelineRunner, PipelineState

from features.errors import ConfigError, DataError
from pipeline.data.runners.runner import check_runner, new_pipeline, run


@pytest.mark.parametrize(
    ("runner", "options", "remedy"),
    [
        ("DaskRunner", [], "writes nothing.*Use data.runner=DirectRunner"),
        (
            "DirectRunner",
            ["--direct_running_mode=multi_threading", "--direct_num_workers=2"],
            "out of memory.*multi_processing",
        ),
        ("DirectRunner", ["--direct_num_workers=-1"], "=-1 is no number of workers. Give 1 to"),
        ("DirectRunner", ["--direct_num_workers=9999"], "=9999 is no number of workers. Give 1 to"),
        ("FlnkRunner", [], r"data.runner=FlnkRunner is not .* Did you mean FlinkRunner\?"),
        ("x", [], "Known: DataflowRunner, DirectRunner, FlinkRunner, PortableRunner, PrismRunner"),
        (
            "DirectRunner",
            ["--direct_num_workers=two"],
            r"data.runner_options=\['--direct_num_workers=two'\]: .*invalid int value: 'two'\.$",
        ),
    ],
)
def test_unusable_runners_are_refused(runner, options, remedy):
    with pytest.raises(ConfigError, match=remedy):
        check_runner(runner, options)


def test_other_runners_and_modes_pass():
    check_runner("FlinkRunner", ["--flink_master=localhost:8081"])
    check_runner("DirectRunner", ["--direct_running_mode=multi_processing"])


def test_a_failed_step_is_an_error_here(caplog):
    pipeline = new_pipeline("DirectRunner", [])
    pipeline | beam.Create([0]) | beam.Map(lambda x: 1 / x)
    with pytest.raises(Exception, match="division by zero"):
        run(pipeline)
    assert "Prism" not in caplog.text  # which would be downloaded


class Remote(PipelineRunner):
    """Stands for a cluster: fails at the start, or reports how the job ended."""

    def __init__(self, at_start=None, at_end=None, state=PipelineState.DONE):
        self.at_start, self.at_end, self.state = at_start, at_end, state

    def run_pipeline(self, pipeline, options):
        if self.at_start:
            raise self.at_start
        return Ended(self.state, self.at_end)


class Ended(PipelineResult):
    def __init__(self, state, error):
        super().__init__(state)
        self._error = error

    def wait_until_finish(self, duration=None):
        if self._error:
            raise self._error
        return self.state


def pipeline_on(runner):
    pipeline = beam.Pipeline(runner=runner)
    pipeline | beam.Create([0])
    return pipeline


@pytest.mark.parametrize(
    ("runner", "sentence"),
    [
        (
            Remote(FileNotFoundError(2, "No such file or directory", "java")),
            "data.runner=Remote could not start: .*'java'. Mend data.runner_options",
        ),
        (Remote(TimeoutError()), "could not start: TimeoutError. Mend"),
        (
            Remote(at_end=RuntimeError("java.net.ConnectException:\n refused.")),
            "gave up: java.net.ConnectException: refused. Mend .* use data.runner=DirectRunner",
        ),
        (Remote(state=PipelineState.CANCELLED), "ended in state CANCELLED, and no bundle was made"),
    ],
)
def test_a_runner_that_fails_by_itself_gets_a_sentence(runner, sentence):
    with pytest.raises(ConfigError, match=sentence):
        run(pipeline_on(runner))
    assert run(pipeline_on(Remote())).state == PipelineState.DONE


def test_bugs_of_ours_keep_their_traceback_on_remote_runners(monkeypatch):
    told = "instruction 2: Traceback (most recent call last):\n ... KeyError: 'x'"
    with pytest.raises(RuntimeError, match="KeyError"):
        run(pipeline_on(Remote(at_end=RuntimeError(told))))

    def to_runner_api(self):
        raise TypeError("cannot pickle")

    monkeypatch.setattr(beam.Pipeline, "to_runner_api", to_runner_api)
    with pytest.raises(TypeError, match="cannot pickle"):
        run(pipeline_on(Remote(TimeoutError())))


@pytest.mark.parametrize(
    ("runner", "options", "cause"),
    [
        ("DataflowRunner", [], "DataflowRunner cannot be used: .*option: project"),
        ("PortableRunner", [], "PortableRunner could not start: You must specify a --job_endpoint"),
        (
            "FlinkRunner",
            ["--flink_job_server_jar=/no.jar"],
            "FlinkRunner could not start: .*no.jar",
        ),
    ],
)
def test_beams_own_runners_say_what_they_lack(runner, options, cause):
    check_runner(runner, options)

    def start():
        pipeline = new_pipeline(runner, options)
        pipeline | beam.Create([0])
        run(pipeline)

    with pytest.raises(ConfigError, match=cause):
        start()


def test_a_mistake_in_the_data_that_a_step_finds_is_told_without_the_step():
    def refuse(_):
        raise DataError("the log is from the future. Set the clock.")

    pipeline = new_pipeline("DirectRunner", [])
    _ = pipeline | beam.Create([1]) | beam.Map(refuse)
    with pytest.raises(DataError) as raised:
        run(pipeline)
    assert str(raised.value) == "the log is from the future. Set the clock."


@pytest.mark.parametrize(
    ("options", "cores", "threads"),
    [
        ([], 2, 2),
        ([], 64, 8),
        (["--direct_num_workers=3"], 2, 3),
        (["--direct_num_workers=0"], 4, 4),
    ],
)
def test_there_is_a_thread_a_core_unless_the_options_say(options, cores, threads, monkeypatch):
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(cores)))
    assert new_pipeline("DirectRunner", options).runner.threads == threads


def test_another_running_mode_is_beams_own():
    options = ["--direct_running_mode=multi_processing", "--direct_num_workers=2"]
    assert type(new_pipeline("DirectRunner", options).runner).__name__ == "FnApiRunner"
