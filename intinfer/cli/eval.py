"""`intinfer eval MODEL DATA`"""

from __future__ import annotations

import argparse

from ..errors import DataError
from ..images.dataset import load_dataset
from ..model import load
from .answers import winners
from .common import add_engine, answer, describe, engine_options, outputs_of, positive


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `intinfer eval`."""
    describe(
        parser,
        "Accuracy of a model over labelled images: an .npz with `images` (N, H, W, C uint8), `labels` and optionally\n"
        "`classes`, or a folder with one sub-folder of images a class, named as the model's classes. For a model that\n"
        "takes no pictures, `images` are integers (N, *shape of its input). The class of an image is its largest\n"
        "logit, the lowest index on ties.",
        "intinfer eval model.npz cifar10_test.npz",
        "intinfer eval model.npz photos/ --limit 1000 --json",
    )
    parser.add_argument("model", metavar="MODEL", help="model file, .npz")
    parser.add_argument("data", metavar="DATA", help=".npz file or folder of class folders")
    parser.add_argument(
        "--limit", type=positive, metavar="N", help="the first N images only (of a folder: from all classes in turn)"
    )
    add_engine(parser)


def run(arguments: argparse.Namespace) -> int:
    """Count the images whose largest logit is that of their label."""
    from tqdm import tqdm

    model = load(arguments.model)
    output = model.graph.outputs[0]
    if model.graph.node_by_name.get(output.value) and model.graph.node(output.value).op.kind == "argmax":
        raise DataError(f"{arguments.model}: its output is a class number, not logits; evaluate it from Python")
    dataset = load_dataset(arguments.data, model.graph)
    total = min(len(dataset), arguments.limit or len(dataset))
    options = engine_options(arguments, model, total)
    done = correct = 0
    with tqdm(total=total, unit="image", leave=False, disable=None) as bar:
        for images, labels in dataset.batches(limit=arguments.limit):
            logits = outputs_of(model, images, options, f"{arguments.data}, images from {done}")[output.name]
            correct += int((winners(output, logits) == labels).sum())
            done += len(labels)
            bar.update(len(labels))
    document = {"images": total, "correct": correct, "accuracy": correct / total}
    text = f"{correct:,} of {total:,} images correct: accuracy {100 * correct / total:.2f} %"
    return answer(arguments, document, text)
