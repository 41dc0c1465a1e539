"""`intinfer cost MODEL` or `intinfer cost --net NAME:ARGS`"""

from __future__ import annotations

import argparse

from ..cost import CostReport, graph_cost
from ..model import load
from .common import add_json, describe, print_json


def configure(parser: argparse.ArgumentParser) -> None:
    describe(
        parser,
        "Count MACs, BOPs, weights and their bits, and activation memory, per layer and in total; the rules are\n"
        "printed below the table. --net takes a network of the zoo without weights (needs torch).",
        "intinfer cost model.npz",
        "intinfer cost --net mognet:n=128,g=4,k=3 --json",
    )
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("model", metavar="MODEL", nargs="?", help="model file, .npz")
    what.add_argument("--net", metavar="NAME:ARGS", help="network of the zoo; see intinfer zoo")
    add_json(parser)


def run(arguments: argparse.Namespace) -> int:
    report = _net_report(arguments.net) if arguments.net is not None else graph_cost(load(arguments.model).graph)
    if arguments.json:
        print_json(report.to_json())
    else:
        print(report.to_text())
    return 0


def _net_report(net: str) -> CostReport:
    from intinfer_converters.cost import net_cost
    from intinfer_converters.nets import net_arguments

    net_arguments(net)
    return net_cost(net)
