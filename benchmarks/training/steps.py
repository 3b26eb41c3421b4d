"""Times training steps of Concord and of its peers on one made-up workload.

    python -m benchmarks.training.steps --only mixture --peer-python ../peers/bin/python

Every side runs in a process of its own and trains as its users call it. Blocks of steps alternate
(A B C A B C ...); only one side runs at a time, the others are stopped. A round during which other
processes had more than 5 % of the processor is dropped: one busy core slows PyTorch six times.
Ratios are taken within a round, and their median and quartiles printed. FuxiCTR needs PyTorch,
which this project does not: give the interpreter of an environment that has both.
"""

import argparse
import json
import math
import os
import platform
import signal
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.training.cases import Case, Goal, Side, cases_named
from benchmarks.training.rounds import Block, Rounds, collect, quartiles
from benchmarks.training.worker import Worker, WorkerError, cores, wait_for_quiet
from benchmarks.training.workload import FIELDS, distinct_share, write_workload
from pipeline.system.launch import environment_of_training
from pipeline.training.utilization import TRAINING_TO_FORWARD

_WARM_UP_STEPS = 3  # the first ones trace and compile
_CALIBRATION_STEPS = 3
_KERAS_2 = {"TF_USE_LEGACY_KERAS": "1", "TF_CPP_MIN_LOG_LEVEL": "2"}


def main() -> None:
    arguments = _parse_arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("interrupted"))  # `finally` ends the workers
    try:
        cases = cases_named(arguments.only)
    except ValueError as error:
        sys.exit(str(error))
    results: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, case in cases.items():
            results[name] = _run(name, case, Path(folder), arguments)
            print(_report(name, case, results[name]), flush=True)
            if arguments.out:
                arguments.out.write_text(json.dumps(results, indent=2) + "\n")
    if arguments.figure:
        from benchmarks.training.figure import plot_batch_curve

        plot_batch_curve(results, arguments.figure)


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME", help="cases to run")
    parser.add_argument("--sides", nargs="+", default=[], help="sides to run, of those of the case")
    parser.add_argument("--peer-python", help="interpreter that has FuxiCTR and PyTorch")
    parser.add_argument("--blocks", type=int, default=9, help="undisturbed rounds to collect")
    parser.add_argument("--tries", type=int, default=4, help="most rounds, times --blocks")
    parser.add_argument("--block-seconds", type=float, default=4.0, help="length of a block")
    parser.add_argument("--threshold", type=float, default=0.05, help="others' share of the cores")
    parser.add_argument("--examples", type=int, default=200_000, help="in memory, used in turn")
    parser.add_argument("--out", type=Path, help="where to write all numbers, as JSON")
    parser.add_argument("--figure", type=Path, help="where to draw batch_curve")
    return parser.parse_args()


def _run(name: str, case: Case, folder: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    """Builds the sides of a case, collects its rounds, and ends the sides."""
    sides = {
        side: peer
        for side, peer in case.sides.items()
        if (peer.module != "fuxictr" or arguments.peer_python)
        and (not arguments.sides or side in arguments.sides)
    }
    workers: dict[str, Worker] = {}
    settings: dict[str, Any] = {}
    failed: dict[str, str] = {}
    try:
        for side, peer in sides.items():
            python = arguments.peer_python if peer.module == "fuxictr" else sys.executable
            module = f"benchmarks.training.peers.{peer.module}"
            workers[side] = Worker(module, python, folder / f"{side}.log", _environment(peer))
            print(f"{name}: builds {side}", file=sys.stderr, flush=True)
            data = _workload(folder, peer.rows or case.rows, max(arguments.examples, case.batch))
            try:
                settings[side] = _built(workers[side], case, peer, data)
            except WorkerError as error:
                failed[side] = str(error)
                print(f"{name}: {side} is left out: {error}", file=sys.stderr, flush=True)
        running = {side: worker for side, worker in workers.items() if side not in failed}
        rounds, peaks = _rounds(name, running, case, arguments)
    finally:
        for worker in workers.values():
            worker.close()
    with np.load(_workload(folder, case.rows, max(arguments.examples, case.batch))) as file:
        distinct = distinct_share(file["ids"], case.batch)
    return {
        "title": case.title,
        "distinct": distinct,
        "dropped": rounds.dropped,
        "rounds": [{side: vars(block) for side, block in each.items()} for each in rounds.kept],
        "sides": {
            side: {
                "examples_per_second": _summary(rounds.rates(side, case.batch)),
                "peak_bytes": peaks.get(side),
                "settings": settings[side],
            }
            for side in running
        },
        "failed": failed,
        "goals": [
            {**vars(goal), "ratio": _summary(_ratios(rounds, goal))}
            for goal in case.goals
            if goal.of in running and goal.to in running
        ],
    }


def _built(worker: Worker, case: Case, peer: Side, data: Path) -> Any:
    """Has a side build its network and take some steps; what it says of its settings."""
    spec = {"data": str(data), "batch": case.batch, "width": case.width, "model": case.model}
    settings = worker.build({**spec, **peer.spec})
    worker.block(_WARM_UP_STEPS)
    return settings


def _rounds(
    name: str, workers: Mapping[str, Worker], case: Case, arguments: argparse.Namespace
) -> tuple[Rounds, dict[str, int]]:
    """Measures how many steps make a block of each side, then collects rounds."""
    seconds = max(arguments.block_seconds, case.block_seconds)
    steps, peaks = {}, {}
    for side, worker in workers.items():
        wait_for_quiet(arguments.threshold, 0.5)
        block, _ = worker.block(_CALIBRATION_STEPS)
        steps[side] = max(2, round(_CALIBRATION_STEPS * seconds / block.seconds))

    def run_block(side: str) -> Block:
        block, peaks[side] = workers[side].block(steps[side])
        foreign = block.foreign_share(cores())
        rate = case.batch * block.steps / block.seconds
        line = f"{name}: {side} {rate:,.0f} examples/s, {foreign:.1%} for other processes"
        print(line, file=sys.stderr, flush=True)
        if foreign > arguments.threshold:
            wait_for_quiet(arguments.threshold, 0.5)
        return block

    rounds = collect(
        list(workers),
        run_block,
        wanted=arguments.blocks,
        limit=arguments.blocks * arguments.tries,
        cores=cores(),
        threshold=arguments.threshold,
    )
    return rounds, peaks


def _workload(folder: Path, rows: int, examples: int) -> Path:
    path = folder / f"{rows}_{examples}.npz"
    if not path.exists():
        write_workload(path, rows, examples)
    return path


def _environment(side: Side) -> dict[str, str]:
    """What a side's users have: Concord's command sets its allocator up, the others do not."""
    if side.module != "concord":
        return _KERAS_2
    launched = environment_of_training(["train"], os.environ, platform.libc_ver()[0]) or {}
    return _KERAS_2 | {key: each for key, each in launched.items() if key == "GLIBC_TUNABLES"}


def _ratios(rounds: Rounds, goal: Goal) -> list[float]:
    return rounds.ratios(goal.to, goal.of) if goal.steps else rounds.ratios(goal.of, goal.to)


def _summary(values: list[float]) -> tuple[float, float, float] | None:
    """First quartile, median, third quartile."""
    return quartiles(values) if values else None


def _report(name: str, case: Case, result: Mapping[str, Any]) -> str:
    """Markdown: the sides' speeds, their ratios, and their settings."""
    kept = len(result["rounds"])
    lines = [
        f"\n## {name}: {case.title}",
        f"\nBatch {case.batch:,} x {FIELDS} ids ({result['distinct']:.1%} of them distinct), width "
        f"{case.width}, {case.rows:,} table rows unless named; {cores()} cores. {kept} rounds "
        f"kept, {result['dropped']} dropped because other processes ran.",
        "\n| side | examples/s | quartiles | MFU | peak memory, GiB |\n|---|---|---|---|---|",
    ]
    for side, measured in result["sides"].items():
        low, median, high = measured["examples_per_second"] or (float("nan"),) * 3
        memory = "" if measured["peak_bytes"] is None else f"{measured['peak_bytes'] / 2**30:.2f}"
        mfu = _mfu(measured["settings"], median)
        lines.append(f"| {side} | {median:,.0f} | {low:,.0f} to {high:,.0f} | {mfu} | {memory} |")
    lines.append("\n| ratio | median | quartiles | limit | aim | |\n|---|---|---|---|---|---|")
    lines += [_goal_line(goal) for goal in result["goals"]]
    lines.append("")
    for side, measured in result["sides"].items():
        words = ", ".join(f"{key} {value}" for key, value in measured["settings"].items())
        lines.append(f"- {side}: {words}")
    lines += [
        f"- {side}: failed, {words.splitlines()[0]}" for side, words in result["failed"].items()
    ]
    return "\n".join(lines)


def _mfu(settings: Mapping[str, Any], examples_per_second: float) -> str:
    """The share of the machine's rate of matrix products that a side's speed is; "" for peers."""
    if "forward_flops" not in settings or math.isnan(examples_per_second):
        return ""
    rate = TRAINING_TO_FORWARD * settings["forward_flops"] * examples_per_second
    return f"{rate / settings['product_rate']:.0%}"


def _goal_line(goal: Mapping[str, Any]) -> str:
    low, median, high = goal["ratio"] or (float("nan"),) * 3
    limit, aim = goal["at_least"], goal["aim"]
    bound = "at most" if goal["steps"] else "at least"
    verdict = ""
    if limit is not None and goal["ratio"]:
        met = [median <= each if goal["steps"] else median >= each for each in (limit, aim)]
        verdict = "aim" if met[1] else "met" if met[0] else "MISSED"
    what = "step time" if goal["steps"] else "speed"
    targets = "| | |" if limit is None else f"| {bound} {limit:g} | {aim:g} |"
    ratio = f"| {median:.2f} | {low:.2f} to {high:.2f} "
    return f"| {what}, {goal['of']} to {goal['to']} {ratio}{targets} {verdict} |"


if __name__ == "__main__":
    main()
