"""`intinfer cost MODEL` or `intinfer cost --net NAME:ARGS`"""

from __future__ import annotations

import argparse

from ..cost import graph_cost
from ..model import load
from .common import answer, describe


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `intinfer cost`."""
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


def run(arguments: argparse.Namespace) -> int:
    """Count what a model or a network of the zoo costs."""
    if arguments.net is None:
        report = graph_cost(load(arguments.model))
    else:
        from intinfer_converters.cost import net_cost

        report = net_cost(arguments.net)
    return answer(arguments, report.to_json(), report.to_text())
