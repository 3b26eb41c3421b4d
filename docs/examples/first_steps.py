"""From raw ratings to a server's answers: trains MBCnet on MovieLens-100K, looks inside, serves.

    PYTHONPATH=. .venv/bin/python docs/examples/first_steps.py [KEY=VALUE ...]

Settings are those of the configuration, such as train.epochs=2. What it writes lies in `bundles`
and `runs` of the folder where it is started; the second time, what is done is reused.
"""

import json
import sys
from pathlib import Path

import numpy as np

from features.bundle import open_bundle
from pipeline.batches.dataset import examples
from pipeline.config.config_files import load_config
from pipeline.runs.run_dir import RunDir
from pipeline.stages.main_job import run_main_job
from pipeline.training.train import load_network
from serving.client.client import Client
from serving.export_format.export_layout import SAMPLE_ROWS, version_folders
from serving.server.options import ServerOptions
from serving.server.run import Server

CONFIG = Path(__file__).parents[2] / "configs/movielens_100k/mbcnet.yaml"
BUNDLE, RUN = "bundles/first_steps", RunDir(Path("runs/first_steps"))


def train_and_export(settings: list[str]) -> None:
    """Everything that `python -m pipeline run` does: raw files to a verified SavedModel."""
    run_main_job(load_config(CONFIG, settings), RUN, BUNDLE)


def look_inside() -> None:
    """The trained network is a tf_keras model: here, how far its branches are from each other."""
    bundle = open_bundle(BUNDLE)
    network = load_network(RUN.config(), bundle, RUN)
    logits = network.predict(examples(bundle, "test", 512), verbose=0)["branch_logits"]
    probs = 1.0 / (1.0 + np.exp(-logits))  # (rows, branches)
    metrics = json.loads(RUN.metrics_file.read_text())["evaluation"]["test"]["metrics"]
    print(f"fused      AUC {metrics['fused']['auc']:.4f}")
    for i, branch in enumerate(network.branch_names):
        distance = np.abs(probs[:, [i]] - probs).mean()
        print(f"{branch:<10} AUC {metrics[branch]['auc']:.4f}, {distance:.4f} from the others")


def serve() -> None:
    """The local server over gRPC, asked by a client that needs no TensorFlow."""
    latest = version_folders(RUN.export)[0]
    rows = [json.loads(line) for line in (latest / SAMPLE_ROWS).read_text("utf-8").splitlines()]
    with (
        Server(ServerOptions(RUN.path, name="mbcnet", grpc_port=0, rest_port=0)) as server,
        Client(f"127.0.0.1:{server.grpc_port}", "mbcnet") as client,
    ):
        for row, prob in zip(rows, client.score(rows), strict=True):
            print(f"user {row['user_id']:>4}, movie {row['item_id']:>4}: {prob:.4f}")


if __name__ == "__main__":
    train_and_export(sys.argv[1:])
    look_inside()
    serve()
