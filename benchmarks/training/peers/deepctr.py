"""DeepCTR's side of the training benchmark: `model.compile("adam")`, `model.fit`."""

import features  # noqa: F401  # isort: skip  (Keras 2, before TensorFlow is imported)

from collections.abc import Mapping
from typing import Any

import deepctr
import numpy as np
import tensorflow as tf
from deepctr.feature_column import SparseFeat
from deepctr.models import DCN, DCNMix, xDeepFM

from benchmarks.training.peer_process import serve
from benchmarks.training.workload import batches, read_batches


class DeepCTRTrainer:
    """A model of DeepCTR with the constructor's defaults, but for the sizes.

    Args:
        spec: `data`, `batch`, `width` and `model`; with `no_l2`, without its L2 over whole tables
            and cross weights, which no other side has.
    """

    def __init__(self, spec: Mapping[str, Any]):
        sizes, ids, labels = read_batches(spec["data"], spec["batch"])
        tf.random.set_seed(0)
        columns = [
            SparseFeat(name, int(size), embedding_dim=spec["width"])
            for name, size in zip(ids, sizes, strict=True)
        ]
        options: dict[str, Any] = {}
        if spec.get("no_l2"):
            cross = "l2_reg_cin" if spec["model"]["kind"] == "xdeepfm" else "l2_reg_cross"
            options = {"l2_reg_linear": 0, "l2_reg_embedding": 0, cross: 0}
        self._model, call = _model(spec["model"], columns, options)
        self._model.compile("adam", "binary_crossentropy")
        # The same batches, cut beforehand, as for Concord: cheaper than arrays are for `fit`.
        self._dataset = batches(ids, labels)
        self.settings = {
            "deepctr": deepctr.__version__,
            "tensorflow": tf.__version__,
            "call": f"{call}, compile('adam'), fit",
            "weights": int(sum(np.prod(each.shape) for each in self._model.trainable_weights)),
        }

    def train(self, steps: int) -> None:
        self._model.fit(self._dataset, steps_per_epoch=steps, epochs=1, verbose=0)


def _model(
    model: Mapping[str, Any], columns: list[SparseFeat], options: Mapping[str, Any]
) -> tuple[Any, str]:
    """The model and the words for how it was called."""
    kind, units = model["kind"], tuple(model["units"])
    settings = {"dnn_hidden_units": units, **options}
    if kind == "dnn":  # DeepCTR has no plain MLP; DCN without cross layers is one
        settings["cross_num"], function = 0, DCN
    elif kind == "mixture":
        settings |= {"cross_num": model["layers"], "low_rank": model["rank"]}
        settings["num_experts"], function = model["experts"], DCNMix
    elif kind == "dcnv2":
        settings |= {"cross_num": model["layers"], "cross_parameterization": "matrix"}
        function = DCN
    elif kind == "xdeepfm":
        settings |= {"cin_layer_size": tuple(model["cin_units"])}
        settings |= {"cin_split_half": model["split_half"], "cin_activation": model["activation"]}
        function = xDeepFM
    else:
        raise ValueError(f"DeepCTR's side has no model of kind {kind!r}.")
    words = ", ".join(f"{key}={value}" for key, value in settings.items())
    # All of DeepCTR's models have a linear part; its examples give it the same columns.
    return function(columns, columns, **settings), f"{function.__name__}({words})"


if __name__ == "__main__":
    serve(DeepCTRTrainer)
