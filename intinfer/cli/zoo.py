"""`intinfer zoo`"""

from __future__ import annotations

import argparse
from dataclasses import asdict
from typing import Any

from ..reports.text import table
from .common import add_json, describe, print_json


def configure(parser: argparse.ArgumentParser) -> None:
    describe(
        parser,
        "List the networks that --net knows, with their arguments and defaults, and the weights and MACs of the\n"
        "defaults.",
        "intinfer zoo",
    )
    add_json(parser)


def run(arguments: argparse.Namespace) -> int:
    networks = _networks()
    if arguments.json:
        print_json({"networks": networks})
        return 0
    rows = [
        (net["name"], f"{net['weights']:,}", f"{net['macs']:,}", _argument_text(net["arguments"])) for net in networks
    ]
    print(table(("network", "weights", "MACs", "arguments and their defaults"), rows))
    return 0


def _networks() -> list[dict[str, Any]]:
    from intinfer_converters.nets import NETS

    return [
        {"name": name, "arguments": asdict(net.arguments()), "weights": net.weights, "macs": net.macs}
        for name, net in NETS.items()
    ]


def _argument_text(defaults: dict[str, Any]) -> str:
    return ",".join(f"{key}={value}" for key, value in defaults.items())
