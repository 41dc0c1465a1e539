"""Coverage counted twice, proofs against all inputs there are, and the reports."""

from __future__ import annotations

import html.parser
import itertools
import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from intinfer import ops, reference
from intinfer.accumulator import Accumulator, TapOrder
from intinfer.builder import GraphBuilder
from intinfer.errors import IntinferError
from intinfer.graph import Graph
from intinfer.rounding import RoundMode
from intinfer.tensor import IntTensor
from intinfer.types import IntArray, IntType
from intinfer_golden.make.coverage import first
from intinfer_golden.make.coverage.collect import Coverage
from intinfer_golden.make.coverage.fault import EQUAL
from intinfer_golden.make.coverage.group import Covergroup

Input = tuple[tuple[int, ...], IntType]
BITS, TRITS, CODES = IntType(0, 1), IntType(-1, 1), IntType(0, 3)


def chain(operators: list[ops.Op], *inputs: Input) -> Graph:
    """The first op reads the inputs, each other one the result before it."""
    builder = GraphBuilder()
    values = [builder.input(f"x{i}", shape, type_) for i, (shape, type_) in enumerate(inputs)]
    for i, op in enumerate(operators):
        values = [builder.add(op, *values, name=f"y{i}")]
    builder.output("y", values[0])
    return builder.finish()


def conv(weight: Any, accumulator: Accumulator, pads: tuple[int, int, int, int] = (0,) * 4, **more: Any) -> ops.Conv2d:
    usual: dict[str, Any] = {"stride": (1, 1), "pad_value": (0,), "dilation": (1, 1), "groups": 1}
    return ops.Conv2d(weight=IntTensor(weight), pads=pads, accumulator=accumulator, **{**usual, **more})


def thresholds(rows: list[list[int]], down: list[int]) -> ops.Threshold:
    return ops.Threshold(IntTensor(rows), IntTensor(down), 0, 1)


def groups_of(coverage: Coverage) -> dict[str, Covergroup]:
    return {group.kind: group for group in coverage.groups}


# ----------------------------------------------------------------------------------- counted again, in plain Python


def sums_by_hand(x: IntArray, weight: IntArray, pad: int, border: int) -> dict[int, list[int]]:
    """Channel -> all sums of a convolution with stride 1, over frames and pixels."""
    _, inner, rows, columns = weight.shape
    height, width = x.shape[2:]
    found: dict[int, list[int]] = {channel: [] for channel in range(len(weight))}
    for n, o in itertools.product(range(len(x)), range(len(weight))):
        for y in range(-pad, height + pad - rows + 1):
            for z in range(-pad, width + pad - columns + 1):
                total = 0
                for c, i, j in itertools.product(range(inner), range(rows), range(columns)):
                    inside = 0 <= y + i < height and 0 <= z + j < width
                    total += int(weight[o, c, i, j]) * (int(x[n, c, y + i, z + j]) if inside else border)
                found[o].append(total)
    return found


@settings(max_examples=25)
@given(st.integers(0, 2**32 - 1), st.integers(1, 3))
def test_a_convolution_with_thresholds_counted_by_hand(seed: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    weight = rng.integers(-1, 2, (2, 2, 2, 2))
    low, high = (3 * side.sum(axis=(1, 2, 3)) for side in (np.minimum(weight, 0), np.maximum(weight, 0)))
    first, second = rng.integers(-3, 6, (2, 2)).clip(low.min(), high.max())
    rows = [sorted(first.tolist()), sorted(second.tolist(), reverse=True)]
    op = conv(weight, Accumulator.prove(8), (1, 1, 1, 1), pad_value=(1,))
    graph = chain([op, thresholds(rows, [0, 1])], ((2, 3, 3), CODES))
    x = rng.integers(0, 4, (count, 2, 3, 3))
    coverage = Coverage(graph)
    coverage.run({"x0": x})
    groups = groups_of(coverage)
    sums = sums_by_hand(x, weight, 1, 1)

    sides = [z in sums[c] for c in (0, 1) for t in rows[c] for z in ((t - 1, t) if c == 0 else (t + 1, t))]
    assert groups["threshold sides"].hit.tolist() == sides
    crossed = {0: lambda z: sum(z >= t for t in rows[0]), 1: lambda z: sum(z <= t for t in rows[1])}
    codes = [code in {crossed[c](z) for z in sums[c]} for c in (0, 1) for code in range(3)]
    assert groups["output codes"].hit.tolist() == codes
    assert groups["around zero"].hit.tolist() == [z in sums[c] for c in (0, 1) for z in (-1, 0, 1)]
    ends = [(3 * int(w[w < 0].sum()), 3 * int(w[w > 0].sum())) for w in weight]
    assert groups["accumulator ends"].hit.tolist() == [z in sums[c] for c in (0, 1) for z in ends[c]]

    places = list(itertools.product(range(2), range(2), range(2), range(2)))
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)), constant_values=1)
    used = [bool(padded[:, c, i : i + 4, j : j + 4].any()) for _, c, i, j in places]
    assert groups["weights"].hit.tolist() == used
    assert groups["border"].hit.tolist() == [border_by_hand(x, *row) for row in groups["border"].coordinates.tolist()]


def border_by_hand(x: IntArray, channel: int, side: int, row: int, column: int) -> bool:
    """2x2 kernel, one pad of 1 on each side of 3x3: a tap reads the border beside a pixel that is not 1."""
    name = ("top", "bottom", "left", "right", "top left", "top right", "bottom left", "bottom right")[side]
    for y, z in itertools.product(range(-1, 3), range(-1, 3)):
        a, b = y + row, z + column
        vertical = "top" if a < 0 else "bottom" if a > 2 else ""
        horizontal = "left" if b < 0 else "right" if b > 2 else ""
        beside = x[:, channel, min(max(a, 0), 2), min(max(b, 0), 2)]
        if f"{vertical} {horizontal}".strip() == name and (beside != 1).any():
            return True
    return False


@given(
    st.tuples(st.integers(1, 2), st.integers(1, 3)),
    st.tuples(st.integers(1, 3), st.integers(1, 2)),
    st.tuples(st.integers(1, 2), st.integers(1, 2)),
    st.integers(0, 2**32),
)
@settings(max_examples=40)
def test_taps_meet_inputs_at_every_stride_and_dilation(
    kernel: tuple[int, int], stride: tuple[int, int], dilation: tuple[int, int], seed: int
) -> None:
    weight = np.ones((1, 2, *kernel), dtype=np.int64)
    op = conv(weight, Accumulator.prove(12), (1, 0, 2, 1), stride=stride, dilation=dilation)
    coverage = Coverage(chain([op], ((2, 3, 4), CODES)))
    x = (np.random.default_rng(seed).random((1, 2, 3, 4)) < 0.15).astype(np.int64)
    coverage.run({"x0": x})
    padded = np.pad(x[0], ((0, 0), (1, 2), (0, 1)))
    height, width = op.window.output(3, 4)
    met = {
        (0, c, i, j)
        for c, i, j, y, z in itertools.product(*map(range, (2, *kernel, height, width)))
        if padded[c, y * stride[0] + i * dilation[0], z * stride[1] + j * dilation[1]]
    }
    group = groups_of(coverage)["weights"]
    assert {tuple(row) for row in group.coordinates[group.hit].tolist()} == met


def test_taps_that_read_the_same_are_not_told_apart() -> None:
    """Over one frame the two channels are equal; a second frame makes them different."""
    coverage = Coverage(chain([conv(np.ones((1, 2, 1, 1), int), Accumulator.prove(8))], ((2, 1, 2), CODES)))
    group = groups_of(coverage)["taps told apart"]
    coverage.run({"x0": np.array([[[[1, 2]], [[1, 2]]]])})
    assert group.hit.tolist() == [False, False]
    coverage.run({"x0": np.array([[[[1, 2]], [[2, 2]]]])})
    assert group.hit.tolist() == [True, True]
    assert coverage.open > 0


def test_frames_are_seen_in_their_order_across_calls() -> None:
    graph = chain([ops.Clamp(0, 2)], ((2,), CODES))
    coverage = Coverage(graph)
    group = groups_of(coverage)["frames"]
    for frame, hit in (([3, 3], [0, 0, 0]), ([0, 0], [1, 0, 0]), ([0, 0], [1, 0, 1]), ([3, 3], [1, 1, 1])):
        coverage.run({"x0": np.array([frame])})
        assert group.hit.tolist() == [bool(h) for h in hit]


# ------------------------------------------------------------------------ proofs: all inputs of nodes small enough

SEQUENTIAL = Accumulator.saturate(3, TapOrder.CKK, 2)
W = np.array([[[[2, -1]], [[1, 1]]], [[[1, 0]], [[-2, -2]]]])  # (2, 2, 1, 2)
SMALL: dict[str, Graph] = {
    "conv": chain([conv(W, Accumulator.prove(8))], ((2, 1, 3), CODES)),
    "padded": chain([conv(W, Accumulator.prove(8), (0, 1, 1, 0), pad_value=(1, 2))], ((2, 1, 2), CODES)),
    "only borders": chain([conv(W, Accumulator.prove(8), (1, 2, 0, 1))], ((2, 1, 1), CODES)),
    "grouped": chain([conv(W[:, :1], Accumulator.prove(8), groups=2)], ((2, 1, 3), CODES)),
    "wrap": chain([conv(W, Accumulator.wrap(3))], ((2, 1, 2), CODES)),
    "saturate": chain([conv(W, SEQUENTIAL)], ((2, 1, 2), CODES)),
    "saturate padded": chain([conv(W, SEQUENTIAL, (0, 1, 0, 1), pad_value=(3,))], ((2, 1, 2), CODES)),
    "saturate a fold of 3": chain(
        [ops.Dense(IntTensor([[3, -2, 1, -1], [-3, 1, 1, 1]]), Accumulator.saturate(3, TapOrder.CKK, 3))], ((4,), CODES)
    ),
    "saturate one way": chain(
        [ops.Dense(IntTensor([[1, 1], [-2, -2]]), Accumulator.saturate(3, TapOrder.CKK, 1))], ((2,), CODES)
    ),
    "padded above": chain([conv(W, Accumulator.prove(8), (1, 0, 0, 0), pad_value=(1, 0))], ((2, 2, 2), BITS)),
    "padded above a dead row": chain(
        [conv(np.array([[[[0], [1]]]]), Accumulator.prove(8), (1, 0, 0, 0))], ((1, 2, 2), CODES)
    ),
    "wrap of whole turns": chain([ops.Dense(IntTensor([[8, -16]]), Accumulator.wrap(3))], ((2,), CODES)),
    "even sums": chain([ops.Dense(IntTensor([[2, 4, -2], [3, 6, 9]]), Accumulator.prove(8))], ((3,), TRITS)),
    "one value": chain([conv(W, Accumulator.prove(8), (1, 1, 1, 1), pad_value=(2,))], ((2, 1, 2), IntType(2, 2))),
    "threshold": chain([thresholds([[-1, 0, 0, 2], [1, 1, 0, -2]], [0, 1])], ((2, 1, 2), TRITS)),
    "gaps": chain(
        [ops.Dense(IntTensor([[2, 5], [5, -3]]), Accumulator.prove(8)), thresholds([[1, 4, 6], [7, 5, -9]], [0, 1])],
        ((2,), CODES),
    ),
    "chain": chain(
        [
            conv(np.array([[[[1]]], [[[-1]]]]), Accumulator.prove(8)),
            conv(W, Accumulator.prove(8), (0, 1, 0, 1)),
            thresholds([[0, 3, 6], [2, 1, -3]], [0, 1]),
        ],
        ((1, 1, 4), CODES),
    ),
    "wrapped thresholds": chain(
        [ops.Dense(IntTensor([[2, 6, 4]]), Accumulator.wrap(4)), thresholds([[-7, -2, 1, 6]], [0])], ((3,), CODES)
    ),
    **{
        f"requant {mode}": chain(
            [ops.Requant(IntTensor([3, -4]), IntTensor([1, 2]), IntTensor([2, 3]), mode, -3, 4)], ((2,), IntType(-9, 9))
        )
        for mode in RoundMode
    },
    "offsets that round alike": chain(
        [ops.Requant(IntTensor([4]), IntTensor([0, 1]), IntTensor([1]), RoundMode.FLOOR, -99, 99)],
        ((2,), IntType(-9, 9)),
    ),
    "dead requant": chain(
        [ops.Requant(IntTensor([0]), IntTensor([5]), IntTensor([1]), RoundMode.FLOOR, -3, 4)], ((2,), IntType(-9, 9))
    ),
    "bitshift": chain([ops.Bitshift(2)], ((2,), CODES), ((2,), IntType(1, 3))),
    "or": chain([ops.Bitshift(1)], ((2, 1, 2), BITS), ((2, 1, 2), BITS)),
    "add": chain([ops.Add((1, -2))], ((2,), CODES), ((2,), TRITS)),
    "affine": chain([ops.Affine(IntTensor([2, 0]), IntTensor([1, 1]))], ((2,), IntType(-4, 4))),
    "clamp": chain([ops.Clamp(-1, 2)], ((2,), IntType(-4, 4))),
    "abs": chain([ops.Abs()], ((2,), IntType(-4, 3))),
    "abs of one sign": chain([ops.Abs()], ((2, 1, 2), IntType(-3, -1))),
    "clamp beyond": chain([ops.Clamp(7, 9)], ((2,), IntType(-4, 4))),
    "table": chain([ops.Table(IntTensor([[1, 5, 2]]), -1, 0, 7)], ((3,), TRITS)),
    "tgap": chain([ops.Tgap(3)], ((2, 1, 2), CODES)),
    "tgap odd": chain([ops.Tgap(3)], ((1, 1, 3), CODES)),
    "tgap low": chain([ops.Tgap(7)], ((2, 1, 2), IntType(1, 3))),
    "tgap at half": chain([ops.Tgap(7)], ((2, 1, 1), IntType(0, 3))),
    "tgap below half": chain([ops.Tgap(3)], ((3, 1, 2), IntType(0, 1))),
    "tgap of the opposite": chain(
        [ops.Affine(IntTensor([-1, -1]), IntTensor([3, 3])), ops.Tgap(3)], ((2, 1, 2), CODES)
    ),
    "argmax of the opposite": chain([ops.Affine(IntTensor([-1] * 3), IntTensor([0] * 3)), ops.ArgMax()], ((3,), CODES)),
    "constants that differ": chain([ops.Affine(IntTensor([0, 0]), IntTensor([1, 2])), ops.Clamp(-9, 9)], ((2,), CODES)),
    "mux": chain([ops.Mux()], ((2,), BITS), ((2, 1, 1), TRITS), ((2, 1, 1), BITS)),
    "mux of one": chain([ops.Mux()], ((1,), BITS), ((1, 1, 2), BITS), ((1, 1, 2), BITS)),
    "mux stuck": chain([ops.Mux()], ((2,), IntType(1, 1)), ((2, 1, 1), TRITS), ((2, 1, 1), BITS)),
    "max": chain([ops.MaxPool((1, 2), (1, 1), (0, 0, 0, 0), (1, 1))], ((2, 1, 3), TRITS)),
    "max padded": chain([ops.MaxPool((2, 2), (2, 2), (1, 1, 1, 1), (1, 1))], ((1, 2, 3), TRITS)),
    "max of one value": chain([ops.MaxPool((1, 2), (1, 1), (0, 1, 0, 0), (1, 1))], ((1, 1, 3), IntType(4, 4))),
    "sum": chain([ops.SumPool((1, 2), (1, 2), (0, 1, 0, 0))], ((1, 1, 4), TRITS)),
    "sum over borders": chain([ops.SumPool((2, 2), (1, 1), (1, 1, 1, 1))], ((2, 1, 1), IntType(2, 4))),
    "argmax": chain([ops.ArgMax()], ((3,), CODES)),
    "argmax of one": chain([ops.ArgMax()], ((1,), CODES)),
    "argmax of one value": chain([ops.ArgMax()], ((3,), IntType(5, 5))),
    "flatten": chain([ops.Flatten()], ((2, 1, 2), CODES)),
    "concat": chain([ops.Concat()], ((1, 1, 2), BITS), ((1, 1, 2), TRITS)),
    "concat of constants": chain([ops.Concat()], ((2,), IntType(2, 2)), ((1,), BITS)),
    "select": chain([ops.ChannelSelect(IntTensor([2, 0, 2]))], ((3,), TRITS)),
    "gather": chain([ops.Gather(IntTensor([[[3, -1, 0, 3]]]), 1)], ((2, 1, 2), CODES)),
    "gather of a constant": chain([ops.Gather(IntTensor([0, -1]), 2)], ((2,), IntType(2, 2))),
    "gather of nothing": chain([ops.Gather(IntTensor([-1, -1]), 2)], ((2,), BITS)),
}


def every_input(graph: Graph) -> dict[str, IntArray]:
    """All inputs there are, each a frame."""
    ranges = [range(x.type.lo, x.type.hi + 1) for x in graph.inputs for _ in range(x.size)]
    rows = np.array(list(itertools.product(*ranges)), dtype=np.int64)
    assert len(rows) <= 5000
    ends = np.cumsum([x.size for x in graph.inputs])[:-1]
    parts = np.split(rows, ends, axis=1)
    return {x.name: part.reshape(-1, *x.shape) for x, part in zip(graph.inputs, parts, strict=True)}


@pytest.mark.parametrize("name", SMALL)
def test_a_bin_is_unreachable_exactly_when_no_input_hits_it(name: str) -> None:
    """`observe` raises when an unreachable bin is hit; here nothing else stays open either."""
    coverage = Coverage(SMALL[name])
    coverage.run(every_input(SMALL[name]))
    coverage.prove()
    ordered = ("frames", "first frames")  # one succession of frames does not hit them all
    still = [(g.kind, g.name(int(i))) for g in coverage.groups if g.kind not in ordered for i in g.open.nonzero()[0]]
    assert still == []


@pytest.mark.parametrize("name", SMALL)
def test_a_fault_of_one_frame_is_proven_hidden_exactly_when_no_frame_shows_it(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(first, "FEW", 0)  # by its argument alone
    graph = SMALL[name]
    group = Coverage(graph).first
    values = reference.trace(graph, every_input(graph))
    count = len(next(iter(values.values())))
    frames = [{value: array[n : n + 1] for value, array in values.items()} for n in range(count)]
    wrong, still = [], set()
    for faults in group.faults:
        seen = np.zeros(len(faults.words), dtype=bool)
        for frame in frames:
            before = frame if faults.after == EQUAL else group.before.get(faults.after) or {}
            seen |= faults.seen(frame, before)
            if seen.all():
                break
        hidden = np.array([bool(reason) for reason in faults.hidden])
        wrong += [word for word, s, h in zip(faults.words, seen, hidden, strict=True) if s and h]
        still |= {word.split(": ")[1] for word, s, h in zip(faults.words, seen, hidden, strict=True) if not s and not h}
    assert wrong == []
    assert still == set()


def test_few_frames_are_all_tried() -> None:
    """The order of a saturating sum matters as a rule; of this one it does not."""
    op = ops.Dense(IntTensor([[1, 1]]), Accumulator.saturate(2, TapOrder.CKK, 1))
    group = Coverage(chain([op], ((2,), TRITS))).first
    reasons = {group.name(reason.bin): reason.text for reason in group.reasons}
    assert reasons["after reset, y0: channels of 'x0' reversed"] == "none of the 9 frames there are shows it"


@pytest.mark.parametrize(
    ("name", "kind", "reason"),
    [
        ("even sums", "around zero", "channel 0, -1: 'y0' never holds -1: channel 0 reach -8..8 in steps of 2"),
        ("tgap odd", "sums", "channel 0, tie: N*h*w = 9 is odd and twice a sum is even"),
        ("gaps", "threshold sides", "channel 0, threshold 0, just crossed: 'y0' never holds 1: channel 0 reach 0..21"),
        ("threshold", "output codes", "channel 0, code 2: channel 0: no number lies between these thresholds"),
        ("dead requant", "result steps", "the multiplier is 0: the result does not depend on z"),
        ("tgap low", "sums", "the sum of 2 levels 1..3 lies in 2..6 and never is 7"),
    ],
)
def test_reasons_name_the_bin_and_the_numbers(name: str, kind: str, reason: str) -> None:
    group = groups_of(Coverage(SMALL[name]))[kind]
    assert any(reason in f"{group.name(r.bin)}: {r.text}" for r in group.reasons)
    assert sum(r.count for r in group.reasons) == group.unreachable.sum()


def test_a_hit_that_was_proven_impossible_is_an_error() -> None:
    coverage = Coverage(SMALL["clamp"])
    group = coverage.groups[0]
    group.exclude([0], "wrong")
    message = f"^node 'y0', clip: {group.name(0)} is hit and was proven unreachable; please report this bug of intinfer"
    with pytest.raises(IntinferError, match=message):
        coverage.run({"x0": np.full((1, 2), -4)})


def test_a_fault_that_was_proven_hidden_and_shows_is_an_error() -> None:
    coverage = Coverage(SMALL["clamp"])
    coverage.first.exclude(range(len(coverage.first.hit)), "wrong")
    with pytest.raises(IntinferError, match=r"^node 'frames', first frames: .* is hit and was proven"):
        coverage.run({"x0": np.array([[-1, 2]])})


# ------------------------------------------------------------------------------------------------------- reports


def partial() -> Coverage:
    """One frame of a node with a hostile name."""
    builder = GraphBuilder()
    x = builder.input("x", (2,), IntType(-1, 2))
    op = thresholds([[-1, 1, 1], [2, 0, -2]], [0, 1])
    builder.output("y", builder.add(op, x, name="<b>&'act'"))
    coverage = Coverage(builder.finish(), "region")
    coverage.run({"x": np.array([[0, 1]])})
    return coverage


def test_the_numbers_add_up_in_the_document() -> None:
    coverage = partial()
    document = json.loads(json.dumps(coverage.document()))
    assert (document["format"], document["version"]) == ("intinfer-coverage", 1)
    for entry in (document["total"], *document["nodes"], *document["covergroups"]):
        assert entry["bins"] == entry["hit"] + entry["unreachable"] + entry["open"]
    for part in ("nodes", "covergroups"):
        for what in ("bins", "hit", "unreachable", "open"):
            assert sum(entry[what] for entry in document[part]) == document["total"][what]
    assert document["total"] == {"bins": 32, "hit": 10, "unreachable": 7, "open": 15, "percent": 40.0}
    sides = document["covergroups"][0]
    assert (sides["node"], sides["covergroup"], sides["bins"], sides["open"]) == ("<b>&'act'", "threshold sides", 12, 6)
    assert sides["open_bins"][0] == "channel 0, threshold 0, just crossed"
    assert coverage.percent == document["total"]["percent"]


def test_the_text_is_a_table_with_open_bins_and_reasons() -> None:
    lines = partial().files()["txt"].splitlines()
    assert lines[0].split() == ["node", "covergroup", "bins", "hit", "unreachable", "open", "%"]
    assert lines[6].split() == ["total", "32", "10", "7", "15", "40.00"]
    assert "  <b>&'act', threshold sides: channel 0, threshold 0, just crossed" in lines
    reason = "channel 0, threshold 0, not yet crossed: 'x' never holds -2: channel 0 reach -1..2"
    assert f"  <b>&'act', threshold sides: {reason}" in lines


def test_full_coverage_is_never_rounded_up() -> None:
    coverage = Coverage(
        chain([ops.Table(IntTensor([list(range(4000))]), 0, 0, 4000)], ((10, 20, 20), IntType(0, 3999)))
    )
    group = coverage.groups[0]
    for other in coverage.groups:
        other.hit = ~other.unreachable
    group.hit[0] = False
    assert (coverage.open, coverage.percent) == (1, 99.99)
    group.hit[0] = True
    assert coverage.percent == 100


class Page(html.parser.HTMLParser):
    """Collects tags, attributes and text; checks that tags are closed in order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.attributes: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [name for name, _ in attrs]
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_page_stands_alone_and_escapes_names() -> None:
    text = partial().files()["html"]
    page = Page()
    page.feed(text)
    assert page.open == []
    assert not {"script", "link", "img", "iframe", "b&"} & set(page.tags)
    assert not {"src", "href", "onclick", "onload"} & set(page.attributes)
    assert "url(" not in text
    assert page.text.count("<b>&'act'") == 3
    assert "channel 0, threshold 0, just crossed" in page.text
    assert "'x' never holds -2" in page.text
    assert "40.00 %" in page.text


def test_the_values_may_come_from_anywhere() -> None:
    """`observe` takes any trace; two halves count as one whole."""
    graph = SMALL["chain"]
    inputs = every_input(graph)
    whole, halves = Coverage(graph), Coverage(graph)
    whole.run(inputs)
    for part in (slice(0, 100), slice(100, None)):
        halves.observe(reference.trace(graph, {name: x[part] for name, x in inputs.items()}))
    for one, other in zip(whole.groups, halves.groups, strict=True):
        np.testing.assert_array_equal(one.hit, other.hit)
