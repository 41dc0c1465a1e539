"""`intinfer run MODEL IMAGE...`"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

from ..errors import DataError
from ..graph import Graph
from ..images.image import Pixels, load_image
from ..inputs import image_input
from ..model import Model, load
from ..reports.text import printable, table
from ..types import IntArray
from .answers import digits, ranking, real_values
from .common import FIT, add_engine, add_fit, answer, describe, engine_options, outputs_of, positive, progress


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `intinfer run`."""
    describe(
        parser,
        "Run images through a model and print, for each, the integer logits, their exact real values\n"
        "(scale * z + offset, to 6 digits) and the top classes. Pixels are taken as stored: no EXIF\n"
        "rotation, no colour management.",
        "intinfer run model.npz cat.png",
        "intinfer run model.npz photo.jpg --fit resize --top 3",
        "intinfer run model.npz a.png b.png --trace traces",
    )
    parser.add_argument("model", metavar="MODEL", help="model file, .npz")
    parser.add_argument(
        "images",
        metavar="IMAGE",
        nargs="+",
        help="image file of the model's mode, 8 bits a sample; or integers (1, *shape) in an .npy or .npz",
    )
    parser.add_argument("--top", type=positive, default=5, metavar="K", help="classes shown (default: 5)")
    add_fit(
        parser,
        "images of another size: exact refuses them; crop takes the central window, bit-exact everywhere; resize "
        "crops to the aspect ratio and resamples (bicubic), its bits depend on Pillow's version",
    )
    parser.add_argument(
        "--trace",
        metavar="DIR",
        help="write every node's tensor as .npy into the new folder DIR, for several images into a sub-folder each",
    )
    add_engine(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print the outputs of images, and the top classes."""
    model = load(arguments.model)
    if arguments.trace is not None:
        from intinfer_golden.make.replace import check_new_directory

        check_new_directory(Path(arguments.trace))
    image_input(model.graph, f"{arguments.model}:")
    options = engine_options(arguments, model, len(arguments.images))
    described, texts, pixels = [], [], []
    for file in progress(arguments.images):
        array = _loaded(file, model.graph, arguments.fit)
        outputs = outputs_of(model, array, options, file)
        described.append(_describe(model.graph, file, outputs, arguments.top))
        texts.append(_text(model.graph, file, outputs, arguments.top))
        if arguments.trace is not None:
            pixels.append(array)
    if arguments.trace is not None:
        _write_traces(model, arguments.images, pixels, arguments.trace)
    return answer(arguments, {"model": arguments.model, "images": described}, "\n\n".join(texts))


def _loaded(file: str, graph: Graph, fit: str | None) -> Pixels:
    """One image, (C, H, W); of a model that takes no pictures, the only one of a `.npy` or `.npz` of integers."""
    if graph.image is not None:
        return load_image(file, graph.inputs[0], graph.image, fit, FIT)
    from ..images.dataset import stored_images

    path = Path(file)
    if not path.is_file():
        raise DataError(f"{file}: no such file")
    images = stored_images(path, graph)
    if len(images) != 1:
        raise DataError(f"{file}: has {len(images)} images; run takes one a file, eval and profile many")
    only: Pixels = images[0]
    return only


def _classifies(graph: Graph) -> bool:
    return len(graph.outputs) == 1 and len(graph.values[graph.outputs[0].value].shape) == 1


def _describe(graph: Graph, file: str, outputs: dict[str, IntArray], top: int) -> dict[str, Any]:
    """One entry of `images[]`. Logits and top classes of a vector; all values of other outputs."""
    if not _classifies(graph):
        return {"file": file, "outputs": {name: array.tolist() for name, array in outputs.items()}}
    output = graph.outputs[0]
    logits = outputs[output.name]
    reals = real_values(output, logits)
    names = graph.classes or [None] * len(logits)
    ranked = [
        {"class": c, "name": names[c], "logit": int(logits[c]), "real": _float(reals[c])}
        for c in ranking(output, logits)[:top]
    ]
    return {"file": file, "logits": logits.tolist(), "top": ranked}


def _float(value: Fraction) -> float | None:
    """The nearest float; None beyond its range."""
    try:
        return float(value)
    except OverflowError:
        return None


def _text(graph: Graph, file: str, outputs: dict[str, IntArray], top: int) -> str:
    lines = [printable(file)]
    for output in graph.outputs:
        z = outputs[output.name]
        if z.ndim > 1:
            lines.append(f"  {output.name}: {z.shape}, {z.min()}..{z.max()}; --json or --trace gives the values")
            continue
        reals = real_values(output, z)
        lines.append(f"  {output.name}: {' '.join(str(value) for value in z)}")
        lines.append(f"  real value: {' '.join(digits(real) for real in reals)}")
        if _classifies(graph):
            lines.append(_top_table(graph, z, reals, ranking(output, z)[:top]))
    return "\n".join(lines)


def _top_table(graph: Graph, logits: IntArray, reals: Sequence[Fraction], ranked: Sequence[int]) -> str:
    names = graph.classes or [""] * len(logits)
    rows = [(str(c), names[c], str(logits[c]), digits(reals[c])) for c in ranked]
    lines = table(("class", "name", "logit", "real value"), rows).splitlines()
    return "\n".join(f"  {line}" for line in lines)


def _write_traces(model: Model, files: Sequence[str], pixels: Sequence[Pixels], where: str) -> None:
    from intinfer_golden.describe.names import file_stem
    from intinfer_golden.make.trace import write_trace, write_traces

    if len(files) == 1:
        write_trace(model, pixels[0], where)
        return
    names = [f"{number:04d}-{file_stem(Path(file).stem)}" for number, file in enumerate(files)]
    write_traces(model, dict(zip(names, pixels, strict=True)), where)
