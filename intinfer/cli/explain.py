"""`intinfer explain MODEL IMAGE --at c,y,x` and `intinfer explain SET --frame N --at c,y,x`"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from intinfer_golden.verification.explain import FrameExplanation, document, explain, explain_frame, only
from intinfer_golden.verification.explain import describe as lines
from intinfer_golden.verification.sets import open_set

from ..errors import DataError
from ..graph import Graph
from ..images.dataset import stored_images
from ..images.image import load_image
from ..inputs import image_input
from ..model import load
from ..reports.text import printable
from ..types import IntArray
from .common import FIT, add_fit, answer, describe, natural


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `intinfer explain`."""
    describe(
        parser,
        "Follow one element of a node by hand: every product and partial sum with what the accumulator did, every\n"
        "threshold with crossed or not, rounding step by step, where a value was taken from. Computed from the\n"
        "definition of the op, and compared with the reference. Of a set of golden vectors, a frame is explained on\n"
        "the inputs that the set holds, and compared with the value that it holds; exits with 1 when they differ.",
        "intinfer explain model.npz cat.png --node conv1 --at 0,5,7",
        "intinfer explain model.npz test.npz --index 12 --node s1.mux --at 3,0,0 --depth 3 --nonzero",
        "intinfer explain nodes/conv1 --frame 3 --at 0,5,7",
    )
    parser.add_argument(
        "model", metavar="MODEL|SET", help="model file, .npz; or folder with a set that intinfer golden made"
    )
    parser.add_argument(
        "image",
        metavar="IMAGE",
        nargs="?",
        help="of a model: image file of its mode, or images in an .npz or .npy",
    )
    parser.add_argument("--node", metavar="X", help="the node (default: the one that gives the only output)")
    parser.add_argument("--at", metavar="C,Y,X", type=_place, required=True, help="its element; of a vector C alone")
    parser.add_argument(
        "--index", metavar="N", type=natural, help="image of an .npz or .npy, counted from 0 (default: 0)"
    )
    parser.add_argument("--frame", metavar="N", help="frame of a set, counted from 0, or its label")
    parser.add_argument(
        "--depth",
        metavar="D",
        type=natural,
        default=0,
        help="explain what the element is made of as well, so many nodes back, up to sums (default: 0)",
    )
    parser.add_argument("--nonzero", action="store_true", help="leave out products of 0")
    add_fit(parser, "an image of another size; see intinfer run --help")


def _place(text: str) -> tuple[int, ...]:
    return tuple(natural(part) for part in text.split(","))


def run(arguments: argparse.Namespace) -> int:
    """Follow one element by hand; 1 when a set holds another value."""
    folder = Path(arguments.model)
    missing = arguments.frame is not None and not folder.exists()
    return _of_set(arguments) if folder.is_dir() or missing else _of_model(arguments)


def _of_model(arguments: argparse.Namespace) -> int:
    graph = load(arguments.model).graph
    if arguments.frame is not None:
        raise DataError(f"{arguments.model}: is a model; --frame is of a set of golden vectors")
    if arguments.image is None:
        raise DataError(f"{arguments.model}: is a model; give the image as well")
    image = _image(graph, arguments)
    node = arguments.node or only([out.value for out in graph.outputs], arguments.model)
    explanation = explain(graph, image[None], node, arguments.at, arguments.depth)
    head = {"model": arguments.model, "image": arguments.image, "index": arguments.index}
    text = "\n".join(lines(explanation, arguments.nonzero))
    return answer(arguments, head | document(explanation, arguments.nonzero), text)


def _of_set(arguments: argparse.Namespace) -> int:
    folder = arguments.model
    for name, value in (("IMAGE", arguments.image), ("--index", arguments.index), ("--fit", arguments.fit)):
        if value is not None:
            raise DataError(f"{folder}: is a folder with vectors, which have frames of their own; leave {name} out")
    vectors = open_set(Path(folder), arguments.node)
    found = explain_frame(vectors, arguments.frame, arguments.node, arguments.at, arguments.depth)
    head = {"set": str(vectors.directory), "frame": found.frame, "label": found.label}
    head |= {"stored": found.stored, "equal": found.equal, "demanded": found.demanded}
    text = "\n".join([*lines(found.explanation, arguments.nonzero), _verdict(found, vectors.directory)])
    return answer(arguments, head | document(found.explanation, arguments.nonzero), text, 0 if found.equal else 1)


def _verdict(found: FrameExplanation, directory: Path) -> str:
    """Say what the set says of the element."""
    frame = f"{directory}, frame {found.frame} ({found.label})"
    if found.stored is None:
        says = "does not hold this node"
    elif found.equal:
        says = f"holds {found.stored} as well"
    else:
        says = f"holds {found.stored}, NOT {found.explanation.value}; make the vectors again"
    demanded = "" if found.demanded else f"; channel {found.explanation.at[0]} is not demanded, so a design may differ"
    return printable(f"{frame}: {says}{demanded}")


def _image(graph: Graph, arguments: argparse.Namespace) -> IntArray:
    """(C, H, W)"""
    value, path = image_input(graph, f"{arguments.model}:", "intinfer_golden.explain"), Path(arguments.image)
    if path.suffix not in (".npz", ".npy") and graph.image is not None:
        if arguments.index is not None:
            raise DataError(f"{path}: is one image; --index is for an .npz of images")
        return load_image(path, value, graph.image, arguments.fit, FIT).astype(np.int64)
    if arguments.fit is not None:
        raise DataError(f"{path}: images of an .npz are taken as they are; leave --fit out")
    images = stored_images(path, graph)
    index = arguments.index or 0
    if index >= len(images):
        raise DataError(f"{path}: has {len(images)} images, 0..{len(images) - 1}; there is no image {index}")
    pixels: IntArray = images[index].astype(np.int64)
    return pixels
