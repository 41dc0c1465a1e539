"""`intinfer convert SOURCE -o MODEL.npz`"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from intinfer_converters import convert_source
from intinfer_converters.sources import Source, SourceOptions, need_kind

from ..errors import DataError, GraphError
from ..graph import Graph
from ..model_file import save
from ..narrow import narrow
from ..reports.text import counted, table
from .accumulators import add_accumulator, chosen_rule
from .common import answer, constants_text, describe, stored_bits
from .limits import add_limits, limited
from .sources import SOURCE_HELP, add_calibration, add_source, calibration_images, given_calibration, given_options

NOTES = ("wide multipliers", "exact pixels", "approximate adds")
"""What `lower` notes in the provenance, shown because it is not what one expects."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `intinfer convert`."""
    describe(
        parser,
        "Turn a trained network into an exact integer model and print what became what. The model file appears whole\n"
        "or not at all; one of the same name is replaced. Accumulators are as wide as is proven to be enough; with\n"
        "--acc-bits they are as told, and what stands behind them is adapted: thresholds stay the comparisons that\n"
        "they are, those outside the narrower range are never crossed or always. ONNX needs intinfer[onnx], the rest\n"
        "torch. Nodes without an exact integer meaning are refused, all of them in one message.",
        "intinfer convert quantised.onnx --divide 255 -o model.npz",
        "intinfer convert float.onnx --divide 255 --weights int8 --act-bits 8 --calibrate train.npz -o model.npz",
        "intinfer convert mognet.pt --net mognet:n=32,g=4,k=3 -o mognet.npz",
        "intinfer convert mognet.pt --net mognet:n=32 --classes cat,dog,...,truck -o mognet.npz",
        "intinfer convert mognet.pt --net mognet:n=32 --acc-bits 16 --overflow saturate --acc-order KKC -o sat16.npz",
    )
    parser.add_argument("source", metavar="SOURCE", help=SOURCE_HELP)
    parser.add_argument("-o", "--output", metavar="MODEL.npz", required=True, help="model file to write")
    parser.add_argument(
        "--classes", metavar="FILE|A,B,C", help="class names by label: a file with one a line, or a list with commas"
    )
    add_accumulator(parser, "give the accumulators of convolutions and dense layers B bits (with --overflow)")
    parser.add_argument(
        "--acc-nodes", metavar="GLOB", help="of nodes with such names only, as 's1.*' or '*.gconv' (default: all)"
    )
    add_source(parser)
    add_calibration(parser)
    add_limits(parser)


def run(arguments: argparse.Namespace) -> int:
    """Write the model of a source, and say what became what."""
    source, output = Path(arguments.source), Path(arguments.output)
    options = SourceOptions(**given_options(arguments), calibration=given_calibration(arguments))
    need_kind(source, options)
    if output.suffix != ".npz":
        raise DataError(f"{output}: a model is an .npz file; give the output such a name")
    if not output.parent.is_dir():
        raise DataError(f"{output}: the folder {output.parent} does not exist; create it first")
    rule = chosen_rule(arguments)
    if rule is None and arguments.acc_nodes is not None:
        raise DataError(
            f"--acc-nodes {arguments.acc_nodes}: says where accumulators of --acc-bits B go; give B as well"
        )
    classes = None if arguments.classes is None else _classes(arguments.classes)
    code = limited(arguments, arguments.argv)
    if code is not None:
        return code
    report, converted = _convert(arguments, source, options, classes)
    try:
        graph = converted if rule is None else narrow(converted, rule, arguments.acc_nodes or "*")
    except GraphError as error:
        raise DataError(f"{source}: {error}") from None
    save(graph, output)
    nodes = [{"name": node.name, "op": node.op.kind, "source": list(node.source)} for node in graph.nodes]
    document = {"model": arguments.output, "nodes": nodes, "stored_bits": stored_bits(graph)}
    parts = [f"{key}: {graph.provenance[key]}" for key in NOTES if key in graph.provenance]
    if rule is not None:
        document["accumulators"] = changed = _accumulators(converted, graph)
        parts.append(_accumulator_text(changed))
    if report is not None:
        document["calibration"] = report.as_dict()
        parts.insert(0, str(report))
    return answer(arguments, document, "\n\n".join([*parts, _text(graph, output)]))


def _accumulators(before: Graph, after: Graph) -> list[dict[str, Any]]:
    """Each accumulator that is another one now, and whether it is proven that it cannot overflow."""
    from ..bounds import bounds_of

    pairs = (
        (node.name, getattr(before.node(node.name).op, "accumulator", None), getattr(node.op, "accumulator", None))
        for node in after.nodes
    )
    return [
        {"name": name, "before": str(old), "after": str(new), "fits": bounds_of(after).fits(name)}
        for name, old, new in pairs
        if old != new
    ]


def _accumulator_text(entries: list[dict[str, Any]]) -> str:
    rows = [
        (e["name"], e["before"], e["after"], "proven never to overflow" if e["fits"] else "may overflow")
        for e in entries
    ]
    may = sum(not entry["fits"] for entry in entries)
    head = table(("accumulator", "was", "now", ""), rows)
    return f"{head}\n{len(entries)} accumulators changed; {may} of them may overflow: intinfer profile tells on images"


def _convert(
    arguments: argparse.Namespace, path: Path, options: SourceOptions, classes: list[str] | None
) -> tuple[Any, Graph]:
    """The report of the calibration, if there was one, and the graph."""
    source = Source(path, options)
    if options.calibration is not None:
        source.calibrate(*calibration_images(arguments.calibrate, arguments.calibrate_limit, source))
    try:
        return source.report, convert_source(source, classes)
    except GraphError as error:  # class names that do not fit the outputs
        raise DataError(f"{path}: {error}") from None


def _classes(text: str) -> list[str]:
    """The names of `--classes`. Raises DataError when one is empty or given twice."""
    file = Path(text)
    if file.is_file():
        try:
            names = file.read_text(encoding="utf-8").splitlines()
        except UnicodeDecodeError:
            raise DataError(f"{file}: is not UTF-8 text; give one class name a line") from None
    elif "," in text:
        names = text.split(",")
    else:
        raise DataError(f"{text}: no such file; --classes takes a file with one class name a line, or a list a,b,c")
    names = [name.strip() for name in names]
    wrong = "an empty name" if "" in names else next((f"{n!r} twice" for n in names if names.count(n) > 1), None)
    if wrong or not names:
        raise DataError(f"{text}: has {wrong or 'no names'}; class names are all different and not empty")
    return names


def _text(graph: Graph, output: Path) -> str:
    rows = [(node.name, node.op.kind, ", ".join(node.source), constants_text(node.op)) for node in graph.nodes]
    totals = stored_bits(graph)
    stored = "; ".join(f"{name} {bits:,} bits" for name, bits in totals.items())
    return "\n".join(
        [
            table(("node", "op", "from", "stored"), rows),
            f"stored: {stored}; {sum(totals.values()):,} bits in all",
            f"wrote {output}: {counted(len(graph.nodes), 'node')}, {output.stat().st_size:,} bytes",
        ]
    )
