"""`intinfer train --net NAME:ARGS --data TRAIN --test TEST -o OUT.pt`"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import DataError
from ..graph import ImageInput, Value
from ..images.dataset import Dataset, DataSpec, class_folders, load_images
from ..types import IntType
from .common import answer, describe, note, positive

if TYPE_CHECKING:
    from intinfer_converters.train import TrainConfig

STAGES = ("float", "weights", "full")


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `intinfer train`."""
    describe(
        parser,
        "Train a network in three stages: float, quantised weights, quantised weights and activations; then\n"
        "re-estimate batch norm and write the checkpoint. A run that was stopped goes on when it is started again\n"
        "with the same arguments (its state is in OUT.resume.pt). Needs torch.",
        "intinfer train --net mognet:n=32,g=4,k=3 --data train.npz --test test.npz -o mognet.pt",
        "intinfer train --net mognet:n=32 --data train/ --test test/ --stages weights,full --epochs 10,30 -o mognet.pt",
        "intinfer train --net mognet:n=32 --from mognet.pt --data a/ --test b/ --stages full --lr 5e-4 -o more.pt",
    )
    parser.add_argument("--net", metavar="NAME:ARGS", required=True, help="network to train; see intinfer zoo")
    parser.add_argument("--data", metavar="TRAIN", required=True, help="training images: .npz or class folders")
    parser.add_argument("--test", metavar="TEST", required=True, help="test images, likewise")
    parser.add_argument("-o", "--output", metavar="OUT.pt", required=True, help="checkpoint: .pt or .safetensors")
    parser.add_argument(
        "--stages", metavar="S,...", type=_stages, default=STAGES, help=f"stages to run (default: {','.join(STAGES)})"
    )
    parser.add_argument(
        "--epochs", metavar="N,...", type=_epochs, help="epochs of each of the stages run, in order (default: 4,12,44)"
    )
    parser.add_argument("--batch", type=positive, metavar="N", help="images a step (default: 50)")
    parser.add_argument("--lr", type=float, metavar="X", help="learning rate at the start (default: 0.001)")
    parser.add_argument("--from", dest="start", metavar="CKPT", help="start from this checkpoint's parameters")
    parser.add_argument("--bf16", action="store_true", help="bfloat16 arithmetic, except in the last epochs")
    parser.add_argument("--compile", action="store_true", help="torch.compile the network; needs a C++ compiler")
    parser.add_argument("--seed", type=int, metavar="N", help="of weights, order and augmentation (default: 0)")


def _stages(text: str) -> tuple[str, ...]:
    names = text.split(",")
    if [name for name in STAGES if name in names] != names:
        raise argparse.ArgumentTypeError(f"{text!r} is not a list of stages in order; write some of {','.join(STAGES)}")
    return tuple(names)


def _epochs(text: str) -> tuple[int, ...]:
    return tuple(positive(part) for part in text.split(","))


def run(arguments: argparse.Namespace) -> int:
    """Train a network and write its checkpoint."""
    from intinfer_converters.checkpoint import load_net
    from intinfer_converters.nets import net_arguments
    from intinfer_converters.train import TrainError, train

    _, net = net_arguments(arguments.net)
    try:
        config = _config(arguments)
        data = _load(arguments.data, net, ())
        test = _load(arguments.test, net, data.classes)
        start = arguments.net if arguments.start is None else load_net(arguments.start, arguments.net)
        result = train(start, *_arrays(data), *_arrays(test), config, arguments.output)
    except TrainError as error:
        raise DataError(str(error)) from None
    if data.classes:
        note(f"to name the classes: intinfer convert --classes {','.join(data.classes)}")
    correct = round(result.test_accuracy * result.test_count)
    document = {"checkpoint": str(result.path), "images": result.test_count, "accuracy": result.test_accuracy}
    return answer(arguments, document, f"wrote {result.path}: {correct:,} of {result.test_count:,} test images correct")


def _config(arguments: argparse.Namespace) -> TrainConfig:
    from intinfer_converters.train import TrainConfig

    default = TrainConfig()
    usual = {"float": default.float_epochs, "weights": default.weight_epochs, "full": default.full_epochs}
    counts = arguments.epochs or tuple(usual[stage] for stage in arguments.stages)
    if len(counts) != len(arguments.stages):
        raise DataError(
            f"--epochs has {len(counts)} numbers for the {len(arguments.stages)} stages {','.join(arguments.stages)}; "
            "give one a stage"
        )
    epochs = dict(zip(arguments.stages, counts, strict=True))
    chosen = {"batch": arguments.batch, "learning_rate": arguments.lr, "seed": arguments.seed}
    return TrainConfig(
        float_epochs=epochs.get("float", 0),
        weight_epochs=epochs.get("weights", 0),
        full_epochs=epochs.get("full", 0),
        bf16=arguments.bf16,
        compile=arguments.compile,
        **{key: value for key, value in chosen.items() if value is not None},
    )


def _load(path: str, net: Any, classes: tuple[str, ...]) -> Dataset:
    """The images in `path` as the network takes them; class names are the folders' where none are known."""
    if not classes and Path(path).is_dir():
        classes = class_folders(path)
        if len(classes) != net.classes:
            raise DataError(f"{path}: {len(classes)} class folders, --net has classes={net.classes}; make them equal")
    image = ImageInput("RGB")
    spec = DataSpec(Value("image", (3, net.height, net.width), IntType.unsigned(8)), image, net.classes, classes)
    return load_images(path, spec)


def _arrays(data: Dataset) -> tuple[np.typing.NDArray[np.uint8], np.typing.NDArray[np.int64]]:
    """All images (N, H, W, 3), and the labels."""
    return np.moveaxis(data.read(0, len(data)), 1, -1), data.labels
