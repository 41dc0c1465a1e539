"""Hand-made float nets, and their comparison with exact rational arithmetic."""

from fractions import Fraction

import numpy as np
import pytest
from oracles import exact_floatnet

from intinfer import reference
from intinfer.graph import ImageInput
from intinfer.tensor import IntTensor
from intinfer_converters.floatnet import Conv, FloatNetBuilder, Pixels, Pointwise, Quantise, QuantisedWeight
from intinfer_converters.lower import LoweringError, lower
from intinfer_converters.primitives import primitive

F32 = np.float32
H = Fraction(1, 2)


def mul(*numbers):
    return primitive("mul", np.array(numbers, dtype=F32))


def add(*numbers):
    return primitive("add", np.array(numbers, dtype=F32))


RELU = primitive("clip", np.array([0, np.inf], dtype=F32))


def quantise(bits=2, scale=1, offset=0, multiplier=1 / 64, shift=0.0):
    """rint(clip(x * multiplier + shift, 0, N)): dyadic, so that float32 is exact."""
    top = 2**bits - 1
    chain = (mul(multiplier), add(shift), primitive("clip", np.array([0, top], dtype=F32)), primitive("rint"))
    op = Quantise(chain, 0, 1, top)
    meaning = affine(Fraction(scale), Fraction(offset))
    return (op, meaning) if meaning.chain else op


def affine(scale, offset):
    """x * numerator / denominator + offset, each exact in float32."""
    steps = (("mul", scale.numerator, 1), ("div", scale.denominator, 1), ("add", offset, 0))
    return Pointwise(tuple(primitive(kind, np.array([n], dtype=F32)) for kind, n, nothing in steps if n != nothing))


def weight(values, scale=(1,)):
    values = np.asarray(values)
    return QuantisedWeight(IntTensor(values, "ternary"), tuple(Fraction(s) for s in scale))


def ternary(rng, *shape):
    return rng.integers(-1, 2, shape)


class Net:
    """A float net under construction, with an RGB input of 6x6 pixels."""

    def __init__(self, channels=3, size=6):
        self.builder = FloatNetBuilder(F32)
        self.shape = (channels, size, size)
        self.builder.add("image", Pixels(self.shape, 0, 255))

    def __getattr__(self, name):
        def add(op, *inputs):
            if isinstance(op, tuple):  # a quantiser, and what its levels mean
                inputs, op = (self.builder.add(f"{name}.levels", op[0], *inputs),), op[1]
            return self.builder.add(name, op, *inputs)

        return add

    def finish(self, **outputs):
        return self.builder.finish(outputs, ImageInput("RGB") if self.shape[0] == 3 else None)


def conv(values, pads=(1, 1, 1, 1), groups=1, scale=(1,), bias=None, stride=(1, 1)):
    return Conv(weight(values, scale), stride, pads, (1, 1), groups, bias)


def assert_equal_to_rationals(net, images=3, seed=0, **options):
    """Run the lowered graph on random pixels; every output's real value is the exact one."""
    graph = lower(net, **options)
    shape = next(node.op.size for node in net.nodes if isinstance(node.op, Pixels))
    pixels = np.random.default_rng(seed).integers(0, 256, (images, *shape))
    got = reference.run(graph, pixels)
    for image in range(images):
        exact = exact_floatnet.run(net, pixels[image])
        for out in graph.outputs:
            z, wanted = got[out.name][image], exact[net.outputs[out.name]]
            assert z.shape == wanted.shape
            for index, value in np.ndenumerate(z):
                c = index[0] if len(out.scale) > 1 else 0
                d = index[0] if len(out.offset) > 1 else 0
                assert out.scale[c] * int(value) + out.offset[d] == wanted[index]
    return graph


def kinds(graph):
    return [node.op.kind for node in graph.nodes]


def refusals(net, **options):
    with pytest.raises(LoweringError) as caught:
        lower(net, **options)
    return list(caught.value.refusals)


def two_branches(first, second):
    """Two quantised 4-channel branches of the image, named a and b."""
    net = Net()
    rng = np.random.default_rng(8)
    net.ca(conv(ternary(rng, 4, 3, 3, 3)), "image")
    net.cb(conv(ternary(rng, 4, 3, 3, 3)), "image")
    net.a(first, "ca")
    net.b(second, "cb")
    return net
