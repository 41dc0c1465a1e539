"""One element of a node followed by hand: every product, sum and threshold that made it.

It is what the definition of the op makes of its inputs, and what the reference says; of a graph and an image, or of a
frame of a set of vectors beside the value that the set holds.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from intinfer import reference
from intinfer.errors import DataError, IntinferError
from intinfer.graph import Graph, GraphLike, Node, graph_of
from intinfer.inputs import Arrays
from intinfer.reports.text import printable, table
from intinfer.types import IntArray

from ..describe.manifest import VectorSet
from ..ops import facts_of
from ..ops.steps import Cell, Element, Operand, Place, Steps

_WORDS = ("input", "note", "automaton", "compare", "branch")
"""Columns of text; all others stand on the right."""


@dataclass(frozen=True)
class Explanation:
    """One element of a node.

    Attributes:
        at: (c, y, x) or (c,).
        inputs: explanations of what it is made of, to the depth asked for.
    """

    node: str
    op: str
    source: tuple[str, ...]
    at: Place
    steps: Steps
    inputs: tuple[Explanation, ...] = ()

    @property
    def value(self) -> int:
        """What the element is."""
        return self.steps.result


def explain(graph: GraphLike, image: Arrays, node: str, at: Place, depth: int = 0) -> Explanation:
    """How one element of a node comes about.

    The steps are computed from the op's definition in Python integers, and compared with the reference's value.

    Args:
        image: one image (1, C, H, W), or {input name: array (1, *shape)}.
        at: (c, y, x) of a map, (c,) of a vector.
        depth: how many nodes further back to explain what the element is made of. It ends at sums: at convolutions,
            dense layers, TGAP and sum pools.

    Raises:
        GraphError: the graph has no such node, or the image does not fit its inputs.
        DataError: `at` is outside the node's shape.
        RangeError: a value outside its input's type, or a `trap` accumulator before or at the node left its range.
        IntinferError: the steps and the reference differ, which is a bug.
    """
    graph = graph_of(graph)
    chosen = graph.node(node)
    _check_place(chosen, at)
    values = reference.trace(graph.up_to(chosen.name), image)
    if any(len(array) != 1 for array in values.values()):
        raise DataError("an explanation is of one image; give a batch of 1")
    return _explained(graph, {name: array[0] for name, array in values.items()}, Element(node, at, 0), depth)


def _check_place(node: Node, at: Place) -> None:
    shape = node.output.shape
    letters = "cyx"[: len(shape)]
    if len(at) != len(shape):
        raise DataError(
            f"node {node.name!r} has shape {shape}: an element is at {','.join(letters)}, not at "
            f"{','.join(map(str, at))}"
        )
    for letter, extent, i in zip(letters, shape, at, strict=True):
        if not 0 <= i < extent:
            raise DataError(f"node {node.name!r} has shape {shape}: {letter}={i} is outside 0..{extent - 1}")


def _explained(graph: Graph, values: dict[str, IntArray], element: Element, depth: int) -> Explanation:
    node = graph.node_by_name[element.value]
    operands = [Operand(name, values[name]) for name in node.inputs]
    steps = facts_of(graph, node).explain(element.at, *operands)
    wanted = int(values[node.name][element.at])
    if steps.result != wanted:
        raise IntinferError(
            f"node {node.name!r} ({node.op.kind}) at {element.at}: the explanation gives {steps.result} and the "
            f"reference {wanted}; please report this bug of intinfer with the model"
        )
    inputs = tuple(
        _explained(graph, values, part, depth - 1)
        for part in dict.fromkeys(steps.made_of)
        if depth > 0 and part.value in graph.node_by_name
    )
    return Explanation(node.name, node.op.kind, node.source, element.at, steps, inputs)


@dataclass(frozen=True)
class FrameExplanation:
    """One element of a frame.

    Attributes:
        frame, label: the frame's number, counted from 0, and its name.
        stored: the value that the set holds; None where it does not hold the node.
        demanded: whether the frame demands the element's channel. A design may give anything where it does not.
    """

    frame: int
    label: str
    explanation: Explanation
    stored: int | None
    demanded: bool

    @property
    def equal(self) -> bool:
        """Whether the set holds what the steps give, as far as it holds the node."""
        return self.stored in (None, self.explanation.value)


def explain_frame(
    vectors: VectorSet, frame: str | None, node: str | None, at: Place, depth: int = 0
) -> FrameExplanation:
    """How one element of a frame comes about, from the inputs that the set holds.

    Args:
        frame: its number or its label; None for the only one.
        node: None for the only output of the design.
        at, depth: as `explain`.

    Raises DataError for a frame or node that is not there, or not the only one; else as `explain`.
    """
    graph = vectors.graph()
    number = _frame(vectors, frame)
    outputs = [port.node for port in vectors.ports.values() if port.direction == "out"]
    name = only(outputs, str(vectors.directory)) if node is None else node
    inputs = {value.name: _held(vectors, value.name, number) for value in graph.inputs}
    if name in inputs:
        file = f"{vectors.directory}/{vectors.values[name].files[0].path}"
        raise DataError(f"{vectors.directory}: {name!r} is an input, which no node makes; see {file}")
    explanation = explain(graph, inputs, name, at, depth)
    stored = int(_held(vectors, name, number)[(0, *at)]) if name in vectors.values else None
    demanded = name not in vectors.masks or bool(vectors.masks[name].array()[number, at[0]])
    return FrameExplanation(number, vectors.frames[number], explanation, stored, demanded)


def only(outputs: Iterable[str], what: str) -> str:
    """The node that gives all outputs. Raises DataError, beginning with `what`, for several."""
    names = list(dict.fromkeys(outputs))
    if len(names) != 1:
        raise DataError(f"{what}: has {len(names)} outputs; say which with --node: {', '.join(names)}")
    return names[0]


def _frame(vectors: VectorSet, frame: str | None) -> int:
    """The number of a frame."""
    labels = vectors.frames
    last = len(labels) - 1
    if frame is None:
        if last:
            raise DataError(f"{vectors.directory}: has frames 0..{last}; say which with --frame")
        return 0
    if frame.isascii() and frame.isdigit():
        if len(frame) > 9 or int(frame) > last:
            raise DataError(f"{vectors.directory}: has frames 0..{last}; there is no frame {frame}")
        return int(frame)
    found = [number for number, label in enumerate(labels) if label == frame]
    if len(found) != 1:
        what = f"{len(found)} frames are" if found else "no frame is"
        raise DataError(f"{vectors.directory}: {what} named {frame!r}; give its number, 0..{last}")
    return found[0]


def _held(vectors: VectorSet, name: str, frame: int) -> IntArray:
    """A value of one frame, (1, *shape)."""
    if name not in vectors.values:
        raise DataError(f"{vectors.directory}: does not hold its input {name!r}; make the vectors again")
    return vectors.values[name].array()[frame : frame + 1]


# ------------------------------------------------------------------------------------------------------------- report


def describe(explanation: Explanation, nonzero: bool = False) -> list[str]:
    """Node, formula, one row a step, intermediate results, the value; then what it is made of, indented.

    Args:
        nonzero: leave out products of 0 that change nothing.
    """
    steps = explanation.steps
    at = " ".join(f"{letter}={i}" for letter, i in zip("cyx", explanation.at, strict=False))
    source = f", from {', '.join(explanation.source)}" if explanation.source else ""
    shown = [row for row in steps.rows if not nonzero or row.get("product") != 0 or row.get("note")]
    lines = [f"{explanation.node} ({explanation.op}{source}) at {at} is {explanation.value}", f"  {steps.formula}"]
    lines += [f"  {line}" for line in _table(shown)]
    if len(shown) < len(steps.rows):
        lines.append(f"  {len(steps.rows) - len(shown)} products of 0 are not shown")
    lines += [*(f"  {name}: {fact}" for name, fact in steps.facts.items()), f"  result: {explanation.value}"]
    for part in explanation.inputs:
        lines += ["", *(f"  {line}" if line else "" for line in describe(part, nonzero))]
    return [printable(line) for line in lines]


def _table(rows: Sequence[dict[str, Cell]]) -> list[str]:
    """Aligned columns; without those that are empty all the way."""
    if not rows:
        return []
    columns = []
    for name in rows[0]:
        cells = [printable(str(row[name])) for row in rows]
        if any(cells):
            width = max(map(len, (name, *cells)))
            left = name in _WORDS
            columns.append([cell.ljust(width) if left else cell.rjust(width) for cell in (name, *cells)])
    header, *body = zip(*columns, strict=True)
    return table(header, body).splitlines()


def document(explanation: Explanation, nonzero: bool = False) -> dict[str, Any]:
    """For JSON: `describe` as numbers."""
    steps = explanation.steps
    rows = [row for row in steps.rows if not nonzero or row.get("product") != 0 or row.get("note")]
    return {
        "node": explanation.node,
        "op": explanation.op,
        "source": list(explanation.source),
        "at": dict(zip("cyx", explanation.at, strict=False)),
        "value": explanation.value,
        "formula": steps.formula,
        "rows": rows,
        "facts": steps.facts,
        "inputs": [document(part, nonzero) for part in explanation.inputs],
    }
