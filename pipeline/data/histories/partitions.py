"""How many partitions histories are built in: as many as keep one of them small."""

from pipeline.data.job.open_inputs import Inputs
from pipeline.data.sources.base import COMPRESSED

_BYTES = 48 << 20  # of text in a partition
_FEWEST, _MOST = 64, 65_536
_COMPRESSION = 4  # gzip and its like make logs about that much smaller
_BYTES_PER_VALUE = 8  # of rows that are computed


def partitions_of(inputs: Inputs) -> int:
    """A number that depends on the data alone: bundles of the same data are equal.

    Args:
        inputs: Files of log and event logs, whose rows meet in partitions.
    """
    if inputs.generated is not None:
        rows = sum(part.rows for part in inputs.generated.parts())
        size = rows * len(inputs.columns["log"]) * _BYTES_PER_VALUE
    else:
        files = [*inputs.log, *(file for files in inputs.events.values() for file in files)]
        size = sum(
            (file.size or 0) * (_COMPRESSION if file.path.endswith(COMPRESSED) else 1)
            for file in files
        )
    return min(max(-(-size // _BYTES), _FEWEST), _MOST)
