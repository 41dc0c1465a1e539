"""`intinfer golden MODEL IMAGE... -o DIR`"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from ..errors import DataError
from ..image import load_image
from ..model import load
from .common import add_json, describe, note, print_json, progress


def configure(parser: argparse.ArgumentParser) -> None:
    describe(
        parser,
        "Write golden vectors of images into the new folder DIR: every node's tensor (of a convolution or dense\n"
        "layer the accumulator), multiplexer bits, the channels each image demands, weights and thresholds, and\n"
        "manifest.json that describes all of it. Values come from the reference and are compared with the fast\n"
        "engine before the folder appears.",
        "intinfer golden model.npz cat.png -o vectors",
        "intinfer golden model.npz a.png b.png -o vectors --format memh --order nchw --nodes conv1,conv1.act",
    )
    parser.add_argument("model", metavar="MODEL", help="model file, .npz")
    parser.add_argument("images", metavar="IMAGE", nargs="+", help="image file of the model's mode, 8 bits a sample")
    parser.add_argument("-o", "--output", metavar="DIR", required=True, help="new folder to write")
    parser.add_argument(
        "--format",
        metavar="F,...",
        type=_list,
        help="memh ($readmemh text) and npy (default: both; npy where memh would be over 64 MiB)",
    )
    parser.add_argument(
        "--order", choices=("nhwc", "nchw"), default="nhwc", help="nhwc: a pixel's channels innermost (default: nhwc)"
    )
    parser.add_argument("--nodes", metavar="A,B,...", type=_list, help="nodes to write (default: all)")
    parser.add_argument(
        "--fit",
        choices=("exact", "crop", "resize"),
        help="images of another size; see intinfer run --help (default: what the model says)",
    )
    add_json(parser)


def _list(text: str) -> list[str]:
    return text.split(",")


def run(arguments: argparse.Namespace) -> int:
    from intinfer_golden.trace import check_new_directory
    from intinfer_golden.vectors import estimate, known_formats, usual_formats, write_vectors

    check_new_directory(Path(arguments.output))
    model = load(arguments.model)
    image = model.graph.image
    if image is None:
        shapes = ", ".join(f"{value.name} {value.shape}" for value in model.graph.inputs)
        raise DataError(
            f"{arguments.model}: takes {shapes}, not an image; call intinfer_golden.write_vectors from Python"
        )
    sizes = estimate(model.graph, len(arguments.images), order=arguments.order, nodes=arguments.nodes)
    formats = usual_formats(sizes) if arguments.format is None else known_formats(arguments.format)
    note("about " + ", ".join(f"{sizes[name]:,} bytes of {name}" for name in formats))
    pixels = [load_image(file, model.graph.inputs[0], image, arguments.fit) for file in progress(arguments.images)]
    write_vectors(
        model,
        np.stack(pixels),
        arguments.output,
        formats=formats,
        order=arguments.order,
        nodes=arguments.nodes,
        options={"fit": arguments.fit or image.fit},
    )
    nodes = len(model.graph.nodes) if arguments.nodes is None else len(set(arguments.nodes))
    if arguments.json:
        print_json({"directory": arguments.output, "images": len(pixels), "nodes": nodes, "format": formats})
    else:
        print(f"wrote {arguments.output}: {nodes} nodes, {len(pixels)} images, {' and '.join(formats)}")
    return 0
