"""The local server against a bare call of a session: answers of 100 candidates, rows/s.

    python -m benchmarks.serving.against_bare RUN/export/1

RUN is a run of configs/movielens_100k/mbcnet.yaml. The bare call is `benchmarks.serving.bare`, in
this process; the server and every client are processes of their own, on the same cores. One of them
works at a time: turns of the bare call, gRPC and REST alternate, ratios are taken within a round,
and their median printed. Then 8 clients send at once, and their rows a second are counted, the
clients' own work included. Nothing else should run on the machine.
"""

import features  # noqa: F401  # isort: skip  (Keras 2, before TensorFlow is imported)

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from benchmarks.serving.bare import load
from benchmarks.serving.sample_requests import Request, request_of
from benchmarks.serving.under_load import Client, Ports, Protocol, clients, run_together, server
from serving.export_format import names

_MODEL = "model"
_PROTOCOLS: tuple[Protocol, ...] = ("grpc", "rest")
_SIGNATURES = (names.RANK, names.RAW_TENSORS, names.SERVING_DEFAULT)
_P50_LIMIT, _ROWS_LIMIT, _P99_LIMIT = 2.5, 80_000, 10.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("export", type=Path, help="version folder of an export")
    parser.add_argument("--candidates", type=int, default=100)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=9, help="turns of each side")
    parser.add_argument("--round-seconds", type=float, default=1.0, help="length of a turn")
    parser.add_argument("--load-seconds", type=float, default=5.0, help="of all clients at once")
    parser.add_argument("--load-rounds", type=int, default=3)
    arguments = parser.parse_args()
    calls, close = load(arguments.export)
    print(f"{os.cpu_count()} cores, shared by the server, its clients and the bare call.")
    with (
        tempfile.TemporaryDirectory() as folder,
        server(arguments.export, _MODEL) as ports,
    ):
        for signature in _SIGNATURES:
            request = request_of(arguments.export, _MODEL, signature, arguments.candidates)
            print(f"\n## {signature}, {request.rows} candidates\n", flush=True)
            bare = partial(calls[signature], request.inputs)
            _one_client(bare, Path(folder), ports, request, arguments)
            _many_clients(bare, Path(folder), ports, request, arguments)
    close()


def _one_client(
    bare: Callable[[], object],
    folder: Path,
    ports: Ports,
    request: Request,
    arguments: argparse.Namespace,
) -> None:
    """Prints p50 of the bare call and of one client over each protocol, and their ratios."""
    seconds = arguments.round_seconds
    p50s: dict[str, list[float]] = {"bare": [], **{protocol: [] for protocol in _PROTOCOLS}}
    with clients(folder, ports, _PROTOCOLS, _MODEL, [request]) as started:
        for client in started:
            _latencies([client], seconds)
        _bare(bare, seconds)
        for _ in range(arguments.rounds):
            p50s["bare"].append(statistics.median(_bare(bare, seconds)))
            for protocol, client in zip(_PROTOCOLS, started, strict=True):
                p50s[protocol].append(statistics.median(_latencies([client], seconds)))
    print("| 1 client | p50, ms | to the bare call | limit |\n|---|---|---|---|")
    for side, times in p50s.items():
        by = statistics.median(a / b for a, b in zip(times, p50s["bare"], strict=True))
        limit = "" if side == "bare" else f"{_P50_LIMIT:g}: {_verdict(by <= _P50_LIMIT)}"
        print(f"| {side} | {1e3 * statistics.median(times):.3f} | {by:.2f} | {limit} |")


def _many_clients(
    bare: Callable[[], object],
    folder: Path,
    ports: Ports,
    request: Request,
    arguments: argparse.Namespace,
) -> None:
    """Prints rows/s of many clients and how far their slowest answers lie from the middle.

    In the first line, as many threads in this process make bare calls. Processor time a request is
    what other processes on the machine disturb least.
    """
    print(f"\n| {arguments.clients} clients | rows/s | p50, ms | p99, ms | p99 / p50 ", end="")
    print("| processor ms a request, server and clients | limits |")
    print("|---|---|---|---|---|---|---|")
    seconds, rounds = arguments.load_seconds, range(arguments.load_rounds)
    with ThreadPoolExecutor(arguments.clients) as pool:
        turns = []
        for _ in rounds:
            began, cpu = time.perf_counter(), time.process_time()
            times = pool.map(lambda _: _bare(bare, seconds), range(arguments.clients))
            latencies = [value for each in times for value in each]
            taken = time.perf_counter() - began, time.process_time() - cpu
            turns.append(_turn(latencies, request.rows * len(latencies), *taken))
    print(_line("bare", turns), flush=True)
    for protocol in _PROTOCOLS:
        turns = []
        with clients(folder, ports, [protocol] * arguments.clients, _MODEL, [request]) as started:
            processes = [ports.pid, *(server.process.child.pid for server in started)]
            run_together(started, 1.0)
            for _ in rounds:
                began, cpu = time.perf_counter(), _processor_seconds(processes)
                results = run_together(started, seconds)
                taken = time.perf_counter() - began, _processor_seconds(processes) - cpu
                _refuse_failures(results)
                latencies = [value for result in results for value in result["latencies"]]
                turns.append(_turn(latencies, sum(result["rows"] for result in results), *taken))
        rate, _, _, by, _ = _medians(turns)
        verdict = f"{_verdict(rate >= _ROWS_LIMIT)}, {_verdict(by < _P99_LIMIT)}"
        limits = f"{_ROWS_LIMIT:,} rows/s, {_P99_LIMIT:g}: {verdict}"
        print(_line(protocol, turns, limits), flush=True)


def _turn(latencies: Sequence[float], rows: int, wall: float, cpu: float) -> tuple[float, ...]:
    """Rows/s, p50, p99, p99 by p50, processor seconds a request."""
    p50, p99 = statistics.median(latencies), statistics.quantiles(latencies, n=100)[98]
    return rows / wall, p50, p99, p99 / p50, cpu / len(latencies)


def _medians(turns: Sequence[tuple[float, ...]]) -> list[float]:
    return [statistics.median(each) for each in zip(*turns, strict=True)]


def _line(side: str, turns: Sequence[tuple[float, ...]], limits: str = "") -> str:
    rate, p50, p99, by, cpu = _medians(turns)
    return (
        f"| {side} | {rate:,.0f} | {1e3 * p50:.2f} | {1e3 * p99:.2f} | {by:.1f} | {1e3 * cpu:.2f} "
        f"| {limits} |"
    )


def _processor_seconds(processes: Sequence[int]) -> float:
    """User and system time of processes so far."""
    ticks = 0
    for process in processes:
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def _bare(call: Callable[[], object], seconds: float) -> list[float]:
    latencies = []
    until = time.perf_counter() + seconds
    while time.perf_counter() < until:
        started = time.perf_counter()
        call()
        latencies.append(time.perf_counter() - started)
    return latencies


def _latencies(started: Sequence[Client], seconds: float) -> list[float]:
    results = run_together(started, seconds)
    _refuse_failures(results)
    return [value for result in results for value in result["latencies"]]


def _refuse_failures(results: Sequence[dict]) -> None:
    reasons = [reason for result in results for reason in result["reasons"]]
    if reasons:
        raise SystemExit(f"requests failed, nothing was measured: {reasons[0]}")


def _verdict(met: bool) -> str:
    return "met" if met else "MISSED"


if __name__ == "__main__":
    main()
