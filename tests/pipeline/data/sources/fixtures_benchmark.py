"""Small files in the layouts of Criteo, Avazu and the open benchmark's data sets."""

import csv
import random
from collections.abc import Mapping, Sequence
from pathlib import Path

Row = dict[str, str]
SIZES = {"train": 160, "valid": 40, "test": 50}
CRITEO_COLUMNS = [
    *(f"I{number}" for number in range(1, 14)),
    *(f"C{number}" for number in range(1, 27)),
]
AVAZU_COLUMNS = [
    *("id", "click", "hour", "C1", "banner_pos", "site_id", "site_domain", "site_category"),
    *("app_id", "app_domain", "app_category", "device_id", "device_ip", "device_model"),
    *("device_type", "device_conn_type"),
    *(f"C{number}" for number in range(14, 22)),
]
TAOBAO_COLUMNS = [
    *("clk", "btag_his", "cate_his", "brand_his", "userid", "cms_segid", "cms_group_id"),
    *("final_gender_code", "age_level", "pvalue_level", "shopping_level", "occupation"),
    *("new_user_class_level", "adgroup_id", "cate_id", "campaign_id", "customer", "brand"),
    *("price", "pid", "btag"),
]
KUAI_COLUMNS = [
    *("timestamp", "user_id", "item_id", "is_click", "is_like", "is_follow"),
    *("pos_items", "neg_items"),
]
AMAZON_COLUMNS = ["label", "user_id", "item_id", "cate_id", "item_history", "cate_history"]
ITEMS = 12


def write_csv(path: Path, columns: Sequence[str], rows: Sequence[Mapping[str, str]]) -> None:
    """A CSV file with a header, as pandas writes it."""
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n", extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)


def write_criteo(folder: Path) -> list[Row]:
    """train.txt: no header, tabs, empty where missing."""
    rows = [criteo_row(random.Random(row)) for row in range(sum(SIZES.values()))]
    lines = ["\t".join([row["Label"], *(row[name] for name in CRITEO_COLUMNS)]) for row in rows]
    (folder / "train.txt").write_text("".join(f"{line}\n" for line in lines))
    return [{"label": row["Label"], **row} for row in rows]


def criteo_row(rng: random.Random) -> Row:
    row = {"Label": str(int(rng.random() < 0.3))}
    for name in CRITEO_COLUMNS:
        if rng.random() < 0.1:
            row[name] = ""
        elif name.startswith("I"):
            row[name] = str(rng.choice([-2, -1, 0, 1, 2, 3, 4, 7, 8, 1023, 1024, 2_000_003]))
        else:
            row[name] = f"{int(rng.expovariate(0.3)):08x}"
    return row


def write_criteo_x4(folder: Path) -> dict[str, list[Row]]:
    splits = {
        split: [criteo_row(random.Random(f"{split}{row}")) for row in range(size)]
        for split, size in SIZES.items()
    }
    for split, rows in splits.items():
        write_csv(folder / f"{split}.csv", ["Label", *CRITEO_COLUMNS], rows)
    return splits


def write_criteo_x1(folder: Path) -> dict[str, list[Row]]:
    """Scaled counts and numbered tokens, none of them missing."""
    rng = random.Random(1)
    splits = {}
    for split, size in SIZES.items():
        splits[split] = [
            {
                "label": str(int(rng.random() < 0.3)),
                **{
                    name: str(round(rng.random(), 6))
                    if name.startswith("I")
                    else str(int(rng.expovariate(0.2)))
                    for name in CRITEO_COLUMNS
                },
            }
            for _ in range(size)
        ]
        write_csv(folder / f"{split}.csv", ["label", *CRITEO_COLUMNS], splits[split])
    return splits


def avazu_row(rng: random.Random, number: int, days: Sequence[int]) -> Row:
    row = {name: f"{int(rng.expovariate(0.4)):08x}" for name in AVAZU_COLUMNS}
    hour = f"1410{rng.choice(days):02d}{rng.randrange(24):02d}"
    return {**row, "id": str(10**18 + number), "click": str(int(rng.random() < 0.3)), "hour": hour}


def write_avazu(folder: Path, first_day: int = 25, last_day: int = 31) -> list[Row]:
    """train.csv; its days hold a weekend."""
    rng = random.Random(2)
    days = range(first_day, last_day + 1)
    rows = [avazu_row(rng, number, days) for number in range(sum(SIZES.values()))]
    write_csv(folder / "train.csv", AVAZU_COLUMNS, rows)
    return rows


def write_avazu_x4(folder: Path) -> dict[str, list[Row]]:
    rng = random.Random(3)
    splits = {}
    for split, size in SIZES.items():
        splits[split] = [avazu_row(rng, number, range(21, 31)) for number in range(size)]
        write_csv(folder / f"{split}.csv", AVAZU_COLUMNS, splits[split])
    return splits


def write_avazu_x1(folder: Path) -> dict[str, list[Row]]:
    rng = random.Random(4)
    columns = ["label", *(f"feat_{number}" for number in range(1, 23))]
    splits = {}
    for split, size in SIZES.items():
        splits[split] = [
            {"label": str(int(rng.random() < 0.3))}
            | {name: str(int(rng.expovariate(0.2))) for name in columns[1:]}
            for _ in range(size)
        ]
        write_csv(folder / f"{split}.csv", columns, splits[split])
    return splits


def _without_valid(
    folder: Path, columns: Sequence[str], row_of, rng: random.Random
) -> dict[str, list[Row]]:
    splits = {split: [row_of(rng) for _ in range(3 * SIZES[split])] for split in ("train", "test")}
    for split, rows in splits.items():
        write_csv(folder / f"{split}.csv", columns, rows)
    return splits


def _list(rng: random.Random, most: int, values: int) -> str:
    return "^".join(str(rng.randrange(1, values)) for _ in range(rng.randrange(most)))


def write_amazonelectronics_x1(folder: Path) -> dict[str, list[Row]]:
    def row_of(rng: random.Random) -> Row:
        items = _list(rng, 130, ITEMS)
        categories = "^".join(str(int(item) % 4) for item in items.split("^") if item)
        item = rng.randrange(ITEMS + 3)  # the last ones stand in no history
        return {
            "label": str(rng.randrange(2)),
            "user_id": str(rng.randrange(40)),
            "item_id": str(item),
            "cate_id": str(item % 4),
            "item_history": items,
            "cate_history": categories,
        }

    return _without_valid(folder, AMAZON_COLUMNS, row_of, random.Random(5))


def write_taobaoad_x1(folder: Path) -> dict[str, list[Row]]:
    def row_of(rng: random.Random) -> Row:
        row = {name: str(int(rng.expovariate(0.3))) for name in TAOBAO_COLUMNS}
        return row | {
            "clk": str(int(rng.random() < 0.3)),
            "userid": str(rng.randrange(40)),
            "btag_his": _list(rng, 60, 5),
            "cate_his": _list(rng, 60, 30),
            "brand_his": _list(rng, 60, 90),
            "price": str(round(rng.lognormvariate(4, 1), 2)),
            "pid": rng.choice(["430548_1007", "430539_1007"]),
            "btag": "1",
        }

    return _without_valid(folder, TAOBAO_COLUMNS, row_of, random.Random(6))


def write_kuaivideo_x1(folder: Path) -> dict[str, list[Row]]:
    """Also item_visual_emb_dim64.h5: item i has the vector i, i + 1/64, ..."""
    import h5py
    import numpy as np

    def row_of(rng: random.Random) -> Row:
        return {
            "timestamp": str(761_000_000 + rng.randrange(10**6)),
            "user_id": str(rng.randrange(40)),
            "item_id": str(rng.randrange(ITEMS)),
            "is_click": str(int(rng.random() < 0.3)),
            "is_like": str(rng.randrange(2)),
            "is_follow": str(rng.randrange(2)),
            "pos_items": _list(rng, 101, ITEMS),
            "neg_items": _list(rng, 101, 3 * ITEMS),
        }

    vectors = np.arange(ITEMS)[:, None] + np.arange(64)[None] / 64
    with h5py.File(folder / "item_visual_emb_dim64.h5", "w") as file:
        file.create_dataset("key", data=list(range(ITEMS)))
        file.create_dataset("value", data=vectors)
    return _without_valid(folder, KUAI_COLUMNS, row_of, random.Random(7))
