"""The standard operators that are refused, kind by kind: what is unsupported, in which form, and what would help."""

from __future__ import annotations

from typing import NamedTuple

from ..symbolic.vocabulary import refusals


class Kind(NamedTuple):
    """Operators that are refused for one reason.

    Attributes:
        names: with blanks between them.
        reason: {way_out} stands for the way to cut the network before the node.
    """

    names: str
    reason: str


KINDS = (
    Kind("Softmax LogSoftmax", refusals.SOFTMAX),
    Kind("ConvTranspose", refusals.TRANSPOSED),
    Kind("DynamicQuantizeLinear", refusals.DYNAMIC),
    Kind(
        "Acos Acosh Asin Asinh Atan Atanh Celu Cos Cosh Elu Erf Exp Gelu HardSwish Log Mish Pow Reciprocal Selu Shrink "
        "Sigmoid Sin Sinh Softplus Softsign Sqrt SwiGLU Swish Tan Tanh",
        "a curve of an activation is not supported, piecewise linear functions are; train with Relu, LeakyRelu, Clip "
        "or HardSigmoid, or {way_out}",
    ),
    Kind(
        "GroupNormalization Hardmax InstanceNormalization LRN LayerNormalization LpNormalization "
        "MeanVarianceNormalization RMSNormalization",
        "statistics of the image are not supported, constant ones are; train with BatchNormalization, or {way_out}",
    ),
    Kind(
        "Attention CausalConvWithState Det Einsum LinearAttention RotaryEmbedding",
        "products of computed tensors are not supported, those with constant weights are; where its weights are "
        "constant write MatMul, Gemm or Conv, or {way_out}",
    ),
    Kind(
        "ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp ReduceProd ReduceSumSquare CumProd CumSum GlobalLpPool LpPool",
        "it reduces other than to a sum, mean, maximum or minimum; write ReduceL1 as Abs and ReduceSum, or {way_out}",
    ),
    Kind(
        "BitwiseAnd BitwiseNot BitwiseOr BitwiseXor Equal IsInf IsNaN Xor",
        "bits of numbers and equality of tensors are not supported; compare with GreaterOrEqual and LessOrEqual and "
        "join the results by And, Or and Not, or {way_out}",
    ),
    Kind(
        "AffineGrid Col2Im DeformConv GridSample MaxRoiPool MaxUnpool RoiAlign",
        "places between pixels, or computed ones, are not supported; nearest Resize and constant Gather are, "
        "or {way_out}",
    ),
    Kind(
        "CenterCropPad Compress GatherElements GatherND NonMaxSuppression NonZero OneHot ReverseSequence Scatter "
        "ScatterElements ScatterND TensorScatter TopK Trilu Unique",
        "it takes or puts elements at places of its own; constant Slice, Gather, Split and Concat are supported, and "
        "ArgMax for the first place, or {way_out}",
    ),
    Kind(
        "GRU LSTM Loop RNN Scan",
        "a state from one step to the next is not supported; export a network whose steps are unrolled and whose "
        "layers are supported, or {way_out}",
    ),
    Kind(
        "BlackmanWindow DFT HammingWindow HannWindow MelWeightMatrix STFT",
        "transforms of signals are not supported, constant matrices are; write MatMul with its matrix, or {way_out}",
    ),
    Kind(
        "Bernoulli Multinomial NegativeLogLikelihoodLoss RandomNormal RandomNormalLike RandomUniform RandomUniformLike "
        "SoftmaxCrossEntropyLoss",
        "random numbers and losses are parts of training; export the network in evaluation mode, or {way_out}",
    ),
    Kind(
        "BitCast ConcatFromSequence ConstantOfShape EyeLike ImageDecoder Optional OptionalGetElement "
        "OptionalHasElement Range RegexFullMatch SequenceAt SequenceConstruct SequenceEmpty SequenceErase "
        "SequenceInsert SequenceLength SequenceMap SplitToSequence StringConcat StringNormalizer StringSplit "
        "TfIdfVectorizer",
        "sequences, texts and shapes that are computed from the input are not supported; export with fixed shapes and "
        "tensors alone, or {way_out}",
    ),
)
REFUSED = {name: kind.reason for kind in KINDS for name in kind.names.split()}
"""Operator -> why, and the way out."""
