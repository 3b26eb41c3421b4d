"""What serving must know of how text was read: texts that mean "missing", delimiter, encoding."""

from features.specs import FeatureSet
from features.text_format import TextFormat
from pipeline.data.job.open_inputs import Inputs
from pipeline.data.sources.base import File, TextFile
from pipeline.data.sources.parts import RowParts


def with_null_values(features: FeatureSet, inputs: Inputs) -> FeatureSet:
    """The features, each with the texts that mean "missing" in its column.

    Args:
        features: What the columns mean; null values that a feature names itself are kept.
        inputs: Tell which table each column is read from, and how.
    """
    files: dict[str, File | RowParts] = {"log": inputs.source.log}
    files |= {side.name: side.file for side in inputs.source.side_tables}
    texts_of: dict[str, tuple[str, ...]] = {}
    for table, columns in inputs.columns.items():
        file = files.get(table)
        if isinstance(file, TextFile):
            texts = tuple(text for text in file.null_values if text)
            for column in columns:
                texts_of.setdefault(column, texts)
    specs = {
        name: spec
        if spec.null_values or not texts_of.get(spec.column)
        else spec.model_copy(update={"null_values": texts_of[spec.column]})
        for name, spec in features.features.items()
    }
    return features.model_copy(update={"features": specs})


def text_format_of(inputs: Inputs) -> TextFormat | None:
    """How the log was read; None where it is no delimited text."""
    log = inputs.source.log
    if not isinstance(log, TextFile):
        return None
    return TextFormat(
        delimiter=log.delimiter,
        quoting=log.quoting,
        encoding=log.encoding,
        columns=None if inputs.explode else log.columns,  # a row is no line then
    )
