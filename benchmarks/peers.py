"""The same network in the runtimes that people use, made from the float form of its layers.

ONNX Runtime runs the float form, the quantised one exactly (QReLU as multiplication, rounding and clip of floats), and
ONNX Runtime runs the float form, the quantised one exactly (QReLU as multiplication, rounding, clip of floats), and
where the integer network does not: they give other numbers, and are there for their speed alone.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import torch
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

Run = Callable[[], Any]


@contextmanager
def float_form(module: torch.nn.Module) -> Iterator[None]:
    """Levels that are not rounded: what other runtimes quantise in their own way."""
    layers = [layer for layer in module.modules() if getattr(layer, "quantised", False)]
    for layer in layers:
        layer.quantised = False  # type: ignore[assignment]
    try:
        yield
    finally:
        for layer in layers:
            layer.quantised = True  # type: ignore[assignment]


def export(module: torch.nn.Module, images: np.ndarray, path: Path) -> Path:
    """An ONNX file for batches of this size."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            module, (torch.from_numpy(images),), str(path), dynamo=False, opset_version=17, input_names=["x"]
        )
    return path


def quantise(path: Path, images: np.ndarray) -> Path:
    """The int8 form of a float ONNX file, with ranges that random images give."""

    class Reader(CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            rng = np.random.default_rng(1)
            self._feeds = iter([{"x": rng.permuted(images)} for _ in range(4 if len(images) == 1 else 1)])

        def get_next(self) -> dict[str, np.ndarray] | None:
            return next(self._feeds, None)

    prepared, result = path.with_suffix(".prepared.onnx"), path.with_suffix(".int8.onnx")
    logging.disable(logging.WARNING)
    quant_pre_process(str(path), str(prepared), skip_symbolic_shape=True)
    quantize_static(
        str(prepared), str(result), Reader(), quant_format=QuantFormat.QDQ, per_channel=True,
        activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8,
    )  # fmt: skip
    logging.disable(logging.NOTSET)
    return result


def onnx_runtime(path: Path, images: np.ndarray, threads: int) -> Run:
    """ONNX Runtime on the CPU."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads, options.log_severity_level = threads, 1, 3
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return lambda: session.run(None, {"x": images})[0]


def openvino(path: Path, images: np.ndarray, threads: int) -> Run:
    """OpenVINO on the CPU, for latency."""
    import openvino as ov

    settings = {
        "INFERENCE_NUM_THREADS": threads, "NUM_STREAMS": 1, "PERFORMANCE_HINT": "LATENCY",
        "ENABLE_CPU_PINNING": False, "INFERENCE_PRECISION_HINT": "f32",
    }  # fmt: skip
    request = ov.Core().compile_model(str(path), "CPU", settings).create_infer_request()
    return lambda: request.infer({0: images}, share_inputs=True)


def eager(module: torch.nn.Module, images: np.ndarray) -> Run:
    """PyTorch, as the network was trained."""
    tensor = torch.from_numpy(images)

    def run() -> np.ndarray:
        with torch.inference_mode():
            return np.asarray(module(tensor).numpy())

    return run


def all_peers(module: torch.nn.Module, images: np.ndarray, folder: Path, threads: int) -> dict[str, Run]:
    """Every runtime by its name, ready to run these images (N, C, H, W) of float32."""
    exact = export(module, images, folder / "exact.onnx")
    with float_form(module):
        smooth = export(module, images, folder / "float.onnx")
    int8 = quantise(smooth, images)
    torch.set_num_threads(threads)
    return {
        "ORT fp32": onnx_runtime(smooth, images, threads),
        "ORT fp32, exact": onnx_runtime(exact, images, threads),
        "ORT int8": onnx_runtime(int8, images, threads),
        "OpenVINO int8": openvino(int8, images, threads),
        "torch, eager": eager(module, images),
    }
