"""Which settings a bundle was built with, whatever files they were applied to."""

import hashlib
import json

from features.specs import FeatureSet
from pipeline.data.settings.data_config import DataConfig

# Settings that do not change what a bundle holds. Of `path` what lies there does: files that were
# moved are the same data.
HOW_IT_IS_BUILT = frozenset(
    {"path", "max_rejected_share", "max_unmatched_share", "memory_gb", "runner", "runner_options"}
)


def settings_digest(features: FeatureSet, data: DataConfig) -> str:
    """SHA-256 of the features and of the settings that decide what a bundle holds."""
    content = {
        "features": features.model_dump(mode="json"),
        "data": data.model_dump(mode="json", exclude=set(HOW_IT_IS_BUILT)),
    }
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()
