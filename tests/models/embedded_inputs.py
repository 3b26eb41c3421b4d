"""Made-up `Embedded` batches for the tests of branches."""

from collections.abc import Mapping

import numpy as np

from models.embeddings.embedded import Embedded, History


def random_embedded(
    rng: np.random.Generator,
    batch: int,
    fields: int = 4,
    width: int = 3,
    histories: Mapping[str, tuple[int, int, int]] | None = None,
    extra: int = 0,
) -> Embedded:
    """NumPy float32 arrays as the embedding bank would hand them over.

    Histories are padded on the right with zeros: the first example has every step, the second
    (sixth, ...) none, the others anything between. The last tokens are the means of the
    sequences, the targets are the first tokens.

    Args:
        fields: Number of tokens, those of the sequences included.
        histories: Name -> (length, number of aligned sequences, of those with a target).
            None is one history: {"clicks": (5, 2, 1)}.
        extra: Number of further embedding sets: other numbers, the same masks.
    """
    histories = {"clicks": (5, 2, 1)} if histories is None else dict(histories)
    sequences = sum(aligned for _, aligned, _ in histories.values())
    most_targets = max((targets for _, _, targets in histories.values()), default=0)
    if fields - sequences < most_targets:
        raise ValueError(
            f"fields={fields} leaves {fields - sequences} tokens beside {sequences} sequences, "
            f"too few for {most_targets} targets."
        )
    masks = {name: _right_padded(rng, batch, length) for name, (length, _, _) in histories.items()}

    def embedding_set(extra_sets: tuple[Embedded, ...] = ()) -> Embedded:
        tokens = _normal(rng, batch, fields - sequences, width)
        non_sequence, means, views = tokens, [], {}
        for name, (length, aligned, targets) in histories.items():
            mask = masks[name]
            steps = _normal(rng, batch, length, aligned * width) * mask[:, :, np.newaxis]
            mean = steps.sum(axis=1) / np.maximum(mask.sum(axis=1, keepdims=True), 1)
            means.append(mean.reshape(batch, aligned, width).astype("float32"))
            target = tokens[:, :targets].reshape(batch, targets * width)
            views[name] = History(steps.astype("float32"), mask, target)
        tokens = np.concatenate([tokens, *means], axis=1)
        return Embedded(tokens, non_sequence, views, _normal(rng, batch, fields), extra_sets)

    return embedding_set(tuple(embedding_set() for _ in range(extra)))


def _normal(rng: np.random.Generator, *shape: int) -> np.ndarray:
    return rng.normal(size=shape).astype("float32")


def _right_padded(rng: np.random.Generator, batch: int, length: int) -> np.ndarray:
    lengths = rng.integers(0, length + 1, batch)
    lengths[::4] = length
    lengths[1::4] = 0
    return np.arange(length) < lengths[:, np.newaxis]
