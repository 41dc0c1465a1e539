"""`intinfer convert SOURCE -o MODEL.npz`"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ..accumulator import Accumulator
from ..errors import DataError, GraphError
from ..graph import Graph
from ..model_file import save
from ..text import table
from .accumulators import add_accumulator, chosen_rule
from .common import add_json, constants_text, describe, print_json, stored_bits

SUFFIXES = (".pt", ".pth", ".safetensors")
NET_HELP = (
    "network of the checkpoint, with the arguments it was trained with (k, pooling and image size cannot be seen in "
    "the file); see intinfer zoo"
)


def configure(parser: argparse.ArgumentParser) -> None:
    describe(
        parser,
        "Turn a checkpoint into an exact integer model and print what became what. The model file appears whole or\n"
        "not at all; one of the same name is replaced. Accumulators are as wide as is proven to be enough; with\n"
        "--acc-bits they are as told, and what stands behind them is adapted: thresholds stay the comparisons that\n"
        "they are, those outside the narrower range are never crossed or always. Needs torch.",
        "intinfer convert mognet.pt --net mognet:n=32,g=4,k=3 -o mognet.npz",
        "intinfer convert mognet.pt --net mognet:n=32 --classes cat,dog,...,truck -o mognet.npz",
        "intinfer convert mognet.pt --net mognet:n=32 --acc-bits 16 --overflow saturate --acc-order KKC -o sat16.npz",
    )
    parser.add_argument("source", metavar="SOURCE", help=f"checkpoint: {', '.join(SUFFIXES)}")
    parser.add_argument("--net", metavar="NAME:ARGS", required=True, help=NET_HELP)
    parser.add_argument("-o", "--output", metavar="MODEL.npz", required=True, help="model file to write")
    parser.add_argument(
        "--classes", metavar="FILE|A,B,C", help="class names by label: a file with one a line, or a list with commas"
    )
    add_accumulator(parser, "give the accumulators of convolutions and dense layers B bits (with --overflow)")
    parser.add_argument(
        "--acc-nodes", metavar="GLOB", help="of nodes with such names only, as 's1.*' or '*.gconv' (default: all)"
    )
    add_json(parser)


def run(arguments: argparse.Namespace) -> int:
    source, output = Path(arguments.source), Path(arguments.output)
    if source.suffix not in SUFFIXES:
        raise DataError(f"{source}: unknown file type {source.suffix!r}; known are {', '.join(SUFFIXES)}")
    if not source.is_file():
        raise DataError(f"{source}: {'is not a regular file' if source.exists() else 'no such file'}")
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
    graph = converted = _convert(source, arguments.net, classes)
    if rule is not None:
        graph = _narrowed(source, converted, rule, arguments.acc_nodes or "*")
    save(graph, output)
    if arguments.json:
        changed = {} if rule is None else {"accumulators": _accumulators(converted, graph)}
        print_json({"model": arguments.output, "nodes": _nodes(graph), "stored_bits": stored_bits(graph), **changed})
    else:
        if rule is not None:
            print(_accumulator_text(converted, graph), end="\n\n")
        print(_text(graph, output))
    return 0


def _narrowed(source: Path, graph: Graph, rule: Accumulator, nodes: str) -> Graph:
    from ..narrow import narrow

    try:
        return narrow(graph, rule, nodes)
    except GraphError as error:
        raise DataError(f"{source}: {error}") from None


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


def _accumulator_text(before: Graph, after: Graph) -> str:
    entries = _accumulators(before, after)
    rows = [
        (e["name"], e["before"], e["after"], "proven never to overflow" if e["fits"] else "may overflow")
        for e in entries
    ]
    may = sum(not entry["fits"] for entry in entries)
    head = table(("accumulator", "was", "now", ""), rows)
    return f"{head}\n{len(entries)} accumulators changed; {may} of them may overflow: intinfer profile tells on images"


def _convert(source: Path, net: str, classes: list[str] | None) -> Graph:
    from intinfer_converters import convert_checkpoint

    try:
        return convert_checkpoint(source, net, classes)
    except GraphError as error:  # class names that do not fit the outputs
        raise DataError(f"{source}: {error}") from None


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


def _nodes(graph: Graph) -> list[dict[str, Any]]:
    return [{"name": node.name, "op": node.op.kind, "source": list(node.source)} for node in graph.nodes]


def _text(graph: Graph, output: Path) -> str:
    rows = [(node.name, node.op.kind, ", ".join(node.source), constants_text(node.op)) for node in graph.nodes]
    totals = stored_bits(graph)
    stored = "; ".join(f"{name} {bits:,} bits" for name, bits in totals.items())
    return "\n".join(
        [
            table(("node", "op", "from", "stored"), rows),
            f"stored: {stored}; {sum(totals.values()):,} bits in all",
            f"wrote {output}: {len(graph.nodes)} nodes, {output.stat().st_size:,} bytes",
        ]
    )
