"""What `synthetic:image2product` plants: users, queries and items, and what makes them click.

A row is a user u, a query q and an item i, drawn independently of each other. Its logit is

    logit = bias + job(u) + sales(i) + scale * sum over groups g of <a_g(x), b_g(i)>

with x the user or the query, as group g of Table 1 has it. Every factor has mean 0 over the draws,
so an interaction has mean 0 given either of its sides: no model without crossings can see it. Each
interaction is scaled to variance 1.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pyarrow as pa

from pipeline.data.blocks.stable_hash import as_share, seeded_hash, stable_hash
from pipeline.data.sources.image2product_fields import CODES, FIELDS, GROUPS, IMAGE_SIZE, Entity

NUM: dict[Entity, int] = {"user": 3_000, "query": 2_000, "item": 1_500}
INTERACTION_SCALE = 0.8  # standard deviation of each group's part of the logit
MAIN_SCALE = 0.3  # and of each main effect
CLICK_RATE = 0.2
_RANK = 2
_CALIBRATION_ROWS = 65_536

# Entity of the left side, its factors, factors of the items.
_Interaction = tuple[Entity, np.ndarray, np.ndarray]


@dataclass(frozen=True)
class World:
    """All that is fixed by the seed.

    Args:
        seed: What everything is computed from.
        codes: Categorical field with tokens -> that of each of its entities, int64 (entities,).
        images: `query` and `item` -> vectors, float64 (entities, IMAGE_SIZE).
        taste: `user` and `item` -> hidden factors behind clicks of ids, float64 (entities, rank).
        sales: Sales of each item, > 0.
        interactions: Group -> (entity of the left side, its factors, factors of the items).
        main: Entity -> its part of the logit.
        bias: Makes the click rate `CLICK_RATE`.
    """

    seed: int
    codes: dict[str, np.ndarray]
    images: dict[Entity, np.ndarray]
    taste: dict[Entity, np.ndarray]
    sales: np.ndarray
    interactions: dict[str, _Interaction]
    main: dict[Entity, np.ndarray]
    bias: float


def draw_weights(entity: Entity) -> np.ndarray:
    """Probability of each entity to be drawn: of rank k in proportion to about 1 / sqrt(k)."""
    return np.diff(np.sqrt(np.arange(NUM[entity] + 1) / NUM[entity]))


def draw(seed: int, first: int, count: int) -> dict[Entity, np.ndarray]:
    """Entities of `count` rows from row `first` on, int64 (count,) each."""
    rows = np.arange(first, first + count)
    return {
        entity: (NUM[entity] * _shares(seed, f"{entity} draw", rows) ** 2).astype(np.int64)
        for entity in NUM
    }


def labels(seed: int, first: int, count: int) -> np.ndarray:
    """Clicks, bool (count,)."""
    rows = np.arange(first, first + count)
    return _shares(seed, "label", rows) < probabilities(seed, first, count)


def probabilities(seed: int, first: int, count: int) -> np.ndarray:
    """The planted click probability of each row, float64 (count,): no model can know more."""
    return 1.0 / (1.0 + np.exp(-logits(seed, first, count)))


def logits(
    seed: int, first: int, count: int, groups: Collection[str] = tuple(GROUPS)
) -> np.ndarray:
    """Planted logits, float64 (count,).

    Args:
        seed: Seed of the rows.
        first: First row, from 0.
        count: Number of rows.
        groups: Groups whose interactions count; without any, what no crossing is needed for.
    """
    planted = world(seed)
    return planted.bias + _unbiased(planted, draw(seed, first, count), groups)


def best_auc(seed: int, rows: int, groups: Collection[str] = tuple(GROUPS)) -> float:
    """The expected AUC of ranking these rows by their planted logits (area under the ROC curve).

    With all groups no model can be better, up to the chance of the labels: each row counts as a
    click by its probability p and as none by 1 - p, and a pair of rows is ranked rightly if the
    one that is the click is scored higher.

    Args:
        seed: Seed of the rows.
        rows: Number of rows.
        groups: As in `logits`: the best AUC of a model that sees no other interactions.
    """
    scores, probs = logits(seed, 0, rows, groups), probabilities(seed, 0, rows)
    _, tied = np.unique(scores, return_inverse=True)
    clicks = np.bincount(tied, weights=probs)
    others = np.bincount(tied, weights=1.0 - probs)
    below = np.cumsum(others) - others / 2.0
    # A row is no pair with itself.
    own = np.sum(probs * (1.0 - probs)) / 2.0
    pairs = clicks.sum() * others.sum() - 2.0 * own
    return float((np.sum(clicks * below) - own) / pairs)


@lru_cache(maxsize=4)
def world(seed: int) -> World:
    """Builds what the seed fixes; 6,500 entities take a few milliseconds."""
    with_image: tuple[Entity, ...] = ("query", "item")
    with_taste: tuple[Entity, ...] = ("user", "item")
    images = {
        entity: _normals(seed, f"{entity}_image", (NUM[entity], IMAGE_SIZE))
        for entity in with_image
    }
    taste = {
        entity: _normals(seed, f"{entity}_taste", (NUM[entity], _RANK)) for entity in with_taste
    }
    codes = _all_codes(seed, images)
    interactions = _interactions(seed, codes, images, taste)
    sales = np.exp(_normals(seed, "item_sales", (NUM["item"],)))
    of_job = _normals(seed, "user_job effect", (FIELDS["user_job"].size,))
    planted = World(
        seed,
        codes,
        images,
        taste,
        sales,
        dict(zip(GROUPS, (_standardized(*each) for each in interactions), strict=True)),
        {
            "user": MAIN_SCALE * _centred(of_job[codes["user_job"]], "user"),
            "item": MAIN_SCALE * _centred(np.log(sales), "item"),
        },
        bias=0.0,
    )
    return World(**{**vars(planted), "bias": _bias(planted)})


def _all_codes(seed: int, images: Mapping[Entity, np.ndarray]) -> dict[str, np.ndarray]:
    """The tokens of every categorical field, those of clusters and of images among them."""
    codes = {
        name: _codes(seed, name, NUM[field.entity], field.size)
        for name, field in FIELDS.items()
        if field.kind == "categorical" and field.size and "image_code" not in name
    }
    # Attributes of a cluster, not of the single query or item.
    for cluster in ("query_cluster", "doc_cluster"):
        of_cluster = _codes(seed, f"{cluster}_category", FIELDS[cluster].size, 20)
        codes[f"{cluster}_category"] = of_cluster[codes[cluster]]
    for entity, vectors in images.items():
        for place in range(7):  # bins along a random direction
            along = vectors @ _normals(seed, f"{entity} direction {place}", (IMAGE_SIZE,))
            bins = np.clip(4.0 * along / np.std(along) + 8.0, 0, CODES - 1)
            codes[f"{entity}_image_code_{place}"] = bins.astype(np.int64)
    return codes


def _interactions(
    seed: int,
    codes: Mapping[str, np.ndarray],
    images: Mapping[Entity, np.ndarray],
    taste: Mapping[Entity, np.ndarray],
) -> tuple[_Interaction, ...]:
    """What is planted in each group of Table 1, in the order of `GROUPS`, not yet standardized."""

    def crossed(left: str, right: str) -> _Interaction:
        factors = []
        for side, name in enumerate((left, right)):
            sizes = FIELDS[name].size, _RANK
            factors.append(_normals(seed, f"{left} x {right} {side}", sizes)[codes[name]])
        return FIELDS[left].entity, factors[0], factors[1]

    money = crossed("user_consumption", "item_price_level")
    age = crossed("user_age", "item_category")
    return (
        ("query", images["query"], images["item"]),
        crossed("query_image_code_0", "item_category"),
        crossed("user_style", "item_image_code_0"),
        ("user", np.hstack([money[1], age[1]]), np.hstack([money[2], age[2]])),
        ("user", taste["user"], taste["item"]),
        crossed("query_cluster", "doc_cluster"),
        crossed("query_cluster_category", "doc_cluster_category"),
    )


def _bias(planted: World) -> float:
    """By bisection, on rows of their own seed."""
    drawn = draw(planted.seed + 2**32, 0, _CALIBRATION_ROWS)
    scores = _unbiased(planted, drawn, tuple(GROUPS))
    low, high = -10.0, 10.0
    for _ in range(50):
        middle = (low + high) / 2.0
        rate = np.mean(1.0 / (1.0 + np.exp(-scores - middle)))
        low, high = (middle, high) if rate < CLICK_RATE else (low, middle)
    return (low + high) / 2.0


def _unbiased(
    planted: World, drawn: dict[Entity, np.ndarray], groups: Collection[str]
) -> np.ndarray:
    total = sum(effect[drawn[entity]] for entity, effect in planted.main.items())
    for group in groups:
        entity, left, right = planted.interactions[group]
        crossing = np.sum(left[drawn[entity]] * right[drawn["item"]], axis=1)
        total = total + INTERACTION_SCALE * crossing
    return total


def _standardized(entity: Entity, left: np.ndarray, right: np.ndarray) -> _Interaction:
    """Both factors with mean 0, their inner product with variance 1, over the draws."""
    left, right = _centred(left, entity), _centred(right, "item")
    covariances = [
        (factor.T * draw_weights(owner)) @ factor
        for owner, factor in ((entity, left), ("item", right))
    ]
    return entity, left / np.sqrt(np.sum(covariances[0] * covariances[1])), right


def _centred(values: np.ndarray, entity: Entity) -> np.ndarray:
    return values - np.average(values, axis=0, weights=draw_weights(entity))


def _codes(seed: int, name: str, count: int, size: int) -> np.ndarray:
    return (_shares(seed, name, np.arange(count)) * size).astype(np.int64)


def _normals(seed: int, name: str, shape: tuple[int, ...]) -> np.ndarray:
    """Standard normal numbers (Box and Muller)."""
    places = np.arange(int(np.prod(shape)))
    radius = np.sqrt(-2.0 * np.log1p(-_shares(seed, f"{name} radius", places)))
    return (radius * np.cos(2.0 * np.pi * _shares(seed, f"{name} angle", places))).reshape(shape)


def _shares(seed: int, stream: str, places: np.ndarray) -> np.ndarray:
    """Numbers in [0, 1), one a place, unrelated between seeds and streams."""
    salt = int(seeded_hash(stable_hash(pa.array([stream])), seed)[0])
    return as_share(seeded_hash(places, salt))
