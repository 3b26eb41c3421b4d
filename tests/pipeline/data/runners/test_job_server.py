import logging
import shutil
import threading

import apache_beam as beam
import grpc
import pytest
from apache_beam.options.pipeline_options import (
    FlinkRunnerOptions,
    JobServerOptions,
    PipelineOptions,
)
from apache_beam.runners.portability.flink_runner import FlinkRunner

from features.errors import ConfigError
from pipeline.data.runners.job_server import ended_with_the_job, flink_jar, prepare


@pytest.fixture(autouse=True)
def _machine(tmp_path, monkeypatch):
    """Has Java, and an empty cache."""
    monkeypatch.setenv("CONCORD_CACHE", str(tmp_path))
    monkeypatch.setattr(shutil, "which", lambda name: None if "none" in name else f"/bin/{name}")


def prepared(*given, runner="FlinkRunner"):
    options = PipelineOptions(list(given))
    prepare(runner, options)
    return options


def test_a_jar_that_was_put_together_is_used_unless_another_is_named(tmp_path):
    assert prepared().view_as(FlinkRunnerOptions).flink_job_server_jar is None
    flink_jar().parent.mkdir()
    flink_jar().touch()
    assert prepared().view_as(FlinkRunnerOptions).flink_job_server_jar == str(flink_jar())
    for other in (str(tmp_path / "other.jar"), "https://example.org/other.jar"):
        (tmp_path / "other.jar").touch()
        options = prepared(f"--flink_job_server_jar={other}").view_as(FlinkRunnerOptions)
        assert options.flink_job_server_jar == other


@pytest.mark.parametrize(
    ("runner", "option", "sentence"),
    [
        ("FlinkRunner", "--flink_job_server_jar=/no.jar", "/no.jar is no file. make flink-server"),
        ("SparkRunner", "--spark_job_server_jar=/no.jar", "/no.jar is no file. Give a file or URL"),
        ("FlinkRunner", "--job_server_java_launcher=/none/java", "Java 11.*'/none/java' is not"),
    ],
)
def test_what_is_missing_is_named_before_anything_starts(runner, option, sentence):
    with pytest.raises(ConfigError, match=f"data.runner={runner} could not start: .*{sentence}"):
        prepared(option, runner=runner)


@pytest.mark.parametrize(
    ("runner", "options"),
    [
        ("PrismRunner", []),
        ("FlinkRunner", ["--job_endpoint=host:8099"]),
        ("FlinkRunner", ["--flink_master=http://host:8081", "--flink_submit_uber_jar"]),
    ],
)
def test_java_is_not_asked_for_where_none_is_started(runner, options):
    java = "--job_server_java_launcher=none"
    kept = prepared(java, *options, runner=runner).view_as(JobServerOptions)
    assert (kept.job_server_java_launcher, kept.job_server_jvm_properties) == ("none", [])


def test_the_server_ends_with_the_process_and_keeps_its_own_settings():
    options = prepared("--job_server_jvm_properties=-Xmx1g").view_as(JobServerOptions)
    assert options.job_server_java_launcher == "setpriv"
    received = options.job_server_jvm_properties
    assert received[:3] == ["--pdeathsig", "TERM", "java"]
    assert received[3:] == ["-XX:+ExitOnOutOfMemoryError", "-Xmx1g"]


class Server:
    """Stands for Beam's job server."""

    stopped = 0

    def stop(self):
        self.stopped += 1


class Runner(FlinkRunner):
    def __init__(self):
        super().__init__()
        self.server = Server()

    def default_job_server(self, options):
        return self.server


def test_servers_are_stopped_also_when_the_job_fails():
    runner = Runner()

    def job():
        with ended_with_the_job(runner):
            assert runner.default_job_server(None) is runner.server
            assert not runner.server.stopped
            raise KeyError

    with pytest.raises(KeyError):
        job()
    assert runner.server.stopped == 1


def test_of_what_a_server_writes_its_first_complaint_is_kept(capfd):
    with ended_with_the_job(FlinkRunner()) as output:
        for line in ("Picked up -Xmx1q", "Invalid heap size: -Xmx1q", "Error: no virtual machine"):
            logging.getLogger("FlinkJarJobServer").info(line)
    assert output.complaint == "Invalid heap size: -Xmx1q"
    assert capfd.readouterr() == ("", "")


def test_streams_that_break_are_not_told_and_other_errors_are(monkeypatch):
    def fail(error):
        raise error

    told = []
    monkeypatch.setattr(threading, "excepthook", lambda args: told.append(args.exc_value))
    errors = [grpc.RpcError("hanging up"), ValueError("a bug")]
    with ended_with_the_job(FlinkRunner()):
        for error in errors:
            thread = threading.Thread(target=fail, args=(error,))
            thread.start()
            thread.join()
    assert told == errors[1:]


def test_runners_without_a_server_are_left_alone():
    with ended_with_the_job(beam.runners.DirectRunner()) as output:
        assert output.complaint == ""
