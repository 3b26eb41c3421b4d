"""Vectors of a vocabulary's tokens, from a file into a network that never trains them."""

import logging
import os

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from features.bundle import Bundle
from features.errors import ConfigError
from models.network import CooperativeNetwork
from pipeline.config.run_config import RunConfig
from pipeline.data.reading.vector_files import read_vectors

log = logging.getLogger(__name__)


def fill_given_vectors(network: CooperativeNetwork, config: RunConfig, bundle: Bundle) -> None:
    """Writes the vectors of `model.embedding.given` to the ids that their keys have in a bundle.

    Padding, what is out of vocabulary and tokens without a vector have zeros. Of several vectors
    with one key the last counts.

    Raises:
        ConfigError: A file is missing or damaged, has vectors of another length, or none for any
            token of the vocabulary.
    """
    for vocabulary, given in config.model.embedding.given.items():
        path = os.path.join(config.data.path or "", given.path)
        where = f"model.embedding.given.{vocabulary}"
        tokens = pa.array(bundle.tokens(vocabulary), pa.string())
        variable = network.embeddings.given[vocabulary]
        matrix = np.zeros(variable.shape, np.float32)
        first = len(matrix) - len(tokens)  # behind padding and what is out of vocabulary
        found = np.zeros(len(tokens), bool)
        try:
            with open(path, "rb") as stream:
                for _, keys, vectors in read_vectors(path, stream):
                    if vectors.type.list_size != given.dimension:
                        raise ConfigError(
                            f"{where}: {path} has vectors of {vectors.type.list_size} numbers, and "
                            f"`dimension` says {given.dimension}. Set it to the former."
                        )
                    places = pc.index_in(keys, tokens)
                    known = pc.is_valid(places).to_numpy(zero_copy_only=False)
                    ids = places.drop_null().to_numpy()
                    flat = vectors.flatten().to_numpy().reshape(-1, given.dimension)
                    matrix[first + ids] = flat[known]
                    found[ids] = True
        except ConfigError:
            raise
        except (OSError, EOFError, ValueError) as error:
            raise ConfigError(
                f"{where}: {path} cannot be read: {error}. Give a file of keys and vectors; a "
                "path is relative to data.path."
            ) from error
        if not found.any():
            raise ConfigError(
                f"{where}: {path} has a vector for none of the {len(tokens):,} tokens of the "
                "vocabulary. Check that its keys are what the data call them."
            )
        variable.assign(matrix)
        log.info("given     %s: vectors of %.1f %% of the tokens", vocabulary, 100 * found.mean())
