"""What serving must know of how text was read: texts that mean "missing", delimiter, encoding."""

from features.specs import FeatureSet
from features.text_format import TextFormat
from pipeline.data.blocks.carried_columns import event_log_of
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
        if table in files:
            for column in columns:
                texts_of.setdefault(column, _null_texts(files[table]))
    specs = {}
    for name, spec in features.features.items():
        events = event_log_of(spec, features)
        texts = texts_of.get(spec.column, ())
        if events is not None:
            texts = _null_texts(inputs.source.events[events].file)
        specs[name] = spec
        if texts and not spec.null_values:
            specs[name] = spec.model_copy(update={"null_values": texts})
    return features.model_copy(update={"features": specs})


def _null_texts(file: File | RowParts | None) -> tuple[str, ...]:
    """Texts, beside the empty one, that mean "missing" in a file."""
    return tuple(filter(None, file.null_values)) if isinstance(file, TextFile) else ()


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
