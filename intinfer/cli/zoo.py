"""`intinfer zoo`"""

from __future__ import annotations

import argparse
from dataclasses import asdict
from typing import Any

from ..text import table
from .common import add_json, describe, note, print_json


def configure(parser: argparse.ArgumentParser) -> None:
    describe(
        parser,
        "List the networks that --net knows, with their arguments and defaults, and the weights and MACs of the\n"
        "defaults (these need torch).",
        "intinfer zoo",
    )
    add_json(parser)


def run(arguments: argparse.Namespace) -> int:
    networks = _networks()
    if arguments.json:
        print_json({"networks": networks})
        return 0
    rows = [
        (net["name"], _count(net["weights"]), _count(net["macs"]), _argument_text(net["arguments"])) for net in networks
    ]
    print(table(("network", "weights", "MACs", "arguments and their defaults"), rows))
    return 0


def _networks() -> list[dict[str, Any]]:
    from intinfer_converters.nets import NETS, net_arguments

    networks: list[dict[str, Any]] = []
    for name in NETS:
        _, defaults = net_arguments(name)
        networks.append({"name": name, "arguments": asdict(defaults), "weights": None, "macs": None})
    try:
        from intinfer_converters.cost import net_cost

        for network in networks:
            report = net_cost(network["name"])
            network |= {"weights": report.weights, "macs": report.macs}
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise
        note("weights and MACs need torch; install it with: pip install 'intinfer[torch]'")
    return networks


def _count(number: int | None) -> str:
    return "-" if number is None else f"{number:,}"


def _argument_text(defaults: dict[str, Any]) -> str:
    return ",".join(f"{key}={value}" for key, value in defaults.items())
