#!/usr/bin/env bash
# apache-beam: a worker pool (`--environment_type=EXTERNAL`) knows its workers by the id alone that a
# runner gives them, and Flink's TaskManagers all number theirs 1-1, 2-1, and so on.
#
# One would expect that two TaskManagers of a machine may ask the same pool for workers: the pool
# has one address for the whole job. But the second worker of an id replaces the first in the
# pool's books; whoever lets go of a worker then ends that of the other TaskManager, which waits
# for it until a timeout of three minutes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/env"
"$folder/env/bin/python" -m pip install --quiet --disable-pip-version-check apache-beam==2.77.0
printf '#!/bin/sh\nexec sleep 60\n' >"$folder/worker"
chmod +x "$folder/worker"
"$folder/env/bin/python" - "$folder/worker" <<'PY'
import sys

import apache_beam
import grpc
from apache_beam.portability.api import beam_fn_api_pb2, beam_fn_api_pb2_grpc
from apache_beam.runners.worker.worker_pool_main import BeamFnExternalWorkerPoolServicer

print("apache-beam", apache_beam.__version__)
started = []


class Pool(BeamFnExternalWorkerPoolServicer):
    """Beam's own, which also notes the process of each worker that it starts."""

    def StartWorker(self, request, context):
        answer = super().StartWorker(request, context)
        started.append(self._worker_processes[request.worker_id])
        return answer


address, server = Pool.start(use_process=True, container_executable=sys.argv[1])
pool = beam_fn_api_pb2_grpc.BeamFnExternalWorkerPoolStub(grpc.insecure_channel(address))
for _ in ("first TaskManager", "second TaskManager"):
    pool.StartWorker(beam_fn_api_pb2.StartWorkerRequest(worker_id="1-1"))
pool.StopWorker(beam_fn_api_pb2.StopWorkerRequest(worker_id="1-1"))  # the first has done its work
alive = [process.poll() is None for process in started]
print("after the first let go of its worker: first runs", alive[0], "- second runs", alive[1])
for process in started:
    process.kill()
server.stop(None)
assert alive == [True, False], "each TaskManager's worker is its own now: the finding is out of date"
PY
