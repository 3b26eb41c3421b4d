"""A server for the benchmarks: prints its ports, and ends when standard input does."""

import features  # noqa: F401  # isort: skip  (Keras 2, before TensorFlow is imported)

import json
import os
import sys
from pathlib import Path

from benchmarks.training.peer_process import die_with_parent
from serving.server.core.background import set_aside_what_is_there
from serving.server.options import ServerOptions
from serving.server.run import Server


def main(path: str, name: str, *settings: str) -> None:
    die_with_parent()
    pairs = dict(each.split("=", 1) for each in settings)
    options = {key: json.loads(value) for key, value in pairs.items()}
    set_aside_what_is_there()  # as `serve` does
    with Server(
        ServerOptions(Path(path), name=name, grpc_port=0, rest_port=0, **options)
    ) as server:
        ports = {"grpc": server.grpc_port, "rest": server.rest_port, "pid": os.getpid()}
        print(json.dumps(ports), flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main(*sys.argv[1:])
