"""Every applicable node test of the installed onnx package, converted and run: the table `onnx_node_tests.md`.

    PYTHONPATH=tests python tests/onnx_tests/node_table.py [--write]

prints one line a test, `--write` puts the table into `intinfer/spec`. Exit status 1 when a result is wrong.
"""

from __future__ import annotations

import sys
from collections import Counter
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path

import numpy as np

import intinfer.spec
from intinfer import Model
from intinfer.errors import IntinferError
from intinfer.graph import Graph
from intinfer_converters.lower import lower
from intinfer_converters.preprocess import Preprocess
from intinfer_converters.read_onnx import read_onnx
from onnx_tests.floats import exactly, nearest
from onnx_tests.node_cases import Form, NodeTest, NotANetworkError, forms, is_applicable, node_tests

TABLE = Path(intinfer.spec.__file__).parent / "onnx_node_tests.md"


@dataclass(frozen=True)
class Row:
    """What became of one test: `result` is "exact", "refused" or "WRONG"; `detail` the form, or the reason."""

    name: str
    result: str
    detail: str


ENGINES = ("reference", "fast")


@cache
def rows(engines: tuple[str, ...] = ENGINES) -> tuple[Row, ...]:
    return tuple(judged(test, engines) for test in node_tests() if is_applicable(test))


def judged(test: NodeTest, engines: tuple[str, ...] = ENGINES) -> Row:
    """The first form that converts decides; when none does, the first one's reason."""
    reason = ""
    try:
        for form in forms(test):
            try:
                graph = converted(form)
            except IntinferError as error:
                reason = reason or str(error)
                continue
            difference = differing(graph, form, engines)
            if difference:
                return Row(test.name, "WRONG", difference)
            stated = () if form.bounds is None else (f"input {form.bounds[0]}..{form.bounds[1]}",)
            return Row(test.name, "exact", "; ".join((*form.remarks, *stated)))
    except NotANetworkError as none:
        reason = reason or f"not tried: {none}"
    return Row(test.name, "refused", reason)


def converted(form: Form) -> Graph:
    """The integer graph of a form."""
    low, high = form.bounds or (None, None)
    return lower(read_onnx(form.model, pixels=Preprocess(lo=low, hi=high)).net)


def differing(graph: Graph, form: Form, engines: tuple[str, ...] = ENGINES) -> str:
    """What differs between the test's outputs and the engines' on its inputs; "" when every element is equal."""
    model = Model(graph)
    values = graph.values
    images = {value.name: form.inputs[value.name].astype(np.int64).reshape(-1, *value.shape) for value in graph.inputs}
    for engine in engines:
        results = model.run(images, engine=engine)
        named = results if isinstance(results, dict) else {graph.outputs[0].name: results}
        for output in graph.outputs:
            expected = form.outputs[output.name]
            count, *shape = expected.shape
            if values[output.value].size != int(np.prod(shape)) or len(named[output.name]) != count:
                return f"{engine}: output {output.name} has shape {named[output.name].shape}, {expected.shape} is due"
            scales = _spread(output.scale, values[output.value].shape)
            offsets = _spread(output.offset, values[output.value].shape)
            for image, due in zip(named[output.name], expected, strict=True):
                pairs = zip(exactly(image), scales, offsets, exactly(due), strict=True)
                for place, (z, scale, offset, wanted) in enumerate(pairs):
                    real = scale * z + offset
                    if (nearest(real, due.dtype.name) if due.dtype.kind == "f" else real) != wanted:
                        return f"{engine}: element {place} of {output.name} is {real}, {wanted} is due"
    return ""


def _spread(numbers, shape):
    """One number, or one a channel, for every element."""
    inner = int(np.prod(shape[1:]))
    return [n for n in numbers for _ in range(inner)] if len(numbers) > 1 else numbers * (shape[0] * inner)


def table_text() -> str:
    results = rows()
    counts = Counter(row.result for row in results)
    outside = Counter("/".join(test.operators) for test in node_tests() if not is_applicable(test))
    lines = [
        "# The node tests of ONNX",
        "",
        f"Made by `make onnx-table` from the tests of onnx {version('onnx')}. Each was read, lowered, and run by the",
        "reference and the fast engine; *exact* means that every element of every output is equal: an integer to the",
        "integer, a float to the exact result rounded once to its type.",
        "",
        "A node test gives all inputs as data. What is constant in a network (weights, scales, zero points, bounds,",
        "axes) is an initializer here. Other things that differ from the test as it stands are in the last column:",
        "",
        "- *constant a, b*: these inputs were made initializers;",
        "- *batch axis added*: the test has none; its shapes and axes moved up by one;",
        "- *one row at a time*: its first axis is the batch;",
        "- *data round(8x)*: its data x are no integers; these are, and the result is that of `onnx.reference`;",
        "- *input a..b*: the range of the data. It is stated where the input is a float or of 64 bits, and where the",
        "  whole range of the type would leave the result's type; otherwise the input is any number of its type;",
        "- *behind QuantizeLinear(s, z)*: the result is a float that no integer holds; its int8 levels were compared.",
        "",
        f"{len(results)} tests of {len(node_tests())} are about operators of quantised networks: "
        f"{counts['exact']} exact, {counts['refused']} refused, {counts['WRONG']} wrong.",
        "",
        "| test | result | how, or why not |",
        "|---|---|---|",
        *(f"| {row.name.removeprefix('test_')} | {row.result} | {_cell(row.detail)} |" for row in results),
        "",
        f"The other {sum(outside.values())} tests are about operators or types that are no part of quantised networks",
        "(bitwise operators, equality, 64-bit unsigned integers, 8-bit floats, strings, sequences, recurrence,",
        "training, transcendental functions); models that hold them are refused by name.",
        "",
    ]
    return "\n".join(lines)


def _cell(text: str) -> str:
    """A reason for a table: one line, no bars, of bounded length."""
    flat = " ".join(text.split()).replace("|", "\\|")
    return flat if len(flat) <= 160 else flat[:157].rstrip() + "..."


def main() -> int:
    if "--write" in sys.argv[1:]:
        TABLE.write_text(table_text(), encoding="utf-8")
        print(f"wrote {TABLE}", file=sys.stderr)
    for row in rows():
        print(f"{row.result:8} {row.name:60} {row.detail}")
    counts = Counter(row.result for row in rows())
    print(f"{counts['exact']} exact, {counts['refused']} refused, {counts['WRONG']} wrong")
    return 1 if counts["WRONG"] else 0


if __name__ == "__main__":
    sys.exit(main())
