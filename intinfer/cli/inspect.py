"""`intinfer inspect MODEL`"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any

from ..accumulator import Accumulator, signed_bits
from ..graph import Graph, Node, Output, Value
from ..model import load
from ..reports.text import printable, shape_text, table
from .answers import digits
from .common import answer, constants, constants_text, describe, stored_bits


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `intinfer inspect`."""
    describe(
        parser,
        "Show what a model is: inputs, nodes with shapes and value ranges, accumulator widths, the constants stored\n"
        "with their code and bits, the kernel of the fast engine (--json says why), outputs, classes and origin.\n"
        "With --accumulators instead: how wide each accumulator must be, proven with linear chains composed (a\n"
        "convolution of a convolution is bounded as one), per node and channel, beside the width declared.",
        "intinfer inspect model.npz",
        "intinfer inspect model.npz --accumulators",
    )
    parser.add_argument("model", metavar="MODEL", help="model file, .npz")
    parser.add_argument("--accumulators", action="store_true", help="the widths that accumulators need, instead")


def run(arguments: argparse.Namespace) -> int:
    """Show what a model holds, or how wide its accumulators must be."""
    graph = load(arguments.model).graph
    if arguments.accumulators:
        from ..bounds.widths import accumulator_widths, to_json, to_text

        widths = accumulator_widths(graph)
        document, text = to_json(widths), to_text(widths)
    else:
        kernels = _kernels(graph)
        document, text = _document(graph, kernels), _text(graph, kernels)
    return answer(arguments, {"model": arguments.model, **document}, text)


def _kernels(graph: Graph) -> dict[str, tuple[str, str]]:
    """Name for each node the kernel that computes it, and why that one."""
    from ..engine.planner import make_plan

    chosen = {}
    for step in make_plan(graph).steps:
        chosen[step.node.name] = (step.kernel.name, step.why)
        if step.fused is not None:
            chosen[step.fused.name] = (step.kernel.name, f"fused into {step.node.name}")
    return chosen


def _document(graph: Graph, kernels: Mapping[str, tuple[str, str]]) -> dict[str, Any]:
    image = graph.image
    return {
        "inputs": [_value(value) for value in graph.inputs],
        "image": None if image is None else {"mode": image.mode, "fit": image.fit},
        "nodes": [_node(node, kernels.get(node.name)) for node in graph.nodes],
        "outputs": [
            {
                "name": out.name,
                "value": out.value,
                "scale": [str(number) for number in out.scale],
                "offset": [str(number) for number in out.offset],
            }
            for out in graph.outputs
        ],
        "classes": list(graph.classes),
        "stored_bits": stored_bits(graph),
        "provenance": graph.provenance,
    }


def _value(value: Value) -> dict[str, Any]:
    kind = value.type
    return {"name": value.name, "shape": list(value.shape), "lo": kind.lo, "hi": kind.hi, "bits": kind.bits}


def _node(node: Node, kernel: tuple[str, str] | None) -> dict[str, Any]:
    rule: Accumulator | None = getattr(node.op, "accumulator", None)
    return {
        **_value(node.output),
        "op": node.op.kind,
        "inputs": list(node.inputs),
        "accumulator": None if rule is None else {"bits": rule.bits, "overflow": str(rule.overflow)},
        "stored": [
            {"constant": name, "shape": list(t.shape), "encoding": str(t.encoding), "bits": t.stored_bits}
            for name, t in constants(node.op)
        ],
        "source": list(node.source),
        "kernel": None if kernel is None else {"name": kernel[0], "why": kernel[1]},
    }


def _text(graph: Graph, kernels: Mapping[str, tuple[str, str]]) -> str:
    lines = [f"input {v.name}: {shape_text(v.shape)} of {v.type} ({v.type.bits} bits)" for v in graph.inputs]
    if graph.image is not None:
        lines.append(f"image: {graph.image.mode}, other sizes: {graph.image.fit}")
    rows = [
        (
            node.name,
            node.op.kind,
            " ".join(node.inputs),
            shape_text(node.output.shape),
            f"{node.output.type} ({node.output.type.bits})",
            _accumulator(node),
            constants_text(node.op),
            kernels.get(node.name, ("not needed", ""))[0],
        )
        for node in graph.nodes
    ]
    lines += ["", table(("node", "op", "inputs", "shape", "range (bits)", "accumulator", "stored", "kernel"), rows), ""]
    lines += [_output(graph, output) for output in graph.outputs]
    totals = stored_bits(graph)
    lines.append(f"stored: {'; '.join(f'{name} {bits:,} bits' for name, bits in totals.items()) or 'no constants'}")
    lines.append(f"classes: {', '.join(graph.classes) or 'not named'}")
    lines += [f"{key}: {text}" for key, text in graph.provenance.items()]
    return "\n".join(printable(part) for line in lines for part in line.split("\n"))


def _accumulator(node: Node) -> str:
    """Write an accumulator, such as "32 prove, needs 12"; what a sum needs is known only where nothing is cut off."""
    accumulator: Accumulator | None = getattr(node.op, "accumulator", None)
    if accumulator is None:
        return ""
    needs = signed_bits(node.output.type)
    proven = f", needs {needs}" if needs < accumulator.bits or accumulator.overflow == "prove" else ""
    return f"{accumulator}{proven}"


def _output(graph: Graph, output: Output) -> str:
    shape = shape_text(graph.values[output.value].shape)
    parts = []
    for what, numbers in (("scale", output.scale), ("offset", output.offset)):
        many = len(set(numbers)) > 1
        exact = "one a channel" if many else f"{numbers[0]}" if len(str(numbers[0])) <= 24 else digits(numbers[0])
        parts.append(f"{what} {exact}")
    return f"output {output.name}: {shape}, value {output.value}, real = scale * z + offset, {', '.join(parts)}"
