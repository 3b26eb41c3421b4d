"""What the training benchmark compares: the models, the sides of each, and the ratios to reach."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]

SMALL, PAPER = [400, 400, 400], [2048, 1024, 512, 512, 512]
CURVE_BATCHES = (512, 1024, 2048, 4096, 8192, 16_384, 32_768, 65_536)


@dataclass(frozen=True)
class Side:
    """One thing that is timed.

    Args:
        module: File of `benchmarks.training.peers`.
        spec: What it is built from, besides what the case says.
        rows: Table rows, where they differ from the case's.
    """

    module: str
    spec: Mapping[str, Any] = field(default_factory=dict)
    rows: int | None = None


@dataclass(frozen=True)
class Goal:
    """A ratio of two sides' speeds and what it should be.

    Args:
        of: Side.
        to: Side.
        at_least: What it must reach; with `steps`, what it must not exceed.
        aim: What it should.
        steps: Whether the ratio is of step times, where less is better, instead of speeds.
    """

    of: str
    to: str
    at_least: float | None = None
    aim: float | None = None
    steps: bool = False


@dataclass(frozen=True)
class Case:
    """One workload and its sides.

    Args:
        title: Heading of its results.
        batch: Examples of a step.
        width: Dimension of an embedding.
        model: What the peers build, see `benchmarks.training.peers`.
        sides: What is compared, by name, in the order of a round.
        goals: Ratios that are printed.
        rows: Table rows.
        block_seconds: Least length of a block, where it must be longer than usual.
    """

    title: str
    batch: int
    width: int
    model: Mapping[str, Any]
    sides: Mapping[str, Side]
    goals: tuple[Goal, ...]
    rows: int = 2_000_000
    block_seconds: float = 0.0


def mixture(units: list[int]) -> Json:
    """The low-rank cross mixture beside an MLP, as the peers' sides read it."""
    return {"kind": "mixture", "units": units, "layers": 2, "experts": 2, "rank": 16}


def dcnv2_branch(cross: str, units: list[int], **options: Any) -> Json:
    """Concord's branch for `mixture` or, with cross="full", DCN-V2 with matrices."""
    plain = {"type": "dcnv2", "units": units, "dropout": 0.0, "batch_norm": False}
    return {**plain, "cross": cross, **options}


MIXTURE_OPTIONS = {"num_layers": 2, "num_experts": 2, "rank": 16}
XDEEPFM = {
    "kind": "xdeepfm",
    "units": [256, 128, 64],
    "cin_units": [128, 128],
    "split_half": True,
    "activation": "relu",
}


def network(width: int, branches: Json, **settings: Any) -> Json:
    """A `model:` section without alignment, branch logits or cooperation losses."""
    single = {"alignment": "none", "heads": "fused", "fusion": "mean", "cooperation": {}}
    return {"embedding": {"embedding_dim": width}, "branches": branches, **single, **settings}


def concord(
    model: Json,
    tables: str = "lazy_adam",
    precision: str = "float32",
    rows: int | None = None,
    **spec: Any,
) -> Side:
    """A side of Concord's."""
    train = {"tables": {"optimizer": tables}, "precision": precision}
    return Side("concord", {"network": model, "train": train, **spec}, rows)


def three_variants(model: Json) -> dict[str, Side]:
    """Lazy Adam, exact dense Adam, lazy Adam with bfloat16 matrix products."""
    return {
        "concord_lazy": concord(model),
        "concord_dense": concord(model, "adam"),
        "concord_bfloat16": concord(model, precision="bfloat16"),
    }


PEERS = {
    "deepctr": Side("deepctr"),
    "deepctr_no_l2": Side("deepctr", {"no_l2": True}),
    "fuxictr": Side("fuxictr"),
}


def against_peers(
    title: str,
    batch: int,
    width: int,
    model: Json,
    branch: Json,
    targets: Mapping[str, tuple[tuple[float, float] | None, tuple[float, float] | None]],
    naive: bool = True,
) -> Case:
    """Concord's variants against all peers.

    Args:
        title: Heading of its results.
        batch: Examples of a step.
        width: Dimension of an embedding.
        model: What the peers build.
        branch: Concord's branch.
        targets: Concord's side -> (at least, aim) to DeepCTR, and the same to FuxiCTR.
        naive: Whether `benchmarks.training.peers.naive` has the model.
    """
    sides = three_variants(network(width, {"model": branch}))
    goals = []
    for name in sides:
        deepctr, fuxictr = targets.get(name, (None, None))
        goals += [
            Goal(name, "deepctr", *(deepctr or ())),
            Goal(name, "deepctr_no_l2", *(deepctr or ())),
            Goal(name, "fuxictr", *(fuxictr or ())),
        ]
        if naive:
            goals.append(Goal(name, "naive"))
    hand = {"naive": Side("naive")} if naive else {}
    return Case(title, batch, width, model, {**sides, **PEERS, **hand}, tuple(goals))


def _mbcnet() -> Case:
    mbcnet = {"embedding": {"embedding_dim": 10}}  # the paper's sizes are the defaults
    dcnv2 = network(10, {"dcnv2": dcnv2_branch("mixture", PAPER, **MIXTURE_OPTIONS)})
    return Case(
        "MBCnet against DCNv2, the paper's sizes",
        10_000,
        10,
        {},
        {
            "mbcnet": concord(mbcnet),
            "dcnv2_paper": concord(dcnv2),
            "mbcnet_bfloat16": concord(mbcnet, precision="bfloat16"),
            "dcnv2_paper_bfloat16": concord(dcnv2, precision="bfloat16"),
        },
        (
            Goal("mbcnet", "dcnv2_paper", 1.4, 1.25, steps=True),
            Goal("mbcnet_bfloat16", "dcnv2_paper_bfloat16", 1.5, 1.3, steps=True),
        ),
    )


def _embedding_sets() -> Case:
    branch = dcnv2_branch("mixture", SMALL, **MIXTURE_OPTIONS)
    three = {"model": {**branch, "copies": 3}}
    return Case(
        "three copies of the mixture on three embedding sets, on one, and one copy",
        10_000,
        10,
        {},
        {
            "three_sets": concord(network(10, three, tables="per_branch")),
            "one_set": concord(network(10, three)),
            "one_copy": concord(network(10, {"model": branch})),
        },
        (
            Goal("three_sets", "one_set", 2.2, 1.9, steps=True),
            Goal("three_sets", "one_copy", steps=True),
        ),
    )


def _files() -> Case:
    model = network(10, {"model": dcnv2_branch("mixture", SMALL, **MIXTURE_OPTIONS)})
    sides, goals = {}, []
    for precision in ("float32", "bfloat16"):
        sides[f"files_{precision}"] = concord(model, precision=precision, files=True)
        sides[f"memory_{precision}"] = concord(model, precision=precision)
        goals.append(Goal(f"files_{precision}", f"memory_{precision}", 0.93, 0.97))
    return Case(
        # A block starts at the beginning of the files, with nothing read ahead.
        "training from a bundle's files against in memory",
        10_000,
        10,
        {},
        sides,
        tuple(goals),
        block_seconds=10.0,
    )


def _rows() -> Case:
    model = network(10, {"model": dcnv2_branch("mixture", SMALL, **MIXTURE_OPTIONS)})
    sizes = (2, 10, 50)
    sides = {f"rows_{size}m": concord(model, rows=size * 1_000_000) for size in sizes}
    goals = tuple(Goal(f"rows_{size}m", "rows_2m", 1.15, 1.0, steps=True) for size in sizes[1:])
    return Case("2 to 50 million table rows", 10_000, 10, {}, sides, goals)


def _curve(batch: int) -> Case:
    branch = dcnv2_branch("mixture", SMALL, **MIXTURE_OPTIONS)
    model = network(10, {"model": branch})
    sides = {**three_variants(model), "deepctr": PEERS["deepctr"], "fuxictr": PEERS["fuxictr"]}
    goals = tuple(Goal("concord_lazy", peer) for peer in ("deepctr", "fuxictr"))
    return Case(f"batch {batch:,}", batch, 10, mixture(SMALL), sides, goals)


_MIXTURE = (mixture(SMALL), dcnv2_branch("mixture", SMALL, **MIXTURE_OPTIONS))
_DEEP = {"type": "deep", "units": SMALL}
_XDEEPFM = {
    "type": "xdeepfm",
    "units": XDEEPFM["units"],
    "cin_units": XDEEPFM["cin_units"],
    "cin_split_half": True,
    "cin_activation": "relu",
    "dropout": 0.0,
}

CASES: dict[str, Case] = {
    "dnn": against_peers("DNN 3x400", 10_000, 10, {"kind": "dnn", "units": SMALL}, _DEEP, {}),
    "mixture": against_peers(
        "mixture",
        10_000,
        10,
        *_MIXTURE,
        {
            "concord_lazy": ((2.0, 2.5), (1.6, 2.0)),
            "concord_dense": ((1.7, 2.0), (1.4, 1.7)),
            "concord_bfloat16": ((3.0, 3.8), (2.4, 3.0)),
        },
    ),
    "mixture_4096": against_peers(
        "mixture", 4096, 16, *_MIXTURE, {"concord_lazy": ((3.2, 4.0), (2.7, 3.4))}
    ),
    "dcnv2": against_peers(
        "DCNv2, full rank, 3 layers, DNN 3x400",
        10_000,
        10,
        {"kind": "dcnv2", "units": SMALL, "layers": 3},
        dcnv2_branch("full", SMALL, num_layers=3),
        {},
    ),
    "paper": against_peers(
        "mixture beside MBCnet's deep branch",
        10_000,
        10,
        mixture(PAPER),
        dcnv2_branch("mixture", PAPER, **MIXTURE_OPTIONS),
        {"concord_bfloat16": ((3.0, 4.5), (3.0, 4.5))},
    ),
    "xdeepfm": against_peers(
        "xDeepFM with DeepCTR's defaults (FuxiCTR's CIN passes on all maps, linearly)",
        4096,
        10,
        XDEEPFM,
        _XDEEPFM,
        {
            "concord_lazy": ((2.0, 4.0), None),
            "concord_dense": ((2.0, 4.0), None),
            "concord_bfloat16": ((2.0, 4.0), None),
        },
        naive=False,
    ),
    "mbcnet": _mbcnet(),
    "embedding_sets": _embedding_sets(),
    "files": _files(),
    "rows": _rows(),
    **{f"batch_curve/{batch}": _curve(batch) for batch in CURVE_BATCHES},
}


def cases_named(names: list[str]) -> dict[str, Case]:
    """The cases of these names, `batch_curve` for all of its points; all cases for none.

    Raises:
        ValueError: There is no such case.
    """
    for name in names:
        if name not in {each.split("/")[0] for each in CASES} | set(CASES):
            raise ValueError(
                f"No case is named {name!r}. There are: {', '.join(CASES)}; batch_curve for all of "
                "its points."
            )
    return {
        name: case
        for name, case in CASES.items()
        if not names or name in names or name.split("/")[0] in names
    }
