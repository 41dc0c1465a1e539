"""A `.pt2` archive, or any torch module through torch.export, into a `FloatNet`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import torch

from intinfer.errors import DataError, IntinferError
from intinfer.files.foreign import reason as first_line

from ..preprocess import Preprocess
from ..symbolic import Reading, Symbolic, SymbolicNet, Unsupported
from . import quantisers
from .arrangement import COPY, MAYBE_VIEWS, MOVING, SAME, move
from .nodes import Node, Ref
from .program import OPEN_BATCH, Input, Program
from .schema import OBSERVING, Bound, bind, call, packet_of
from .scope import Scope, numpy_type
from .tables import CONSTANT_ONLY, HANDLERS, IGNORED, REFUSED_OPS, SCALAR_OPS
from .values import REFUSED, Values

MAX_SIZE = 2**62
WAY_OUT = "put it before or behind the network, or write it with ops that are supported"
MALFORMED = (
    TypeError,
    ValueError,
    IndexError,
    KeyError,
    AttributeError,
    OverflowError,
    RuntimeError,
    ZeroDivisionError,
)
Shapes = Mapping[str, tuple[int, ...]]


def read_graph(program: Program, *, pixels: Preprocess, shapes: Shapes | None = None) -> Reading:
    """The float net of a graph of `read_program`, `export_program` or `export_layers`.

    Args:
        pixels: how integers become the float input of the exported network.
        shapes: input -> its shape, batch axis first, where the graph leaves axes other than the batch open. The only
            input may be called "input".

    Raises:
        DataError: nodes of it are not supported; all of them are listed.
    """
    return _Reader(program, pixels, shapes or {}).read()


def only_input(program: Program) -> Input:
    """The one input of a program. Raises DataError for another number of inputs, or one without a batch axis."""
    if len(program.inputs) != 1:
        names = ", ".join(x.name for x in program.inputs)
        raise DataError(f"the network has {len(program.inputs)} inputs ({names[:200]}); one image is supported")
    given = program.inputs[0]
    if len(given.shape) < 2:
        raise DataError(
            f"input {given.name!r} has shape {given.shape}; the batch axis and at least one more are needed"
        )
    return given


class _Reader:
    """One walk over the nodes of a graph."""

    def __init__(self, program: Program, pixels: Preprocess, shapes: Shapes) -> None:
        self.program = program
        self.given = only_input(program)
        shape = input_shape(self.given, shapes)
        batch, where = self.given.shape[0], f"input {self.given.name!r}"
        if self.given.dtype == torch.float16:
            raise DataError(f"{where} is float16, whose ops torch rounds twice; export it in float32")
        if batch == 0:
            raise DataError(f"{where} is a batch of 0 images; export it with a batch of 1")
        try:
            dtype = numpy_type(self.given.dtype)
            self.scope = Scope(SymbolicNet(dtype if dtype.kind == "f" else np.float32), batch or OPEN_BATCH)
            x = pixels.apply(self.scope.net, self.given.name, shape, dtype)
        except Unsupported as reason:
            raise DataError(f"{where}: {reason}") from None
        self.tensors = {self.given.name: x}
        self.values = Values()
        self.values.set(self.given.name, x)
        for name, (key, tensor) in program.constants.items():
            self.values.set(name, tensor, key)

    def read(self) -> Reading:
        """The net of all nodes. Raises DataError that lists those that are refused."""
        refusals = [text for node in self.program.nodes for text in self.visit(node)]
        outputs: dict[str, Symbolic] = {}
        for name in self.program.outputs:
            try:
                value = self.values.get(name)
                if isinstance(value, Symbolic):
                    outputs[name] = value
                elif value is not REFUSED:
                    raise Unsupported("it does not depend on the input")
            except Unsupported as reason:
                refusals.append(f"output {name}: {reason}")
        if not refusals:
            try:
                return self.scope.net.finish(outputs, self.tensors)
            except (Unsupported, IntinferError) as reason:
                refusals.append(f"output {', '.join(outputs)}: {reason}")
        raise DataError(f"{len(refusals)} node(s) cannot be converted: " + "; ".join(refusals))

    def visit(self, node: Node) -> Iterator[str]:
        """Compute a node; yields its refusal, if it is refused."""
        if node.target.rpartition(".")[0] in IGNORED:
            return
        for name in node.results:  # until they are computed
            self.values.set(name, REFUSED)
        try:
            if any(self.values.get(name) is REFUSED for name in node.reads):
                return
            arguments = tuple((key, self.values.resolved(value)) for key, value in node.arguments)
            with self.scope.net.at(node.layer or node.name, *self.sources(node)):
                self.compute(node, arguments)
        except (Unsupported, IntinferError) as reason:
            yield f"{self.place(node)}: {reason}"
        except MALFORMED as error:  # arguments that no exporter writes
            yield f"{self.place(node)}: its arguments do not fit ({type(error).__name__}: {first_line(error)})"

    def place(self, node: Node) -> str:
        """Which node it is, for messages."""
        return f"{node.name} ({node.target}{f' in {node.path}' if node.path else ''})"

    def sources(self, node: Node) -> list[str]:
        """What a node is said to come from: its layer; or its parameters, its module, and its own name."""
        if node.layer:
            return [node.layer]
        keys = [self.program.constants[name][0] for name in node.reads if name in self.program.constants]
        return list(dict.fromkeys((*keys, *([node.path] if node.path else []), node.name)))

    def compute(self, node: Node, arguments: tuple[tuple[str, Any], ...]) -> None:
        """Read a node, whose arguments are values by now, and keep its results."""
        packet, values = packet_of(node.target), [value for _, value in arguments]
        place: Callable[[str, Any], None] = self.values.set
        if node.target in SCALAR_OPS:
            result = _sized(SCALAR_OPS[node.target](*values))
        elif packet in ("aten.sym_size", "aten.sym_numel"):
            result = self.size(packet, values)
        elif packet in HANDLERS or packet in MOVING or packet in CONSTANT_ONLY:
            bound = bind(node.target, arguments)
            result, place = self.result(bound), self.sharing(node, bound)
        else:
            raise Unsupported(f"the op is not supported; {REFUSED_OPS.get(packet, WAY_OUT)}")
        self.store(node, result, place)

    def size(self, packet: str, values: list[Any]) -> int:
        """The size of a tensor of the whole batch, along one axis or in all."""
        x = values[0]
        shape = (self.scope.batch, *x.shape[1:]) if isinstance(x, Symbolic) else tuple(x.shape)
        return int(np.prod(shape)) if packet == "aten.sym_numel" else int(shape[values[1]])

    def result(self, bound: Bound) -> Any:
        """What the op gives: a Symbolic, a constant tensor, or a list of these."""
        computed = [v for value in bound.arguments.values() for v in (value if isinstance(value, list) else [value])]
        if bound.packet in OBSERVING:
            quantisers.check_observer(self.scope, bound.arguments)
        if not any(isinstance(value, Symbolic) for value in computed):
            return self.folded(bound)
        if bound.packet in MOVING or (bound.packet == "aten.pad" and bound.arguments["mode"] != "constant"):
            return move(self.scope, bound)
        if bound.packet not in HANDLERS:
            raise Unsupported(
                f"the op is supported for constants only; its argument is computed from the input: {WAY_OUT}"
            )
        result = HANDLERS[bound.packet](self.scope, bound.arguments)
        return torch.from_numpy(result.copy()) if isinstance(result, np.ndarray) else result

    def folded(self, bound: Bound) -> Any:
        """An op of constants, computed by torch; integers behind a dequantiser are remembered."""
        arguments = dict(bound.arguments)
        if bound.in_place:
            first = next(iter(arguments))
            arguments[first] = arguments[first].clone()
        result = call(bound, arguments)
        if isinstance(result, torch.Tensor):
            self.hint(bound, result)
        return result

    def hint(self, bound: Bound, result: torch.Tensor) -> None:
        """Remember of which integers and scale a constant is made, when the op says so or keeps them."""
        scale = quantisers.scale_of(bound.packet, bound.arguments, result.ndim)
        if scale is not None:
            self.scope.hint(result, scale)
            return
        name, first = next(iter(bound.arguments.items()), ("", None))
        known = self.scope.hints.get(id(first))
        if known is not None and bound.packet in MOVING | SAME | COPY:
            self.scope.keep(result, *(call(bound, {**bound.arguments, name: part}) for part in known[1:]))

    def sharing(self, node: Node, bound: Bound) -> Callable[[str, Any], None]:
        """How the results are stored: over their argument, in its memory, or in memory of their own."""
        first = next((value for _, value in node.arguments), None)
        if not isinstance(first, Ref):
            if bound.in_place:
                raise Unsupported("it writes in place into what is no tensor of the graph")
            return self.values.set
        source = first.name
        if bound.in_place and bound.packet not in SAME:
            return lambda name, value: self.values.write(name, value, source)
        if bound.packet in SAME:
            return lambda name, _: self.values.alias(name, source)
        if bound.views or bound.packet in MAYBE_VIEWS:
            return lambda name, value: self.values.view(name, value, source)
        return self.values.set

    def store(self, node: Node, result: Any, place: Callable[[str, Any], None]) -> None:
        """Give the results their names."""
        results = [result] if len(node.outputs) == 1 else list(result) if isinstance(result, (list, tuple)) else []
        if len(results) < len(node.outputs):
            raise Unsupported(f"its graph names {len(node.outputs)} results; other numbers are computed")
        for output, value in zip(node.outputs, results, strict=False):
            if output is None:
                continue
            names, values = ((output,), (value,)) if isinstance(output, str) else (output, value)
            if not isinstance(values, (list, tuple)) or len(names) != len(values):
                raise Unsupported(f"its graph names {len(names)} tensors of a list; other numbers are computed")
            for name, item in zip(names, values, strict=True):
                if isinstance(item, Symbolic):
                    self.tensors[name] = item
                place(name, item)


def _sized(value: Any) -> int | float | bool:
    if not isinstance(value, (bool, int, float)) or abs(value) > MAX_SIZE:
        raise Unsupported(f"it computes with {type(value).__name__}s that are no sizes")
    return value


def input_shape(given: Input, shapes: Shapes) -> tuple[int, ...]:
    """(1, ...): what the archive fixes, and the user says of the rest."""
    unknown = [name for name in shapes if name not in (given.name, "input")]
    if unknown:
        raise DataError(f"a shape is given for {unknown[0]!r}; the network's input is {given.name!r}")
    wanted = shapes.get(given.name, shapes.get("input"))
    fixed = (1, *given.shape[1:])
    if wanted is not None:
        fits = len(wanted) == len(fixed) and all(
            a == b for a, b in zip(wanted[1:], fixed[1:], strict=True) if b is not None
        )
        if not fits or any(n < 1 for n in wanted):
            raise DataError(f"input {given.name!r} has shape {_shown(given)}; the given {wanted} does not fit it")
        fixed = (1, *wanted[1:])
    known = tuple(n for n in fixed if n is not None)
    if len(known) != len(fixed):
        raise DataError(
            f"input {given.name!r} has shape {_shown(given)}; say its open axes: --shape {given.name}=1,..."
        )
    return known


def _shown(given: Input) -> str:
    return "(" + ", ".join("?" if n is None else str(n) for n in given.shape) + ")"
