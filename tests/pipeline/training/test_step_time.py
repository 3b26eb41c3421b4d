"""Where a step's time goes: a trace built by hand, shares counted by hand."""

import numpy as np
import pytest
from tensorflow.tsl.profiler.protobuf import xplane_pb2

from pipeline.training.step_time import (
    PARTS,
    Scopes,
    Span,
    read_spans,
    shares_of,
    step_time,
)

SCOPES = Scopes(
    "net", {"deep": "branches", "embeddings": "tables"}, {"loss": "fusion", "opt": "optimizer"}
)


def oracle(spans: list[Span]) -> dict[str, float]:
    """The shares unit by unit of time; starts and stops must be whole numbers."""
    first, last = min(s.start for s in spans), max(s.stop for s in spans)
    spent = dict.fromkeys(PARTS, 0.0)
    for time in range(first, last):
        running = {
            (s.part, s.product and s.part in ("branches", "fusion"))
            for s in spans
            if s.start <= time < s.stop
        }
        working = [part for part, _ in running if part != "input"]
        active = working or (["input"] if running else ["other"])
        for part in active:
            spent[part] += 1 / len(active)
    return {part: spent[part] / (last - first) for part in PARTS}


def test_shares_match_the_oracle():
    rng = np.random.default_rng(0)
    for count in (1, 3, 40):
        starts, lengths = rng.integers(0, 200, count), rng.integers(1, 15, count)
        parts, products = rng.choice(PARTS[:-1], count), rng.random(count) < 0.5
        spans = [
            Span(int(a), int(a + n), str(part), bool(product))
            for a, n, part, product in zip(starts, lengths, parts, products, strict=True)
        ]
        total, shares, _ = shares_of(spans)
        assert total == max(s.stop for s in spans) - min(s.start for s in spans)
        expected = oracle(spans)
        np.testing.assert_allclose([shares[p] for p in PARTS], [expected[p] for p in PARTS])
        assert sum(expected.values()) == pytest.approx(1.0)


def test_branches_share_the_time_in_which_both_run():
    spans = [
        Span(0, 10, "branches", True, "deep"),
        Span(4, 10, "branches", True, "cross"),
        Span(8, 12, "tables"),
        Span(12, 16, "branches", False, "cross"),
    ]
    _, shares, branches = shares_of(spans)
    # Deep alone for 4, both for 4, both beside the tables for 2.
    assert branches == pytest.approx({"deep": (4 + 2 + 0.5) / 16, "cross": (2 + 0.5 + 4) / 16})
    assert sum(branches.values()) == pytest.approx(shares["branches"])


def test_input_costs_only_what_the_step_waits_for_it():
    spans = [Span(0, 10, "input"), Span(4, 8, "tables"), Span(12, 14, "tables")]
    shares = shares_of(spans)[1]
    assert shares["input"] == 6 / 14
    assert shares["other"] == 2 / 14
    assert shares["tables"] == 6 / 14


@pytest.mark.parametrize(
    ("spans", "expected"),
    [
        ([Span(0, 6, "branches", True), Span(6, 9, "tables")], "matrix products"),
        ([Span(0, 2, "fusion", True), Span(2, 5, "branches")], "memory traffic of elementwise"),
        ([Span(0, 2, "branches", True), Span(2, 5, "tables")], "reads and updates of table rows"),
        ([Span(0, 2, "branches"), Span(2, 5, "optimizer")], "the update of the dense weights"),
        ([Span(0, 9, "input"), Span(9, 12, "tables")], "input: the step waits for data"),
        ([Span(0, 1, "tables"), Span(5, 6, "branches")], "the dispatch of small operations"),
    ],
)
def test_what_takes_most_bounds_the_step(spans, expected):
    assert step_time(spans, 1).bound_by.startswith(expected)


def test_the_line_and_the_summary():
    spans = [
        Span(0, 120_000_000, "branches", True),
        Span(120_000_000, 160_000_000, "tables"),
        Span(160_000_000, 176_000_000, "optimizer"),
        Span(176_000_000, 184_000_000, "input"),
        Span(190_000_000, 200_000_000, "fusion"),
    ]
    found = step_time(spans, steps=2)
    assert str(found) == (
        "step 100 ms: branches 60%, tables 20%, optimizer 8%, fusion 5%, input 4%, other 3%: "
        "bound by matrix products"
    )
    summary = found.summary()
    assert summary["ms"] == 100.0
    assert summary["shares"]["tables"] == 0.2
    assert summary["bound_by"] == "matrix products"


@pytest.mark.parametrize(
    ("operation", "part"),
    [
        ("net/deep/mlp/MatMul", "branches"),
        ("gradient_tape/net/deep/mlp/MatMul/MatMul_1", "branches"),
        ("replica_1/net/deep/Relu", "branches"),
        ("while/body/_1/while/net/embeddings/rows/Unique", "tables"),
        ("gradient_tape/net/embeddings/tables/UnsortedSegmentSum", "tables"),
        ("tables/Slice", "tables"),
        ("net/head_fused/MatMul", "fusion"),
        ("net/stack", "fusion"),
        ("loss/tables/Mul", "fusion"),
        ("cond/then/_0/cond/opt/AssignSubVariableOp", "optimizer"),
        ("cond/then/_0/cond/opt/tables/ResourceScatterAdd", "tables"),
        ("IteratorGetNext", "input"),
        ("other/MatMul", None),
        ("net", None),
    ],
)
def test_scopes_in_a_name_say_the_part(operation, part):
    assert SCOPES.part_of(operation) == part


def test_reads_a_trace():
    space = xplane_pb2.XSpace()
    plane = space.planes.add(name="/host:CPU")
    names = ["net/deep/MatMul:_MklMatMul", "IteratorGetNextOp::DoCompute", "train", "a/B:C", "x::y"]
    for number, name in enumerate(names):
        plane.event_metadata[number].name = name
    line = plane.lines.add(timestamp_ns=2)
    for number in range(len(names)):
        line.events.add(metadata_id=number, offset_ps=100 * number, duration_ps=7)
    other = space.planes.add(name="/device:CUSTOM")
    other.event_metadata[0].name = names[0]
    other.lines.add().events.add(metadata_id=0)
    assert read_spans(space, SCOPES) == [
        Span(2000, 2007, "branches", True, "deep"),
        Span(2100, 2107, "input", False),
    ]
