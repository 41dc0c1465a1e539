"""Every table knows every op, by name: whoever adds an op reads here what is still missing, and where."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from oracles import naive
from rtl import assemble

from intinfer import strategies
from intinfer.accumulator import Accumulator
from intinfer.builder import GraphBuilder
from intinfer.graph import Shape, Value
from intinfer.kernels.base import UnfusedKernel
from intinfer.kernels.table import KERNELS
from intinfer.ops import OPS, Add, Op, base
from intinfer.ops.base import Channelwise, Free, Nonlinear
from intinfer.ops.mac import Accumulating
from intinfer.tensor import CellularWeights, IntTensor
from intinfer.types import IntArray, IntType
from intinfer_golden.describe.entries import node_entry
from intinfer_golden.describe.plan import Layout, constants
from intinfer_golden.describe.regions import each_chain
from intinfer_golden.ops import FACTS, facts_of
from intinfer_golden.ops.base import Elementwise, OpFacts, PerChannel, Routing, Served, Stateless
from intinfer_golden.ops.mac import MacFacts
from intinfer_golden.verification.diagnose import solve
from intinfer_golden.verification.diagnose.diagnoses import SOLVED

TESTS = Path(__file__).parent
SPEC = Path(__file__).parent.parent / "intinfer" / "spec"
METHODS = {"add": "weighted_sum"}
"""Builder methods that are not named as their op: `GraphBuilder.add` takes any op."""


def with_tests() -> set[str]:
    return {path.stem.removeprefix("test_") for path in (TESTS / "ops").glob("test_*.py")}


TABLES: dict[str, Callable[[], Collection[str]]] = {
    "intinfer/kernels/table.py": lambda: KERNELS,
    "intinfer/strategies.py": lambda: strategies.MAKERS,
    "intinfer/build_ops.py": lambda: [kind for kind in OPS if hasattr(GraphBuilder, METHODS.get(kind, kind))],
    "intinfer/spec/ops.md": lambda: [kind for kind in OPS if f"\n## {kind}\n" in (SPEC / "ops.md").read_text("utf-8")],
    "golden/intinfer_golden/ops/<op>.py": lambda: {op.kind for op in FACTS},
    "tests/ops/test_<op>.py": with_tests,
    "tests/oracles/naive.py": lambda: naive.OPS,
    "tests/rtl/assemble.py": lambda: assemble.NODES,
}


@pytest.mark.parametrize("table", TABLES)
def test_every_table_knows_every_op(table):
    missing = [kind for kind in OPS if kind not in TABLES[table]()]
    assert not missing, f"{table} says nothing of {', '.join(missing)}"


def test_of_two_kernels_the_fast_one_comes_first():
    assert [kernel.name for kernel in KERNELS["conv2d"]] == ["conv2d_dot", "conv2d_planes", "conv2d_portable"]
    assert [kernel.name for kernel in KERNELS["dense"]] == ["dense_dot", "dense_planes", "dense_portable"]


def test_a_kernel_without_an_op_is_refused_as_its_class_is_made():
    with pytest.raises(TypeError, match=r"^kernel Lost: a name and the kind of op belong together$"):

        class Lost(UnfusedKernel):
            name = "lost"


def test_an_op_that_leaves_a_fact_out_is_refused_as_its_class_is_made():
    with pytest.raises(
        TypeError,
        match=r"^op 'half' \(Half\) does not say its channel_range, cost, demand, example, since: define these, or "
        r"name a class of intinfer.ops that has them in its bases$",
    ):

        @dataclass(frozen=True, eq=False)
        class Half(Nonlinear):
            kind = "half"

            def infer(self, *inputs: Value) -> tuple[Shape, IntType]:
                return inputs[0].shape, inputs[0].type

            def reference(self, *inputs: IntArray) -> IntArray:
                return inputs[0] >> 1


def test_an_op_must_say_how_it_is_bounded():
    with pytest.raises(
        TypeError, match=r"^op 'half' \(Half\) does not say its example, infer, linear, reference, since: "
    ):

        class Half(Channelwise, Free):
            kind = "half"


def test_there_is_no_default_for_what_an_op_must_say():
    assert Op.__abstractmethods__ == {"infer", "reference", "example", "linear", "demand", "cost"}


def test_facts_that_leave_one_out_are_refused_as_their_class_is_made():
    with pytest.raises(
        TypeError,
        match=r"^the facts of op 'add' \(Half\) lack compose, covergroups, explain, frames, hidden, mistakes: define "
        r"these methods, or name a class of intinfer_golden.ops.base that has them in its bases$",
    ):

        class Half(Stateless, OpFacts[Add]):
            of = Add


def test_there_is_no_default_for_what_the_facts_must_say():
    wanted = {"explain", "mistakes", "covergroups", "faults", "hidden", "frames", "compose"}
    assert OpFacts.__abstractmethods__ == wanted
    assert Elementwise.__abstractmethods__ == wanted - {"hidden"} | {"turns"}
    assert PerChannel.__abstractmethods__ == wanted - {"hidden", "faults"} | {"turns", "telling"}


def test_facts_stand_under_the_op_that_they_are_of():
    for op, facts in FACTS.items():
        assert facts.of is op
        assert facts.__name__ == f"{op.__name__}Facts"
        assert facts.__module__ == f"intinfer_golden.ops.{op.kind}"


def kinds(*bases: type) -> set[str]:
    return {op.kind for op, facts in FACTS.items() if issubclass(facts, bases)}


def test_what_golden_takes_for_granted_of_an_op_is_a_choice():
    """An op that is added here has been thought about: what it holds, what moves in it, which frames serve it."""
    moves = {"concat", "channel_select", "flatten", "gather"}
    assert kinds(Routing) == moves
    assert kinds(Stateless) == moves | {"abs", "add", "bitshift", "clamp"}
    assert kinds(Served) == kinds(Stateless) | {"threshold", "requant", "affine", "table", "sum_pool"}
    assert kinds(Elementwise) == {kind for kind, op in OPS.items() if issubclass(op, base.Elementwise)}


def test_an_op_with_constants_can_have_those_of_another_channel():
    stored = {
        kind
        for kind, op in OPS.items()
        if any(isinstance(value, IntTensor | CellularWeights) for value in vars(op.example()[0]).values())
    }
    assert stored == kinds(PerChannel, MacFacts) | {"channel_select", "gather"}


def test_mistakes_are_looked_for_at_every_op():
    """Beside those that any op can make. An op that has none of its own, or none that is solved for, is a choice."""
    assert {kind for kind in OPS if not list(facts_of(*example(kind)).mistakes())} == set()
    assert {kind for kind in OPS if not all(map(list, facts_of(*example(kind)).families()))} == set()
    unsolved = {"abs", "bitshift", "mux", "max_pool", "channel_select", "concat", "flatten", "argmax"}
    assert {op.kind for op in OPS.values() if op not in SOLVED} == unsolved
    assert all(solve.channels.mistakes in families for families in SOLVED.values())


def example(kind):
    """A graph of the op's example, and its node."""
    op, inputs = OPS[kind].example()
    builder = GraphBuilder()
    values = [builder.input(f"x{i}", shape, type_) for i, (shape, type_) in enumerate(inputs)]
    builder.output("y", builder.add(op, *values, name="node"))
    graph = builder.finish()
    return graph, graph.node("node")


def test_what_a_manifest_says_of_an_op_is_a_choice():
    """Comparison and rounding; an op that compares or rounds and is missing here would be described without."""
    said = {kind: node_entry(example(kind)[1]) for kind in OPS}
    compared = {kind: set(entry["compare"]) for kind, entry in said.items() if entry["compare"]}
    rounded = {kind for kind, entry in said.items() if entry["rounding"]}
    assert compared.keys() == {"threshold", "tgap"}
    assert compared["tgap"] == {">"}
    assert compared["threshold"] <= {">=", "<="}
    assert rounded == {"requant", "bitshift"}


@pytest.mark.parametrize("kind", OPS)
def test_every_axis_of_a_constant_has_a_name(kind):
    graph, node = example(kind)
    layout = Layout.of(graph, "nhwc", 1)
    for constant in constants(graph, [node.output], layout):
        assert len(constant.tensor.axes) == len(constant.tensor.shape) == constant.values.ndim


def test_an_op_whose_demand_follows_a_select_says_that_it_selects():
    """Golden vectors ask `Selecting` which bits to give to `demand`, and which values are selects."""
    found = set()
    for kind, op in OPS.items():
        graph, node = example(kind)
        operands, every = graph.operands(node), np.ones(node.output.shape[0], dtype=bool)
        usual = node.op.demand(operands, every)
        for select in (every, ~every):
            if any((a != b).any() for a, b in zip(node.op.demand(operands, every, select), usual, strict=True)):
                found.add(op)
    assert found == {op for op in OPS.values() if issubclass(op, base.Selecting)} == {OPS["mux"]}


def test_what_stands_in_a_chain_of_golden_vectors_is_a_choice():
    """Behind an affine map, each op that reads one value: those of no chain are regions of their own."""
    found = set()
    for kind, op in OPS.items():
        made, inputs = op.example()
        if len(inputs) != 1:
            continue
        if isinstance(made, Accumulating):
            made = made.accumulating(Accumulator.prove(62))
        builder = GraphBuilder()
        x = builder.affine(builder.input("x", *inputs[0]), name="before", multiplier=1, offset=0)
        builder.output("y", builder.add(made, x, name="node"))
        if [region.nodes for region in each_chain(builder.finish())] == [("before", "node")]:
            found.add(kind)
    assert found == {"conv2d", "dense", "affine", "threshold", "requant", "table"}


def test_named_parts_are_the_inputs() -> None:
    assert {kind: op.parts for kind, op in OPS.items() if op.parts} == {"mux": ("S", "I1", "I0")}
    assert all(len(op.parts) == op.arity for op in OPS.values() if op.parts)
