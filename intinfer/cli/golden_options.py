"""The options of `intinfer golden`: what they are, and which go together."""

from __future__ import annotations

import argparse

from ..errors import DataError
from ..limits import MAX_NAME
from .common import add_fit, describe, frame_ranges, natural, positive, real
from .golden_layout import add_words

TIME_LIMIT = 60
"""Seconds of a search over the whole network that nothing else bounds."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `intinfer golden`."""
    describe(
        parser,
        "Write golden vectors into the new folder DIR: every node's tensor (of a convolution or dense layer the\n"
        "accumulator), multiplexer bits, the channels each image demands, weights and thresholds, test benches, and\n"
        "manifest.json that describes all of it. Values come from the reference and are compared with the fast\n"
        "engine before the folder appears. Of the whole network, or with --isolated, --chains or --block of parts of\n"
        "it, each on stimuli found for its coverage; images follow the first of them, and may be left out. Of a SET\n"
        "that it made, with --frames some frames as a set of their own, everything else as it was.",
        "intinfer golden model.npz cat.png -o vectors",
        "intinfer golden model.npz test.npz --limit 1000 -o vectors --format npy",
        "intinfer golden model.npz a.png b.png -o vectors --order nchw --fold 8,image=3 --nodes conv1,conv1.act",
        "intinfer golden model.npz --isolated --format memh,mif -o nodes",
        "intinfer golden model.npz cat.png -o vectors --weights pe=4,simd=8 --weights conv1:pe=2,simd=9,per-pe",
        "intinfer golden model.npz --block 'mrb=s1.mrb.*' --block 'head=pool,fc*' --cover 95 -o blocks",
        "intinfer golden blocks/mrb --frames 2-3,17 -o small",
    )
    parser.add_argument("model", metavar="MODEL|SET", help="model file, .npz; with --frames a folder with a set")
    parser.add_argument(
        "images",
        metavar="IMAGE",
        nargs="*",
        help="image files of the model's mode, 8 bits a sample; or one data set, an .npz or a folder of class folders; "
        "of a model that takes no pictures, integers (N, *shape) in an .npy or .npz",
    )
    parser.add_argument("-o", "--output", metavar="DIR", required=True, help="new folder to write")
    parser.add_argument(
        "--force", action="store_true", help="replace DIR, if intinfer golden made it, once the new one is whole"
    )
    parser.add_argument("--limit", type=positive, metavar="N", help="the first N images only")
    add_fit(parser, "image files of another size; see intinfer run --help")
    parser.add_argument("--resume", action="store_true", help="go on where the same command was killed, if it was")
    parser.add_argument(
        "--frames",
        metavar="N,N-N,...",
        type=frame_ranges,
        help="of SET, counted from 0, in the order that is given",
    )
    parser.set_defaults(usual=parser.get_default)
    files = parser.add_argument_group("files")
    files.add_argument(
        "--format",
        metavar="F,...",
        type=_list,
        help="memh ($readmemh text), mem (AMD, with address), coe and xmif (Xilinx), mif (Intel), bin (little-endian "
        "words), npy (default: memh and npy; npy alone where memh would be over 64 MiB)",
    )
    files.add_argument(
        "--order", default="nhwc", help="of axes, outermost first: n, then c, h and w in any order (default: nhwc)"
    )
    files.add_argument(
        "--fold",
        metavar="E,NAME=E,...",
        type=_fold,
        default={},
        help="elements a word along the innermost axis, of all values and of some by name (default: 1)",
    )
    files.add_argument(
        "--nodes",
        metavar="A,B,...",
        type=_list,
        help="nodes to write (default: all), by name or glob; of the whole network these are the outputs that the "
        "bench compares, in place of the network's",
    )
    add_words(parser)
    group = parser.add_argument_group("parts of the network, a set each")
    group.add_argument(
        "--jobs",
        type=positive,
        metavar="N",
        help="sets that are made at a time; they do not depend on it (default: one a CPU, where there are many)",
    )
    parts = group.add_mutually_exclusive_group()
    parts.add_argument("--isolated", action="store_true", help="each node alone")
    parts.add_argument(
        "--chains", action="store_true", help="linear nodes with the threshold, requant or table that follows them"
    )
    parts.add_argument(
        "--block",
        metavar="[NAME=]GLOB,...",
        type=_block,
        action="append",
        help="the nodes whose names match, as one, called NAME; may be given several times",
    )
    stimuli = parser.add_argument_group("directed stimuli")
    stimuli.add_argument(
        "--cover", metavar="PERCENT", type=_percent, help="of bins to reach (default: 100 for parts, none otherwise)"
    )
    stimuli.add_argument("--seed", metavar="N", type=natural, help="of the search (default: 0)")
    stimuli.add_argument("--rounds", metavar="R", type=natural, help="of the search; a manifest says how many it took")
    stimuli.add_argument(
        "--time-limit",
        metavar="S",
        type=positive,
        help=f"seconds after which no round begins (default: {TIME_LIMIT} for the whole network without --rounds)",
    )
    stimuli.add_argument("--masks", action="store_true", help="with --isolated: demand masks as stimuli as well")


def _list(text: str) -> list[str]:
    return text.split(",")


def _block(text: str) -> tuple[str, list[str]]:
    """The name of a block and its globs; without a name it is called as its globs are written."""
    name, equals, globs = text.partition("=")
    if not equals:
        name = globs = text
    if not name or not name.isprintable() or len(name) > MAX_NAME or not all(globs.split(",")):
        raise argparse.ArgumentTypeError(f"{text!r} is not GLOB,... or NAME=GLOB,...")
    return name, globs.split(",")


def _fold(text: str) -> dict[str, int]:
    folds = {}
    for part in text.split(","):
        name, _, elements = part.rpartition("=")
        if name in folds:
            raise argparse.ArgumentTypeError(f"{text!r} gives {name or 'the number for all values'} twice")
        folds[name] = positive(elements)
    return folds


def _percent(text: str) -> float:
    return real(text, 100, "a number above 0 and up to 100")


def check_options(arguments: argparse.Namespace) -> None:
    """Raise DataError for options that do not go together."""
    if arguments.frames is not None:
        _check_alone(arguments)
        return
    parts = arguments.isolated or arguments.chains or arguments.block is not None
    if arguments.masks and not arguments.isolated:
        raise DataError("--masks is for single nodes; give --isolated with it")
    if arguments.jobs is not None and not parts:
        raise DataError("--jobs is of sets, and there is one; give it with --isolated, --chains or --block")
    if arguments.block is not None and arguments.nodes is not None:
        raise DataError("--nodes and --block both choose nodes; give one of them")
    names = [name for name, _ in arguments.block or ()]
    for name in names:
        if names.count(name) > 1:
            raise DataError(f"{names.count(name)} blocks are called {name!r}; give each a name of its own, NAME=GLOB")
    search = {"--seed": arguments.seed, "--rounds": arguments.rounds, "--time-limit": arguments.time_limit}
    for name, value in search.items():
        if value is not None and not parts and arguments.cover is None:
            raise DataError(
                f"{name} is of directed stimuli; ask for them with --cover, --isolated, --chains or --block"
            )
    if arguments.limit is not None and not arguments.images:
        raise DataError("--limit is of images, and none are given")


def check_images(arguments: argparse.Namespace) -> None:
    """Raise DataError when there is nothing to make vectors of."""
    parts = arguments.isolated or arguments.chains or arguments.block is not None
    if not arguments.images and not parts and arguments.cover is None:
        raise DataError(
            "there are no images; give some, or ask for directed stimuli with --cover, --isolated or --chains"
        )


def _check_alone(arguments: argparse.Namespace) -> None:
    """Frames of a set are as the set is: nothing else is to be said of them."""
    beside = {"verb", "argv", "model", "output", "force", "resume", "frames", "json", "usual"}
    for name, value in vars(arguments).items():
        if name not in beside and value not in (arguments.usual(name), []):
            option = "IMAGE" if name == "images" else f"--{name.replace('_', '-')}"
            raise DataError(f"--frames takes all but the frames from the set; leave {option} out")
