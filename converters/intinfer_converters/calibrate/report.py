"""What a calibration did and what it cost: every layer's and activation's noise, and the outputs before and after."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from intinfer.errors import DataError
from intinfer.ops import ArgMax
from intinfer.types import IntArray

from ..evaluator import FloatArray
from ..floatnet import FloatNet, IntegerOp
from .execute import run_float


@dataclass(frozen=True)
class LayerReport:
    """A convolution or dense layer. `step_min`, `step_max` over the output channels; `zeros` the share of weights
    that are 0; `correction` the largest change of an output channel's mean, in real units; `sqnr_db` of its sums
    against the float net's, behind all quantisation before it and its own corrections (None: no noise at all)."""

    name: str
    encoding: str
    step_min: float
    step_max: float
    zeros: float
    correction: float
    sqnr_db: float | None


@dataclass(frozen=True)
class ActivationReport:
    """A quantiser that was put in: levels lo..hi times `scale`; `clipped` the share of values beyond them."""

    name: str
    scale: float
    lo: int
    hi: int
    clipped: float
    sqnr_db: float | None


@dataclass(frozen=True)
class NetComparison:
    """The first output before and after, on the same images.

    Attributes:
        images: how many.
        accuracy_before, accuracy_after: shares of right classes, 0..1; None without labels.
        same_class: share of images whose largest output is the same one.
        max_logit_difference, max_logit: the largest difference, and the largest magnitude before.
    """

    images: int
    accuracy_before: float | None
    accuracy_after: float | None
    same_class: float
    max_logit_difference: float
    max_logit: float

    def __str__(self) -> str:
        text = (
            f"same class {self.same_class:.2%}, largest output difference {self.max_logit_difference:.4g} "
            f"(largest output {self.max_logit:.4g}), {self.images} images"
        )
        if self.accuracy_before is None or self.accuracy_after is None:
            return text
        change = 100 * (self.accuracy_after - self.accuracy_before)
        accuracies = f"accuracy {self.accuracy_before:.2%} before, {self.accuracy_after:.2%} after"
        return f"{accuracies} ({change:+.2f} points); {text}"


@dataclass
class CalibrationReport:
    """All of a calibration. `settings` are the arguments; `images` how many of the given images were measured with,
    `compared` what the outputs of before and after say on all of them."""

    settings: dict[str, Any]
    images: int
    compared: NetComparison
    layers: list[LayerReport] = field(default_factory=list)
    activations: list[ActivationReport] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """Plain numbers, strings, lists and dicts."""
        return asdict(self)

    def __str__(self) -> str:
        settings = ", ".join(f"{key} {value}" for key, value in self.settings.items())
        lines = [f"calibrated on {self.images} images: {settings}", str(self.compared)]
        width = max(len(name) for name in [entry.name for entry in self.layers] + [p.name for p in self.activations])
        lines.append(f"{'layer':{width}}  weights  step                     zeros  mean shift   SQNR")
        lines += [
            f"{layer.name:{width}}  {layer.encoding:7}  {layer.step_min:<10.4g} .. {layer.step_max:<10.4g} "
            f"{layer.zeros:5.1%}  {layer.correction:<10.3g}  {_decibels(layer.sqnr_db)}"
            for layer in self.layers
        ]
        lines.append(f"{'activation':{width}}  levels       scale       clipped   SQNR")
        lines += [
            f"{entry.name:{width}}  {f'{entry.lo}..{entry.hi}':11}  {entry.scale:<10.4g}  {entry.clipped:7.3%}  "
            f"{_decibels(entry.sqnr_db)}"
            for entry in self.activations
        ]
        return "\n".join(lines)


def _decibels(ratio: float | None) -> str:
    return "exact" if ratio is None else f"{ratio:5.1f} dB"


def sqnr(signal: FloatArray, quantised: FloatArray) -> float | None:
    """10 log10 of the energy of `signal` over that of the difference; None when there is none."""
    noise = float(np.sum(np.square(signal.astype(np.float64) - quantised)))
    power = float(np.sum(np.square(signal, dtype=np.float64)))
    return None if noise == 0 else float(10 * np.log10(max(power, 1e-300) / noise))


def compare(before: FloatNet, after: FloatNet, images: IntArray, labels: IntArray | None = None) -> NetComparison:
    """The first output of two nets of the same input and outputs on the same images.

    The class is the place of the largest output, the number that an argmax gives, or whether a single output is
    above 0.

    Args:
        labels: (N,) class numbers, for accuracies.

    Raises:
        DataError: labels that do not fit, images that do not fit.
    """
    name = next(iter(before.outputs))
    old, new = (run_float(net, images)[net.outputs[name]].reshape(len(images), -1) for net in (before, after))
    old_class, new_class = (_classes(net, net.outputs[name], y) for net, y in ((before, old), (after, new)))
    accuracy_before = accuracy_after = None
    if labels is not None:
        if labels.shape != (len(images),) or labels.dtype.kind not in "iu":
            raise DataError(f"labels of shape {labels.shape} and dtype {labels.dtype} do not fit {len(images)} images")
        if labels.min() < 0 or (old.shape[1] > 1 and labels.max() >= old.shape[1]):
            raise DataError(
                f"labels hold the classes {labels.min()}..{labels.max()}; the network has {old.shape[1]} outputs"
            )
        accuracy_before, accuracy_after = (float((found == labels).mean()) for found in (old_class, new_class))
    return NetComparison(
        len(images),
        accuracy_before,
        accuracy_after,
        same_class=float((old_class == new_class).mean()),
        max_logit_difference=float(np.abs(old - new).max()),
        max_logit=float(np.abs(old).max()),
    )


def _classes(net: FloatNet, node: str, values: FloatArray) -> IntArray:
    """The class of each image, (N,), that the values (N, outputs) of the node say."""
    if values.shape[1] > 1:
        return np.asarray(values.argmax(axis=1))
    op = next(each.op for each in net.nodes if each.name == node)
    chosen = isinstance(op, IntegerOp) and isinstance(op.op, ArgMax)
    return (values[:, 0] if chosen else values[:, 0] > 0).astype(np.int64)
