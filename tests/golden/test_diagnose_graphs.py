"""Any graph, any dump of any node: diagnosis ends without an error, and what it tells is true."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from diagnose_nets import made
from hypothesis import given, settings
from hypothesis import strategies as st

from intinfer import reference
from intinfer.graph import Graph
from intinfer.ops import Add
from intinfer.strategies import graphs_with_images
from intinfer.types import IntArray
from intinfer_golden.designs.mistake import wrapped
from intinfer_golden.verification.diagnose.diagnoses import told
from intinfer_golden.verification.diagnose.scene import Scene, Values, WorkBudget


class Traced(Values):
    """Values that are at hand, without a set."""

    def __init__(self, graph: Graph, values: dict[str, IntArray]) -> None:
        self.graph, self._values = graph, values

    def get(self, name: str, frames: Sequence[int]) -> IntArray:
        return self._values[name][list(frames)]


@settings(max_examples=25)
@given(st.data())
def test_any_dump_of_any_node(data: st.DataObject) -> None:
    graph, images = data.draw(graphs_with_images(images=4))
    values = reference.trace(graph, images)
    node = data.draw(st.sampled_from(graph.nodes))
    expected = values[node.name]
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    bits, kind = min(64, node.output.type.bits), data.draw(st.sampled_from(["noise", "frame", "channel", "one"]))
    actual = expected.copy()
    place = {"noise": np.s_[:], "frame": np.s_[-1:], "channel": np.s_[:, :1], "one": np.s_[:1]}[kind]
    noise = rng.integers(node.output.type.lo, node.output.type.hi, actual[place].shape, endpoint=True)
    actual[place] = np.where(rng.random(noise.shape) < 0.5, noise, actual[place])
    asked = np.ones(actual.shape, dtype=bool)
    scene = Scene(
        graph, Traced(graph, values), node, range(len(actual)), actual, expected, asked, bits, WorkBudget(2e8)
    )
    if scene.wrong.any():
        assert all(cause.split(": ")[0] in graph.node_by_name for cause in told(scene))


def test_an_operand_behind_one_that_is_read_twice() -> None:
    """a + 2 a + 3 b, with b of the frame before: the operand is named that is late."""
    graph, inputs = made({"a": ((2, 3, 3), 0, 7), "b": ((2, 3, 3), 0, 7)}, ("add", Add((1, 2, 3)), ("a", "a", "b")))
    values = reference.trace(graph, inputs)
    late = np.concatenate([inputs["b"][:1], inputs["b"][:-1]])
    actual, expected, node = 3 * inputs["a"] + 3 * late, values["add"], graph.node("add")
    asked = np.ones(actual.shape, dtype=bool)
    scene = Scene(graph, Traced(graph, values), node, range(12), actual, expected, asked, 6, WorkBudget(2e8))
    assert told(scene)[0] == "add: operand b is that of the frame before"


@pytest.mark.parametrize("bits", [1, 2, 7, 62, 63, 64])
def test_values_of_fewer_bits(bits: int) -> None:
    """Against Python's integers; values of all 64 bits are what they are."""
    values = [-(2**62), -65, -1, 0, 1, 64, 2**62]
    low = [value % 2**bits for value in values]
    signed = [value - 2**bits if value >= 2 ** (bits - 1) else value for value in low]
    assert wrapped(np.array(values), bits, True).tolist() == signed
    if bits < 64:
        assert wrapped(np.array(values), bits, False).tolist() == low
