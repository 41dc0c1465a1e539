"""The fast engine beside the runtimes that people use, the reference and PyTorch, on the papers' networks.

    make bench
    .venv-bench/bin/python benchmarks/bench.py [--net SPEC] [--batch N] [--threads N] [--json FILE]

Each network has seeded random weights and batch-norm statistics. Equality comes first: the fast engine's outputs equal
the reference's bit for bit. Then all take turns on the same images, in one process that is pinned to as many cores as
threads are measured. Milliseconds an image are printed, the median and the least of all rounds, the ratio to the fast
engine (above 1: slower than it), and how many multiply-accumulates of the network a second that is, with machine and
commit. Absolute times say little on a shared machine, ratios more.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from measuring import ROOT, commit, in_turns, machine, pin
from peers import all_peers

import intinfer
from intinfer.cost import graph_cost
from intinfer.reference import run as reference
from intinfer_converters import convert
from intinfer_converters.checkpoint import load_net
from intinfer_converters.nets import build

DEMO = "demo"
NETS = (
    "mdgnet:f=32,g=1,k=4", "mdgnet:f=64,g=2,k=4", "mognet:n=128,g=4,k=3", DEMO,
    "mognet:n=128,g=4,k=2", "mognet:n=128,g=4,k=1", "mdgnet:f=32,g=1,k=1",
)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--net", action="append", help="any network text, or demo; all of the list without it")
    parser.add_argument("--batch", type=int, action="append", help="images at once (1 and 32)")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--budget", type=float, default=0.1, help="seconds of a candidate in each round")
    parser.add_argument("--json", type=Path, help="write the numbers there, too")
    arguments = parser.parse_args()
    pin(arguments.threads)
    heading = f"{machine()}, commit {commit()}, {arguments.threads} thread(s)"
    print(heading)
    rows: list[dict[str, Any]] = []
    for net in arguments.net or NETS:
        for batch in arguments.batch or (1, 32):
            rows += measure(net, batch, arguments)
    if arguments.json:
        arguments.json.write_text(json.dumps({"machine": heading, "rows": rows}, indent=1) + "\n")


def made(net: str) -> torch.nn.Module:
    """The network in evaluation, seeded."""
    if net == DEMO:
        return load_net(ROOT / "intinfer/demo/mognet.safetensors", "mognet:n=32,g=4,k=3").eval()
    torch.manual_seed(0)
    module = build(net)
    for layer in module.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            assert layer.running_mean is not None
            assert layer.running_var is not None
            layer.running_mean.normal_(0, 1)
            layer.running_var.uniform_(0.5, 2)
            layer.weight.data.uniform_(0.5, 1.5)
            layer.bias.data.normal_(0, 0.5)
    return module.eval()


def measure(net: str, batch: int, arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """Assert equality, time everything, print a table; its rows."""
    module = made(net)
    graph = convert(module)
    model = intinfer.Model(graph)
    shape = graph.inputs[0].shape
    images = np.random.default_rng(0).integers(0, 256, (batch, *shape)).astype(np.uint8)
    wanted = reference(graph, {graph.inputs[0].name: images.astype(np.int64)})
    (name,) = wanted
    for skip in (True, False):
        got = model.run(images, engine="fast", skip=skip, threads=arguments.threads)
        assert np.array_equal(got, wanted[name]), f"{net}: the fast engine is not exact"
    with tempfile.TemporaryDirectory() as folder:
        peers = all_peers(module, images.astype(np.float32), Path(folder), arguments.threads)
        candidates = {
            "intinfer": lambda: model.run(images, engine="fast", threads=arguments.threads),
            "intinfer, no skipping": lambda: model.run(images, engine="fast", skip=False, threads=arguments.threads),
            **peers,
        }
        seconds = in_turns(candidates, arguments.rounds, arguments.budget)
    macs = graph_cost(graph).macs
    medians = {candidate: float(np.median(each)) / batch for candidate, each in seconds.items()}
    print(f"\n{net}, batch {batch}, {macs / 1e6:.1f} M MACs an image")
    rows = []
    for candidate, median in medians.items():
        least, ratio = min(seconds[candidate]) / batch, median / medians["intinfer"]
        row = {"net": net, "batch": batch, "threads": arguments.threads, "runtime": candidate}
        rows.append({**row, "ms": median * 1e3, "least_ms": least * 1e3, "ratio": ratio})
        speed = macs / median / 1e9
        print(f"  {candidate:24s} {median * 1e3:9.3f} ms  (min {least * 1e3:.3f})  {ratio:6.2f} x  {speed:6.1f} GMAC/s")
    return rows


if __name__ == "__main__":
    main()
