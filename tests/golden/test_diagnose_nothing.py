"""What is said beside a cause: where a dump differs; nothing of corruption by chance; two causes where two fit."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from diagnose_nets import NETS, made, right, told
from faulty_designs import each
from golden_sets import write_unchecked

from intinfer import reference
from intinfer.accumulator import Accumulator
from intinfer.cli import main
from intinfer.ops import Affine, Conv2d, Threshold
from intinfer.tensor import IntTensor
from intinfer.types import IntArray
from intinfer_golden import verify
from intinfer_golden.describe.spans import ranges
from intinfer_golden.verification.diagnose.evidence import Evidence, interval
from intinfer_golden.verification.diagnose.where import where


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("nothing")


# ---------------------------------------------------------------------------------------------------------- nothing


def corrupted(values: IntArray, count: int, bits: int, signed: bool, rng: np.random.Generator) -> IntArray:
    """Single bits of some values flipped."""
    changed = values.copy()
    flat = changed.reshape(-1)
    for place in rng.choice(flat.size, min(count, flat.size), replace=False):
        word = (int(flat[place]) ^ (1 << int(rng.integers(bits)))) % 2**bits
        flat[place] = word - 2**bits if signed and word >= 2 ** (bits - 1) else word
    return changed


@pytest.mark.parametrize(
    ("net", "node"),
    [
        ("plain", "conv"),
        ("plain", "act"),
        ("grouped", "pool"),
        ("pointwise", "requant"),
        ("block", "mux"),
        ("others", "fc"),
    ],
)
def test_flipped_bits_are_no_mistake(folder: Path, net: str, node: str) -> None:
    rng, type_ = np.random.default_rng(len(node)), NETS[net].graph.values[node].type
    for count in (1, 1, 2, 3, 8, 40):
        dump = corrupted(right(net)[node], count, type_.bits, type_.signed, rng)
        comparison = told(folder, net, node, dump)
        assert (comparison.differences, comparison.causes, bool(comparison.where)) == (count, (), True)


def test_flipped_bits_of_one_channel_or_frame_are_no_mistake(folder: Path) -> None:
    rng = np.random.default_rng(4)
    for place in (np.s_[:, 2], np.s_[0], np.s_[-1], np.s_[:, :, 0], np.s_[:, :, :, 3]):
        for count in (1, 2, 5, 20):
            dump = right("plain")["act"].copy()
            dump[place] = corrupted(dump[place], count, 2, False, rng)
            comparison = told(folder, "plain", "act", dump)
            assert (comparison.differences, comparison.causes) == (count, ()), place


def test_noise_is_no_mistake(folder: Path) -> None:
    rng = np.random.default_rng(6)
    for net, node in (("plain", "act"), ("depthwise", "dw"), ("block", "merge"), ("others", "table")):
        type_ = NETS[net].graph.values[node].type
        shape = right(net)[node].shape
        assert told(folder, net, node, rng.integers(type_.lo, type_.hi, shape, endpoint=True)).causes == ()


def test_a_mistake_and_one_bit_more_is_no_mistake(folder: Path) -> None:
    """Not even nearly all differences are enough."""
    values = right("block")
    dump = values["a"] | values["b"]
    assert told(folder, "block", "merge", dump).causes == ("merge: a OR b is given, not (a + b) >> 1",)
    dump[7, 2, 1, 1] ^= 4
    assert told(folder, "block", "merge", dump).causes == ()


def test_a_dump_that_is_not_whole_or_known_has_no_cause(folder: Path) -> None:
    values = right("block")
    told(folder, "block", "merge", values["merge"])  # makes the set
    flat = (values["a"] | values["b"]).transpose(0, 2, 3, 1).reshape(-1).tolist()
    for tokens in (flat[:-1], [*flat, 0], ["x", *flat[1:]]):
        dump = folder / "short.hex"
        dump.write_text("\n".join(map(str, tokens)))
        (comparison,) = verify(folder / "block", [dump], node="merge").comparisons
        assert (comparison.equal, comparison.causes) == (False, ())


def test_causes_need_not_be_looked_for(folder: Path) -> None:
    values = right("block")
    told(folder, "block", "merge", values["merge"])
    np.save(folder / "or.npy", (values["a"] | values["b"]).transpose(0, 2, 3, 1))
    (comparison,) = verify(folder / "block", [folder / "or.npy"], node="merge", causes=False).comparisons
    assert (comparison.causes, comparison.where) == ((), "on every axis")


def test_causes_of_very_many_values_are_not_looked_for(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("intinfer_golden.verification.diagnose.diagnoses.MAX_VALUES", 100)
    values = right("block")
    (cause,) = told(folder, "block", "merge", values["a"] | values["b"]).causes
    assert cause == "none is looked for: two frames have 864 values, more than 100"


def test_a_damaged_model_leaves_the_verdict(tmp_path: Path) -> None:
    values = right("block")
    write_unchecked(NETS["block"].graph, NETS["block"].inputs, tmp_path / "set", formats=["npy"])
    (tmp_path / "set" / "model.npz").unlink()
    np.save(tmp_path / "or.npy", (values["a"] | values["b"]).transpose(0, 2, 3, 1))
    (comparison,) = verify(tmp_path / "set", [tmp_path / "or.npy"], node="merge").comparisons
    assert not comparison.equal
    (cause,) = comparison.causes
    assert cause.startswith("none is looked for: ")
    assert "model.npz: is missing" in cause


# ---------------------------------------------------------------------------------------------------- two of them


def test_two_causes_are_both_told(folder: Path) -> None:
    """Sums that are 4 too high, or thresholds that are 4 too low: the bits are the same."""
    net = NETS["plain"]
    rows, down = net.attribute("act", "thresholds"), net.attribute("act", "descending")
    frames = each(
        right("plain")["conv"].tolist(),
        lambda v, n, c, y, x: sum(v + 4 <= t if down[c] else v + 4 >= t for t in rows[c]),
    )
    comparison = told(folder, "plain", "act", frames)
    assert comparison.causes == ("act: all thresholds are 4 too low", "conv: +4 is added")


def test_a_hint_and_a_cause_are_both_told(folder: Path) -> None:
    comparison = told(folder, "depthwise", "dw", np.roll(right("depthwise")["dw"], 1, axis=1))
    assert comparison.hints == ("channels: rotated; channel 0 is the dump's channel 1, 4 is 0",)
    assert len(comparison.causes) <= 8


# ------------------------------------------------------------------------------------------------- chains of nodes


def test_a_mistake_is_found_before_other_nodes(tmp_path: Path) -> None:
    """Pointwise, depthwise, affine, threshold: only the last is dumped, the mistake may be in any of them."""
    rng = np.random.default_rng(12)
    first, second = rng.integers(-1, 2, (5, 4, 1, 1)), rng.integers(-8, 8, (5, 1, 3, 3))
    one = Conv2d(IntTensor(first, "ternary"), (1, 1), (0, 0, 0, 0), (0,), (1, 1), 1, Accumulator.prove(12))
    two = Conv2d(IntTensor(second, "s4"), (1, 1), (1, 1, 1, 1), (0,), (1, 1), 5, Accumulator.prove(14))
    scale = Affine(IntTensor([3, -2, 1, 5, 4]), IntTensor([9, -8, 7, 0, 30]))
    levels = IntTensor(np.sort(rng.integers(-300, 300, (5, 7)), axis=1))
    act = Threshold(levels, IntTensor([0] * 5), 0, 1)
    nodes = (("one", one, ("x",)), ("two", two, ("one",)), ("scale", scale, ("two",)), ("act", act, ("scale",)))
    graph, inputs = made({"x": ((4, 6, 6), 0, 7)}, *nodes)
    target = write_unchecked(graph, inputs, tmp_path / "set", formats=["npy"], nodes=["act"])

    def causes(**changes: object) -> tuple[str, ...]:
        """Of the chain with nodes replaced."""
        faulty = tuple((name, changes.get(name, op), operands) for name, op, operands in nodes)
        values = reference.trace(made({"x": ((4, 6, 6), 0, 7)}, *faulty)[0], inputs)["act"]
        np.save(tmp_path / "act.npy", values.transpose(0, 2, 3, 1))
        (comparison,) = verify(target, [tmp_path / "act.npy"]).comparisons
        return comparison.causes

    def conv(op: Conv2d, weight: IntArray) -> Conv2d:
        return Conv2d(IntTensor(weight), op.stride, op.pads, op.pad_value, op.dilation, op.groups, op.accumulator)

    assert "two: the kernel is flipped in both axes" in causes(two=conv(two, second[:, :, ::-1, ::-1]))
    assert "one: weights: -1 is read as 0" in causes(one=conv(one, np.maximum(first, 0)))
    assert "scale: offsets are not applied" in causes(scale=Affine(scale.multiplier, IntTensor([0] * 5)))
    wrong = second.copy()
    wrong[3, 0, 2, 1] += 5
    found = causes(two=conv(two, wrong))
    assert any(cause.startswith("two: weight[3,0,2,1] is ") for cause in found), found
    wrong = first.copy()
    wrong[2, 1] = -wrong[2, 1] if wrong[2, 1].any() else 1
    assert f"one: weight[2,1,0,0] is {wrong[2, 1, 0, 0]}, not {first[2, 1, 0, 0]}" in causes(one=conv(one, wrong))


# ------------------------------------------------------------------------------------------------------- the parts


def place(text: str, shape: tuple[int, ...] = (12, 8, 6, 7), asked: IntArray | None = None) -> str:
    """`where` of the values for which a condition on n, c, y and x holds."""
    n, c, y, x = np.indices(shape)
    wrong = np.broadcast_to(eval_(text, n, c, y, x), shape)
    return where(wrong, np.ones(shape, bool) if asked is None else asked == 1, ("N", "C", "H", "W"), range(shape[0]))


def eval_(text: str, n: IntArray, c: IntArray, y: IntArray, x: IntArray) -> IntArray:
    """Conditions by name."""
    conditions = {
        "c=5": c == 5,
        "from 9": n >= 9,
        "frame 0": n == 0,
        "last column": x == 6,
        "first row": y == 0,
        "odd": (y % 2 == 1) & (x % 2 == 1),
        "border": (y == 0) | (y == 5) | (x == 0) | (x == 6),
        "top and left": (y == 0) | (x == 0),
        "corners": ((y == 0) | (y == 5)) & ((x == 0) | (x == 6)),
        "two": (c == 2) | (c == 4),
        "all": n >= 0,
        "right of frame 3": n != 3,
        "thirds": n % 3 == 1,
    }
    return conditions[text]


@pytest.mark.parametrize(
    ("text", "told_"),
    {
        "c=5": "only c=5",
        "from 9": "from n=9 on",
        "frame 0": "only n=0, the first frame",
        "last column": "only x=6, the last column",
        "first row": "only y=0, the first row",
        "odd": "only where y is odd; only where x is odd",
        "border": "only the border",
        "top and left": "only the border (top, left)",
        "corners": "only y=0, 5; only x=0, 6; only the corners",
        "two": "only c=2, 4",
        "all": "on every axis",
        "right of frame 3": "not n=3",
        "thirds": "only where n mod 3 = 1",
    }.items(),
)
def test_where(text: str, told_: str) -> None:
    assert place(text) == told_


def test_where_counts_what_was_compared() -> None:
    asked = np.ones((12, 8, 6, 7), dtype=np.int64)
    asked[:9] = 0
    assert place("from 9", asked=asked) == "on every axis"


def test_what_chance_would_do_is_not_told() -> None:
    wrong = np.zeros((12, 8, 6, 7), dtype=bool)
    wrong[[0, 3, 5, 6, 8], [1, 1, 4, 6, 2], [2, 3, 1, 4, 4], [5, 1, 2, 2, 0]] = True
    assert where(wrong, np.ones_like(wrong), ("N", "C", "H", "W"), range(12)) == "on every axis"


def test_evidence() -> None:
    """A single wrong value is explained by no mistake that was fitted to it."""
    assert not Evidence(10_000, 1, 4).convinces(2)
    assert Evidence(10_000, 1, 4).convinces()
    assert not Evidence(10, 1, 1).convinces()
    assert Evidence(10_000, 2, 4).convinces(2**10)
    assert not Evidence(100, 2, 1).convinces(2**10)
    assert Evidence(96, 96, 1).convinces(2**20)
    assert Evidence(256, 1, 4).convinces(placed=True)
    assert not Evidence(255, 1, 4).convinces(placed=True)
    assert not Evidence(1000, 1, 4).convinces(4, placed=True)


def test_words_of_numbers() -> None:
    assert ranges([1, 2, 3, 5, 8, 9], "..", ", ") == "1..3, 5, 8..9"
    assert (interval(3, 3), interval(1, 4), interval(None, 7), interval(7, None)) == (
        "3",
        "between 1 and 4",
        "at most 7",
        "at least 7",
    )


def test_the_command_tells_cause_and_place(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    values = right("block")
    told(folder, "block", "merge", values["merge"])
    np.save(folder / "or.npy", (values["a"] | values["b"]).transpose(0, 2, 3, 1))
    line = ["verify", str(folder / "block"), str(folder / "or.npy"), "--node", "merge"]
    assert main([*line, "--junit", str(folder / "report.xml")]) == 1
    told_ = "  where: on every axis\n  cause: merge: a OR b is given, not (a + b) &gt;&gt; 1"
    assert told_ in (folder / "report.xml").read_text()
    assert told_.replace("&gt;", ">") in capsys.readouterr().out
    assert main([*line, "--json"]) == 1
    (entry,) = json.loads(capsys.readouterr().out)["dumps"]
    assert entry["causes"] == ["merge: a OR b is given, not (a + b) >> 1"]
    assert entry["where"] == "on every axis"
    assert main([*line, "--no-causes"]) == 1
    assert "cause" not in capsys.readouterr().out
