"""One vocabulary, two readers: what one of them takes, the other takes too, or there is a reason."""

import ast
import importlib
import inspect
import pkgutil
import re
from pathlib import Path

import pytest
import torch

import intinfer_converters
from intinfer_converters.read_aten import ours
from intinfer_converters.read_aten.arrangement import MOVING
from intinfer_converters.read_aten.tables import CONSTANT_ONLY, HANDLERS, REFUSED_OPS
from intinfer_converters.read_onnx.table import MICROSOFT, ONNX, QONNX, REFUSED
from intinfer_converters.symbolic import vocabulary

COUNTERPARTS = {
    "Abs": "abs absolute",
    "Add": "add",
    "And": "logical_and bitwise_and __and__",
    "ArgMax": "argmax",
    "ArgMin": "argmin",
    "AveragePool": "avg_pool1d avg_pool2d",
    "BatchNormalization": "batch_norm native_batch_norm _native_batch_norm_legit_no_training",
    "Cast": "to _to_copy",
    "CastLike": "type_as",
    "Ceil": "ceil",
    "Clip": "clamp clip clamp_min clamp_max hardtanh relu6",
    "Concat": "cat concat concatenate",
    "Conv": "conv1d conv2d convolution",
    "DepthToSpace": "pixel_shuffle",
    "DequantizeLinear": "dequantize_per_tensor dequantize_per_channel",
    "Div": "div divide true_divide floor_divide",
    "Dropout": "dropout feature_dropout",
    "Expand": "expand expand_as expand_copy broadcast_to",
    "Flatten": "flatten",
    "Floor": "floor",
    "Gather": "index_select index select select_copy",
    "Gemm": "addmm linear",
    "GlobalAveragePool": "adaptive_avg_pool1d adaptive_avg_pool2d _adaptive_avg_pool2d",
    "GlobalMaxPool": "adaptive_max_pool1d adaptive_max_pool2d",
    "Greater": "gt greater",
    "GreaterOrEqual": "ge greater_equal",
    "HardSigmoid": "hardsigmoid",
    "Identity": "alias alias_copy clone contiguous detach detach_copy lift_fresh lift_fresh_copy",
    "LeakyRelu": "leaky_relu",
    "Less": "lt less",
    "LessOrEqual": "le less_equal",
    "MatMul": "matmul mm",
    "Max": "maximum fmax max",
    "MaxPool": "max_pool1d max_pool2d max_pool2d_with_indices",
    "Min": "minimum fmin min",
    "Mul": "mul multiply",
    "Neg": "neg negative",
    "Not": "logical_not bitwise_not",
    "Or": "logical_or bitwise_or __or__",
    "PRelu": "prelu _prelu_kernel",
    "Pad": "pad constant_pad_nd reflection_pad1d reflection_pad2d replication_pad1d replication_pad2d",
    "QuantizeLinear": "quantize_per_tensor quantize_per_channel",
    "ReduceMax": "amax",
    "ReduceMean": "mean",
    "ReduceMin": "amin",
    "ReduceSum": "sum",
    "Relu": "relu",
    "Reshape": "reshape reshape_as view view_as view_copy _reshape_alias _unsafe_view unflatten",
    "Resize": "_upsample_nearest_exact1d _upsample_nearest_exact2d",
    "Round": "round",
    "Sign": "sign sgn",
    "Slice": "slice slice_copy narrow flip",
    "SpaceToDepth": "pixel_unshuffle",
    "Split": "split split_with_sizes chunk unbind",
    "Squeeze": "squeeze squeeze_copy",
    "Sub": "sub subtract rsub",
    "ThresholdedRelu": "threshold",
    "Tile": "repeat tile",
    "Transpose": "permute permute_copy transpose transpose_copy t numpy_T mT movedim moveaxis swapaxes swapdims",
    "Unsqueeze": "unsqueeze unsqueeze_copy",
    "Upsample": "upsample_nearest1d upsample_nearest2d",
    "Where": "where masked_fill",
}
"""ONNX operator -> ATen ops of the same meaning."""

ONNX_ONLY = {
    "ConvInteger": "torch exports no convolution of integers with zero points",
    "MatMulInteger": "torch exports no product of integers with zero points",
    "Mean": "torch has no mean of several tensors: it exports sums and a division",
    "QLinearConv": "the quantised kernels of torch are no ops of an exported program",
    "QLinearMatMul": "the quantised kernels of torch are no ops of an exported program",
    "Shape": "sizes are numbers of an exported program: aten.sym_size, read by the reader itself",
    "Size": "sizes are numbers of an exported program: aten.sym_numel, read by the reader itself",
    "Sum": "torch has no sum of several tensors: it exports additions",
    **dict.fromkeys(
        ("QGemm", "QLinearAdd", "QLinearConcat", "QLinearGlobalAveragePool", "QLinearLeakyRelu", "QLinearMul"),
        "operators of ONNX Runtime's quantiser",
    ),
    **dict.fromkeys(
        ("BipolarQuant", "IntQuant", "MultiThreshold", "Quant", "Trunc"),
        "operators of QONNX: torch exports their parts",
    ),
}
"""What only the reader of ONNX takes, and why."""

FAKE = "ONNX has no fake quantiser: exporters write QuantizeLinear and DequantizeLinear"
PARTS = "ONNX has no such operator: exporters write it as Slice, Gather, Transpose, Reshape or Concat"
ATEN_ONLY = {
    **{name: FAKE for name in HANDLERS if "fake_quant" in name or "_fq_helper" in name},
    **dict.fromkeys(
        (
            *("aten.channel_shuffle", "aten.native_channel_shuffle", "aten.diagonal", "aten.repeat_interleave"),
            *("aten.roll", "aten.rot90", "aten.stack", "aten.unfold"),
        ),
        PARTS,
    ),
    **dict.fromkeys(
        ("aten.trunc", "aten.fix"), "ONNX has no Trunc of floats: exporters write Cast, or Floor and Where"
    ),
}
"""What only the reader of torch's programs takes, and why."""

ONE_READER_WORDS = {
    "arrangement.gather": "an order that torch's own op has said",
    "arrangement.strided": "views of torch are read off their strides",
    "arrangement.reshape": "torch's own op is run on the places of the elements",
    "arrangement.transpose": "torch's own op is run on the places of the elements",
    "arrangement.take": "torch's own op is run on the places of the elements",
    "arrangement.broadcast": "torch's own op is run on the places of the elements",
    "arrangement.tile": "torch's own op is run on the places of the elements",
    "arrangement.move_axis": "channels on the last axis are a domain of QONNX",
    "arrangement.pad_with_elements": "torch's own op is run on the places of the elements",
    "arrangement.depth_to_space": "torch's own op is run on the places of the elements",
    "arrangement.space_to_depth": "torch's own op is run on the places of the elements",
    "arrangement.axis_of": "an argument, not an op",
    "elementwise.hard_sigmoid": "ONNX multiplies by alpha, torch divides by 6: each as its source rounds",
    "elementwise.hard_sigmoid_by_sixths": "ONNX multiplies by alpha, torch divides by 6: each as its source rounds",
    "elementwise.trunc": "ONNX has no Trunc of floats",
    "arrangement.stack": "ONNX has no stack: exporters write Unsqueeze and Concat",
    "layers.dense_from_left": "torch exports a product with a constant from the left as none of constant weights",
    "quantisers.centred": "products of integers are no ops of an exported program",
    "quantisers.bipolar": "an operator of QONNX",
    "quantisers.reached": "an operator of QONNX",
    "quantisers.fake_quantise": FAKE,
    "reductions.spatial": "an argument, not an op",
    "reductions.tiles": "ONNX has no adaptive pools: exporters write a global pool, or one with a stride",
}
"""Functions of the vocabulary that one reader does not use, and why."""

NAMED = {name: set(aten.split()) for name, aten in COUNTERPARTS.items()}
ATEN = (set(HANDLERS) - set(ours.HANDLERS)) | set(MOVING)


def full(name: str) -> str:
    return f"quantized_decomposed.{name}" if f"quantized_decomposed.{name}" in HANDLERS else f"aten.{name}"


def test_every_onnx_operator_has_a_counterpart_that_is_read_or_a_reason():
    taken = set(ONNX) | set(QONNX) | set(MICROSOFT)
    assert taken == set(COUNTERPARTS) | set(ONNX_ONLY)
    assert not set(COUNTERPARTS) & set(ONNX_ONLY)


def test_every_aten_op_has_a_counterpart_that_is_read_or_a_reason():
    named = [full(name) for names in NAMED.values() for name in names]
    assert len(named) == len(set(named)), "an op stands for two operators"
    assert set(named) | set(ATEN_ONLY) == ATEN
    assert not set(named) & set(ATEN_ONLY)
    assert not ATEN & (CONSTANT_ONLY | set(REFUSED_OPS))


def test_what_is_refused_by_name_is_refused_from_both():
    assert set(REFUSED.values()) - set(REFUSED_OPS.values()) == {REFUSED["Softmax"], REFUSED["DynamicQuantizeLinear"]}
    assert {"aten.softmax", "aten.log_softmax", "aten.conv_transpose2d"} <= set(REFUSED_OPS)


@pytest.mark.parametrize(
    "name", sorted(name for name in ONNX if name in ONNX_ONLY and name not in ("Mean", "Sum", "Size"))
)
def test_torch_really_has_no_such_op(name):
    """What is said to be no op of an exported program has no op of its name."""
    snake = re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()
    assert not hasattr(torch.ops.aten, snake)


# ---- the functions

FOLDER = Path(intinfer_converters.__file__).parent
MODULES = {
    module.name: importlib.import_module(f"{vocabulary.__name__}.{module.name}")
    for module in pkgutil.iter_modules(vocabulary.__path__)
}
WORDS = {
    f"{module}.{name}"
    for module, content in MODULES.items()
    for name, value in vars(content).items()
    if inspect.isfunction(value) and value.__module__ == content.__name__ and not name.startswith("_")
}
INNER = {
    *("arrangement.apart", "arrangement.one_number", "arrangement.aligned", "arrangement.as_tensor"),
    *("reductions.slid", "layers.summed", "layers.exact_bias", "layers.reshaped_weight"),
}
"""What the vocabulary uses itself."""


def used_by(reader: str) -> set[str]:
    """The functions of the vocabulary that a reader names: `module.word`, or a word that it imports."""
    found = set()
    for path in (FOLDER / reader).glob("*.py"):
        aliases: dict[str, str] = {}
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and node.module and "vocabulary" in node.module:
                module = node.module.partition("vocabulary")[2].removeprefix(".")
                aliases.update({a.asname or a.name: f"{module}.{a.name}".removeprefix(".") for a in node.names})
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in aliases:
                found.add(f"{aliases[node.value.id]}.{node.attr}")
            elif isinstance(node, ast.Name) and node.id in aliases:
                found.add(aliases[node.id])
    return found & WORDS


def test_a_word_is_spoken_by_both_readers_or_there_is_a_reason():
    onnx, aten = used_by("read_onnx"), used_by("read_aten")
    assert len(onnx & aten) > 30
    assert onnx ^ aten == set(ONE_READER_WORDS)
    assert WORDS - (onnx | aten) == INNER
