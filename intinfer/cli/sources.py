"""Arguments that say what a source file is and what stands before it; shared by `convert` and `check`."""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from typing import Any

from intinfer_converters.preprocess import Preprocess
from intinfer_converters.sources import Calibration, Source

from ..builder import GraphBuilder
from ..errors import DataError
from ..files.foreign import open_npz
from ..images.pictures import load_pictures
from ..types import IntType

SOURCE_HELP = ".onnx or .pt2; or parameters (.pt .pth .th .safetensors) with --net or --factory"
NET_HELP = (
    "network of ours that the parameters are of, with the arguments it was trained with (k, pooling and image size "
    "cannot be seen in the file); see intinfer zoo"
)


def add_source(parser: argparse.ArgumentParser) -> None:
    """Add the arguments that say what the source is, and what integers come in."""
    group = parser.add_argument_group("the source")
    group.add_argument("--net", metavar="NAME:ARGS", help=NET_HELP)
    group.add_argument(
        "--factory",
        metavar="PKG.MOD:FUNCTION",
        help="function of yours that returns the torch module the parameters are of; its code is run, and --shape "
        "input=1,C,H,W says what it takes",
    )
    group.add_argument(
        "--shape", metavar="NAME=1,C,H,W", action="append", default=[], help="of an input that the file leaves open"
    )
    group.add_argument(
        "--cut", metavar="TENSOR", action="append", default=[], help="stop at this tensor of an .onnx file"
    )
    group.add_argument(
        "--input-range",
        type=int,
        nargs=2,
        metavar=("LO", "HI"),
        help="integers that come in (default: 0 255; for integer inputs those of their type)",
    )
    group.add_argument(
        "--divide", metavar="D", help="float input = (integer / D - mean) / std; 255 for nets trained on 0..1"
    )
    group.add_argument("--mean", metavar="M[,M,...]", help="one, or one a channel (default: 0)")
    group.add_argument("--std", metavar="S[,S,...]", help="one, or one a channel (default: 1)")
    group.add_argument(
        "--pixels",
        choices=("table", "exact"),
        help="preprocessed pixels before the first layer: only where the source quantises them (table, the default), "
        "or as wider integers, exactly",
    )
    group.add_argument(
        "--requant-adds",
        action="store_true",
        help="allow rounded multipliers where two scales meet in an add without a ratio; the error is shown",
    )


def add_calibration(parser: argparse.ArgumentParser) -> None:
    """Add the arguments that say how floating-point weights are quantised."""
    group = parser.add_argument_group("networks with floating-point weights")
    group.add_argument("--weights", metavar="W", help="quantise them: ternary, binary or int2 .. int8")
    group.add_argument("--act-bits", type=int, metavar="K", help="bits of activations, 1 to 8")
    group.add_argument(
        "--calibrate",
        metavar="IMAGES",
        help="an .npz with `images` (and `labels`: then accuracies are compared), or a folder; a few hundred are used",
    )
    group.add_argument("--act-range", choices=("percentile", "mse"), help="of activations (default: percentile)")
    group.add_argument(
        "--weight-step", choices=("lsq", "tertile"), help="least squares, or BTQ's tertiles (ternary; default: lsq)"
    )
    group.add_argument("--calibrate-limit", type=int, default=512, metavar="N", help="images (default: 512)")


def given_options(arguments: argparse.Namespace) -> dict[str, Any]:
    """The fields of `SourceOptions` that `add_source` read."""
    fields: dict[str, Any] = {key: getattr(arguments, key) for key in ("net", "factory") if getattr(arguments, key)}
    numbers: dict[str, Any] = {}
    if arguments.input_range is not None:
        numbers["lo"], numbers["hi"] = arguments.input_range
    if arguments.divide is not None:
        numbers["divide"] = arguments.divide
    for key in ("mean", "std"):
        if getattr(arguments, key) is not None:
            numbers[key] = tuple(getattr(arguments, key).split(","))
    if numbers:
        fields["preprocess"] = Preprocess(**numbers)
    if arguments.shape:
        fields["shapes"] = dict(_shape(text) for text in arguments.shape)
    if arguments.cut:
        fields["outputs"] = tuple(arguments.cut)
    if arguments.pixels is not None:
        fields["exact_pixels"] = arguments.pixels == "exact"
    if arguments.requant_adds:
        fields["approximate_adds"] = True
    return fields


def given_calibration(arguments: argparse.Namespace) -> Calibration | None:
    """Read what the command line says about quantising the weights."""
    given = [arguments.weights, arguments.act_bits, arguments.calibrate]
    if all(value is None for value in given):
        return None
    if any(value is None for value in given):
        raise DataError("--weights, --act-bits and --calibrate belong together: give all of them or none")
    more = {key: getattr(arguments, key) for key in ("act_range", "weight_step") if getattr(arguments, key)}
    images = f"{arguments.calibrate}[:{arguments.calibrate_limit}]"
    return Calibration(arguments.weights, arguments.act_bits, images=images, **more)


def calibration_images(named: str, limit: int, source: Source) -> tuple[Any, Any]:
    """The first `limit` images (N, C, H, W) of what `--calibrate` names, and labels (N,) or None."""
    net = source.reading.net
    pixels: Any = net.nodes[0].op
    builder = GraphBuilder()
    builder.output("x", builder.input("x", pixels.size, IntType(pixels.lo, pixels.hi)))
    graph = builder.finish(net.image)
    images = next(load_pictures([named], graph).batches(limit, limit))
    labels = None
    path = Path(named)
    if path.suffix == ".npz" and path.is_file():
        with open_npz(path) as arrays:
            labels = arrays.read("labels")[:limit] if "labels" in arrays else None
    return images, labels


def _shape(text: str) -> tuple[str, tuple[int, ...]]:
    match = re.fullmatch(r"(.+)=(\d{1,9}(?:,\d{1,9})*)", text, re.ASCII)
    if match is None:
        raise DataError(f"--shape {text}: NAME=1,C,H,W is needed, the batch axis first")
    return match[1], tuple(int(extent) for extent in match[2].split(","))
