"""`intinfer zoo`"""

from __future__ import annotations

import argparse
from dataclasses import asdict

from intinfer_converters.nets import NETS

from ..reports.text import table
from .common import answer, describe


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `intinfer zoo`."""
    describe(
        parser,
        "List the networks that --net knows, with their arguments and defaults, and the weights and MACs of the\n"
        "defaults.",
        "intinfer zoo",
    )


def run(arguments: argparse.Namespace) -> int:
    """List the networks."""
    networks, rows = [], []
    for name, net in NETS.items():
        defaults = asdict(net.arguments())
        networks.append({"name": name, "arguments": defaults, "weights": net.weights, "macs": net.macs})
        text = ",".join(f"{key}={value}" for key, value in defaults.items())
        rows.append((name, f"{net.weights:,}", f"{net.macs:,}", text))
    header = ("network", "weights", "MACs", "arguments and their defaults")
    return answer(arguments, {"networks": networks}, table(header, rows))
