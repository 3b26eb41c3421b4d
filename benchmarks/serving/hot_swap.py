"""New versions under load: how many answers fail, and how many are not those of their version.

    python -m benchmarks.serving.hot_swap

Two networks with other random weights give other scores to every row. Their exports become versions
1, 2, 3, ... in turn, each copied under a hidden name and renamed, while clients ask without pause
over both protocols. An answer is wrong if it has the scores of neither or, over gRPC, which says
the version, those of the other. The two newest versions are kept, as a job that cleans up would.

Between swaps is a pause, so that latencies of requests during swaps and of others are measured
under the same conditions.
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
from typing import Any, NamedTuple

import numpy as np

from benchmarks.serving.bare import load
from benchmarks.serving.made_up_exports import requests, write_exports
from benchmarks.serving.sample_requests import made_request
from benchmarks.serving.under_load import Ports, Protocol, clients, server
from benchmarks.training.workload import field_names
from features.input_shares import InputShares, TrainingShares
from serving.export_format import names
from serving.export_format.export_layout import TRAINING_SHARES

_MODEL = "model"
_TABLE_ROWS = 20_000
_REQUESTS = 4  # different requests of each client
_PERCENTILES = {"p50": 0.5, "p99": 0.99, "p99.9": 0.999, "slowest": 1.0}
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


class Window(NamedTuple):
    """From when until when, in seconds of `time.monotonic`."""

    began: float
    end: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--swaps", type=int, default=20)
    parser.add_argument("--clients", type=int, default=4, help="half of them over REST")
    parser.add_argument("--rows", type=int, default=20, help="of a request")
    parser.add_argument("--pause", type=float, default=5.0, help="seconds between swaps")
    parser.add_argument("--fields", type=int, default=39, help="of the network; at least 3")
    parser.add_argument("--think", type=float, default=0.0, help="seconds between a client's asks")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        kinds = list(_write_kinds(folder / "kinds", arguments.fields))
        prepared = [
            made_request(
                _MODEL,
                names.RAW_TENSORS,
                arguments.rows,
                {
                    key: tensor[i * arguments.rows : (i + 1) * arguments.rows]
                    for key, tensor in _raw_tensors(
                        arguments.rows * _REQUESTS, arguments.fields
                    ).items()
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
            clients(
                folder, ports, protocols, _MODEL, prepared, answers, arguments.think
            ) as started,
        ):
            for client in started:
                client.run(1e6)
            swaps = _swap(kinds, base, ports, arguments)
            results = [client.stop() for client in started]
    _report(results, swaps)


def _write_kinds(folder: Path, fields: int) -> list[Path]:
    """The exports, whose inputs are counted as those of a trained network's are."""
    kinds = list(write_exports(folder, _TABLE_ROWS, _KINDS, fields=fields).values())
    nothing = InputShares(missing=0.0, unknown=0.0)
    shares = TrainingShares(rows=1, inputs=dict.fromkeys(field_names()[:fields], nothing))
    for kind in kinds:
        (kind / TRAINING_SHARES).parent.mkdir(exist_ok=True)
        (kind / TRAINING_SHARES).write_text(shares.model_dump_json())
    return kinds


def _raw_tensors(rows: int, fields: int) -> dict[str, np.ndarray]:
    tensors = requests(_TABLE_ROWS, rows, fields)[names.RAW_TENSORS]
    encoded = {key: [value.encode() for value in values] for key, values in tensors.items()}
    return {key: np.array(values, object) for key, values in encoded.items()}


def _scores(export: Path, inputs: Sequence[Mapping[str, np.ndarray]]) -> list[list[float]]:
    calls, close = load(export)
    scores = [calls[names.RAW_TENSORS](tensors).tolist() for tensors in inputs]
    close()
    return scores


def _swap(
    kinds: Sequence[Path], base: Path, ports: Ports, arguments: argparse.Namespace
) -> list[Window]:
    """Publishes one version after the other; when each came and the one before it was gone."""
    swaps = []
    for version in range(2, arguments.swaps + 2):
        began = time.monotonic()
        _publish(kinds, base, version)
        available = _wait_for(ports, version, "AVAILABLE") - began
        swaps.append(Window(began, _wait_for(ports, version - 1, "END")))
        seconds = swaps[-1].end - began
        print(f"version {version}: {available:.1f} s, {seconds:.1f} s", file=sys.stderr, flush=True)
        if version > 2:
            shutil.rmtree(base / str(version - 2))
        time.sleep(arguments.pause)
    return swaps


def _publish(kinds: Sequence[Path], base: Path, version: int) -> None:
    hidden = base / f".{version}"
    shutil.copytree(kinds[version % len(kinds)], hidden)
    hidden.rename(base / str(version))


def _wait_for(ports: Ports, version: int, state: str) -> float:
    """When a version was first seen in a state."""
    until = time.monotonic() + 600.0
    while time.monotonic() < until:
        if _state(ports, version) == state:
            return time.monotonic()
        time.sleep(0.02)
    raise SystemExit(f"version {version} is not {state} after ten minutes")


def _state(ports: Ports, version: int) -> str | None:
    connection = http.client.HTTPConnection("127.0.0.1", ports.rest, timeout=60)
    connection.request("GET", f"/v1/models/{_MODEL}")
    states = json.loads(connection.getresponse().read())["model_version_status"]
    connection.close()
    return next((each["state"] for each in states if each["version"] == str(version)), None)


def _report(results: Sequence[Mapping[str, Any]], swaps: Sequence[Window]) -> None:
    answers = sum(len(result["latencies"]) for result in results)
    failed, wrong = (sum(result[key] for result in results) for key in ("failed", "wrong"))
    print(
        f"{len(swaps)} swaps under {len(results)} clients: {answers:,} requests, {failed} failed, "
        f"{wrong} wrong. A swap took {np.median([each.end - each.began for each in swaps]):.1f} s."
    )
    began = np.concatenate([result["began"] for result in results])
    latencies = np.concatenate([result["latencies"] for result in results])
    after = [each.began for each in swaps[1:]] + [np.inf]
    quiet = [Window(each.end, end) for each, end in zip(swaps, after, strict=True)]
    during, beside = (_percentiles(began, latencies, each) for each in (swaps, quiet))
    print("| of requests that began | number | " + " | ".join(_PERCENTILES) + " |")
    print("|---" * (len(_PERCENTILES) + 2) + "|")
    for name, (number, values) in {"during swaps": during, "between them": beside}.items():
        shown = " | ".join(f"{1e3 * value:.1f} ms" for value in values)
        print(f"| {name} | {number:,} | {shown} |")
    ratios = " | ".join(f"{a / b:.2f}" for a, b in zip(during[1], beside[1], strict=True))
    print(f"| ratio | | {ratios} |")
    for reason in sorted({reason for result in results for reason in result["reasons"]}):
        print(f"- {reason}")
    if failed or wrong:
        raise SystemExit(1)


def _percentiles(
    began: np.ndarray, latencies: np.ndarray, windows: Sequence[Window]
) -> tuple[int, list[float]]:
    inside = np.zeros(len(began), bool)
    for window in windows:
        inside |= (began >= window.began) & (began < window.end)
    chosen = latencies[inside]
    return len(chosen), [float(np.quantile(chosen, each)) for each in _PERCENTILES.values()]


if __name__ == "__main__":
    main()
