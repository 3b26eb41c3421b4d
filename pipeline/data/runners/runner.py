"""Which Beam runner executes the job, and which are refused for losing data or memory."""

import contextlib
import io
import logging
import os
import re
import shutil
from collections.abc import Sequence

import apache_beam as beam
import grpc
from apache_beam.metrics.metric import MetricsFilter
from apache_beam.options.pipeline_options import DirectOptions, PipelineOptions
from apache_beam.portability.api import beam_provision_api_pb2
from apache_beam.runners.portability.fn_api_runner import FnApiRunner, fn_runner
from apache_beam.runners.portability.portable_runner import JobServiceHandle, PortableRunner
from apache_beam.runners.runner import PipelineResult, PipelineState

from features.errors import ConfigError, UserError, did_you_mean
from pipeline.data.runners.job_server import ServerOutput, ended_with_the_job, prepare
from pipeline.data.runners.threads.threaded_runner import ThreadedRunner

LOCAL = "DirectRunner"
RUNNERS = (LOCAL, "DataflowRunner", "FlinkRunner", "PortableRunner", "PrismRunner", "SparkRunner")
_REFUSED = {
    "DaskRunner": "reports success and writes nothing (found with apache-beam 2.77)",
}
_LONGEST_CAUSE = 600
_MOST_WORKERS = 256
_MOST_THREADS = 8  # what is Python's own has one lock for all of them, and each holds blocks
_STEP = re.compile(r" \[while running '.*'\]$")
_TRACEBACK = "Traceback (most recent call last)"


def check_runner(runner: str, runner_options: Sequence[str]) -> None:
    """Refuses unknown runners, and runners and modes that lose data or memory.

    Args:
        runner: One of `RUNNERS`.
        runner_options: Options of the runner, as on a command line.

    Raises:
        ConfigError: Says why, and what to use.
    """
    if runner in _REFUSED:
        raise ConfigError(
            f"data.runner={runner} is refused: it {_REFUSED[runner]}. Use data.runner={LOCAL} on "
            "one machine, FlinkRunner on a cluster."
        )
    if runner not in RUNNERS:
        hint = did_you_mean(runner, RUNNERS)
        raise ConfigError(f"data.runner={runner} is not a Beam runner that can be used. {hint}")
    local = _parsed(runner_options).view_as(DirectOptions)
    mode, workers = local.direct_running_mode, local.direct_num_workers
    if runner == LOCAL and mode == "multi_threading":
        raise ConfigError(
            f"--direct_running_mode={mode} is refused: it ran out of memory at 17 GB on 200,000 "
            "rows (found with apache-beam 2.77). Leave it out, or use multi_processing with "
            "--direct_num_workers."
        )
    if runner == LOCAL and not 0 <= workers <= _MOST_WORKERS:
        raise ConfigError(
            f"--direct_num_workers={workers} is no number of workers. Give 1 to {_MOST_WORKERS}, "
            "or 0 for one a core."
        )


def run(pipeline: beam.Pipeline) -> PipelineResult:
    """Runs a pipeline to its end.

    Raises:
        ConfigError: The runner cannot start, or gives up for a reason of its own.
        Exception: A step of the pipeline failed: what it raised, or the runner's account of it.
    """
    # Beam's own progress lines speak of bundles and caches, not of the user's data.
    logging.getLogger("apache_beam").setLevel(logging.WARNING)
    if isinstance(
        pipeline.runner, ThreadedRunner | FnApiRunner
    ):  # in this process: whatever fails is a step
        # Which is raised with its traceback, and logged before by Beam.
        logging.getLogger("apache_beam.runners").setLevel(logging.CRITICAL)
        try:
            result = pipeline.run()
        except UserError as error:
            error.args = (_STEP.sub("", str(error)),)  # it concerns the data, not the step
            raise
        result.wait_until_finish()
        return result
    pipeline.to_runner_api()  # what cannot be serialized is a bug of ours, and fails here
    with ended_with_the_job(pipeline.runner) as server:
        return _run_elsewhere(pipeline, server)


def _run_elsewhere(pipeline: beam.Pipeline, server: ServerOutput) -> PipelineResult:
    runner = type(pipeline.runner).__name__
    try:
        result = pipeline.run()
    except Exception as error:
        raise _unusable(f"data.runner={runner} could not start", error, server) from error
    try:
        state = result.wait_until_finish() or result.state
    except grpc.RpcError as error:  # the server is gone
        raise _unusable(f"data.runner={runner} gave up", error, server) from error
    except RuntimeError as error:
        if _TRACEBACK in str(error):  # of a step that failed in a worker
            raise
        raise _unusable(f"data.runner={runner} gave up", error) from error
    if state != PipelineState.DONE:
        raise ConfigError(
            f"data.runner={runner} ended in state {state}, and no bundle was made. See its log."
        )
    if isinstance(pipeline.runner, PortableRunner):
        result.metrics()  # which the result keeps: the server, soon gone, knows them
    return result


def counters_of(result: PipelineResult, namespace: str) -> dict[str, int]:
    """Name -> value of the counters of a namespace, over all steps; empty where none are kept."""
    counters: dict[str, int] = {}
    query = result.metrics().query(MetricsFilter().with_namespace(namespace))
    for counter in query["counters"]:
        name = counter.key.metric.name
        counters[name] = counters.get(name, 0) + counter.result
    return dict(sorted(counters.items()))


def new_pipeline(runner: str, runner_options: Sequence[str]) -> beam.Pipeline:
    """A pipeline for a runner that `check_runner` let pass.

    Locally threads do the work, one a core and at most 8, unless --direct_num_workers says how
    many. With another --direct_running_mode it is Beam's runner, taken by itself: by the name
    DirectRunner, Beam 2.77 first tries to download and start another one (Prism).

    Raises:
        ConfigError: The runner is not installed, or lacks an option, Java or its jar.
    """
    options = PipelineOptions(list(runner_options), pipeline_type_check=True)
    if runner != LOCAL:
        prepare(runner, options)
        try:
            return _without_folder(beam.Pipeline(runner=runner, options=options))
        except Exception as error:  # none of our code ran yet
            raise _unusable(f"data.runner={runner} cannot be used", error) from error
    if options.view_as(DirectOptions).direct_running_mode == "in_memory":
        return _without_folder(beam.Pipeline(ThreadedRunner(_threads(runner_options)), options))
    info = beam_provision_api_pb2.ProvisionInfo(
        pipeline_options=JobServiceHandle.encode_pipeline_options(options.get_all_options())
    )
    local = FnApiRunner(provision_info=fn_runner.ExtendedProvisionInfo(info))
    return _without_folder(beam.Pipeline(runner=local, options=options))


def _threads(runner_options: Sequence[str]) -> int:
    """How many threads were asked for; by default one a core, but for those of large machines."""
    given = any(option.split("=")[0] == "--direct_num_workers" for option in runner_options)
    workers = _parsed(runner_options).view_as(DirectOptions).direct_num_workers
    return workers if given and workers else min(len(os.sched_getaffinity(0)), _MOST_THREADS)


def _without_folder(pipeline: beam.Pipeline) -> beam.Pipeline:
    """Removes the temporary folder of a pipeline, which a job that is killed would leave for ever.

    Beam puts jars of other languages there, and nothing of ours.
    """
    shutil.rmtree(pipeline.local_tempdir)
    return pipeline


def _parsed(runner_options: Sequence[str]) -> PipelineOptions:
    """The options as Beam reads them; its parser would print its usage and end the program."""
    options = PipelineOptions(list(runner_options))
    with contextlib.redirect_stderr(io.StringIO()) as printed:
        try:
            options.get_all_options()
        except SystemExit:
            lines = printed.getvalue().strip().splitlines() or ["unusable"]
            raise ConfigError(
                f"data.runner_options={list(runner_options)}: {lines[-1].split('error: ')[-1]}."
            ) from None
    return options


def _unusable(what: str, error: Exception, server: ServerOutput | None = None) -> ConfigError:
    said = error.details() if isinstance(error, grpc.Call) else str(error)
    cause = " ".join(said.split()) or type(error).__name__
    if server is not None and server.complaint:
        cause = f"{cause.rstrip('.')}; its server wrote: {server.complaint}"
    if len(cause) > _LONGEST_CAUSE:
        cause = f"{cause[:_LONGEST_CAUSE]} ..."
    return ConfigError(
        f"{what}: {cause.rstrip('.')}. Mend data.runner_options or what the runner needs, or use "
        f"data.runner={LOCAL} on one machine."
    )
