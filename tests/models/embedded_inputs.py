"""Made-up `Embedded` batches for the tests of branches."""

from collections.abc import Mapping

import numpy as np

from models.embeddings.embedded import Embedded, History


def random_embedded(
    rng: np.random.Generator,
    batch: int,
    fields: int = 4,
    embedding_dim: int = 3,
    histories: Mapping[str, tuple[int, int, int]] | None = None,
    extra: int = 0,
) -> Embedded:
    """NumPy float32 arrays as the embedding bank would hand them over.

    Histories are padded on the right with zeros: the first example has every step, the second
    (sixth, ...) none, the others anything between. The last fields are the means of the
    sequences, the targets are the first field embeddings.

    Args:
        rng: Where the numbers come from.
        batch: Number of examples.
        fields: Number of fields, the sequences included.
        embedding_dim: Length of a field embedding.
        histories: Name -> (length, number of aligned sequences, of those with a target).
            None is one history: {"clicks": (5, 2, 1)}.
        extra: Number of further embedding sets: other numbers, the same masks.
    """
    histories = {"clicks": (5, 2, 1)} if histories is None else dict(histories)
    sequences = sum(aligned for _, aligned, _ in histories.values())
    most_targets = max((targets for _, _, targets in histories.values()), default=0)
    if fields - sequences < most_targets:
        raise ValueError(
            f"fields={fields} leaves {fields - sequences} fields beside {sequences} sequences, "
            f"too few for {most_targets} targets."
        )
    masks = {name: _right_padded(rng, batch, length) for name, (length, _, _) in histories.items()}

    def embedding_set(extra_sets: tuple[Embedded, ...] = ()) -> Embedded:
        non_sequence = _normal(rng, batch, fields - sequences, embedding_dim)
        means, views = [], {}
        for name, (length, aligned, targets) in histories.items():
            mask = masks[name]
            steps = _normal(rng, batch, length, aligned * embedding_dim) * mask[:, :, np.newaxis]
            mean = steps.sum(axis=1) / np.maximum(mask.sum(axis=1, keepdims=True), 1)
            means.append(mean.reshape(batch, aligned, embedding_dim).astype("float32"))
            target = non_sequence[:, :targets].reshape(batch, targets * embedding_dim)
            views[name] = History(steps.astype("float32"), mask, target)
        all_fields = np.concatenate([non_sequence, *means], axis=1)
        return Embedded(all_fields, non_sequence, views, _normal(rng, batch, fields), extra_sets)

    return embedding_set(tuple(embedding_set() for _ in range(extra)))


def _normal(rng: np.random.Generator, *shape: int) -> np.ndarray:
    return rng.normal(size=shape).astype("float32")


def _right_padded(rng: np.random.Generator, batch: int, length: int) -> np.ndarray:
    lengths = rng.integers(0, length + 1, batch)
    lengths[::4] = length
    lengths[1::4] = 0
    return np.arange(length) < lengths[:, np.newaxis]
