"""Small ONNX models, and what a reading of them computes for its source's tensors."""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from intinfer_converters.calibrate.execute import run_float
from intinfer_converters.preprocess import Preprocess
from intinfer_converters.read_onnx import read_onnx


def constants(**arrays):
    return [
        array if isinstance(array, TensorProto) else numpy_helper.from_array(np.asarray(array), name)
        for name, array in arrays.items()
    ]


def model(nodes, shape, initializers=(), elem=TensorProto.FLOAT, opset=21, outputs=("y",), domains=(), functions=()):
    """A model from "x" of `shape` to `outputs`; `nodes` are the arguments of make_node, attributes last."""
    protos = [n if isinstance(n, onnx.NodeProto) else node(*n) for n in nodes]
    graph = helper.make_graph(
        protos,
        "small",
        [helper.make_tensor_value_info("x", elem, shape)],
        [helper.make_tensor_value_info(name, TensorProto.UNDEFINED, None) for name in outputs],
        list(initializers),
    )
    opsets = [helper.make_opsetid("", opset), *(helper.make_opsetid(domain, 1) for domain in domains)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=10, functions=list(functions))


def node(kind, inputs, outputs, **attributes):
    outs = outputs.split()
    return helper.make_node(kind, [i if i != "-" else "" for i in inputs.split()], outs, name=outs[0], **attributes)


def read(proto, low=None, high=None, **options):
    return read_onnx(proto, pixels=Preprocess(lo=low, hi=high), **options)


def values(reading, x, name="x"):
    """The tensors of the source by name, flat, for one image `x` of the source's input."""
    pixels = reading.net.nodes[0]
    image = np.zeros(int(np.prod(pixels.shape)), dtype=np.int64)
    image[reading.tensors[name].index] = x.reshape(-1).astype(np.int64)
    taps = {tap.node for tap in reading.tensors.values()}
    found = run_float(reading.net, image.reshape(1, *pixels.shape), taps=taps)
    return {name: _through(tap, found[tap.node][0], reading.net.dtype) for name, tap in reading.tensors.items()}


def _through(tap, value, dtype):
    channels = value.reshape(value.shape[0], -1).astype(dtype)
    for primitive in tap.chain:
        channels = primitive.apply(channels)
    flat = channels.reshape(-1)
    return np.where(tap.index < 0, float(tap.fill), flat[tap.index])
