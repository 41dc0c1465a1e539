"""The nodes of an exported graph, parsed from JSON; graphs within it are written in their place."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from intinfer.errors import DataError
from intinfer.files.strict_json import Json, integer, items, text
from intinfer.limits import MAX_TEXT

from .container import boolean, member, number, table, union, word
from .tensors import STRIDED, dtype_of

MAX_NODES = 100_000
MAX_ITEMS = 100_000
MAX_PATH = 10_000
FORMATS = {1: torch.contiguous_format, 2: torch.channels_last, 3: torch.channels_last_3d, 4: torch.preserve_format}
RESULTS = ("as_tensor", "as_tensors", "as_optional_tensor", "as_sym_int", "as_sym_bool", "as_sym_float", "as_none")
"""Forms of arguments in which results are written."""


@dataclass(frozen=True)
class Ref:
    """A value of the graph, by name."""

    name: str


@dataclass(frozen=True)
class Node:
    """One op.

    Attributes:
        name: unique in the graph.
        target: the op, like "aten.conv2d.default".
        arguments: (name in the op's schema, value); a value is a number, text, dtype, None, Ref, or a list of these.
        outputs: names of the results; a tuple of names where one result is a list; None where one is not used.
        path: the module it stands in, like "layer1.0.conv1"; "" when not known.
        layer: the layer of ours that it is, whose name it takes; "" in other networks.
    """

    name: str
    target: str
    arguments: tuple[tuple[str, Any], ...]
    outputs: tuple[str | tuple[str, ...] | None, ...]
    path: str = ""
    layer: str = ""

    @property
    def results(self) -> list[str]:
        """The names of all results."""
        return _flat(self.outputs)

    @property
    def reads(self) -> list[str]:
        """The values of the graph that it reads, in order."""
        return [name for _, value in self.arguments for name in names_in(value)]


@dataclass
class Flattened:
    """The nodes of a graph and of the graphs within it, in order.

    A block `with torch.no_grad():` is exported as a node with a graph of its own; its nodes are written in its place.
    """

    nodes: list[Node] = field(default_factory=list)
    names: set[str] = field(default_factory=set)

    def add(self, graph: Json, renamed: dict[str, str] | None = None, prefix: str = "") -> None:
        """Add the nodes of `graph`; `renamed` are the values of it that the outside has names for."""
        names = dict(renamed or {})
        for item in items(member(graph, "nodes", "graph"), "nodes", MAX_NODES):
            where = f"node {len(self.nodes)}"
            target = word(member(item, "target", where), where).removeprefix("torch.ops.")
            where = f"node {len(self.nodes)} ({target[:60]})"
            outputs = items(member(item, "outputs", where), where, MAX_ITEMS)
            given = items(member(item, "inputs", where), where, MAX_ITEMS)
            if target == "higher_order.wrap_with_set_grad_enabled":
                self._inline(given, outputs, names, prefix, where)
                continue
            arguments = tuple(
                (text(member(argument, "name", where), where), _value(member(argument, "arg", where), names, where))
                for argument in given
            )
            results = tuple(self._result(output, names, prefix, where) for output in outputs)
            name = next(iter(_flat(results)), f"{prefix}{target}.{len(self.nodes)}")
            self._append(Node(name, target, arguments, results, _module_path(item)))

    def _append(self, node: Node) -> None:
        if len(self.nodes) >= MAX_NODES:
            raise DataError(f"its graph has more than {MAX_NODES} nodes")
        self.nodes.append(node)

    def _result(self, output: Json, names: dict[str, str], prefix: str, where: str) -> str | tuple[str, ...] | None:
        kind, _ = union(output, where)
        if kind not in RESULTS:
            raise DataError(f"{where}: a result that is {kind.removeprefix('as_')[:40]} is not read")
        value = _value(output, {}, where)
        if isinstance(value, list):
            return tuple(self._named(ref.name, names, prefix, where) for ref in value)
        return self._named(value.name, names, prefix, where) if isinstance(value, Ref) else None

    def _named(self, own: str, names: dict[str, str], prefix: str, where: str) -> str:
        name = names.setdefault(own, prefix + own)
        if name in self.names:
            raise DataError(f"{where}: value {name[:80]!r} is made twice")
        self.names.add(name)
        return name

    def _inline(self, given: list[Json], outputs: list[Json], names: dict[str, str], prefix: str, where: str) -> None:
        """Write the nodes of the graph that is the second argument in place of the node."""
        if len(given) < 2:
            raise DataError(f"{where}: {len(given)} arguments, a flag and a graph are needed")
        kind, content = union(member(given[1], "arg", where), where)
        if kind != "as_graph":
            raise DataError(f"{where}: its second argument is no graph")
        inner = f"{prefix}{word(member(content, 'name', where), where)}."
        graph = member(content, "graph", where)
        passed = [_value(member(argument, "arg", where), names, where) for argument in given[2:]]
        taken = _tensor_names(member(graph, "inputs", where), where)
        given_out = _tensor_names(member(graph, "outputs", where), where)
        wanted = _tensor_names(outputs, where)
        if len(taken) != len(passed) or len(given_out) != len(wanted) or not all(isinstance(p, Ref) for p in passed):
            raise DataError(f"{where}: its graph takes and gives other numbers of tensors than the node")
        inside = {name: p.name for name, p in zip(taken, passed, strict=True)}
        self.add(graph, inside, inner)
        for own, name in zip(given_out, wanted, strict=True):
            source = Ref(inside.get(own, inner + own))
            result = self._named(name, names, prefix, where)
            self._append(Node(result, "aten.alias.default", (("self", source),), (result,)))


def _flat(outputs: Sequence[str | tuple[str, ...] | None]) -> list[str]:
    return [name for output in outputs for name in ((output,) if isinstance(output, str) else output or ())]


def _tensor_names(arguments: Json, where: str) -> list[str]:
    return [
        word(member(member(item, "as_tensor", where), "name", where), where)
        for item in items(arguments, where, MAX_ITEMS)
    ]


def _module_path(node: Json) -> str:
    """The innermost module a node was traced in: "...;id,path,class" of its metadata, where that is there."""
    metadata = table(node, "node").get("metadata")
    stack = metadata.get("nn_module_stack") if isinstance(metadata, dict) else None
    if not isinstance(stack, str) or len(stack) > MAX_PATH:
        return ""
    parts = stack.rpartition(";")[2].split(",")
    path = parts[1] if len(parts) > 2 else ""
    return path if path.isprintable() and len(path) <= MAX_TEXT else ""


def _ref(item: Json, names: dict[str, str], where: str) -> Ref:
    own = word(item, where)
    return Ref(names.get(own, own))


def _value(argument: Json, names: dict[str, str], where: str) -> Any:
    """One argument as a Python value."""
    kind, content = union(argument, where)

    def each(read: Callable[[Json], Any]) -> list[Any]:
        return [read(item) for item in items(content, where, MAX_ITEMS)]

    def tensor(item: Json) -> Ref:
        return _ref(member(item, "name", where), names, where)

    def optional(item: Json) -> Ref | None:
        inner, value = union(item, where)
        return tensor(value) if inner == "as_tensor" else None

    def whole(item: Json) -> int:
        return integer(item, where, -(2**63), 2**63 - 1)  # the end of x[1:] is the largest int64

    def symbol(item: Json) -> Any:
        inner, value = union(item, where)
        if inner == "as_name":
            return _ref(value, names, where)
        return readers[inner](value) if inner in ("as_int", "as_float", "as_bool") else _unread(inner, where)

    readers: dict[str, Callable[[Json], Any]] = {
        "as_none": lambda _: None,
        "as_tensor": tensor,
        "as_tensors": lambda _: each(tensor),
        "as_optional_tensor": optional,
        "as_optional_tensors": lambda _: each(optional),
        "as_int": whole,
        "as_ints": lambda _: each(whole),
        "as_float": lambda item: number(item, where),
        "as_floats": lambda _: each(lambda item: number(item, where)),
        "as_bool": lambda item: boolean(item, where),
        "as_bools": lambda _: each(lambda item: boolean(item, where)),
        "as_string": lambda item: text(item, where),
        "as_sym_int": symbol,
        "as_sym_ints": lambda _: each(symbol),
        "as_sym_float": symbol,
        "as_sym_bool": symbol,
        "as_scalar_type": lambda item: dtype_of(item, where),
        "as_memory_format": lambda item: FORMATS.get(integer(item, where, 0, 255)),
        "as_layout": lambda item: torch.strided if item == STRIDED else _unread("a sparse layout", where),
        "as_device": lambda _: torch.device("cpu"),
    }
    return readers[kind](content) if kind in readers else _unread(kind.removeprefix("as_"), where)


def _unread(what: str, where: str) -> Any:
    raise DataError(f"{where}: an argument that is {what[:40]} is not read; only tensors, numbers and texts are")


def names_in(value: object) -> Sequence[str]:
    """The values of the graph that an argument names."""
    if isinstance(value, Ref):
        return [value.name]
    if isinstance(value, list):
        return [name for item in value for name in names_in(item)]
    return []
