"""The 192 fields of `synthetic:image2product`, and the seven groups of MBCnet's Table 1.

Table 1 names kinds of fields; their number, 192, is the paper's, and how many there are of each
kind is chosen here.

Reference: Chen et al., MBCnet, arXiv:2411.13057v2, Table 1 and section 4.1.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

Entity = Literal["user", "query", "item"]
IMAGE_SIZE = 4  # length of an image's vector
HISTORY_LENGTH = 10
CODES = 16  # values of an image code


@dataclass(frozen=True)
class Field:
    """One input column: a property of the row's user, query or item.

    Args:
        name: Name of the column and of the feature.
        entity: Whose property it is.
        kind: As in a feature spec.
        size: Number of distinct tokens, for a categorical field.
        planted: Whether the label depends on it.
    """

    name: str
    entity: Entity
    kind: Literal["categorical", "numeric", "embedding", "sequence"] = "categorical"
    size: int = 0
    planted: bool = False


def _image(entity: Entity) -> list[Field]:
    codes = [
        Field(f"{entity}_image_code_{n}", entity, size=CODES, planted=n == 0) for n in range(7)
    ]
    return [Field(f"{entity}_image", entity, "embedding", planted=True), *codes]


def _fillers(name: str, entity: Entity, count: int) -> list[Field]:
    """Fields without influence: every fifth a number, the others of 2 to 1,000 tokens."""
    sizes = (2, 10, 100, 1_000)
    return [
        Field(f"{name}_{n:02d}", entity, "numeric")
        if n % 5 == 4
        else Field(f"{name}_{n:02d}", entity, size=sizes[n % 5])
        for n in range(count)
    ]


QUERY_IMAGE = _image("query")
ITEM_IMAGE = _image("item")
USER_PROFILE = [
    Field("user_id", "user", planted=True),
    Field("user_style", "user", size=16, planted=True),
    Field("user_age", "user", size=8, planted=True),
    Field("user_consumption", "user", size=8, planted=True),
    Field("user_job", "user", size=20, planted=True),
    Field("user_gender", "user", size=3),
    Field("user_city", "user", size=100),
    Field("user_clicked_items", "user", "sequence", planted=True),
    Field("user_clicked_categories", "user", "sequence", planted=True),
    *_fillers("user_attribute", "user", 55),
]
ITEM_ATTRIBUTES = [
    Field("item_id", "item", planted=True),
    Field("item_category", "item", size=40, planted=True),
    Field("item_price_level", "item", size=8, planted=True),
    Field("item_sales", "item", "numeric", planted=True),
    Field("item_price", "item", "numeric"),
    Field("item_brand", "item", size=200),
    Field("item_location", "item", size=50),
    *_fillers("item_attribute", "item", 57),
]
CLUSTERS = [
    Field("query_cluster", "query", size=30, planted=True),
    Field("doc_cluster", "item", size=30, planted=True),
]
QUERY_CLUSTER_ATTRIBUTES = [
    Field("query_cluster_category", "query", size=20, planted=True),
    *_fillers("query_cluster_attribute", "query", 22),
]
DOC_CLUSTER_ATTRIBUTES = [
    Field("doc_cluster_category", "item", size=20, planted=True),
    *_fillers("doc_cluster_attribute", "item", 22),
]
FIELDS: dict[str, Field] = {
    field.name: field
    for field in (
        *QUERY_IMAGE,
        *ITEM_IMAGE,
        *USER_PROFILE,
        *ITEM_ATTRIBUTES,
        *CLUSTERS,
        *QUERY_CLUSTER_ATTRIBUTES,
        *DOC_CLUSTER_ATTRIBUTES,
    )
}


def _names(*parts: list[Field]) -> tuple[str, ...]:
    return tuple(field.name for part in parts for field in part)


# In the order of Table 1.
GROUPS: dict[str, tuple[str, ...]] = {
    "query_image_x_item_image": _names(QUERY_IMAGE, ITEM_IMAGE),
    "query_image_x_item_attributes": _names(QUERY_IMAGE, ITEM_ATTRIBUTES),
    "user_profile_x_item_image": _names(USER_PROFILE, ITEM_IMAGE),
    "user_profile_x_item_attributes": _names(USER_PROFILE, ITEM_ATTRIBUTES),
    "user_id_x_item_id": ("user_id", "item_id"),
    "query_cluster_x_doc_cluster": _names(CLUSTERS),
    "query_cluster_attributes_x_doc_cluster_attributes": _names(
        QUERY_CLUSTER_ATTRIBUTES, DOC_CLUSTER_ATTRIBUTES
    ),
}
LABEL = "click"


def feature_settings(field: Field) -> dict[str, Any]:
    """The feature spec of a field, as a configuration writes it."""
    if field.kind == "embedding":
        return {"kind": "embedding", "dimension": IMAGE_SIZE, "separator": " "}
    if field.kind == "sequence":
        of = "item_id" if field.name == "user_clicked_items" else "item_category"
        separated = {"separator": " ", "max_length": HISTORY_LENGTH}
        return {"kind": "sequence", **separated, "vocabulary": of}
    return {"kind": field.kind}


def feature_set(planted_only: bool = False) -> Mapping[str, Any]:
    """`features` and `groups` of a configuration.

    Args:
        planted_only: Leave out the fields that the label does not depend on. The rows, their
            labels and the best possible AUC stay the same.
    """
    chosen = {name: each for name, each in FIELDS.items() if each.planted or not planted_only}
    features: dict[str, Any] = {
        LABEL: {"role": "label"},
        "user": {"role": "group_key", "column": "user_id"},
    }
    features |= {name: feature_settings(field) for name, field in chosen.items()}
    groups = {
        group: [name for name in members if name in chosen] for group, members in GROUPS.items()
    }
    return {"features": features, "groups": groups}
