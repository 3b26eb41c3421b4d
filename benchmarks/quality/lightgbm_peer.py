"""Untuned LightGBM on columns that `by_default` wrote; runs in an environment of its own."""

import json
import sys

import lightgbm
import numpy as np


def main() -> None:
    columns = np.load(sys.argv[1])
    names = [key.removeprefix("train/") for key in columns if key.startswith("train/")]
    names.remove("label")
    train, test = (
        np.stack([columns[f"{split}/{name}"].astype(float) for name in names], axis=1)
        for split in ("train", "test")
    )
    tokens = [place for place, name in enumerate(names) if name.startswith("categorical/")]
    model = lightgbm.LGBMClassifier(verbose=-1)
    model.fit(train, columns["train/label"], categorical_feature=tokens)
    probs, labels = model.predict_proba(test)[:, 1].clip(1e-9, 1 - 1e-9), columns["test/label"]
    losses = labels * np.log(probs) + (1 - labels) * np.log1p(-probs)
    scores = {"logloss": -float(losses.mean()), "calibration": float(probs.sum() / labels.sum())}
    print(json.dumps({"auc": auc(labels, probs), **scores}))


def auc(labels: np.ndarray, scores: np.ndarray) -> float:
    """The AUC, pairs of equal scores counted half."""
    _, ranks = np.unique(scores, return_inverse=True)
    clicks = np.bincount(ranks, labels)
    others = np.bincount(ranks) - clicks
    below = np.cumsum(others) - others / 2
    return float((clicks * below).sum() / (clicks.sum() * others.sum()))


if __name__ == "__main__":
    main()
