"""What alignments have in common: what they are handed, what they hand back."""

from collections.abc import Sequence

import tensorflow as tf
import tf_keras


class Alignment(tf_keras.layers.Layer):
    """Brings the branches' representations into one space.

    A subclass defines `call`, and `alone` where it treats every branch by itself.

    Call arguments:
        representations: A list of n float tensors (batch, d_i).
        names: The branches' names, for the message of an error.

    Returns:
        (batch, n, d).

    Attributes:
        widths: Once built, the units of each branch where d is not the width of all of them: the
            narrower ones end in zeros. None, the default, where d is.
    """

    widths: tuple[int, ...] | None = None

    def call(self, representations: Sequence[tf.Tensor], names: Sequence[str] = ()) -> tf.Tensor:
        raise NotImplementedError

    def alone(self, position: int) -> tf_keras.layers.Layer | None:
        """The layer (batch, d_i) -> (batch, d) that aligns one branch without the others.

        Args:
            position: Position of the branch among the representations.

        Returns:
            A layer with the weights of this one, which must be built; None, the default, where
            the alignment of a branch depends on the other branches.
        """
        return None


def check_one_width(layer: str, representations: Sequence[tf.Tensor], names: Sequence[str]) -> None:
    """Refuses representations of different widths.

    Raises:
        ValueError: Says which branch has which width, and how to make them equal.
    """
    widths = [representation.shape[-1] for representation in representations]
    if len(set(widths)) > 1:
        known = names or [f"branch {i}" for i in range(len(widths))]
        received = ", ".join(f"{name} {width}" for name, width in zip(known, widths, strict=True))
        raise ValueError(
            f"{layer}: all branches must deliver the same width. Received: {received}. Set the "
            "branches' output units (`output_units`, or the last of `units`) to one width, "
            "align them by an MLP per branch, or put them side by side: fusion concat, or "
            "confidence with combine: concat."
        )
