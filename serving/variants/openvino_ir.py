"""A network as OpenVINO's IR, from preprocessed features to the probability.

OpenVINO has no operations that look strings up (`LookupTableFindV2`, `RaggedTensorToTensor`), so
preprocessing stays outside: `features.preprocessing.Preprocessor`, or ids that were stored.
"""

import logging
import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pyarrow as pa
import tensorflow as tf

from features.bundle import METADATA, Bundle
from features.errors import ExportError
from features.inputs import InputSpec
from features.preprocessing import Preprocessor
from features.raw_tensors import from_arrow
from models.embeddings.embedding_inputs import tensor_spec
from serving.export_format import names
from serving.export_format.export_layout import OPENVINO_MODEL
from serving.exporting.signatures import Network, probabilities
from serving.variants.side_by_side_latency import Run, repeated_rows

SCORE_SCRIPT = "score.py"
SAMPLE_INPUTS = "sample_inputs.npz"  # what score.py reads when it is given nothing

_EXAMPLE = Path(__file__).parent / "openvino_example.py"


def require_openvino() -> ModuleType:
    """The package `openvino`.

    Raises:
        ExportError: It is not installed.
    """
    try:
        import openvino
    except ImportError:
        raise ExportError(
            "--format openvino needs the package openvino, which is not installed. Install it: "
            "pip install openvino"
        ) from None
    return openvino


def write_ir(network: Network, inputs: Sequence[InputSpec], bundle: Bundle, folder: Path) -> None:
    """Writes a version: the IR, metadata and vocabularies, and a script that scores with it.

    Args:
        network: Called as `network(features, training=False)`.
        inputs: What it reads.
        bundle: Bundle whose metadata and vocabularies are copied beside the IR.
        folder: An empty one.

    Raises:
        ExportError: OpenVINO is not installed, or has no operation for one of the network's.
    """
    openvino = require_openvino()
    model = _converted(openvino, network, inputs)
    # Weights are to stay float32; by default they are rounded to float16.
    openvino.save_model(model, str(folder / OPENVINO_MODEL), compress_to_fp16=False)
    assets = folder / "assets"  # as in a SavedModel
    assets.mkdir()
    for path in (f"{bundle.path}/{METADATA}", *_vocabularies(bundle)):
        tf.io.gfile.copy(path, str(assets / Path(path).name))
    shutil.copyfile(_EXAMPLE, folder / SCORE_SCRIPT)


class IrModel:
    """An IR in memory, computing in float32.

    OpenVINO chooses bfloat16 by itself on processors that have it, and moves scores by 4e-4.

    Args:
        version: Folder that `write_ir` filled.
    """

    def __init__(self, version: Path) -> None:
        core = require_openvino().Core()
        self._compiled = core.compile_model(
            str(version / OPENVINO_MODEL), "CPU", {"INFERENCE_PRECISION_HINT": "f32"}
        )
        self._request = self._compiled.create_infer_request()

    @property
    def inputs(self) -> list[str]:
        """Names of the input tensors: `names.tensor_names` of the features."""
        return [each.get_any_name() for each in self._compiled.inputs]

    @property
    def precision(self) -> str:
        """Type in which it computes, such as `f32`."""
        precision: str = self._compiled.get_property("INFERENCE_PRECISION_HINT").to_string()
        return precision

    def score(self, tensors: Mapping[str, np.ndarray]) -> np.ndarray:
        """Probabilities, float32 (batch,), of preprocessed features; others are ignored."""
        results = self._request.infer({name: tensors[name] for name in self.inputs})
        return results[names.PROB].copy()  # the request's own memory is used again


def ir_inputs(features: Mapping[str, tf.Tensor]) -> dict[str, np.ndarray]:
    """Preprocessed features by the names of the IR's inputs."""
    tensors = names.tensor_names(features)
    return {tensors[name]: np.asarray(value) for name, value in features.items()}


def preprocessed(bundle: Bundle, rows: pa.RecordBatch) -> dict[str, np.ndarray]:
    """Typed raw rows by the names of the IR's inputs."""
    metadata = bundle.metadata
    preprocessor = Preprocessor(metadata.features, metadata.analysis, bundle.vocabulary_dir)
    with tf.device("/CPU:0"):
        return ir_inputs(preprocessor(from_arrow(rows, metadata.features)))


def ir_runs(
    version: Path, bundle: Bundle, rows: pa.RecordBatch, sizes: Sequence[int]
) -> dict[int, Run]:
    """Calls to be timed, as `latency.saved_model_runs`, but of preprocessed rows."""
    model = IrModel(version)

    def run_of(size: int) -> Run:
        tensors = preprocessed(bundle, repeated_rows(rows, size))
        return lambda: model.score(tensors)

    return {size: run_of(size) for size in sizes}


def _vocabularies(bundle: Bundle) -> list[str]:
    return [f"{bundle.vocabulary_dir}/{name}.txt" for name in bundle.metadata.features.vocabularies]


def _converted(openvino: ModuleType, network: Network, inputs: Sequence[InputSpec]):
    tensors = names.tensor_names(spec.name for spec in inputs)
    signature = {}
    for spec in inputs:
        tensor = tensor_spec(spec)
        name = tensors[spec.name]
        signature[name] = tf.TensorSpec(tensor.shape, tensor.dtype, name=name)

    @tf.function(input_signature=[signature], autograph=False)
    def score(received: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        features = {spec.name: received[tensors[spec.name]] for spec in inputs}
        return {names.PROB: probabilities(network, features)[names.PROB]}

    from openvino.frontend.tensorflow import ConversionExtension

    extension = ConversionExtension("MatrixDiagV3", _main_diagonal)  # tf.eye
    root = logging.getLogger()
    level = root.level
    try:
        model = openvino.convert_model(score.get_concrete_function(), extension=[extension])
    except Exception as error:  # RuntimeError, and what its frontends let through
        missing = re.search(r"No conversion rule found for operations?: (.*)", str(error))
        reason = (
            f"no operations for {missing[1]}" if missing else " ".join(str(error).split())[:300]
        )
        raise ExportError(
            f"OpenVINO cannot convert this network: {reason}. Export it as --format saved_model, "
            "or a branch that it can convert with --branch."
        ) from error
    finally:
        root.setLevel(level)  # OpenVINO leaves it at ERROR, and our own warnings unheard
    for tensor in model.inputs:
        (name,) = {name.split(":")[0] for name in tensor.get_names()} & set(signature)
        tensor.get_tensor().set_names({name})
    (output,) = model.outputs
    output.get_tensor().set_names({names.PROB})
    return model


def _main_diagonal(node: Any) -> list:
    """Matrices with a vector on the diagonal: what OpenVINO has no operation for."""
    from openvino import opset15 as operations

    vector = node.get_input(0)
    last = operations.constant(-1)
    size = operations.gather(operations.shape_of(vector), last, operations.constant(0))
    eye = operations.eye(size, size, operations.constant(0), "f32")
    return [operations.multiply(operations.unsqueeze(vector, last), eye).output(0)]
