"""Would a narrower accumulator have held the data? Against sums added one product at a time in plain Python."""

from __future__ import annotations

import re

import numpy as np
import pytest
from helpers import tiny_graph, tiny_images

from intinfer import reference
from intinfer.accumulator import Accumulator, Overflow, TapOrder
from intinfer.builder import GraphBuilder
from intinfer.errors import RangeError
from intinfer.graph import Graph
from intinfer.narrow import narrow
from intinfer.ops import Dense
from intinfer.reports.profile import profile
from intinfer.reports.verdict import AccumulatorVerdict
from intinfer.tensor import IntTensor
from intinfer.types import IntType

CKK, KKC = TapOrder.CKK, TapOrder.KKC
IMAGES = np.concatenate([np.zeros((2, 3, 8, 8), int), tiny_images(3)])
RULES = (
    None,
    *(Accumulator.wrap(bits) for bits in (7, 10, 11, 16)),
    Accumulator.prove(10),
    *(Accumulator.saturate(bits, CKK, 1) for bits in (6, 11, 12, 20)),
    Accumulator.trap(11, KKC, 1),
    Accumulator.trap(11, KKC, 4),
    Accumulator.trap(10, CKK, 27),
)


def products(graph: Graph, values, image, name):
    """((channel, y, x), products in each order) of every sum of a node of `tiny_graph`, in plain Python."""
    op = graph.node(name).op
    x = values[graph.node(name).inputs[0]][image].tolist()
    weight = op.weight.values.tolist()
    if name == "fc":
        for o, row in enumerate(weight):
            found = [int(w) * int(a) for w, a in zip(row, x, strict=True)]
            yield (o, 0, 0), {CKK: found, KKC: found}
        return
    for o in range(6):
        for oy in range(8):
            for ox in range(8):
                taps = {}
                for c in range(3):
                    for i in range(3):
                        for j in range(3):
                            y, q = oy + i - 1, ox + j - 1
                            inside = 0 <= y < 8 and 0 <= q < 8
                            taps[c, i, j] = int(weight[o][c][i][j]) * int(x[c][y][q]) if inside else 0
                later = sorted(taps, key=lambda tap: (tap[1], tap[2], tap[0]))
                yield (o, oy, ox), {CKK: list(taps.values()), KKC: [taps[tap] for tap in later]}


def judged(graph: Graph, rule: Accumulator | None, name: str):
    """Lowest and highest held, and the first overflow: (image, channel, y, x, products, value)."""
    values = reference.trace(graph, IMAGES)
    rule = rule or graph.node(name).op.accumulator
    lowest, highest, first = [], [], None
    for image in range(len(IMAGES)):
        for (channel, y, x), found in products(graph, values, image, name):
            terms = found[rule.order or CKK]
            step = rule.fold if rule.order else len(terms)
            held = {min(end, len(terms)): sum(terms[:end]) for end in range(step, len(terms) + step, step)}
            lowest.append(min(held.values()))
            highest.append(max(held.values()))
            for done, value in held.items():
                if first is None and not -(2 ** (rule.bits - 1)) <= value < 2 ** (rule.bits - 1):
                    first = (image, channel, y, x, done, value)
    return min(lowest), max(highest), first


def found(verdict: AccumulatorVerdict):
    o = verdict.overflow
    first = None if o is None else (o.image, o.channel, o.y, o.x, o.products, o.value)
    return verdict.seen.lo, verdict.seen.hi, first


@pytest.mark.parametrize("rule", RULES, ids=str)
def test_verdicts_are_those_of_plain_sums(rule):
    graph = tiny_graph()
    result = profile(graph, [IMAGES[:1], IMAGES[1:4], IMAGES[4:]], rule)
    assert [verdict.name for verdict in result.accumulators] == ["conv", "fc"]
    for verdict in result.accumulators:
        assert found(verdict) == judged(graph, rule, verdict.name)
        assert verdict.rule == (rule or graph.node(verdict.name).op.accumulator)
    assert result.fits == all(judged(graph, rule, name)[2] is None for name in ("conv", "fc"))


@pytest.mark.parametrize("own", [Accumulator.wrap(9), Accumulator.saturate(9, KKC, 2)], ids=str)
def test_a_node_that_wraps_or_saturates_is_judged_by_its_exact_sums(own):
    graph = tiny_graph(accumulator=own)
    (verdict, fc) = profile(graph, [IMAGES]).accumulators
    assert found(verdict) == judged(graph, None, "conv")
    assert verdict.overflow is not None
    assert found(fc) == judged(graph, None, "fc")


@pytest.mark.parametrize("rule", [rule for rule in RULES if rule is not None and rule.sequential], ids=str)
def test_the_verdict_is_what_the_narrowed_network_does(rule):
    """When all fit, no bit changes; else a trap stops where the verdict says."""
    graph = tiny_graph()
    result = profile(graph, [IMAGES], rule)
    trap = narrow(graph, Accumulator(rule.bits, Overflow.TRAP, rule.order, rule.fold))
    if result.fits:
        for name, values in reference.run(graph, IMAGES).items():
            np.testing.assert_array_equal(reference.run(trap, IMAGES)[name], values)
        return
    verdict = min((v for v in result.accumulators if v.overflow), key=lambda v: v.overflow.image)
    first = verdict.overflow
    images = IMAGES[: first.image]
    if len(images):
        reference.run(trap, images)
    with pytest.raises(RangeError, match=re.escape(f"node {verdict.name!r}")):
        reference.run(trap, IMAGES[first.image : first.image + 1])


@pytest.mark.parametrize("rule", [Accumulator.wrap(8), Accumulator.trap(8, CKK), Accumulator.prove(8)], ids=str)
@pytest.mark.parametrize("start", [Accumulator.prove(62), Accumulator.wrap(62)], ids=str)
def test_the_ends_of_the_width_fit_and_what_is_beyond_does_not(rule, start):
    builder = GraphBuilder()
    x = builder.input("x", (1,), IntType(-200, 200))
    builder.output("y", builder.add(Dense(IntTensor([[1]]), start), x, name="fc"))
    graph = builder.finish()
    for end, beyond in ((127, 128), (-128, -129)):
        (fits,) = profile(graph, [np.array([[0], [end]])], rule).accumulators
        assert fits.overflow is None
        (verdict,) = profile(graph, [np.array([[0]]), np.array([[end], [beyond]])], rule).accumulators
        assert (verdict.overflow.image, verdict.overflow.value) == (2, beyond)


def test_text():
    result = profile(tiny_graph(), [IMAGES], Accumulator.saturate(11, CKK, 2), names=[f"{i}.png" for i in range(5)])
    conv, fc = result.accumulators
    o = conv.overflow
    assert (o.image, o.file, o.of) == (2, "2.png", 27)
    rows = [" ".join(line.split()) for line in result.to_text().splitlines()[-5:]]
    where = f"image 2 (2.png), channel {o.channel}, (y={o.y}, x={o.x}): {o.value} after {o.products} of 27 products"
    assert rows[0] == "accumulator from judged bits proven bits seen sums seen first overflow"
    proven = f"{conv.bits_proven} {conv.bits_seen}"
    assert rows[1] == f"conv conv.weight 11 saturate CKK fold 2 {proven} {conv.seen} with partial sums {where}"
    assert rows[2].endswith(f"{fc.seen} with partial sums fits")
    assert rows[4] == (
        f"verdict: 1 of 2 accumulators fit; the first overflow is in conv (11 saturate CKK fold 2): {where}"
    )
    assert profile(tiny_graph(), [IMAGES]).to_text().endswith("\nverdict: 2 of 2 accumulators fit on these images")


def test_json():
    document = profile(tiny_graph(), [IMAGES], Accumulator.wrap(9)).to_json()
    conv, fc = document["accumulators"]
    lo, hi, first = judged(tiny_graph(), Accumulator.wrap(9), "conv")
    assert document["fits"] is False
    assert conv["rule"] == {"bits": 9, "overflow": "wrap", "order": None, "fold": None}
    assert (conv["seen"]["lo"], conv["seen"]["hi"]) == (lo, hi)
    assert conv["seen"]["bits"] == max(lo_hi.bit_length() for lo_hi in (hi, -lo - 1)) + 1
    assert conv["first_overflow"] == {
        **dict(zip(("image", "channel", "y", "x", "products", "value"), first, strict=True)),
        "file": None,
        "of": 27,
    }
    assert (fc["fits"], fc["first_overflow"], fc["partial_sums"]) == (True, None, False)


def test_no_images_no_verdict():
    assert profile(tiny_graph(), [np.zeros((0, 3, 8, 8), int)][:0]).accumulators == ()
