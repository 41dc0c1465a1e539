"""The fast engine beside the reference and PyTorch's float run of the same network, one thread, in one process.

    .venv/bin/python benchmarks/engine.py [--batch 16] [--rounds 15]

Equality comes first: the fast engine's logits equal the reference's bit for bit, PyTorch's lie within its rounding.
Then the candidates take turns; medians and ratios of CPU time are printed with machine and commit. Absolute times say
little on a shared machine, ratios more.
"""

from __future__ import annotations

import argparse
import platform
import subprocess
import time
from pathlib import Path

import numpy as np
import torch

import intinfer
from intinfer_converters import convert
from intinfer_converters.checkpoint import load_net

ROOT = Path(__file__).parent.parent
NETS = {
    "MOGNET(32, g=4) k=3": (ROOT / "intinfer/demo/mognet.safetensors", "mognet:n=32,g=4,k=3"),
    "MDGNet(16, 1) k=4": (
        ROOT / "benchmarks/models/mdgnet.safetensors",
        "mdgnet:f=16,g=1,k=4,height=32,width=32,levels=3",
    ),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=15)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    print(f"{machine()}, commit {commit()}, batch {arguments.batch}, CPU time an image, one thread")
    for name, (path, net) in NETS.items():
        measure(name, load_net(path, net), arguments.batch, arguments.rounds)


def measure(name: str, module: torch.nn.Module, batch: int, rounds: int) -> None:
    """Assert equality, then time the candidates in turns."""
    graph = convert(module)
    model = intinfer.Model(graph)
    images = np.random.default_rng(0).integers(0, 256, (batch, *graph.inputs[0].shape))
    floats = torch.tensor(images, dtype=torch.float32)

    @torch.inference_mode()
    def torch_float() -> np.ndarray:
        return module(floats).numpy()

    candidates = {
        "fast": lambda: model.run(images, engine="fast"),
        "fast, no skipping": lambda: model.run(images, engine="fast", skip=False),
        "reference": lambda: model.run(images, engine="reference"),
        "PyTorch float32, eager": torch_float,
    }
    wanted = candidates["reference"]()
    for exact in ("fast", "fast, no skipping"):
        assert np.array_equal(candidates[exact](), wanted), f"{exact} is not exact"
    output = graph.outputs[0]
    assert np.allclose(wanted * float(output.scale[0]) + float(output.offset[0]), torch_float(), atol=1e-3)

    times: dict[str, list[float]] = {candidate: [] for candidate in candidates}
    for _ in range(rounds):
        for candidate, run in candidates.items():
            start = time.process_time()
            run()
            times[candidate].append((time.process_time() - start) / batch * 1e3)
    medians = {candidate: float(np.median(row)) for candidate, row in times.items()}
    print(name)
    for candidate, median in medians.items():
        ratio = median / medians["fast"]
        print(f"  {candidate:24s} {median:8.2f} ms (min {min(times[candidate]):.2f})  {ratio:6.2f} x fast")


def machine() -> str:
    """Processor, and the versions that decide speed."""
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    model = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.machine())
    return f"{model}, Python {platform.python_version()}, NumPy {np.__version__}, torch {torch.__version__}"


def commit() -> str:
    """Short hash of the checkout, with a mark when it has changes."""
    done = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return done.stdout.strip() or "unknown"


if __name__ == "__main__":
    main()
