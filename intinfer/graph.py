"""The declared network: `Value`, `Node`, `Output`, `Graph`. Frozen; made by `builder.GraphBuilder` only.

A graph says what the bits are and nothing about how fast they come: no kernel, path or cycle count lives here.
The batch axis is outside the graph: shapes are (C, H, W) or (C,).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import TYPE_CHECKING, Protocol

from .errors import GraphError, close_names
from .types import IntType

if TYPE_CHECKING:
    from .ops.base import Op

Shape = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Value:
    """A tensor of the graph: unique name, shape (C, H, W) or (C,), and the integers it may hold."""

    name: str
    shape: Shape
    type: IntType

    @property
    def size(self) -> int:
        """Elements of one image."""
        return math.prod(self.shape)


@dataclass(frozen=True, eq=False)
class Node:
    """One op applied to named values. `source` keeps the checkpoint keys or node names it came from."""

    op: Op
    inputs: tuple[str, ...]
    output: Value
    source: tuple[str, ...]

    @property
    def name(self) -> str:
        """The name of the node, which is that of its value."""
        return self.output.name


@dataclass(frozen=True, slots=True)
class Output:
    """A result: real = scale * z + offset, exactly. One scale and offset, or one a channel."""

    name: str
    value: str
    scale: tuple[Fraction, ...] = (Fraction(1),)
    offset: tuple[Fraction, ...] = (Fraction(0),)

    @property
    def ordered(self) -> bool:
        """Whether larger integers mean larger real values over all channels."""
        return len(set(self.scale)) == len(set(self.offset)) == 1 and self.scale[0] > 0


@dataclass(frozen=True, slots=True)
class ImageInput:
    """How an image file becomes the graph's input: channel order and what is done with other sizes.

    `mode` is "RGB" (3 channels) or "L" (1); `fit` is what `intinfer run` does when not told: exact, crop, resize.
    """

    mode: str
    fit: str = "exact"

    def __post_init__(self) -> None:
        if self.mode not in ("RGB", "L"):
            raise GraphError(f"image mode {self.mode!r}: allowed are RGB and L, and none where no input is a picture")
        if self.fit not in ("exact", "crop", "resize"):
            raise GraphError(f"image fit {self.fit!r}: allowed are exact, crop and resize")

    @property
    def channels(self) -> int:
        """Channels of the mode: 3 or 1."""
        return {"RGB": 3, "L": 1}[self.mode]


@dataclass(frozen=True, eq=False, init=False)
class Graph:
    """A typed network in topological order. `GraphBuilder.finish` makes one, and the methods below make others of it.

    `image` and `classes` describe what stands at its ends where that is known; `provenance` is free text by
    key (what it was converted from), shown by `inspect` and never interpreted.
    """

    inputs: tuple[Value, ...]
    nodes: tuple[Node, ...]
    outputs: tuple[Output, ...]
    image: ImageInput | None
    classes: tuple[str, ...]
    provenance: dict[str, str]

    def __init__(self, *_: object, **__: object) -> None:
        """Raise GraphError: a graph is not made, nor changed with `dataclasses.replace`, without its type rules."""
        raise GraphError(
            "a Graph is made by GraphBuilder, which runs the type rules; from another graph by its methods with_nodes, "
            "with_ops, with_outputs and up_to"
        )

    @classmethod
    def _finished(cls, **fields: object) -> Graph:
        """What the builder has checked."""
        graph = object.__new__(cls)
        for name, value in fields.items():
            object.__setattr__(graph, name, value)
        return graph

    @cached_property
    def values(self) -> dict[str, Value]:
        """Every value by name, inputs first."""
        return {v.name: v for v in (*self.inputs, *(node.output for node in self.nodes))}

    @cached_property
    def node_by_name(self) -> dict[str, Node]:
        """Every node by the name of its value."""
        return {node.name: node for node in self.nodes}

    @cached_property
    def place(self) -> dict[str, int]:
        """The place of each value in the order, inputs first, by name."""
        return {name: i for i, name in enumerate(self.values)}

    @cached_property
    def readers(self) -> dict[str, tuple[Node, ...]]:
        """The nodes that read each value, in order, each once; () for a value that nobody reads."""
        found: dict[str, list[Node]] = {name: [] for name in self.values}
        for node in self.nodes:
            for name in dict.fromkeys(node.inputs):
                found[name].append(node)
        return {name: tuple(nodes) for name, nodes in found.items()}

    def operands(self, node: Node) -> tuple[Value, ...]:
        """The values that a node reads, in its order."""
        return tuple(self.values[name] for name in node.inputs)

    def node(self, name: str) -> Node:
        """The node that makes value `name`; GraphError lists close names when there is none."""
        if name not in self.node_by_name:
            raise GraphError(f"no node named {name!r}; close names: {self.close_names(name)}")
        return self.node_by_name[name]

    def close_names(self, name: str) -> str:
        """Name up to three nodes whose names are most like a name that none has, to quote in a message."""
        return ", ".join(close_names(name, self.node_by_name))

    def before(self, names: Iterable[str]) -> set[str]:
        """The values from which these are made, inputs of the graph included, and they themselves."""
        found = set(names)
        for node in reversed(self.nodes):
            if node.name in found:
                found.update(node.inputs)
        return found

    def with_nodes(self, nodes: Iterable[Node], outputs: Iterable[Output] | None = None) -> Graph:
        """The network of other nodes on the same inputs, each added anew: type rules run, so types may change.

        Args:
            nodes: in an order in which they can be computed; what they say of their results is not looked at.
            outputs: other results, or None for the same. With others, class names are left out.

        Raises GraphError as `GraphBuilder` does.
        """
        return self._rebuilt(nodes, lambda node, _: node.op, outputs, {})

    def with_ops(self, op_of: Callable[[Node, tuple[Value, ...]], Op], notes: Mapping[str, str] | None = None) -> Graph:
        """The network with the op `op_of(node, inputs)` in each node, given its inputs as they become; `notes` are
        added to the provenance. Raises GraphError as `GraphBuilder` does."""
        return self._rebuilt(self.nodes, op_of, None, notes or {})

    def with_outputs(self, outputs: Iterable[Output]) -> Graph:
        """The network with other results, and without class names. Raises GraphError as `GraphBuilder` does."""
        return self.with_nodes(self.nodes, outputs)

    def up_to(self, name: str) -> Graph:
        """The nodes that the value of one node is made by; that value is the only result."""
        found = self.before([self.node(name).name])
        return self.with_nodes((node for node in self.nodes if node.name in found), [Output(name, name)])

    def _rebuilt(
        self,
        nodes: Iterable[Node],
        op_of: Callable[[Node, tuple[Value, ...]], Op],
        outputs: Iterable[Output] | None,
        notes: Mapping[str, str],
    ) -> Graph:
        from .builder import GraphBuilder

        builder = GraphBuilder()
        values = {value.name: builder.input(value.name, value.shape, value.type) for value in self.inputs}
        for node in nodes:
            read = tuple(_made(values, name, f"node {node.name!r}") for name in node.inputs)
            values[node.name] = builder.add(op_of(node, read), *read, name=node.name, source=node.source)
        for out in self.outputs if outputs is None else outputs:
            builder.output(out.name, _made(values, out.value, f"output {out.name!r}"), out.scale, out.offset)
        return builder.finish(self.image, self.classes if outputs is None else (), {**self.provenance, **notes})


def _made(values: Mapping[str, Value], name: str, reader: str) -> Value:
    if name not in values:
        raise GraphError(f"{reader} reads {name!r}, which no input or node before it is; keep what makes it")
    return values[name]


def unread_after(steps: Sequence[tuple[Sequence[str], str]], kept: Collection[str] = ()) -> list[list[str]]:
    """Find when values die: for each step the values that no step behind it reads.

    A value that nobody reads is listed at the step that makes it; what no step makes or reads, and what is `kept`, at
    none.

    Args:
        steps: in order, the names that a step reads, and the name of what it makes.
    """
    last = {name: i for i, (read, made) in enumerate(steps) for name in (*read, made)}
    found: list[list[str]] = [[] for _ in steps]
    for name, i in last.items():
        if name not in kept:
            found[i].append(name)
    return found


class HasGraph(Protocol):
    """What holds a graph: a `Model`."""

    graph: Graph


GraphLike = Graph | HasGraph


def graph_of(net: GraphLike) -> Graph:
    """The graph itself, or that of a `Model`. Raises GraphError for anything else."""
    graph = net if isinstance(net, Graph) else getattr(net, "graph", None)
    if not isinstance(graph, Graph):
        raise GraphError(f"a Model or a Graph is needed, got {type(net).__name__}")
    return graph
