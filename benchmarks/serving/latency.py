"""How much longer an export of MBCnet takes to answer than one of DCNv2, in the paper's sizes.

    python -m benchmarks.serving.latency

Both have random weights and are written by the module that writes every export, on made-up
features in the shape of Criteo: 39 columns of tokens. Each is loaded as TensorFlow Serving does,
and fed requests of 1, 100 and 1,000 candidates. Sides take turns; differences and ratios are taken
within a round, and their median printed. Nothing else should run on the machine.

With `--compiled SIZE ...`, the same networks are exported a second time with XLA at these batch
sizes (`serving.exporting.compiled`), and timed beside the others.
"""

import features  # noqa: F401  # isort: skip  (Keras 2, before TensorFlow is imported)

import argparse
import tempfile
from pathlib import Path

from benchmarks.serving.bare import load
from benchmarks.serving.interleaved import Times, difference, interleaved, p50, ratio
from benchmarks.serving.made_up_exports import NETWORKS, requests, write_exports
from serving.export_format import names

_SIZES = (1, 100, 1000)
_OF = "mbcnet"
# Signature `raw_tensors`: most that MBCnet may take longer than DCNv2.
_LIMITS = {1: (0.4, "ms"), 100: (1.5, "ms"), 1000: (1.15, "times")}
_SIGNATURES = (names.RAW_TENSORS, names.SERVING_DEFAULT)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", nargs="+", type=int, default=list(_SIZES), help="candidates")
    parser.add_argument("--rows", type=int, default=200_000, help="table rows")
    parser.add_argument("--rounds", type=int, default=15, help="turns of each side")
    parser.add_argument("--round-seconds", type=float, default=0.5, help="length of a turn")
    parser.add_argument(
        "--compiled", nargs="*", type=int, default=[], metavar="SIZE", help="batch sizes for XLA"
    )
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        exports = write_exports(Path(folder, "plain"), arguments.rows)
        if arguments.compiled:
            compiled = write_exports(
                Path(folder, "compiled"), arguments.rows, compiled=arguments.compiled
            )
            exports |= {f"{name}_compiled": path for name, path in compiled.items()}
        sides = {name: load(path)[0] for name, path in exports.items()}
        for signature in _SIGNATURES:
            print(f"\n## {signature}\n")
            for size in arguments.sizes:
                inputs = requests(arguments.rows, size)[signature]
                calls = {
                    name: lambda call=each[signature], inputs=inputs: call(inputs)
                    for name, each in sides.items()
                }
                times = interleaved(calls, arguments.rounds, arguments.round_seconds)
                print(_table(times, size, signature), flush=True)


def _table(times: Times, size: int, signature: str) -> str:
    lines = [
        f"| {size:,} candidates | p50, ms | {_OF} longer by, ms | {_OF} to it | limit |",
        "|---|---|---|---|---|",
    ]
    for side in times:
        line = f"| {side} | {p50(times, side):.3f} "
        if side != _OF:
            apart, by = difference(times, _OF, side), ratio(times, _OF, side)
            line += f"| {apart:.3f} | {by:.3f} | {_verdict(size, side, signature, apart, by)}"
        else:
            line += "| | | "
        lines.append(f"{line} |")
    return "\n".join([*lines, ""])


def _verdict(size: int, side: str, signature: str, apart: float, by: float) -> str:
    if size not in _LIMITS or side not in NETWORKS or signature != names.RAW_TENSORS:
        return ""
    limit, unit = _LIMITS[size]
    met = (apart if unit == "ms" else by) <= limit
    return f"at most {limit:g} {unit}: {'met' if met else 'MISSED'}"


if __name__ == "__main__":
    main()
