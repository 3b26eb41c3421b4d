"""Which Beam runner executes the job, and which are refused for losing data or memory."""

import logging
from collections.abc import Sequence

import apache_beam as beam
from apache_beam.metrics.metric import MetricsFilter
from apache_beam.options.pipeline_options import DirectOptions, PipelineOptions
from apache_beam.portability.api import beam_provision_api_pb2
from apache_beam.runners.portability.fn_api_runner import FnApiRunner, fn_runner
from apache_beam.runners.portability.portable_runner import JobServiceHandle
from apache_beam.runners.runner import PipelineResult, PipelineState

from features.errors import ConfigError

LOCAL = "DirectRunner"
_REFUSED = {
    "DaskRunner": "reports success and writes nothing (found with apache-beam 2.77)",
}


def check_runner(runner: str, runner_options: Sequence[str]) -> None:
    """Refuses runners and modes that lose data or memory.

    Args:
        runner: Name of a Beam runner.
        runner_options: Options of the runner, as on a command line.

    Raises:
        ConfigError: Says why, and what to use.
    """
    if runner in _REFUSED:
        raise ConfigError(
            f"data.runner={runner} is refused: it {_REFUSED[runner]}. Use data.runner={LOCAL} on "
            "one machine, FlinkRunner on a cluster."
        )
    mode = PipelineOptions(list(runner_options)).view_as(DirectOptions).direct_running_mode
    if runner == LOCAL and mode == "multi_threading":
        raise ConfigError(
            f"--direct_running_mode={mode} is refused: it ran out of memory at 17 GB on 200,000 "
            "rows (found with apache-beam 2.77). Leave it out, or use multi_processing with "
            "--direct_num_workers."
        )


def run(pipeline: beam.Pipeline) -> PipelineResult:
    """Runs a pipeline to its end.

    Raises:
        RuntimeError: The runner reports anything but success.
    """
    # Beam's own progress lines speak of bundles and caches, not of the user's data.
    logging.getLogger("apache_beam").setLevel(logging.WARNING)
    result = pipeline.run()
    state = result.wait_until_finish()
    if (state or result.state) != PipelineState.DONE:
        raise RuntimeError(f"the runner ended in state {state or result.state}; see its log.")
    return result


def counters_of(result: PipelineResult, namespace: str) -> dict[str, int]:
    """Name -> value of the counters of a namespace, over all steps; empty where none are kept."""
    found: dict[str, int] = {}
    query = result.metrics().query(MetricsFilter().with_namespace(namespace))
    for counter in query["counters"]:
        name = counter.key.metric.name
        found[name] = found.get(name, 0) + counter.result
    return dict(sorted(found.items()))


def new_pipeline(runner: str, runner_options: Sequence[str]) -> beam.Pipeline:
    """A pipeline for a runner that `check_runner` let pass.

    Locally Beam's in-memory runner is taken by itself: by the name DirectRunner, Beam 2.77 first
    tries to download and start another one (Prism).
    """
    options = PipelineOptions(list(runner_options), pipeline_type_check=True)
    if runner != LOCAL:
        return beam.Pipeline(runner=runner, options=options)
    info = beam_provision_api_pb2.ProvisionInfo(
        pipeline_options=JobServiceHandle.encode_pipeline_options(options.get_all_options())
    )
    local = FnApiRunner(provision_info=fn_runner.ExtendedProvisionInfo(info))
    return beam.Pipeline(runner=local, options=options)
