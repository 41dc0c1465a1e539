"""CPU time and peak memory of reading and lowering a quantised network whose maps have their channels last.

    .venv/bin/python benchmarks/layouts.py [--size 512] [--channels 16] [--layers 8] [--file NET.onnx]

Each layer pads, convolves between two transposes, and scales, shifts and quantises the map with channels last, as
exporters of TensorFlow write it. The graph must hold nothing else than convolutions and thresholds in front of its
head: every transpose has to be recognised. With --file, any quantised ONNX network is measured instead.
"""

from __future__ import annotations

import argparse
import resource
import time

import numpy as np
import onnx
from measuring import commit, machine
from onnx import TensorProto, helper, numpy_helper

from intinfer_converters.lower import lower
from intinfer_converters.preprocess import Preprocess
from intinfer_converters.read_onnx import read_onnx


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--channels", type=int, default=16)
    parser.add_argument("--layers", type=int, default=8)
    parser.add_argument("--file")
    arguments = parser.parse_args()
    made = channels_last(arguments.size, arguments.channels, arguments.layers)
    model = onnx.load(arguments.file) if arguments.file else made
    print(f"{machine()}, commit {commit()}")
    before, start = peak(), time.process_time()
    reading = read_onnx(model, pixels=Preprocess())
    read = time.process_time()
    graph = lower(reading.net)
    done = time.process_time()
    print(f"read {read - start:.2f} s, lowered {done - read:.2f} s, {peak() - before} MiB above {before} MiB")
    if not arguments.file:
        kinds = [node.op.kind for node in graph.nodes][: 2 * arguments.layers]
        assert kinds == ["conv2d", "threshold"] * arguments.layers, kinds


def peak() -> int:
    """MiB that the process has held at most."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def channels_last(size: int, channels: int, layers: int) -> onnx.ModelProto:
    """(1, size, size, 3) to 10 numbers, with ternary weights and 4-bit activations."""
    rng = np.random.default_rng(0)
    nodes: list[onnx.NodeProto] = []
    constants: list[onnx.TensorProto] = []

    def add(kind: str, x: str, *arrays: object, **attributes: object) -> str:
        names = [f"{len(nodes)}.{place}" for place in range(len(arrays))]
        constants.extend(numpy_helper.from_array(np.asarray(a), n) for a, n in zip(arrays, names, strict=True))
        nodes.append(helper.make_node(kind, [x, *names], [f"t{len(nodes)}"], **attributes))
        return str(nodes[-1].output[0])

    def reals(low: float, high: float) -> np.ndarray:
        return rng.uniform(low, high, channels).astype(np.float32)

    def weights(outputs: int, inputs: int) -> np.ndarray:
        return rng.integers(-1, 2, (outputs, inputs, 3, 3)).astype(np.float32)

    x = "x"
    for layer in range(layers):
        x = add("Pad", x, np.array([0, 1, 1, 0, 0, 1, 1, 0]))
        x = add("Transpose", x, perm=[0, 3, 1, 2])
        x = add("Conv", x, weights(channels, channels if layer else 3))
        x = add("Transpose", x, perm=[0, 2, 3, 1])
        x = add("Add", add("Mul", x, reals(0.01, 0.02)), reals(-1, 1))
        x = add("Clip", add("Round", x), np.float32(0), np.float32(15))
    x = add("Conv", add("Transpose", x, perm=[0, 3, 1, 2]), weights(10, channels))
    x = add("Flatten", add("GlobalAveragePool", x))
    shapes = (("x", (1, size, size, 3)), (x, None))
    inputs, outputs = ([helper.make_tensor_value_info(n, TensorProto.FLOAT, shape)] for n, shape in shapes)
    graph = helper.make_graph(nodes, "channels_last", inputs, outputs, constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)


if __name__ == "__main__":
    main()
