"""The profile counts what a brute-force look at the reference's values counts."""

import numpy as np
import pytest

from intinfer import reference
from intinfer.accumulator import Accumulator
from intinfer.builder import GraphBuilder
from intinfer.ops import Bitshift, Conv2d, Mux, Tgap, Threshold
from intinfer.reports.profile import profile
from intinfer.tensor import IntTensor
from intinfer.types import IntType


def skipping_graph():
    """x (4 levels) -> d = depthwise; u = 1x1 conv, both thresholded; out = S(d) ? d : (d + u) >> 1."""
    rng = np.random.default_rng(2)
    builder = GraphBuilder()
    x = builder.input("x", (4, 3, 3), IntType(0, 3))
    level = Threshold(IntTensor([[1, 2, 3]]), IntTensor([0]), 0, 1)
    ones = IntTensor(np.ones((4, 1, 1, 1), int), "binary")
    d = builder.add(Conv2d(ones, (1, 1), (0,) * 4, (0,), (1, 1), 4, Accumulator.prove(8)), x, name="dw")
    d = builder.add(level, d, name="dw.act")
    s = builder.add(Tgap(3), d, name="tgap")
    weight = IntTensor(rng.integers(-1, 2, (4, 1, 1, 1)), "ternary")
    u = builder.add(Conv2d(weight, (1, 1), (0,) * 4, (0,), (1, 1), 4, Accumulator.prove(8)), x, name="pw")
    u = builder.add(level, u, name="pw.act")
    u = builder.add(Bitshift(2), d, u, name="shift")
    builder.output("out", builder.add(Mux(), s, d, u, name="mux"))
    return builder.finish()


@pytest.mark.parametrize("batch", [1, 5, 8])
def test_counts_and_ranges_equal_brute_force(batch):
    graph = skipping_graph()
    images = np.random.default_rng(1).integers(0, 4, (8, 4, 3, 3))
    result = profile(graph, [images[i : i + batch] for i in range(0, 8, batch)])
    trace = reference.trace(graph, images)
    select = trace["tgap"]
    assert 0 < select.mean() < 1, "both branches occur"
    assert result.images == 8
    assert [(mux.name, mux.channels, mux.selected) for mux in result.muxes] == [("mux", 4, select.mean())]
    executed = {layer.name: (layer.macs, layer.executed) for layer in result.layers}
    assert executed == {"dw": (36, 36.0), "pw": (36, pytest.approx(36 * (1 - select.mean())))}
    assert (result.macs, result.executed) == (72, pytest.approx(36 + 36 * (1 - select.mean())))
    for r in result.ranges:
        assert (r.seen.lo, r.seen.hi) == (trace[r.name].min(), trace[r.name].max())
        assert r.proven == graph.values[r.name].type
    assert {r.name for r in result.ranges} == set(graph.values)


def test_text_and_json_agree():
    graph = skipping_graph()
    result = profile(graph, [np.full((2, 4, 3, 3), 3)])
    document = result.to_json()
    assert document["muxes"] == [{"name": "mux", "channels": 4, "selected": 1.0}]
    assert document["executed"] == 36.0
    assert document["ranges"][0] == {"name": "x", "lo": 0, "hi": 3, "seen_lo": 3, "seen_hi": 3}
    lines = result.to_text().split("\n\naccumulator")[0].splitlines()
    assert lines[0] == "2 images"
    assert [line.split() for line in lines if line.startswith(("mux", "pw ", "total"))] == [
        ["mux", "4", "100.0", "%"],
        ["pw", "36", "0", "0.0", "%"],
        ["total", "72", "36", "50.0", "%"],
        next(line.split() for line in lines if line.startswith("pw ") and ".." in line),
        next(line.split() for line in lines if line.startswith("mux") and ".." in line),
    ]
