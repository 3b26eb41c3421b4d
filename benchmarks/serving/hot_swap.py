"""New versions under load: how many answers fail, and how many are not those of their version.

    python -m benchmarks.serving.hot_swap

Two networks with other random weights give other scores to every row. Their exports become versions
1, 2, 3, ... in turn, each copied under a hidden name and renamed, while clients ask without pause
over both protocols. An answer is wrong if it has the scores of neither or, over gRPC, which says
the version, those of the other. The two newest versions are kept, as a job that cleans up would.
"""

import features  # noqa: F401  # isort: skip  (Keras 2, before TensorFlow is imported)

import argparse
import http.client
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.serving.bare import load
from benchmarks.serving.made_up_exports import requests, write_exports
from benchmarks.serving.sample_requests import made_request
from benchmarks.serving.under_load import Ports, Protocol, clients, server
from serving.export_format import names

_MODEL = "model"
_TABLE_ROWS = 20_000
_REQUESTS = 4  # different requests of each client
_SMALL: dict[str, Any] = {
    "embedding": {"embedding_dim": 8, "stddev": 1.0},
    "branches": {"deep": {"type": "deep", "units": [64, 32]}},
    "alignment": "none",
    "cooperation": {},
}
# Version N is of kind N modulo 2; they differ by the width of a layer, and so in every weight.
_KINDS: Mapping[str, dict[str, Any]] = {
    "even": _SMALL,
    "odd": {**_SMALL, "branches": {"deep": {"type": "deep", "units": [96, 32]}}},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--swaps", type=int, default=20)
    parser.add_argument("--clients", type=int, default=4, help="half of them over REST")
    parser.add_argument("--rows", type=int, default=20, help="of a request")
    parser.add_argument("--pause", type=float, default=0.5, help="seconds between swaps")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        kinds = list(write_exports(folder / "kinds", _TABLE_ROWS, _KINDS).values())
        prepared = [
            made_request(
                _MODEL,
                names.RAW_TENSORS,
                arguments.rows,
                {
                    key: tensor[i * arguments.rows : (i + 1) * arguments.rows]
                    for key, tensor in _raw_tensors(arguments.rows * _REQUESTS).items()
                },
            )
            for i in range(_REQUESTS)
        ]
        answers = [_scores(kind, [request.inputs for request in prepared]) for kind in kinds]
        apart = np.abs(np.subtract(*map(np.array, answers))).min()
        if apart < 1e-4:
            raise SystemExit(f"the two kinds' scores differ by {apart:.1g} only")
        base = folder / "versions"
        _publish(kinds, base, 1)
        protocols: list[Protocol] = ["grpc", "rest"] * ((arguments.clients + 1) // 2)
        with (
            server(base, _MODEL, "poll_seconds=0.2") as ports,
            clients(folder, ports, protocols, _MODEL, prepared, answers) as started,
        ):
            for client in started:
                client.run(3600.0, 1 << 40)
            seconds = _swap(kinds, base, ports, arguments)
            results = [client.stop() for client in started]
    _report(results, seconds, arguments.swaps)


def _raw_tensors(rows: int) -> dict[str, np.ndarray]:
    tensors = requests(_TABLE_ROWS, rows)[names.RAW_TENSORS]
    encoded = {key: [value.encode() for value in values] for key, values in tensors.items()}
    return {key: np.array(values, object) for key, values in encoded.items()}


def _scores(export: Path, inputs: Sequence[Mapping[str, np.ndarray]]) -> list[list[float]]:
    calls, close = load(export)
    scores = [calls[names.RAW_TENSORS](tensors).tolist() for tensors in inputs]
    close()
    return scores


def _swap(
    kinds: Sequence[Path], base: Path, ports: Ports, arguments: argparse.Namespace
) -> list[float]:
    """Publishes one version after the other; seconds until each answers."""
    seconds = []
    for version in range(2, arguments.swaps + 2):
        time.sleep(arguments.pause)
        _publish(kinds, base, version)
        began = time.perf_counter()
        while not _available(ports, version):
            if time.perf_counter() - began > 120:
                raise SystemExit(f"version {version} did not come up")
            time.sleep(0.05)
        seconds.append(time.perf_counter() - began)
        print(f"version {version} after {seconds[-1]:.1f} s", file=sys.stderr, flush=True)
        if version > 2:
            shutil.rmtree(base / str(version - 2))
    time.sleep(arguments.pause)
    return seconds


def _publish(kinds: Sequence[Path], base: Path, version: int) -> None:
    hidden = base / f".{version}"
    shutil.copytree(kinds[version % len(kinds)], hidden)
    hidden.rename(base / str(version))


def _available(ports: Ports, version: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", ports.rest, timeout=60)
    connection.request("GET", f"/v1/models/{_MODEL}")
    states = json.loads(connection.getresponse().read())["model_version_status"]
    connection.close()
    return any(
        state["version"] == str(version) and state["state"] == "AVAILABLE" for state in states
    )


def _report(results: Sequence[Mapping[str, Any]], seconds: Sequence[float], swaps: int) -> None:
    answers = sum(len(result["latencies"]) for result in results)
    failed, wrong = (sum(result[key] for result in results) for key in ("failed", "wrong"))
    slowest = max(value for result in results for value in result["latencies"])
    print(
        f"{swaps} swaps under {len(results)} clients: {answers:,} requests, {failed} failed, "
        f"{wrong} wrong. A version answered {np.median(seconds):.1f} s after it was published; "
        f"the slowest answer took {1e3 * slowest:.0f} ms."
    )
    for reason in sorted({reason for result in results for reason in result["reasons"]}):
        print(f"- {reason}")
    if failed or wrong:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
