"""FuxiCTR's side of the training benchmark: its BaseModel's own training loop, on PyTorch.

FuxiCTR's package holds layers, base class and loop, but not the models of its model zoo, which
its users copy: they are put together here from its layers, as the zoo does (reczoo/FuxiCTR).
"""

import itertools
import tempfile
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

import numpy as np
import torch
from fuxictr.features import FeatureMap
from fuxictr.pytorch.layers import (
    CompressedInteractionNet,
    CrossNetMix,
    CrossNetV2,
    FeatureEmbedding,
    LogisticRegression,
    MLP_Block,
)
from fuxictr.pytorch.models import BaseModel
from fuxictr.pytorch.torch_utils import seed_everything
from torch import nn

from benchmarks.training.peer_process import serve
from benchmarks.training.workload import read_batches


class _Model(BaseModel):
    """An MLP and what crosses fields beside it; see the zoo's DNN, DCNv2 and xDeepFM."""

    def __init__(self, feature_map: FeatureMap, width: int, model: Mapping[str, Any]):
        super().__init__(
            feature_map,
            verbose=0,
            model_root=tempfile.gettempdir(),
            metrics=["AUC"],
        )
        kind, units = model["kind"], list(model["units"])
        total = feature_map.sum_emb_out_dim()
        self.embedding_layer = FeatureEmbedding(feature_map, width)
        self.cross = self.cin = self.lr_layer = self.fc = None
        if kind == "xdeepfm":
            self.lr_layer = LogisticRegression(feature_map, use_bias=False)
            self.cin = CompressedInteractionNet(feature_map.num_fields, list(model["cin_units"]))
        elif kind == "mixture":
            self.cross = CrossNetMix(total, model["layers"], model["rank"], model["experts"])
        elif kind == "dcnv2":
            self.cross = CrossNetV2(total, model["layers"])
        if self.cross is not None:
            self.fc = nn.Linear(total + units[-1], 1)
        self.dnn = MLP_Block(
            input_dim=total, hidden_units=units, output_dim=1 if self.cross is None else None
        )
        self.compile("adam", "binary_crossentropy", 1e-3)
        self.reset_parameters()
        self.model_to_device()

    def forward(self, inputs: Any) -> dict[str, torch.Tensor]:
        x = self.get_inputs(inputs)
        embedded = self.embedding_layer(x)
        flat = embedded.flatten(start_dim=1)
        deep = self.dnn(flat)
        if self.cin is not None:
            logit = self.lr_layer(x) + self.cin(embedded) + deep
        elif self.cross is not None:
            logit = self.fc(torch.cat([self.cross(flat), deep], dim=-1))
        else:
            logit = deep
        return {"y_pred": self.output_activation(logit)}


class FuxiCTRTrainer:
    """A model with FuxiCTR's defaults, but for the sizes.

    Args:
        spec: `data`, `batch`, `width` and `model`.
    """

    def __init__(self, spec: Mapping[str, Any]):
        sizes, ids, labels = read_batches(spec["data"], spec["batch"])
        seed_everything(0)
        self._model = _Model(_feature_map(ids, sizes, spec["width"]), spec["width"], spec["model"])
        batches = [
            {
                **{name: torch.from_numpy(each[i].astype(np.int64)) for name, each in ids.items()},
                "label": torch.from_numpy(labels[i]),
            }
            for i in range(len(labels))
        ]
        self._batches = itertools.cycle(batches)
        # What `fit` sets before it calls `train_epoch`.
        self._model._max_gradient_norm = 10.0  # noqa: SLF001
        self._model._stop_training = False  # noqa: SLF001
        self._model._total_steps = 0  # noqa: SLF001
        self._model._eval_steps = 1 << 62  # noqa: SLF001
        self.settings = {
            "fuxictr": version("fuxictr"),
            "torch": torch.__version__,
            "threads": torch.get_num_threads(),
            "call": f"{spec['model']}, Adam(1e-3), BaseModel.train_epoch, clipping at norm 10",
            "weights": sum(each.numel() for each in self._model.parameters()),
        }

    def train(self, steps: int) -> None:
        self._model.train_epoch(itertools.islice(self._batches, steps))


def _feature_map(ids: Mapping[str, np.ndarray], sizes: np.ndarray, width: int) -> FeatureMap:
    feature_map = FeatureMap("made_up", tempfile.gettempdir())
    for name, size in zip(ids, sizes, strict=True):
        feature_map.features[name] = {
            "source": "",
            "type": "categorical",
            "vocab_size": int(size),
            "padding_idx": 0,
        }
    feature_map.labels = ["label"]
    feature_map.default_emb_dim = width
    feature_map.total_features = int(sizes.sum())
    feature_map.num_fields = feature_map.get_num_fields()
    feature_map.set_column_index()
    return feature_map


if __name__ == "__main__":
    serve(FuxiCTRTrainer)
