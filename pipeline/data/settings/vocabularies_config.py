"""Setting `data.vocabularies`: a new day's data with the vocabularies of an earlier bundle."""

from typing import Literal

from pydantic import ConfigDict, Field

from features.config import StrictModel


class VocabulariesConfig(StrictModel):
    """Whose ids a bundle keeps, so that a model can be trained on from the weights of that day.

    Means, deviations and quantiles of numeric features are also taken over under either mode: the
    weights know no other scale.

    Args:
        from: Folder of the earlier bundle.
        mode: `frozen` takes its vocabularies as they are, and tokens that they lack are out of
            vocabulary. `extended` appends, behind the tokens of each, those new ones that occur
            `min_count` times in the new training rows, most frequent first, as far as
            `max_tokens`, the most of old and new ones together, leaves room; old tokens never
            leave. A feature that the earlier bundle lacks is analysed as ever under `extended`,
            and refused under `frozen`.
    """

    # `from` is no name that Python allows.
    model_config = ConfigDict(serialize_by_alias=True)

    bundle: str = Field(alias="from")
    mode: Literal["frozen", "extended"]
