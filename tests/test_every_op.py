"""Every table knows every op, by name: whoever adds an op reads here what is still missing, and where."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path

import pytest
from oracles import naive
from rtl import assemble

from intinfer import strategies
from intinfer.builder import GraphBuilder
from intinfer.graph import Shape, Value
from intinfer.kernels.table import KERNELS
from intinfer.ops import OPS, Op
from intinfer.ops.base import Channelwise, Free, Nonlinear
from intinfer.types import IntArray, IntType
from intinfer_golden.coverage.table import COVERGROUPS
from intinfer_golden.explain.table import STEPS
from intinfer_golden.stimulus.recipes import RECIPES

TESTS = Path(__file__).parent
SPEC = Path(__file__).parent.parent / "intinfer" / "spec"
METHODS = {"add": "weighted_sum"}
"""Builder methods that are not named as their op: `GraphBuilder.add` takes any op."""


SERVED = {"threshold", "requant", "bitshift", "add", "affine", "table", "concat", "channel_select", "sum_pool", "clamp"}
SERVED |= {"flatten", "gather", "abs"}
"""Ops whose bins the general recipes reach; another one needs a recipe, or its name here."""


def with_tests() -> set[str]:
    return {path.stem.removeprefix("test_") for path in (TESTS / "ops").glob("test_*.py")}


TABLES: dict[str, Callable[[], Collection[str]]] = {
    "intinfer/kernels/table.py": lambda: KERNELS,
    "intinfer/strategies.py": lambda: strategies.MAKERS,
    "intinfer/build_ops.py": lambda: [kind for kind in OPS if hasattr(GraphBuilder, METHODS.get(kind, kind))],
    "intinfer/spec/ops.md": lambda: [kind for kind in OPS if f"\n## {kind}\n" in (SPEC / "ops.md").read_text("utf-8")],
    "golden/intinfer_golden/explain/table.py": lambda: STEPS,
    "golden/intinfer_golden/coverage/table.py": lambda: COVERGROUPS,
    "golden/intinfer_golden/stimulus/recipes.py": lambda: SERVED | set(RECIPES),
    "tests/ops/test_<op>.py": with_tests,
    "tests/oracles/naive.py": lambda: naive.OPS,
    "tests/rtl/assemble.py": lambda: assemble.NODES,
}


@pytest.mark.parametrize("table", TABLES)
def test_every_table_knows_every_op(table):
    missing = [kind for kind in OPS if kind not in TABLES[table]()]
    assert not missing, f"{table} says nothing of {', '.join(missing)}"


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
